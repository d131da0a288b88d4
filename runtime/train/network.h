// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/exec/executor.h"
#include "layers/optim/optimizer.h"
#include "runtime/train/time_split.h"

namespace graft::train {

/// One classifier with everything that trains it: fused graph, parameters, executor, optimizer.
/// The graph needs inputs "image" and "label" and outputs "logits" and "loss".
class Network {
 public:
  struct Options {
    std::int64_t max_batch = 128;
    OptimizerOptions optimizer;
    std::uint64_t seed = 0;  ///< of the initial weights and of dropout
  };
  Network(Context& ctx, const Graph& graph, const Options& options);

  /// Examples of a batch and who they are. x (N,H,W,3) f32 and y (N) i32 on the context's device.
  struct Rows {
    Tensor x, y;
    std::span<const std::int64_t> ids;
    std::span<const std::uint32_t> epochs;
  };

  /// Where the scores of rows go: one element a row each, or empty where they are not wanted.
  struct Scores {
    std::span<float> losses;
    std::span<std::uint8_t> correct = {};
    std::span<float> confidences = {}, gradient_norms = {};  ///< both or none
  };

  /// Scores of every row under the current weights: evaluation mode, nothing kept, nothing changed.
  /// Synchronises.
  void score(const Rows& rows, Phase phase, const Scores& out);
  /// Scores of the rows of the forward that ran last, or that has reached the loss. Synchronises.
  void read_scores(const Scores& out);

  struct StepResult {
    double weighted_loss = 0;  ///< sum of weight * loss
    double gradient_norm = 0;
  };
  /// Forward in training mode, backward of sum_n weight[n] * loss[n], update number `step` (from
  /// 1). `scores`: of the training forward, losses at least.  Throws Error(kNumerical) before the
  /// update, naming examples or the parameter, if a loss or a gradient is not finite: the weights
  /// are then untouched.
  StepResult step(const Rows& rows, std::span<const float> weights, double lr, std::int64_t step,
                  const Scores& scores, TimeSplit& time);

  [[nodiscard]] Executor& executor() { return executor_; }
  [[nodiscard]] ParamStore& params() { return params_; }
  [[nodiscard]] Optimizer& optimizer() { return optimizer_; }
  [[nodiscard]] const Graph& graph() const { return executor_.graph(); }
  [[nodiscard]] Context& context() { return ctx_; }

 private:
  void bind(const Rows& rows);
  [[nodiscard]] std::string first_bad_gradient() const;

  Context& ctx_;
  std::uint64_t seed_;
  ParamStore params_;
  Executor executor_;
  Optimizer optimizer_;
  ValueId image_, label_, logits_, loss_;
  Tensor weight_;                      // (max_batch)
  Tensor confidence_, gradient_norm_;  // (max_batch), once somebody asks
};

}  // namespace graft::train
