// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "engine/io/hash.h"

namespace graft::data {
namespace {

/// Epoch of the stream that draws a training subset; no training run gets there.
constexpr std::uint32_t kSubsetEpoch = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kHoldOutEpoch = kSubsetEpoch - 1;

}  // namespace

const char* name(Split split) { return split == Split::kTrain ? "train" : "test"; }

ImageU8 Dataset::original(std::int64_t id) const {
  ImageU8 image(image_size().height, image_size().width);
  read(id, image.pixels);
  return image;
}

DatasetDecorator::DatasetDecorator(DatasetPtr base) : base_(std::move(base)) {
  GRAFT_CHECK(base_ != nullptr, "no data set to decorate");
}

Subset::Subset(DatasetPtr base, std::vector<std::int64_t> ids)
    : DatasetDecorator(std::move(base)), ids_(std::move(ids)) {
  for (const std::int64_t id : ids_) {
    GRAFT_CHECK(id >= 0 && id < this->base().size(), "id ", id, " of ", this->base().size());
  }
}

std::int64_t Subset::base_id(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return ids_[static_cast<std::size_t>(id)];
}

std::string Subset::fingerprint() const {
  Sha256 hash;
  hash.update("subset " + base().fingerprint() + " ");
  hash.update(ids_.data(), ids_.size() * sizeof ids_[0]);
  return hash.hex();
}

Joined::Joined(std::vector<DatasetPtr> parts)
    : DatasetDecorator(parts.empty() ? nullptr : parts.front()), parts_(std::move(parts)) {
  std::int64_t end = 0;
  for (const DatasetPtr& part : parts_) {
    GRAFT_CHECK(part->class_names() == class_names() && part->image_size() == image_size(),
                part->name(), " and ", name(), " differ in classes or size");
    ends_.push_back(end += part->size());
  }
}

Joined::Place Joined::find(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  const auto at = std::upper_bound(ends_.begin(), ends_.end(), id) - ends_.begin();
  const auto part = static_cast<std::size_t>(at);
  return {parts_[part].get(), part == 0 ? id : id - ends_[part - 1]};
}

int Joined::label(std::int64_t id) const {
  const Place p = find(id);
  return p.part->label(p.id);
}

void Joined::read(std::int64_t id, std::span<std::uint8_t> hwc) const {
  const Place p = find(id);
  p.part->read(p.id, hwc);
}

std::string Joined::example_name(std::int64_t id) const {
  const Place p = find(id);
  return p.part->example_name(p.id);
}

std::string Joined::fingerprint() const {
  Sha256 hash;
  for (const DatasetPtr& part : parts_) hash.update("joined " + part->fingerprint() + " ");
  return hash.hex();
}

std::vector<BadFile> Joined::bad_files() const {
  std::vector<BadFile> all;
  for (const DatasetPtr& part : parts_) {
    const auto bad = part->bad_files();
    all.insert(all.end(), bad.begin(), bad.end());
  }
  return all;
}

DatasetPtr limit_examples(DatasetPtr base, std::int64_t count, std::uint64_t seed) {
  GRAFT_CHECK(count >= 1, "a limit of ", count, " examples");
  if (count >= base->size()) return base;
  std::vector<std::int64_t> ids = epoch_order(base->size(), seed, kSubsetEpoch);
  ids.resize(static_cast<std::size_t>(count));
  std::sort(ids.begin(), ids.end());
  return std::make_shared<Subset>(std::move(base), std::move(ids));
}

HeldOut hold_out(DatasetPtr base, std::int64_t count, std::uint64_t seed) {
  if (count < 1 || count >= base->size()) {
    fail(Errc::kConfig, "cannot hold out ", count, " of ", base->size(), " training examples");
  }
  std::vector<std::int64_t> ids = epoch_order(base->size(), seed, kHoldOutEpoch);
  std::vector<std::int64_t> held(ids.begin(), ids.begin() + count);
  ids.erase(ids.begin(), ids.begin() + count);
  std::sort(held.begin(), held.end());
  std::sort(ids.begin(), ids.end());
  return {.kept = std::make_shared<Subset>(base, std::move(ids)),
          .held = std::make_shared<Subset>(base, std::move(held))};
}

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::uint32_t epoch) {
  GRAFT_CHECK(n >= 0 && n < (std::int64_t{1} << 32), "order of ", n, " examples");
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  Philox rng({.seed = seed, .purpose = RngPurpose::kShuffle, .epoch = epoch, .id = 0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng.below(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

Normalization normalization_of(const Dataset& dataset, std::int64_t sample) {
  if (const auto published = dataset.published_normalization()) return *published;
  const std::int64_t count = std::min(sample, dataset.size());
  Normalization result;
  if (count < 1) return result;
  std::vector<std::uint8_t> pixels(dataset.image_size().bytes());
  std::uint64_t sum[3] = {}, squares[3] = {};
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.read(i * dataset.size() / count, pixels);
    for (std::size_t p = 0; p < pixels.size(); ++p) {
      const std::uint64_t value = pixels[p];
      sum[p % 3] += value;
      squares[p % 3] += value * value;
    }
  }
  constexpr double kLevels = 255.0;
  constexpr double kLeastStddev = 1.0 / kLevels;  // a constant channel must not divide by zero
  const double n = static_cast<double>(count) * static_cast<double>(pixels.size() / 3);
  for (int c = 0; c < 3; ++c) {
    const double mean = static_cast<double>(sum[c]) / n;
    const double variance = static_cast<double>(squares[c]) / n - mean * mean;
    result.mean[c] = mean / kLevels;
    result.stddev[c] = std::max(std::sqrt(std::max(variance, 0.0)) / kLevels, kLeastStddev);
  }
  return result;
}

}  // namespace graft::data
