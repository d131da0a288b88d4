// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"

namespace graft::data {

struct SyntheticOptions {
  std::int64_t train = 10000, test = 2000;
  std::uint64_t seed = 0;
  double hard = 0.4;  ///< share of examples in the difficult tail
};

/// Ten shapes and textures of 32 x 32 on coloured grounds, drawn by formula: needs no file. Classes
/// are balanced (label = id mod 10). Every example has a difficulty: most are easy and alike
/// (large, strong contrast, clean), a tail is small, faint, noisy, partly hidden and blended with
/// another class. A pure function of (seed, split, id), the same on every machine.
class Synthetic final : public Dataset {
 public:
  static constexpr int kClasses = 10;
  static constexpr int kSide = 32;

  Synthetic(const SyntheticOptions& options, Split split);

  std::string name() const override;
  std::int64_t size() const override { return static_cast<std::int64_t>(difficulty_.size()); }
  const std::vector<std::string>& class_names() const override;
  ImageSize image_size() const override { return {kSide, kSide}; }
  int label(std::int64_t id) const override;
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override;
  std::string fingerprint() const override;
  /// How hard example `id` was made, in [0, 1].
  [[nodiscard]] double difficulty(std::int64_t id) const;

 private:
  SyntheticOptions options_;
  Split split_;
  std::vector<float> difficulty_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace graft::data
