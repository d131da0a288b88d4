// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/execution_plan.h"

#include <algorithm>

namespace graft {
namespace {

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

/// Time runs forward through the nodes, then backward through them: node i runs at step i and its
/// backward at step 2 * count - i.
class Planner {
 public:
  Planner(const Graph& graph, std::int64_t max_batch, DType dtype, Tape tape = Tape::kWhole)
      : graph_(graph),
        batch_(max_batch),
        dtype_(dtype),
        tape_(tape),
        count_(static_cast<int>(graph.nodes().size())) {
    GRAFT_CHECK(max_batch >= 1, "plan: batch must be >= 1, got ", max_batch);
    plan_.nodes.resize(graph.nodes().size());
    layer_.resize(graph.nodes().size());
    place_values();
  }

  void place_backward(ValueId loss) {
    const auto wanted = gradient_nodes(loss);
    contributions_.resize(graph_.nodes().size());
    for (ValueId i = count_ - 1; i >= 0; --i) {
      if (!wanted[at(i)] || graph_.node(i).kind != NodeKind::kLayer) continue;
      place_node_backward(i, i == loss, wanted);
    }
  }

  ExecutionPlan finish() {
    std::sort(plan_.tape.begin(), plan_.tape.end());
    plan_.tape.erase(std::unique(plan_.tape.begin(), plan_.tape.end()), plan_.tape.end());
    std::vector<Lifetime> lifetimes;
    for (auto& t : plan_.tensors) {
      t.lifetime.bytes = static_cast<std::size_t>(t.shape.numel()) * size_of(t.dtype);
      lifetimes.push_back(t.lifetime);
    }
    plan_.memory = plan_memory(lifetimes);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] int backward_time(ValueId i) const { return 2 * count_ - i; }
  /// When a tape is compacted.
  [[nodiscard]] int turn() const { return count_; }
  [[nodiscard]] int end() const { return 2 * count_ + 1; }
  [[nodiscard]] DType resolve(DType t) const { return t == DType::kF32 ? dtype_ : t; }
  /// Of statistics and losses, which bf16 leaves in f32.
  [[nodiscard]] DType resolve_exact(DType t) const {
    return t == DType::kF32 ? kernels::param_dtype(dtype_) : t;
  }

  SlotId new_slot(PlannedTensor t) {
    plan_.tensors.push_back(std::move(t));
    return static_cast<SlotId>(plan_.tensors.size() - 1);
  }
  void extend(SlotId slot, int time) {
    if (slot == kNoSlot) return;
    auto& life = plan_.tensors[at(slot)].lifetime;
    life.last = std::max(life.last, time);
  }

  /// `slot` is read at `time` of the backward, or by the caller.
  void keep(SlotId slot, int time) {
    if (slot == kNoSlot) return;
    extend(slot, time);
    plan_.tape.push_back(slot);
  }

  /// An input of the graph is read at `time` of the backward.
  void keep_input(ValueId input, int time) {
    if (tape_ == Tape::kWhole) return;
    SlotId& kept = plan_.nodes[at(input)].kept_rows;
    if (kept == kNoSlot) {
      const Node& n = graph_.node(input);
      kept = new_slot({.role = TensorRole::kSaved,
                       .node = input,
                       .name = n.name,
                       .shape = n.shape.with_batch(batch_),
                       .dtype = resolve(n.dtype),
                       .per_row = true,
                       .lifetime = {0, turn(), turn()}});
    }
    extend(kept, time);
  }

  void place_values() {
    for (ValueId i = 0; i < count_; ++i) {
      const Node& n = graph_.node(i);
      for (const ValueId v : n.inputs) extend(plan_.nodes[at(v)].y, i);
      if (n.kind == NodeKind::kInput) continue;
      if (n.kind != NodeKind::kLayer) {
        plan_.nodes[at(i)].y = plan_.nodes[at(n.inputs[0])].y;
        if (n.kind == NodeKind::kKeep) extend(plan_.nodes[at(i)].y, end());
        continue;
      }
      place_layer(i, n);
    }
    for (const auto& o : graph_.outputs()) {
      keep(plan_.nodes[at(o.value)].y, end());
      for (const SlotId s : plan_.nodes[at(o.value)].saved) keep(s, end());
    }
  }

  void place_layer(ValueId i, const Node& n) {
    layer_[at(i)] = n.layer->plan(graph_.input_shapes(i, batch_));
    const LayerPlan& lp = layer_[at(i)];
    NodePlan& np = plan_.nodes[at(i)];
    np.y = new_slot({.role = TensorRole::kValue,
                     .node = i,
                     .name = "",
                     .shape = lp.y,
                     .dtype = lp.exact ? resolve_exact(n.dtype) : resolve(n.dtype),
                     .per_row = true,
                     .lifetime = {0, i, i}});
    for (const SavedSpec& s : lp.saved) {
      np.saved.push_back(new_slot({.role = TensorRole::kSaved,
                                   .node = i,
                                   .name = std::string(s.name),
                                   .shape = s.shape,
                                   .dtype = resolve_exact(s.dtype),
                                   .per_row = s.batch_axis == 0,
                                   .lifetime = {0, i, i}}));
    }
  }

