// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"
#include "runtime/train/network.h"
#include "runtime/train/probe_options.h"

namespace graft::train {

/// Looks at a network at the ends of epochs, for reports, and leaves it as it was: weights, buffers
/// and optimizer bit by bit. Each look costs a few batches whatever the size of the data set:
/// - confidence: softmax probability of the label on test images, as quantiles, and the accuracy in
///   twenty groups of rising confidence (Jiang 2020, Fig. 3.9 and 3.10);
/// - gradient_similarity: gradient of the highest-loss part of a training batch, and of a random
///   part, against that of the whole batch: mean cosine over parameter tensors, share of equal
///   signs, and the same with |g| < 1e-5 taken as agreement (Fig. 3.5);
/// - watch: losses of five training images and their percentiles among a fixed sample (Fig. 3.6);
/// - extreme_losses: the images of that sample with the lowest and highest mean loss over the
///   epochs so far, with thumbnails in the last record (Fig. 3.2).
class Probes {
 public:
  struct Options {
    ProbeOptions which;
    std::int64_t batch = 128;  ///< at most the network's
    std::uint64_t seed = 0;    ///< of augmentation, order and dropout
    data::AugmentOptions train_augment, test_augment;
  };
  /// `network` must outlive the probes.
  Probes(Network& network, data::DatasetPtr train, data::DatasetPtr test, Options options);

  /// The records of an epoch (from 1); `last`: of the run's last one. Synchronises.
  [[nodiscard]] std::vector<Json> end_of_epoch(int epoch, bool last);

  /// What a checkpoint keeps: loss sums of the sample, then the epochs in them.
  [[nodiscard]] const std::vector<float>& state() const { return loss_sums_; }
  /// Inverse of state(); nothing, as from a run without probes, starts afresh.
  void restore(const std::vector<float>& state);

 private:
  [[nodiscard]] Json confidence(int epoch);
  [[nodiscard]] Json gradient_similarity(int epoch);
  [[nodiscard]] Json watch(int epoch, std::span<const float> losses) const;
  [[nodiscard]] Json extreme_losses(int epoch, bool with_images) const;

  /// Losses of the sample in evaluation mode.
  [[nodiscard]] std::vector<float> sample_losses();
  /// Gradient of the mean loss over `ids` in training mode: one list a parameter tensor.
  [[nodiscard]] std::vector<std::vector<float>> gradient(std::span<const std::int64_t> ids,
                                                         std::uint32_t epoch);

  Network& network_;
  data::DatasetPtr train_, test_;
  Options options_;
  std::vector<std::int64_t> sample_, test_sample_;  // ids
  std::vector<float> loss_sums_;
};

/// How alike two gradients are, one list a parameter tensor each.
struct GradientSimilarity {
  double cosine = 0;            ///< mean over tensors in which neither is zero
  double sign = 0;              ///< share of elements of equal sign, zero being one of three
  double sign_small_agree = 0;  ///< the authors': |g| < 1e-5 is zero, and zero agrees with all
};
[[nodiscard]] GradientSimilarity similarity(const std::vector<std::vector<float>>& a,
                                            const std::vector<std::vector<float>>& b);

}  // namespace graft::train
