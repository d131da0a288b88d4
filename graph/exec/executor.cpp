// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/executor.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace graft {
namespace {

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

/// Calls the observer, if any, with the time since construction.
class NodeTimer {
 public:
  NodeTimer(Context& ctx, const Executor::Observer& observer, ValueId node, bool backward)
      : ctx_(ctx), observer_(observer), node_(node), backward_(backward) {
    if (observer_) start_ = Clock::now();
  }
  void stop() {
    if (!observer_) return;
    ctx_.synchronize();
    observer_(node_, backward_, std::chrono::duration<double>(Clock::now() - start_).count());
  }

 private:
  using Clock = std::chrono::steady_clock;
  Context& ctx_;
  const Executor::Observer& observer_;
  ValueId node_;
  bool backward_;
  Clock::time_point start_;
};

/// Runs f; an error of the device or of its memory gets the layer's name.
template <class F>
void naming(const Node& node, const char* pass, const F& f) {
  try {
    f();
  } catch (const Error& e) {
    const bool of_device = e.code() == Errc::kUnavailable || e.code() == Errc::kOutOfMemory ||
                           e.code() == Errc::kUnsupported;
    if (!of_device) throw;
    fail(e.code(), "layer ", node.name, ", ", pass, ": ", e.what());
  }
}

/// The layer with the most bytes in the arena: "NAME (BYTES bytes)".
std::string largest_layer(const Graph& graph, const ExecutionPlan& plan) {
  std::map<ValueId, std::size_t> bytes;
  for (const PlannedTensor& t : plan.tensors) bytes[t.node] += t.lifetime.bytes;
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return detail::cat(graph.node(most->first).name, " (", most->second, " bytes)");
}

/// The arena of `plan_of(max_batch)`; if it does not fit, Error(kOutOfMemory) that says what does.
template <class PlanOf>
Buffer make_arena(MemoryResource& memory, const Graph& graph, std::int64_t max_batch,
                  std::size_t bytes, const PlanOf& plan_of) {
  try {
    return {memory, bytes};
  } catch (const Error& e) {
    if (e.code() != Errc::kOutOfMemory) throw;
    std::int64_t fits = max_batch / 2;
    for (; fits >= 1; fits /= 2) {
      try {
        const Buffer trial(memory, plan_of(fits).memory.bytes);
        break;
      } catch (const Error&) {  // nor this one
      }
    }
    fail(Errc::kOutOfMemory, "activations of a batch of ", max_batch, " take ", bytes,
         " bytes, most of them for layer ", largest_layer(graph, plan_of(max_batch)), "; ",
         fits > 0 ? detail::cat("a batch of ", fits, " fits") : "not even a batch of 1 fits", " (",
         e.what(), ")");
  }
}

}  // namespace

Executor::Executor(Context& ctx, Graph graph, ParamStore& params, const ExecutorOptions& options)
    : ctx_(ctx), graph_(std::move(graph)), params_(params), options_(options) {
  eval_.plan = plan_forward(graph_, options.max_batch, options.dtype);
  std::size_t bytes = eval_.plan.memory.bytes;
  if (options.loss != kNoValue) {
    train_.emplace();
    train_->plan =
        plan_training(graph_, options.loss, options.max_batch, options.dtype, options.tape);
    tape_.emplace(train_->plan);
    bytes = std::max(bytes, train_->plan.memory.bytes);
  }
  arena_ = make_arena(ctx.memory(), graph_, options.max_batch, bytes, [&](std::int64_t batch) {
    return train_ ? plan_training(graph_, options.loss, batch, options.dtype, options.tape)
                  : plan_forward(graph_, batch, options.dtype);
  });
  bound_.resize(graph_.nodes().size());
  node_params_.resize(graph_.nodes().size());
  for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
    const Node& n = graph_.nodes()[i];
    if (n.layer == nullptr) continue;
    for (const ParamSpec& spec : n.layer->params()) {
      const ParamId id = params_.find(n.name + "." + spec.name);
      GRAFT_CHECK(id >= 0, "executor: the parameter store lacks ", n.name, ".", spec.name);
      node_params_[i].values.push_back(params_.entry(id).value);
      node_params_[i].grads.push_back(params_.entry(id).grad);
    }
  }
}

const ExecutionPlan& Executor::training_plan() const {
  GRAFT_CHECK(train_.has_value(), "executor: made for inference only");
  return train_->plan;
}

