// SPDX-License-Identifier: Apache-2.0
// The plug-in interface of sample selection. A policy sees example ids, losses and uniforms.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "sampler/select/train_queue.h"

namespace graft {

struct EpochInfo {
  std::int64_t epoch = 0;     ///< from 0
  std::int64_t examples = 0;  ///< in the training set
};

/// Which examples an epoch draws its candidates from; the trainer shuffles.
struct EpochPlan {
  bool all = true;                ///< every example once; the lists are empty
  std::vector<std::int64_t> ids;  ///< otherwise these
  std::vector<float> weights;     ///< of their losses; empty: 1
};

/// A slice of candidates, all lists of one length unless stated. The uniforms are in [0, 1), the
/// caller draws them from a stream keyed by the example, so that a decision depends on nothing
/// else.
struct Candidates {
  std::span<const std::int64_t> ids;
  std::span<const float> losses;    ///< NaN where no selection forward was asked for; may be empty
                                    ///< if none was
  std::span<const float> u_select;  ///< decides
  std::span<const float> u_score;   ///< scores, where a policy scores at random
};

struct Selection {
  std::vector<std::int32_t> rows;   ///< of the slice, ascending
  std::vector<float> weights;       ///< of the losses of `rows`
  std::vector<double> probability;  ///< of each candidate; empty if the policy takes all
};

/// What a checkpoint keeps of a policy.
struct SamplerState {
  Json meta;
  std::map<std::string, std::vector<float>> arrays;
};

/// Decides which candidates are backpropagated. One object lives through a run; calls come from one
/// thread. Options are checked at construction.
class Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler() = default;

  /// Its name on the command line.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// The options in force, for run.json.
  [[nodiscard]] virtual Json describe() const = 0;
  /// How the trainer queues what is selected.
  [[nodiscard]] virtual QueueOptions queue_options() const { return {}; }

  virtual EpochPlan before_epoch(const EpochInfo& info);
  /// Sets out[i] to 1 where select() needs the loss of ids[i], else to 0. Same lengths.
  virtual void needs_selection_forward(std::span<const std::int64_t> ids,
                                       std::span<std::uint8_t> out) const = 0;
  /// Throws Error(kNumerical) that names the example if a loss that it needs is not finite.
  virtual Selection select(const Candidates& candidates) = 0;
  /// Losses of the training forward, where they cost nothing. Same lengths.
  virtual void on_training_losses(std::span<const std::int64_t> ids, std::span<const float> losses);
  virtual void end_of_epoch(const EpochInfo& info);

  [[nodiscard]] virtual SamplerState state() const;
  /// Inverse of state(). Throws Error(kModel) if it belongs to another policy or is damaged.
  virtual void restore(const SamplerState& state);
};

}  // namespace graft
