// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/label_noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "engine/io/hash.h"

namespace graft::data {
namespace {

/// "Epochs" of the label-noise streams: which examples, which class, which permutation.
enum Stream : std::uint32_t { kWhich = 0, kClass = 1, kPermutation = 2 };

RngKey key(std::uint64_t seed, Stream stream, std::uint64_t id) {
  return {.seed = seed, .purpose = RngPurpose::kLabelNoise, .epoch = stream, .id = id};
}

/// Draws without replacement into the first `count` places.
template <class T>
void partial_shuffle(std::vector<T>& values, std::size_t count, Philox rng) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t j = i + rng.below(static_cast<std::uint32_t>(values.size() - i));
    std::swap(values[i], values[j]);
  }
}

}  // namespace

LabelNoise::LabelNoise(DatasetPtr base, LabelNoiseKind kind, double fraction, std::uint64_t seed)
    : DatasetDecorator(std::move(base)) {
  GRAFT_CHECK(fraction >= 0 && fraction <= 1, "label noise of ", fraction);
  const std::int64_t n = size();
  GRAFT_CHECK(n < (std::int64_t{1} << 32), "label noise on ", n, " examples");
  for (std::int64_t id = 0; id < n; ++id) labels_.push_back(this->base().label(id));
  const bool uniform = kind == LabelNoiseKind::kUniformFlip;
  const double wanted = fraction * static_cast<double>(n);
  const auto count = static_cast<std::int64_t>(uniform ? std::llround(wanted) : std::floor(wanted));
  description_ = detail::cat(uniform ? "uniform_flip " : "permute_prefix ", count, " seed ", seed);
  if (uniform) {
    flip(count, seed);
  } else {
    permute(count, seed);
  }
  for (std::int64_t id = 0; id < n; ++id) {
    if (label(id) != this->base().label(id)) changed_.push_back(id);
  }
}

void LabelNoise::flip(std::int64_t count, std::uint64_t seed) {
  GRAFT_CHECK(count == 0 || classes() >= 2, "label noise needs two classes");
  std::vector<std::int64_t> ids(labels_.size());
  std::iota(ids.begin(), ids.end(), 0);
  partial_shuffle(ids, static_cast<std::size_t>(count), Philox(key(seed, kWhich, 0)));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto id = static_cast<std::size_t>(ids[static_cast<std::size_t>(i)]);
    const auto others = static_cast<std::uint32_t>(classes() - 1);
    const auto step = static_cast<int>(1 + Philox(key(seed, kClass, id)).below(others));
    labels_[id] = (labels_[id] + step) % classes();
  }
}

void LabelNoise::permute(std::int64_t count, std::uint64_t seed) {
  std::vector<std::int32_t> prefix(labels_.begin(), labels_.begin() + count);
  partial_shuffle(prefix, prefix.size(), Philox(key(seed, kPermutation, 0)));
  std::copy(prefix.begin(), prefix.end(), labels_.begin());
}

int LabelNoise::label(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return labels_[static_cast<std::size_t>(id)];
}

std::string LabelNoise::fingerprint() const {
  return sha256("label noise " + description_ + " " + base().fingerprint());
}

}  // namespace graft::data
