// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/exec/activation_cache.h"
#include "graph/exec/saved_set.h"
#include "graph/ir/graph.h"
#include "graph/plan/execution_plan.h"
#include "layers/core/param.h"

namespace graft {

/// What a Select node yields: rows ascending, one weight each.
struct RowSelection {
  std::vector<std::int32_t> rows;
  std::vector<float> weights;
};

/// Per-example losses, on the host -> the chosen rows.
using SelectPolicyFn = std::function<RowSelection(std::span<const float> losses)>;

struct ExecutorOptions {
  std::int64_t max_batch = 1;
  DType dtype = DType::kF32;  ///< f64: the reference path, for gradient checks; bf16: on kCuda
  ValueId loss = kNoValue;    ///< value that backward() starts from; kNoValue: inference only
  Tape tape = Tape::kWhole;   ///< kCompactable: compact() may be called
  /// How compact() takes layers that couple the rows.
  RowSparseNorm row_sparse_norm = RowSparseNorm::kRefuse;
};

/// Runs one graph for any batch up to max_batch. All memory is planned and allocated in the
/// constructor; after a first step of each kind nothing is allocated.
/// Enqueues on the context; only Select nodes and the caller's copies synchronise.
class Executor {
 public:
  /// `params` must have been made from graph.param_specs() and outlive the executor, as must `ctx`.
  Executor(Context& ctx, Graph graph, ParamStore& params, const ExecutorOptions& options);

  /// Gives an input its tensor (batch first) for the following runs; the memory must hold that
  /// long.
  void bind(ValueId input, const Tensor& tensor);
  /// Plugs a policy into the Select nodes of `slot`.
  void set_policy(const std::string& slot, SelectPolicyFn policy);

  /// Runs all nodes. Every bound input must have the same number of rows, at most max_batch.
  void forward(Phase phase, const RowIds& rows = {});
  /// forward(Phase::kTrain) with the Select nodes run: a selection forward whose activations a
  /// backward may use.
  void forward_and_select(const RowIds& rows = {});
  /// Keeps `row` (ascending, unique, not empty) of the last training forward and forgets the other
  /// rows: what follows (backward, value, saved) sees a batch of these only. All rows: changes
  /// nothing. Does not synchronise.  Throws Error(kInvalidArgument) naming the first layer whose
  /// rows are not independent if row_sparse_norm is kRefuse, Error(kInternal) as backward().
  void compact(std::span<const std::int32_t> row);
  /// Gradients of sum_n weight[n] * loss[n] into the store's gradient block; right after a training
  /// forward, once.  weight (N).  Throws Error(kInternal) if the parameters moved since.
  void backward(const Tensor& weight, const RowIds& rows = {},
                GradMode param_mode = GradMode::kOverwrite);

  /// A value of the last forward: outputs, kept values and inputs always; others may have been
  /// reused.
  [[nodiscard]] Tensor value(ValueId id) const;
  /// A saved tensor of the last forward, e.g. "correct" of a loss that is an output.
  [[nodiscard]] Tensor saved(ValueId node, std::string_view name) const;
  /// What the Select node chose in the last forward(kSelect); empty if it has no policy.
  [[nodiscard]] const RowSelection& selection(ValueId node) const;
  /// The value of a Keep node, stamped.
  [[nodiscard]] SavedSet kept(ValueId node) const;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const ExecutionPlan& forward_plan() const { return eval_.plan; }
  /// Throws Error(kInvalidArgument) for an inference executor.
  [[nodiscard]] const ExecutionPlan& training_plan() const;
  [[nodiscard]] std::size_t arena_bytes() const { return arena_.bytes(); }
  /// Parameters and number of the last forward.
  [[nodiscard]] ForwardStamp stamp() const { return {params_.version(), run_}; }

  /// Called after every node with its seconds (and a synchronisation); for profiles. Empty: off.
  using Observer = std::function<void(ValueId node, bool backward, double seconds)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  struct PhaseState {
    ExecutionPlan plan;
    std::int64_t rows = -1;  // batch that `tensors` is laid out for
    std::vector<Tensor> tensors;
  };
  struct NodeParams {
    std::vector<Tensor> values, grads;
  };

  void run_nodes(Phase phase, const RowIds& rows, bool select);
  void lay_out(PhaseState& state, std::int64_t rows);
  [[nodiscard]] std::int64_t bound_rows() const;
  [[nodiscard]] Tensor slot_value(const PhaseState& state, ValueId id) const;
  void gather_inputs(const PhaseState& state, ValueId id);
  void forward_layer(PhaseState& state, ValueId id, Phase phase, const RowIds& rows);
  void backward_layer(PhaseState& state, ValueId id, const Tensor& weight, const RowIds& rows,
                      GradMode param_mode);
  void run_select(ValueId id);

  Context& ctx_;
  Graph graph_;
  ParamStore& params_;
  ExecutorOptions options_;
  Buffer arena_;
  PhaseState eval_;
  std::optional<PhaseState> train_;
  std::optional<ActivationCache> tape_;  // of train_
  PhaseState* last_ = nullptr;           // state of the last forward
  std::vector<Tensor> bound_;            // one a node; empty unless an input
  std::vector<NodeParams> node_params_;
  std::map<std::string, SelectPolicyFn> policies_;
  std::map<ValueId, RowSelection> selections_;
  std::vector<float> host_losses_;
  std::vector<Tensor> x_, saved_, dx_;       // scratch of one node
  std::uint64_t run_ = 0, run_version_ = 0;  // forwards so far; parameter version of the last
  Phase last_phase_ = Phase::kEval;
  Observer observer_;
};

}  // namespace graft
