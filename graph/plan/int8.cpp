// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/int8.h"

#include <algorithm>
#include <map>

#include "layers/core/int8_cast.h"

namespace graft {
namespace {

constexpr float kMostU8 = 255, kMostI8 = 127;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

class Int8Form {
 public:
  Int8Form(const Graph& graph, const std::vector<std::string>& floating)
      : from_(graph), readers_(graph.consumers()), dtype_(graph.nodes().size(), DType::kF32) {
    for (const Node& n : graph.nodes()) {
      const bool floats = std::find(floating.begin(), floating.end(), n.name) != floating.end();
      traits_.push_back(n.kind != NodeKind::kLayer ? Int8Traits{} : n.layer->int8_traits());
      floats_.push_back(floats);
    }
  }

  Int8Graph build() {
    choose_dtypes();
    map_.resize(dtype_.size());
    for (ValueId id = 0; id < count(); ++id) add(id);
    for (const auto& o : from_.outputs()) out_.derived.graph.mark_output(o.name, map_[at(o.value)]);
    return std::move(out_);
  }

 private:
  [[nodiscard]] ValueId count() const { return static_cast<ValueId>(from_.nodes().size()); }
  /// What the layer does here: one that stays floating neither takes nor makes 8 bits.
  [[nodiscard]] Int8Traits traits(ValueId id) const {
    return floats_[at(id)] ? Int8Traits{.nonnegative = traits_[at(id)].nonnegative}
                           : traits_[at(id)];
  }

  /// Signs follow the makers; then values give up 8 bits until makers and readers all agree.
  void choose_dtypes() {
    for (ValueId id = 0; id < count(); ++id) {
      const Int8Traits t = traits(id);
      if (!t.makes || is_output(id)) continue;
      const bool passes = t.keeps_range;
      dtype_[at(id)] = passes          ? dtype_[at(from_.node(id).inputs[0])]
                       : t.nonnegative ? DType::kU8
                                       : DType::kI8;
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (ValueId id = 0; id < count(); ++id) {
        if (dtype_[at(id)] == DType::kF32 || allowed(id)) continue;
        dtype_[at(id)] = DType::kF32;
        changed = true;
      }
    }
  }

  [[nodiscard]] bool allowed(ValueId id) const {
    if (traits(id).keeps_range && dtype_[at(from_.node(id).inputs[0])] != dtype_[at(id)]) {
      return false;
    }
    return std::all_of(readers_[at(id)].begin(), readers_[at(id)].end(), [&](ValueId reader) {
      const Int8Traits t = traits(reader);
      return t.takes && (!t.keeps_range || dtype_[at(reader)] == dtype_[at(id)]);
    });
  }

  [[nodiscard]] bool is_output(ValueId v) const {
    return std::any_of(from_.outputs().begin(), from_.outputs().end(),
                       [v](const Graph::Output& o) { return o.value == v; });
  }

  void add(ValueId id) {
    const Node& n = from_.node(id);
    auto& graph = out_.derived.graph;
    if (n.kind == NodeKind::kInput) {
      map_[at(id)] = graph.append(n, {});
      return;
    }
    std::vector<ValueId> inputs;
    std::vector<DType> dtypes;
    for (std::size_t j = 0; j < n.inputs.size(); ++j) {
      const ValueId v = n.inputs[j];
      const bool cast = j == 0 && traits(id).needs && dtype_[at(v)] == DType::kF32;
      inputs.push_back(cast ? quantised(v) : map_[at(v)]);
      dtypes.push_back(graph.node(inputs.back()).dtype);
    }
    Node node = n;
    const LayerPtr form = floats_[at(id)] ? nullptr : n.layer->int8_form(dtypes, dtype_[at(id)]);
    if (form != nullptr) node.layer = form;
    map_[at(id)] = graph.append(node, inputs);
    const auto params = node.layer->params();
    if (params.empty()) return;
    // Without an 8-bit form a layer takes over its parameters as they are.
    out_.derived.rules.push_back({n.name, {{n.name, n.layer}}});
    for (const ParamSpec& p : params) {
      if (p.name == "x_scale") add_scale(n.name, p.name, n.inputs[0]);
      if (p.name == "residual_scale" && n.inputs.size() > 1) add_scale(n.name, p.name, n.inputs[1]);
      if (p.name == "y_scale") add_scale(n.name, p.name, id);
    }
  }

  /// The 8-bit twin of a floating value.
  ValueId quantised(ValueId v) {
    const auto found = twin_.find(v);
    if (found != twin_.end()) return found->second;
    auto& graph = out_.derived.graph;
    const DType to = v8(v);
    const std::string name = from_.node(v).name + ".quantised";
    const ValueId made = graph.add(name, int8_cast(DType::kF32, to), {map_[at(v)]});
    add_scale(name, "y_scale", v);
    return twin_[v] = made;
  }

  /// The value whose range `v` has.
  [[nodiscard]] ValueId source(ValueId v) const {
    while (traits_[at(v)].keeps_range) v = from_.node(v).inputs[0];
    return v;
  }

  /// Dtype of a value in 8 bits.
  [[nodiscard]] DType v8(ValueId v) const {
    if (dtype_[at(v)] != DType::kF32) return dtype_[at(v)];
    return traits_[at(source(v))].nonnegative ? DType::kU8 : DType::kI8;
  }

  void add_scale(const std::string& node, const std::string& param, ValueId v) {
    v = source(v);
    const auto [it, fresh] = value_.emplace(v, out_.values.size());
    if (fresh) {
      out_.values.push_back({from_.node(v).name, v8(v) == DType::kU8 ? kMostU8 : kMostI8});
    }
    out_.scales.push_back({node + "." + param, it->second});
  }

  const Graph& from_;
  std::vector<std::vector<ValueId>> readers_;
  std::vector<Int8Traits> traits_;
  std::vector<bool> floats_;
  std::vector<DType> dtype_;
  std::vector<ValueId> map_;  // to the new graph
  std::map<ValueId, ValueId> twin_;
  std::map<ValueId, std::size_t> value_;
  Int8Graph out_;
};

}  // namespace

Int8Graph int8_form(const Graph& inference, const std::vector<std::string>& floating) {
  return Int8Form(inference, floating).build();
}

std::vector<std::string> int8_layers(const Graph& inference) {
  std::vector<std::string> names;
  for (const Node& n : inference.nodes()) {
    if (n.kind == NodeKind::kLayer && n.layer->int8_traits().needs) names.push_back(n.name);
  }
  return names;
}

}  // namespace graft