void Executor::bind(ValueId input, const Tensor& tensor) {
  const Node& n = graph_.node(input);
  GRAFT_CHECK(n.kind == NodeKind::kInput, "executor: ", n.name, " is not an input");
  const DType expected = n.dtype == DType::kF32 ? options_.dtype : n.dtype;
  GRAFT_CHECK(tensor.dtype() == expected, "executor: input ", n.name, " expects ", name(expected),
              ", got ", name(tensor.dtype()));
  GRAFT_CHECK(tensor.shape().rank() == n.shape.rank() && tensor.shape()[0] >= 1 &&
                  tensor.shape().with_batch(1) == n.shape,
              "executor: input ", n.name, " expects ", n.shape, " an example, got ",
              tensor.shape());
  GRAFT_CHECK(tensor.shape()[0] <= options_.max_batch, "executor: batch ", tensor.shape()[0],
              " exceeds the planned ", options_.max_batch);
  bound_[at(input)] = tensor;
}

void Executor::set_policy(const std::string& slot, SelectPolicyFn policy) {
  policies_[slot] = std::move(policy);
}

std::int64_t Executor::bound_rows() const {
  std::int64_t rows = -1;
  for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
    const Node& n = graph_.nodes()[i];
    if (n.kind != NodeKind::kInput) continue;
    GRAFT_CHECK(!bound_[i].empty(), "executor: input ", n.name, " is not bound");
    const std::int64_t r = bound_[i].shape()[0];
    GRAFT_CHECK(rows == -1 || rows == r, "executor: inputs of ", rows, " and ", r, " rows");
    rows = r;
  }
  return rows;
}

void Executor::lay_out(PhaseState& state, std::int64_t rows) {
  if (state.rows == rows) return;
  state.tensors.resize(state.plan.tensors.size());
  for (std::size_t i = 0; i < state.tensors.size(); ++i) {
    const PlannedTensor& t = state.plan.tensors[i];
    state.tensors[i] =
        Tensor::borrow(static_cast<std::byte*>(arena_.data()) + state.plan.memory.offset[i],
                       t.per_row ? t.shape.with_batch(rows) : t.shape, t.dtype);
  }
  state.rows = rows;
}

Tensor Executor::slot_value(const PhaseState& state, ValueId id) const {
  const ValueId source = storage_of(graph_, id);
  if (graph_.node(source).kind == NodeKind::kInput) {
    const SlotId kept = state.plan.nodes[at(source)].kept_rows;
    const bool compacted = kept != kNoSlot && tape_->compacted();
    return compacted ? state.tensors[at(kept)] : bound_[at(source)];
  }
  return state.tensors[at(state.plan.nodes[at(source)].y)];
}

void Executor::gather_inputs(const PhaseState& state, ValueId id) {
  x_.clear();
  for (const ValueId v : graph_.node(id).inputs) x_.push_back(slot_value(state, v));
  saved_.clear();
  for (const SlotId s : state.plan.nodes[at(id)].saved) saved_.push_back(state.tensors[at(s)]);
}

void Executor::forward(Phase phase, const RowIds& rows) {
  run_nodes(phase, rows, phase == Phase::kSelect);
}

void Executor::forward_and_select(const RowIds& rows) { run_nodes(Phase::kTrain, rows, true); }

void Executor::run_nodes(Phase phase, const RowIds& rows, bool select) {
  GRAFT_CHECK(phase != Phase::kTrain || train_.has_value(),
              "executor: made for inference only, cannot run a training forward");
  PhaseState& state = phase == Phase::kTrain ? *train_ : eval_;
  lay_out(state, bound_rows());
  last_ = &state;
  last_phase_ = phase;
  ++run_;
  run_version_ = params_.version();
  if (phase == Phase::kTrain) tape_->fill(stamp());
  for (ValueId id = 0; id < static_cast<ValueId>(graph_.nodes().size()); ++id) {
    const Node& n = graph_.node(id);
    if (n.kind == NodeKind::kLayer) {
      naming(n, "forward", [&] { forward_layer(state, id, phase, rows); });
    }
    if (n.kind == NodeKind::kSelect && select) run_select(id);
  }
}

void Executor::forward_layer(PhaseState& state, ValueId id, Phase phase, const RowIds& rows) {
  const Node& n = graph_.node(id);
  gather_inputs(state, id);
  NodeTimer timer(ctx_, observer_, id, false);
  n.layer->forward({.ctx = ctx_,
                    .phase = phase,
                    .frozen = n.frozen,
                    .x = x_,
                    .params = node_params_[at(id)].values,
                    .param_version = params_.version(),
                    .saved = saved_,
                    .rows = rows,
                    .ordinal = n.ordinal,
                    .y = state.tensors[at(state.plan.nodes[at(id)].y)]});
  timer.stop();
}

