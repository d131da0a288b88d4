// SPDX-License-Identifier: Apache-2.0
// What training and evaluation know of data: labelled 8-bit RGB images of one size, by example id.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/io/image.h"

namespace graft::data {

enum class Split { kTrain, kTest };

/// "train" or "test".
[[nodiscard]] const char* name(Split split);

struct ImageSize {
  int height = 0, width = 0;
  [[nodiscard]] std::size_t bytes() const { return std::size_t{3} * height * width; }
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// Per channel, of pixels scaled to [0, 1].
struct Normalization {
  double mean[3] = {0.5, 0.5, 0.5};
  double stddev[3] = {0.25, 0.25, 0.25};
  friend bool operator==(const Normalization&, const Normalization&) = default;
};

/// A file that could not be used.
struct BadFile {
  std::string path;
  std::string reason;
};

/// One split. Immutable once made; every method may be called from several threads.
class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  /// What was opened, e.g. "cifar10:DIR", for reports.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Examples; ids are 0 .. size() - 1.
  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;
  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }
  [[nodiscard]] virtual ImageSize image_size() const = 0;
  [[nodiscard]] virtual int label(std::int64_t id) const = 0;
  /// Writes the pixels (height, width, 3) of one example. Throws Error(kData).
  virtual void read(std::int64_t id, std::span<std::uint8_t> hwc) const = 0;
  /// What people know an example by: its file below the data set's folder, if it has one.
  [[nodiscard]] virtual std::string example_name(std::int64_t id) const {
    return std::to_string(id);
  }
  /// One example as it is stored, before it is brought to image_size(), for a model that has its
  /// own preprocessing. Throws Error(kData).
  [[nodiscard]] virtual ImageU8 original(std::int64_t id) const;
  /// SHA-256 of what determines the examples: the same data give the same text on every machine.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// Published mean and standard deviation, if there are any.
  [[nodiscard]] virtual std::optional<Normalization> published_normalization() const { return {}; }
  /// Whether a mirrored image still belongs to its class.
  [[nodiscard]] virtual bool mirror_invariant() const { return true; }
  /// Files met so far that could not be used, each once.
  [[nodiscard]] virtual std::vector<BadFile> bad_files() const { return {}; }
};

using DatasetPtr = std::shared_ptr<const Dataset>;

/// A dataset seen through another one; forwards everything but what a subclass changes.
class DatasetDecorator : public Dataset {
 public:
  explicit DatasetDecorator(DatasetPtr base);
  std::string name() const override { return base_->name(); }
  std::int64_t size() const override { return base_->size(); }
  const std::vector<std::string>& class_names() const override { return base_->class_names(); }
  ImageSize image_size() const override { return base_->image_size(); }
  int label(std::int64_t id) const override { return base_->label(id); }
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override { base_->read(id, hwc); }
  std::string example_name(std::int64_t id) const override { return base_->example_name(id); }
  ImageU8 original(std::int64_t id) const override { return base_->original(id); }
  std::optional<Normalization> published_normalization() const override {
    return base_->published_normalization();
  }
  bool mirror_invariant() const override { return base_->mirror_invariant(); }
  std::vector<BadFile> bad_files() const override { return base_->bad_files(); }

 protected:
  [[nodiscard]] const Dataset& base() const { return *base_; }

 private:
  DatasetPtr base_;
};

/// Some examples of another dataset, renumbered in the order given.
class Subset final : public DatasetDecorator {
 public:
  Subset(DatasetPtr base, std::vector<std::int64_t> ids);
  std::int64_t size() const override { return static_cast<std::int64_t>(ids_.size()); }
  int label(std::int64_t id) const override { return base().label(base_id(id)); }
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override {
    base().read(base_id(id), hwc);
  }
  std::string example_name(std::int64_t id) const override {
    return base().example_name(base_id(id));
  }
  ImageU8 original(std::int64_t id) const override { return base().original(base_id(id)); }
  std::string fingerprint() const override;
  /// Id in the base of example `id`.
  [[nodiscard]] std::int64_t base_id(std::int64_t id) const;

 private:
  std::vector<std::int64_t> ids_;
};

/// Data sets of the same classes and image size one after another. The first one says what is
/// known of all: name, normalisation.
class Joined final : public DatasetDecorator {
 public:
  explicit Joined(std::vector<DatasetPtr> parts);
  std::int64_t size() const override { return ends_.back(); }
  int label(std::int64_t id) const override;
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override;
  std::string example_name(std::int64_t id) const override;
  std::string fingerprint() const override;
  std::vector<BadFile> bad_files() const override;

 private:
  struct Place {
    const Dataset* part;
    std::int64_t id;
  };
  [[nodiscard]] Place find(std::int64_t id) const;

  std::vector<DatasetPtr> parts_;
  std::vector<std::int64_t> ends_;  ///< id behind the last of each part
};

/// `count` examples (all, if there are not more), drawn without replacement by Philox at `seed` so
/// that data sorted by class stay mixed; ascending ids.
[[nodiscard]] DatasetPtr limit_examples(DatasetPtr base, std::int64_t count,
                                        std::uint64_t seed = 0);

/// `count` examples drawn without replacement by Philox at `seed`, and the rest. Throws
/// Error(kConfig) unless at least one example is left.
struct HeldOut {
  DatasetPtr kept, held;
};
[[nodiscard]] HeldOut hold_out(DatasetPtr base, std::int64_t count, std::uint64_t seed = 0);

/// The order 0 .. n-1 of one epoch: Fisher-Yates by Philox (seed, kShuffle, epoch). n < 2^32.
[[nodiscard]] std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed,
                                                    std::uint32_t epoch);

/// The published values, or mean and standard deviation of at most `sample` examples spread evenly
/// over the ids (exact integer sums: the same on every machine).
[[nodiscard]] Normalization normalization_of(const Dataset& dataset, std::int64_t sample = 2000);

}  // namespace graft::data
