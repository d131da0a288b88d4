// SPDX-License-Identifier: Apache-2.0
// Which training examples carry a wrong label, and which are merely rare.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft {

/// Examples of a trained network, row i of every list one example.
struct LabelEvidence {
  std::span<const float> features;  ///< (N, dim): activations before the classifier
  std::int64_t dim = 0;
  std::span<const std::int32_t> labels;  ///< in [0, classes)
  std::span<const float> losses;         ///< mean loss of each example over the training so far
  int classes = 0;
};

enum class LabelVerdict : std::uint8_t {
  kPlain,     ///< nothing speaks against its label
  kMislabel,  ///< high loss, and close to the examples of another class
  kRare,      ///< high loss, and far from the examples of every class: worth learning
};

struct LabelOpinion {
  LabelVerdict verdict = LabelVerdict::kPlain;
  std::int32_t nearest = 0;  ///< class whose centre is nearest
  float margin = 0;          ///< cosine to the nearest other class minus cosine to its own
  float posterior = 0;       ///< probability that the label is wrong, of the margin's mixture
};

/// Clusters the activations around one centre a class, taken over the half of the class with the
/// lowest losses, which noise reaches last. The margins towards another class are a mixture of two
/// normal distributions, fitted by expectation maximisation; a mislabel has more than `threshold`
/// posterior of the upper one and a loss above the median.
/// Source: thesis 6.2; spec selective-backprop 3.5, item 10. Deterministic.
/// Throws Error(kInvalidArgument) for lists that do not fit together or fewer than two classes.
[[nodiscard]] std::vector<LabelOpinion> judge_labels(const LabelEvidence& evidence,
                                                     double threshold = 0.8);

/// Of flags against the truth: precision (1 if nothing is flagged) and recall (1 if nothing is
/// wrong). Lists of ids in ascending order.
struct FlagQuality {
  double precision = 1, recall = 1;
};
[[nodiscard]] FlagQuality flag_quality(std::span<const std::int64_t> flagged,
                                       std::span<const std::int64_t> wrong);

}  // namespace graft