  /// Nodes whose backward runs: on a path from a wanted parameter to the loss.
  std::vector<bool> gradient_nodes(ValueId loss) const {
    std::vector<bool> wants(graph_.nodes().size(), false), reaches(graph_.nodes().size(), false);
    for (ValueId i = 0; i < count_; ++i) {
      const Node& n = graph_.node(i);
      if (n.frozen || n.kind == NodeKind::kInput) continue;
      bool want = n.layer && !n.layer->params().empty();
      for (const ValueId v : n.inputs) want = want || wants[at(v)];
      wants[at(i)] = want;
    }
    GRAFT_CHECK(wants[at(loss)], "plan: every parameter before ", graph_.node(loss).name,
                " is frozen; there is nothing to train");
    reaches[at(loss)] = true;
    for (ValueId i = loss; i >= 0; --i) {
      if (!reaches[at(i)] || graph_.node(i).frozen) continue;
      for (const ValueId v : graph_.node(i).inputs) reaches[at(v)] = true;
    }
    for (std::size_t i = 0; i < wants.size(); ++i) wants[i] = wants[i] && reaches[i];
    return wants;
  }

  void place_node_backward(ValueId i, bool is_loss, const std::vector<bool>& wanted) {
    const Node& n = graph_.node(i);
    const LayerPlan& lp = layer_[at(i)];
    NodePlan& np = plan_.nodes[at(i)];
    const int now = backward_time(i);
    np.runs_backward = true;
    if (!lp.row_separable && plan_.row_separable) {
      plan_.row_separable = false;
      plan_.first_inseparable = n.name;
    }
    if (lp.keeps_x) {
      for (const ValueId v : n.inputs) {
        const ValueId source = storage_of(graph_, v);
        if (graph_.node(source).kind == NodeKind::kInput) keep_input(source, now);
        keep(plan_.nodes[at(v)].y, now);
      }
    }
    if (lp.keeps_y) keep(np.y, now);
    for (const SlotId s : np.saved) keep(s, now);
    if (!is_loss) {
      const auto& c = contributions_[at(i)];
      np.dy = c[0];
      if (c.size() > 1) np.dy2 = c[1];
      for (const SlotId s : c) extend(s, now);
    }
    for (std::size_t j = 0; j < n.inputs.size(); ++j) place_dx(i, j, wanted);
  }

  void place_dx(ValueId i, std::size_t j, const std::vector<bool>& wanted) {
    NodePlan& np = plan_.nodes[at(i)];
    const LayerPlan& lp = layer_[at(i)];
    const ValueId u = storage_of(graph_, graph_.node(i).inputs[j]);
    if (!wanted[at(u)] || blocked(graph_.node(i).inputs[j])) {
      np.dx.push_back(kNoSlot);
      np.dx_mode.push_back(GradMode::kSkip);
      return;
    }
    auto& c = contributions_[at(u)];
    if (c.empty() && lp.backward_in_place == static_cast<int>(j) && np.dy != kNoSlot) {
      c.push_back(np.dy);  // dy is not read again behind this node
      np.dx_mode.push_back(GradMode::kOverwrite);
    } else if (c.empty() || (c.size() == 1 && layer_[at(u)].accepts_dy2)) {
      c.push_back(new_slot({.role = TensorRole::kGradient,
                            .node = u,
                            .name = "",
                            .shape = graph_.shape(u, batch_),
                            .dtype = dtype_,
                            .per_row = true,
                            .lifetime = {0, backward_time(i), backward_time(i)}}));
      np.dx_mode.push_back(GradMode::kOverwrite);
    } else {
      np.dx_mode.push_back(GradMode::kAccumulate);
      np.dx.push_back(c[0]);
      extend(c[0], backward_time(i));
      return;
    }
    np.dx.push_back(c.back());
    extend(c.back(), backward_time(i));
  }

  /// Whether a frozen identity stands between `value` and its storage.
  [[nodiscard]] bool blocked(ValueId value) const {
    while (graph_.node(value).kind != NodeKind::kLayer &&
           graph_.node(value).kind != NodeKind::kInput) {
      if (graph_.node(value).frozen) return true;
      value = graph_.node(value).inputs[0];
    }
    return false;
  }

  const Graph& graph_;
  std::int64_t batch_;
  DType dtype_;
  Tape tape_;
  int count_;
  std::vector<LayerPlan> layer_;
  std::vector<std::vector<SlotId>> contributions_;  // gradients of each value, at most two
  ExecutionPlan plan_;
};

}  // namespace

ValueId storage_of(const Graph& graph, ValueId value) {
  while (graph.node(value).kind != NodeKind::kLayer && graph.node(value).kind != NodeKind::kInput) {
    value = graph.node(value).inputs[0];
  }
  return value;
}

ExecutionPlan plan_forward(const Graph& graph, std::int64_t max_batch, DType dtype) {
  return Planner(graph, max_batch, dtype).finish();
}

ExecutionPlan plan_training(const Graph& graph, ValueId loss, std::int64_t max_batch, DType dtype,
                            Tape tape) {
  Planner planner(graph, max_batch, dtype, tape);
  planner.place_backward(loss);
  return planner.finish();
}

std::size_t tape_bytes(const ExecutionPlan& plan) {
  std::size_t bytes = 0;
  for (const SlotId s : plan.tape) bytes += plan.tensors[at(s)].lifetime.bytes;
  for (const NodePlan& n : plan.nodes) {
    if (n.kept_rows != kNoSlot) bytes += plan.tensors[at(n.kept_rows)].lifetime.bytes;
  }
  return bytes;
}

}  // namespace graft
