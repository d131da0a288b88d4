// SPDX-License-Identifier: Apache-2.0
// Trains one candidate of a family.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "layers/optim/lr_policy.h"
#include "runtime/finetune/candidate_graph.h"
#include "runtime/finetune/examples.h"
#include "runtime/finetune/feature_cache.h"
#include "runtime/train/network.h"

namespace graft::finetune {

struct TrainSettings {
  int epochs = 40;   ///< at most
  int patience = 5;  ///< epochs without a smaller validation loss after which training ends
  std::int64_t batch = 32;
  double lr = 1e-3;
  std::string lr_policy = "fixed";  ///< as `graft train --lr-policy`; its clock counts updates
  std::uint64_t seed = 1337;        ///< of the order of the examples
};

struct EpochResult {
  double lr = 0;                   ///< of its last update
  double train_loss = 0;           ///< mean over the epoch
  double validation_loss = 0;      ///< after it
  double validation_accuracy = 0;  ///< after it
};

/// A candidate network in training or with its best weights.
class CandidateTrainer {
 public:
  /// The candidate with `frozen` frozen leading layers of `graph`; its inputs are `rows`, the
  /// values at `start`. `weights`: of every layer of `graph`, to start from. All must outlive it.
  CandidateTrainer(Context& ctx, const Graph& graph, const ParamStore& weights,
                   const BranchPoint& start, const BranchPoint& frozen, const Examples& examples,
                   InputRows& rows, const TrainSettings& settings);

  /// What train() came to.
  struct Training {
    std::vector<EpochResult> history;
    int best_epoch = 0;  ///< from 1; the one whose weights were kept
  };
  /// Trains by Adam until the validation loss has not fallen for `patience` epochs or all epochs
  /// are done, then takes back the weights with the smallest one. Nothing if a signal asked to
  /// stop. Frozen layers use their running statistics and stay as they are, bit for bit.
  /// Throws Error(kNumerical) if a loss or a gradient is not finite.
  [[nodiscard]] std::optional<Training> train();

  /// Logits (ids, classes) in evaluation, and losses.
  struct Scores {
    std::vector<float> logits, losses;
  };
  [[nodiscard]] Scores score(std::span<const std::int64_t> ids);

  [[nodiscard]] const ParamStore& params() { return network_.params(); }

 private:
  /// Mean loss of an epoch's updates; nothing if interrupted.
  std::optional<double> train_epoch(int epoch, EpochResult& result);
  void validate(EpochResult& result);
  [[nodiscard]] train::Network::Rows rows_of(std::span<const std::int64_t> ids);

  Context& ctx_;
  const Examples& examples_;
  InputRows& input_;
  TrainSettings settings_;
  LrPolicy lr_;
  std::string name_;  // for progress
  train::Network network_;
  Tensor labels_;                      // (batch)
  std::vector<std::uint32_t> epochs_;  // of the rows of a batch: dropout is keyed by them
  std::int64_t step_ = 0;
};

}  // namespace graft::finetune
