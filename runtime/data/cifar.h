// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"

namespace graft::data {

/// One member of the CIFAR family in its binary layout: records of label bytes, then 32 x 32 pixels
/// of each colour plane. Source: www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
struct CifarLayout {
  std::string kind;  ///< "cifar10"
  std::vector<std::string> train_files, test_files;
  std::int64_t records_per_train_file = 0, records_per_test_file = 0;
  int label_bytes = 1;  ///< the last one is the class
  int classes = 0;
  std::string names_file;  ///< one class name per line; may be absent
};

[[nodiscard]] const CifarLayout& cifar10_layout();
/// With its 100 fine classes.
[[nodiscard]] const CifarLayout& cifar100_layout();

/// All images of one split in memory, interleaved.
class Cifar final : public Dataset {
 public:
  /// `folder` holds the .bin files, or the folder of the official archive that holds them. Throws
  /// Error(kData) naming the file, expected and actual bytes, and what to do.
  Cifar(const CifarLayout& layout, const std::filesystem::path& folder, Split split);

  std::string name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  ImageSize image_size() const override;
  int label(std::int64_t id) const override;
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::optional<Normalization> published_normalization() const override;

 private:
  void load_file(const CifarLayout& layout, const std::filesystem::path& path,
                 std::int64_t records);
  void load_names(const CifarLayout& layout, const std::filesystem::path& folder);

  std::string name_, fingerprint_;
  std::vector<std::string> class_names_;
  std::vector<std::uint8_t> labels_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace graft::data
