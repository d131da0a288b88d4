// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"

namespace graft::data {

enum class LabelNoiseKind {
  /// Exactly round(fraction * N) labels, drawn without replacement, each become another class drawn
  /// uniformly. Source: Ren et al., "Learning to Reweight Examples", ICML 2018.
  kUniformFlip,
  /// The labels of the first floor(fraction * N) examples are permuted among themselves; the class
  /// counts stay. Source: the published Selective-Backprop code.
  kPermutePrefix,
};

/// Wrong labels on purpose, a function of (kind, fraction, seed) and the ids only.
class LabelNoise final : public DatasetDecorator {
 public:
  /// `fraction` in [0, 1].
  LabelNoise(DatasetPtr base, LabelNoiseKind kind, double fraction, std::uint64_t seed);

  int label(std::int64_t id) const override;
  std::string fingerprint() const override;
  /// Ids whose label differs from the base's, ascending.
  [[nodiscard]] const std::vector<std::int64_t>& changed() const { return changed_; }

 private:
  void flip(std::int64_t count, std::uint64_t seed);
  void permute(std::int64_t count, std::uint64_t seed);

  std::vector<std::int32_t> labels_;
  std::vector<std::int64_t> changed_;
  std::string description_;
};

}  // namespace graft::data
