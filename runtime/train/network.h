// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "engine/device/recording.h"
#include "graph/exec/activation_cache.h"
#include "graph/exec/executor.h"
#include "layers/optim/optimizer.h"
#include "runtime/data/batch.h"
#include "runtime/train/time_split.h"

namespace graft::train {

/// One classifier with everything that trains it: fused graph, parameters, executor, optimizer.
/// The graph needs inputs "image" and "label" and outputs "logits" and "loss".
class Network {
 public:
  struct Options {
    std::int64_t max_batch = 128;
    OptimizerOptions optimizer;
    std::uint64_t seed = 0;         ///< of the initial weights and of dropout
    DType precision = DType::kF32;  ///< of activations; kBF16 on Backend::kCuda only
    CacheMode cache = CacheMode::kRecompute;
    /// With kReuse: how batch norm is back-propagated on some of its rows.
    RowSparseNorm row_sparse_norm = RowSparseNorm::kRefuse;
    /// On Backend::kCuda: whether step() records what it repeats and runs it by one call. The same
    /// numbers, bit for bit.
    bool record_steps = true;
  };
  /// Throws Error(kUsage) naming the first layer that couples the rows of a batch if `cache` is
  /// kReuse and row_sparse_norm kRefuse, or if the backend has no training in `precision`.
  Network(Context& ctx, const Graph& graph, const Options& options);

  /// Examples of a batch and who they are. x (N,H,W,3) f32 and y (N) i32 on the context's device.
  struct Rows {
    Tensor x, y;
    std::span<const std::int64_t> ids;
    std::span<const std::uint32_t> epochs;
    bool ids_on_device = false;  ///< ids and epochs, for what is recorded
  };

  /// Rows of a batch in host memory: its own tensors where the context computes on the host, else
  /// copies on the device that hold until the next call, of at most max_batch rows.
  [[nodiscard]] Rows rows_of(const data::Batch& batch);

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
  /// are then untouched. A recorded step counts wholly as time.backward.
  StepResult step(const Rows& rows, std::span<const float> weights, double lr, std::int64_t step,
                  const Scores& scores, TimeSplit& time);

  // The parts of a step, for gradients that are collected over several slices.

  /// Whether the Select node asks its policy during forward_train.
  enum class Selecting : std::uint8_t { kNo, kYes };
  /// Forward in training mode; what backward reads is kept. Throws Error(kNumerical) naming
  /// examples if a loss is not finite. `scores` as in step(); `step`: the update it is for.
  void forward_train(const Rows& rows, Selecting selecting, std::int64_t step,
                     const Scores& scores);
  /// Backward of sum_i weights[i] * loss[row[i]] of the forward_train before, whose rows were
  /// `rows`: on these rows alone (kReuse), or on all (kMasked). row: ascending, unique, not empty.
  /// Does not synchronise.
  void backward(const Rows& rows, std::span<const std::int32_t> row, std::span<const float> weights,
                GradMode mode);
  /// Multiplies the gradients by `scale`, checks them, and makes update number `step`; returns
  /// their norm.  Throws Error(kNumerical) as step().
  double update(double scale, double lr, std::int64_t step);

  // For what is recorded together with a selection.

  /// Weighs each of `rows` rows 1 / rows in the steps that enqueue_step() enqueues, until step() or
  /// backward() weighs them otherwise.
  void weigh_equally(std::int64_t rows);
  /// Enqueues the training step of `rows` as `control` says, bytes of a kernels::UpdateControl that
  /// gets the verdict. The weights' version is the caller's to bump. Returns the losses. Does not
  /// synchronise.
  Tensor enqueue_step(const Rows& rows, const Tensor& control);
  /// Enqueues score() of `rows` without reading; returns the losses. Does not synchronise.
  Tensor enqueue_scores(const Rows& rows);
  /// Throws what step() throws of losses or a gradient that are not finite.
  [[noreturn]] void refuse_update(std::int64_t step) const;

  /// Steps so far that one call enqueued.
  [[nodiscard]] std::int64_t recorded_runs() const { return recorded_runs_; }
  [[nodiscard]] CacheMode cache() const { return options_.cache; }
  [[nodiscard]] Executor& executor() { return executor_; }
  [[nodiscard]] ParamStore& params() { return params_; }
  [[nodiscard]] Optimizer& optimizer() { return optimizer_; }
  [[nodiscard]] const Graph& graph() const { return executor_.graph(); }
  [[nodiscard]] Context& context() { return ctx_; }

 private:
  /// The step of rows at one place, as it is repeated.
  struct RecordedStep {
    const void *x = nullptr, *y = nullptr;
    std::int64_t rows = 0;
    int runs = 0;                     // call by call, to warm up
    std::unique_ptr<Recording> work;  // null: not yet
    Tensor loss, correct;
  };
  struct StepOutputs {
    Tensor loss, correct;
  };

  void bind(const Rows& rows);
  /// Null: the step has to go call by call.
  [[nodiscard]] RecordedStep* recorded(const Rows& rows, const Scores& scores);
  /// Makes recorded_rows_ of them: those whose ids and epochs a recording reads on the device.
  void place_ids(const Rows& rows);
  void record_step(RecordedStep& step);
  /// Forward to update; weight_ holds the weights.
  StepOutputs enqueue_update(const Rows& rows, const Tensor& control);
  StepResult run_recorded(RecordedStep& recorded, const Rows& rows, std::span<const float> weights,
                          double lr, std::int64_t step, const Scores& scores, TimeSplit& time);
  [[nodiscard]] std::string first_bad_gradient() const;

  Context& ctx_;
  Options options_;
  ParamStore params_;
  Executor executor_;
  Optimizer optimizer_;
  ValueId image_, label_, logits_, loss_;
  Tensor weight_;                      // (max_batch)
  Tensor image_bf16_;                  // (max_batch, H, W, 3), with kBF16
  Tensor staged_x_, staged_y_;         // of rows_of(), on a device
  Tensor confidence_, gradient_norm_;  // (max_batch), once somebody asks
  std::list<RecordedStep> recorded_;
  bool can_record_ = true;  // until something in the step cannot be recorded
  std::int64_t recorded_runs_ = 0;
  Rows recorded_rows_;                 // of the step in work; ids and epochs in the two below
  Tensor device_ids_, device_epochs_;  // (max_batch), with recorded_
  Tensor control_;                     // bytes of an UpdateControl, with recorded_
  std::vector<ParamId> projected_;     // filters whose gradient loses its part along them

  // Of the rows of a backward; members so that a warm step allocates nothing.
  std::vector<std::int64_t> row_ids_;
  std::vector<std::uint32_t> row_epochs_;
  std::vector<float> row_weights_;
};

/// Throws Error(kNumerical) naming examples if a loss is not finite.
void check_losses(std::span<const float> losses, std::span<const std::int64_t> ids,
                  std::int64_t step);

}  // namespace graft::train
