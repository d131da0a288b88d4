// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/graph.h"

#include <algorithm>
#include <utility>

namespace graft {

const char* name(NodeKind kind) {
  switch (kind) {
    case NodeKind::kInput:
      return "Input";
    case NodeKind::kLayer:
      return "Layer";
    case NodeKind::kSelect:
      return "Select";
    case NodeKind::kKeep:
      return "Keep";
    case NodeKind::kShare:
      return "Share";
  }
  return "?";
}

ValueId Graph::push(Node node) {
  GRAFT_CHECK(!node.name.empty(), "graph: a node needs a name");
  const auto id = static_cast<ValueId>(nodes_.size());
  const bool fresh = index_.emplace(node.name, id).second;
  GRAFT_CHECK(fresh, "graph: two nodes are called ", node.name);
  next_ordinal_ = std::max(next_ordinal_, node.ordinal + 1);
  nodes_.push_back(std::move(node));
  return id;
}

ValueId Graph::input(const std::string& name, const Shape& shape, DType dtype) {
  GRAFT_CHECK(shape.rank() >= 1 && shape[0] == 1, "graph: input ", name,
              " needs the shape of one example, got ", shape);
  return push({.kind = NodeKind::kInput,
               .name = name,
               .layer = nullptr,
               .inputs = {},
               .shape = shape,
               .dtype = dtype,
               .frozen = false,
               .label = "",
               .ordinal = next_ordinal_});
}

ValueId Graph::add(const std::string& name, LayerPtr layer, std::vector<ValueId> inputs) {
  std::vector<Shape> shapes;
  for (const ValueId v : inputs) shapes.push_back(node(v).shape);
  LayerPlan plan;
  try {
    plan = layer->plan(shapes);
  } catch (const Error& e) {
    fail(e.code(), "node ", name, ": ", e.what());
  }
  return push({.kind = NodeKind::kLayer,
               .name = name,
               .layer = std::move(layer),
               .inputs = std::move(inputs),
               .shape = plan.y,
               .dtype = plan.dtype,
               .frozen = false,
               .label = "",
               .ordinal = next_ordinal_});
}

ValueId Graph::identity(NodeKind kind, const std::string& name, ValueId value,
                        const std::string& label) {
  return push({.kind = kind,
               .name = name,
               .layer = nullptr,
               .inputs = {value},
               .shape = node(value).shape,
               .dtype = node(value).dtype,
               .frozen = false,
               .label = label,
               .ordinal = next_ordinal_});
}

ValueId Graph::select(const std::string& name, ValueId losses, const std::string& policy_slot) {
  GRAFT_CHECK(node(losses).shape.rank() == 1, "Select ", name,
              ": expects one loss an example (N), got ", node(losses).shape);
  return identity(NodeKind::kSelect, name, losses, policy_slot);
}

ValueId Graph::keep(const std::string& name, ValueId value) {
  return identity(NodeKind::kKeep, name, value, "");
}

ValueId Graph::share(const std::string& name, ValueId value, const std::string& label) {
  return identity(NodeKind::kShare, name, value, label);
}

ValueId Graph::append(const Node& from, std::vector<ValueId> inputs) {
  if (from.kind == NodeKind::kLayer) {
    const ValueId id = add(from.name, from.layer, std::move(inputs));
    nodes_.back().frozen = from.frozen;
    nodes_.back().ordinal = from.ordinal;
    next_ordinal_ = std::max(next_ordinal_, from.ordinal + 1);
    return id;
  }
  Node copy = from;
  copy.inputs = std::move(inputs);
  return push(std::move(copy));
}

void Graph::mark_output(const std::string& name, ValueId value) {
  for (const auto& o : outputs_) GRAFT_CHECK(o.name != name, "graph: two outputs called ", name);
  (void)node(value);
  outputs_.push_back({name, value});
}

const Node& Graph::node(ValueId id) const {
  GRAFT_CHECK(id >= 0 && id < static_cast<ValueId>(nodes_.size()), "graph: no value ", id);
  return nodes_[static_cast<std::size_t>(id)];
}

ValueId Graph::find(const std::string& node_name) const {
  const auto it = index_.find(node_name);
  return it == index_.end() ? kNoValue : it->second;
}

ValueId Graph::output(const std::string& name) const {
  std::string known;
  for (const auto& o : outputs_) {
    if (o.name == name) return o.value;
    known += (known.empty() ? "" : ", ") + o.name;
  }
  fail(Errc::kInvalidArgument, "graph: no output '", name, "'; there are: ", known);
}

void Graph::freeze(ValueId value) {
  std::vector<bool> wanted(nodes_.size(), false);
  wanted[static_cast<std::size_t>(value)] = true;
  for (std::size_t i = static_cast<std::size_t>(value) + 1; i-- > 0;) {
    if (!wanted[i]) continue;
    nodes_[i].frozen = true;
    for (const ValueId in : nodes_[i].inputs) wanted[static_cast<std::size_t>(in)] = true;
  }
}

std::vector<std::vector<ValueId>> Graph::consumers() const {
  std::vector<std::vector<ValueId>> readers(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (const ValueId in : nodes_[i].inputs) {
      readers[static_cast<std::size_t>(in)].push_back(static_cast<ValueId>(i));
    }
  }
  return readers;
}

std::vector<Shape> Graph::input_shapes(ValueId id, std::int64_t n) const {
  std::vector<Shape> shapes;
  for (const ValueId in : node(id).inputs) shapes.push_back(shape(in, n));
  return shapes;
}

std::vector<std::pair<std::string, ParamSpec>> Graph::param_specs() const {
  std::vector<std::pair<std::string, ParamSpec>> specs;
  for (const Node& n : nodes_) {
    if (n.layer == nullptr) continue;
    for (ParamSpec& spec : n.layer->params()) {
      specs.emplace_back(n.name + "." + spec.name, std::move(spec));
    }
  }
  return specs;
}

std::int64_t Graph::flops() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].layer == nullptr) continue;
    total += nodes_[i].layer->flops(input_shapes(static_cast<ValueId>(i), 1));
  }
  return total;
}

}  // namespace graft
