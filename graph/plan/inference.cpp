// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/inference.h"

#include <algorithm>
#include <utility>

#include "graph/ir/prune.h"
#include "graph/plan/fuse.h"

namespace graft {
namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

class InferenceForm {
 public:
  explicit InferenceForm(Graph graph)
      : from_(std::move(graph)), map_(from_.nodes().size(), kNoValue), norm_of_(map_) {}

  DerivedGraph build() {
    find_norms();
    for (ValueId id = 0; id < static_cast<ValueId>(map_.size()); ++id) add(id);
    for (const auto& o : from_.outputs()) out_.graph.mark_output(o.name, map_[at(o.value)]);
    out_.graph = fuse(out_.graph);
    return std::move(out_);
  }

 private:
  /// norm_of_[i]: the affine node that node i can take over, and norm_of_[that]: node i.
  void find_norms() {
    const auto readers = from_.consumers();
    for (ValueId id = 0; id < static_cast<ValueId>(map_.size()); ++id) {
      const Node& norm = from_.node(id);
      if (norm.kind != NodeKind::kLayer || !norm.layer->is_affine()) continue;
      const ValueId before = norm.inputs[0];
      const Node& n = from_.node(before);
      if (n.kind != NodeKind::kLayer || readers[at(before)].size() != 1 || is_output(before)) {
        continue;
      }
      const LayerPtr form = n.layer->inference_form();
      if (form == nullptr || !form->takes_affine()) continue;
      norm_of_[at(before)] = id;
      norm_of_[at(id)] = before;
    }
  }

  [[nodiscard]] bool is_output(ValueId v) const {
    return std::any_of(from_.outputs().begin(), from_.outputs().end(),
                       [v](const Graph::Output& o) { return o.value == v; });
  }

  void add(ValueId id) {
    const Node& n = from_.node(id);
    if (n.kind == NodeKind::kInput) {
      map_[at(id)] = out_.graph.append(n, {});
    } else if (n.kind != NodeKind::kLayer || n.layer->is_identity()) {
      map_[at(id)] = map_[at(n.inputs[0])];
    } else if (norm_of_[at(id)] == kNoValue) {
      const LayerPtr form = n.layer->inference_form();
      push(n, form == nullptr ? n.layer : form, n.inputs, {{n.name, n.layer}});
    } else if (n.layer->is_affine()) {
      add_folded(id);
    }  // else: its norm adds it
    if (map_[at(id)] == kNoValue && norm_of_[at(id)] == kNoValue) map_[at(id)] = last();
  }

  /// The convolution in front of norm `id`, with the norm, its residual and its activation.
  void add_folded(ValueId id) {
    const Node& norm = from_.node(id);
    const Node& n = from_.node(norm.inputs[0]);
    LayerPtr layer = n.layer->inference_form();
    auto inputs = n.inputs;
    if (norm.inputs.size() > 1) {
      layer = layer->with_residual();
      inputs.push_back(norm.inputs[1]);
    }
    if (norm.layer->fused_activation() != Activation::kNone) {
      layer = layer->with_activation(norm.layer->fused_activation());
    }
    push(n, layer, inputs, {{n.name, n.layer}, {norm.name, norm.layer}});
    map_[at(id)] = last();
  }

  void push(const Node& like, const LayerPtr& layer, const std::vector<ValueId>& inputs,
            std::vector<DerivedGraph::Source> from) {
    Node node = like;
    node.layer = layer;
    node.frozen = false;
    std::vector<ValueId> mapped;
    for (const ValueId v : inputs) mapped.push_back(map_[at(v)]);
    out_.graph.append(node, mapped);
    if (!layer->params().empty()) out_.rules.push_back({node.name, std::move(from)});
  }

  [[nodiscard]] ValueId last() const { return static_cast<ValueId>(out_.graph.nodes().size()) - 1; }

  Graph from_;
  std::vector<ValueId> map_;      // to out_.graph
  std::vector<ValueId> norm_of_;  // of the original
  DerivedGraph out_;
};

}  // namespace

DerivedGraph inference_form(const Graph& graph) {
  // First: a dead reader of a convolution would keep its norm from being folded.
  return InferenceForm(without_dead_nodes(graph)).build();
}

Graph with_input_shape(const Graph& graph, const std::string& input, const Shape& shape) {
  Graph out;
  for (Node node : graph.nodes()) {
    if (node.kind == NodeKind::kInput && node.name == input) node.shape = shape;
    if (node.kind != NodeKind::kInput && node.kind != NodeKind::kLayer) {
      node.shape = out.node(node.inputs[0]).shape;
    }
    const auto inputs = node.inputs;
    out.append(node, inputs);
  }
  for (const auto& o : graph.outputs()) out.mark_output(o.name, o.value);
  return out;
}

}  // namespace graft
