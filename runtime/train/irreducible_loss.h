// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "layers/optim/lr_policy.h"
#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"
#include "runtime/train/network.h"
#include "sampler/score/cost.h"

namespace graft::train {

struct IrreducibleLossOptions {
  Network::Options network;
  std::int64_t epochs = 1;
  std::int64_t batch = 128;
  std::uint64_t seed = 0;  ///< of order and augmentation
  data::AugmentOptions train_augment, eval_augment;
};

struct IrreducibleLosses {
  std::vector<float> by_id;  ///< one an example; NaN for those that the model trained on
  /// Forwards of the training, backprops, and the forwards that read the losses as selection
  /// forwards. Neither candidates nor updates: they are not the run's.
  Counters cost;
};

/// Trains a network of its own on the examples with odd ids of `dataset`, every one once an epoch,
/// and returns what it makes of those with even ids, in evaluation mode. `lr` is asked with the
/// progress of this training. Nothing if the process is asked to stop (StopSignal). Throws
/// Error(kConfig) for fewer than two examples, Error(kNumerical), Error(kData).
/// Source: Mindermann et al., "Prioritized Training on Points that are Learnable, Worth Learning,
/// and Not Yet Learnt", ICML 2022.
[[nodiscard]] std::optional<IrreducibleLosses> irreducible_losses(
    Context& ctx, const Graph& graph, const data::DatasetPtr& dataset, const LrPolicy& lr,
    const IrreducibleLossOptions& options);

}  // namespace graft::train