void Executor::run_select(ValueId id) {
  RowSelection& chosen = selections_[id];
  const auto policy = policies_.find(graph_.node(id).label);
  if (policy == policies_.end()) {
    chosen = {};
    return;
  }
  const Tensor losses = slot_value(*last_, id);
  const auto n = static_cast<std::size_t>(losses.numel());
  host_losses_.resize(n);
  if (losses.dtype() == DType::kF32) {
    copy_to_host(ctx_, losses, host_losses_.data());
  } else {
    std::vector<double> wide(n);
    copy_to_host(ctx_, losses, wide.data());
    std::transform(wide.begin(), wide.end(), host_losses_.begin(),
                   [](double v) { return static_cast<float>(v); });
  }
  chosen = policy->second(host_losses_);
}

void Executor::compact(std::span<const std::int32_t> row) {
  GRAFT_CHECK(last_ != nullptr && last_phase_ == Phase::kTrain,
              "executor: compact needs a training forward first");
  GRAFT_CHECK(options_.tape == Tape::kCompactable, "executor: not planned to be compacted");
  const ExecutionPlan& plan = train_->plan;
  const auto count = static_cast<std::int64_t>(row.size());
  GRAFT_CHECK(count > 0, "executor: compact to no rows");
  GRAFT_CHECK(plan.row_separable || options_.row_sparse_norm != RowSparseNorm::kRefuse,
              "executor: backward on some of the rows is not exact, since ", plan.first_inseparable,
              " couples them");
  if (count == train_->rows) return;
  tape_->compact(ctx_, stamp(), row, train_->tensors, bound_);
  lay_out(*train_, count);
}

void Executor::backward(const Tensor& weight, const RowIds& rows, GradMode param_mode) {
  GRAFT_CHECK(last_ != nullptr && last_phase_ == Phase::kTrain,
              "executor: backward needs a training forward first");
  GRAFT_CHECK_EQ(weight.shape(), graph_.shape(options_.loss, train_->rows),
                 "executor: one weight an example");
  tape_->consume(stamp());
  for (auto id = static_cast<ValueId>(graph_.nodes().size()) - 1; id >= 0; --id) {
    if (!train_->plan.nodes[at(id)].runs_backward) continue;
    naming(graph_.node(id), "backward",
           [&] { backward_layer(*train_, id, weight, rows, param_mode); });
  }
}

void Executor::backward_layer(PhaseState& state, ValueId id, const Tensor& weight,
                              const RowIds& rows, GradMode param_mode) {
  const Node& n = graph_.node(id);
  const NodePlan& plan = state.plan.nodes[at(id)];
  gather_inputs(state, id);
  dx_.clear();
  for (std::size_t j = 0; j < plan.dx.size(); ++j) {
    // A gradient that nobody wants has a shape but no memory.
    dx_.push_back(plan.dx[j] == kNoSlot ? Tensor::borrow(nullptr, x_[j].shape(), x_[j].dtype())
                                        : state.tensors[at(plan.dx[j])]);
  }
  const Tensor none;
  const auto batch_stats =
      tape_->compacted() ? subset_stats(options_.row_sparse_norm) : kernels::NormStats::kBatch;
  NodeTimer timer(ctx_, observer_, id, true);
  n.layer->backward({.ctx = ctx_,
                     .frozen = n.frozen,
                     .x = x_,
                     .y = state.tensors[at(plan.y)],
                     .params = node_params_[at(id)].values,
                     .param_version = params_.version(),
                     .saved = saved_,
                     .rows = rows,
                     .ordinal = n.ordinal,
                     .dy = plan.dy == kNoSlot ? weight : state.tensors[at(plan.dy)],
                     .dy2 = plan.dy2 == kNoSlot ? none : state.tensors[at(plan.dy2)],
                     .dx_mode = plan.dx_mode,
                     .dx = dx_,
                     .param_mode = param_mode,
                     .dparams = node_params_[at(id)].grads,
                     .batch_stats = batch_stats});
  timer.stop();
}

Tensor Executor::value(ValueId id) const {
  if (last_ == nullptr) return bound_[at(storage_of(graph_, id))];
  return slot_value(*last_, id);
}

Tensor Executor::saved(ValueId node, std::string_view name) const {
  GRAFT_CHECK(last_ != nullptr, "executor: nothing has run yet");
  for (const SlotId s : last_->plan.nodes[at(node)].saved) {
    if (last_->plan.tensors[at(s)].name == name) return last_->tensors[at(s)];
  }
  fail(Errc::kInvalidArgument, "executor: ", graph_.node(node).name, " saves no '", name, "'");
}

const RowSelection& Executor::selection(ValueId node) const {
  static const RowSelection none;
  const auto it = selections_.find(node);
  return it == selections_.end() ? none : it->second;
}

SavedSet Executor::kept(ValueId node) const {
  GRAFT_CHECK(graph_.node(node).kind == NodeKind::kKeep, "executor: ", graph_.node(node).name,
              " is not a Keep node");
  return {value(node), {run_version_, run_}};
}

}  // namespace graft
