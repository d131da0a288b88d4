// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/int8.h"

#include <algorithm>
#include <map>
#include <numeric>

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
    find_groups();
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

  /// Layers that keep the range put their output and all their inputs into one group, whatever is
  /// floating.
  void find_groups() {
    group_.resize(dtype_.size());
    std::iota(group_.begin(), group_.end(), 0);
    for (ValueId id = 0; id < count(); ++id) {
      if (!traits_[at(id)].keeps_range) continue;
      for (const ValueId input : from_.node(id).inputs) group_[at(group_of(input))] = group_of(id);
    }
    may_be_negative_.assign(dtype_.size(), false);
    for (ValueId id = 0; id < count(); ++id) {
      const bool negative = !traits_[at(id)].keeps_range && !traits_[at(id)].nonnegative;
      if (negative) may_be_negative_[at(group_of(id))] = true;
    }
  }

  [[nodiscard]] ValueId group_of(ValueId v) const {
    while (group_[at(v)] != v) v = group_[at(v)];
    return v;
  }

  /// What can be 8-bit is; then values give up 8 bits until makers and readers all agree.
  void choose_dtypes() {
    for (ValueId id = 0; id < count(); ++id) {
      if (traits(id).makes && !is_output(id)) dtype_[at(id)] = v8(id);
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
    const auto& inputs = from_.node(id).inputs;
    const bool passes_only_f32 =
        traits(id).keeps_range && std::all_of(inputs.begin(), inputs.end(), [this](ValueId v) {
          return dtype_[at(v)] == DType::kF32;
        });
    if (passes_only_f32) return false;
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
      const bool wanted =
          (j == 0 && traits(id).needs) || (traits(id).keeps_range && dtype_[at(id)] != DType::kF32);
      const bool cast = wanted && dtype_[at(v)] == DType::kF32;
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

  /// Dtype of a value in 8 bits.
  [[nodiscard]] DType v8(ValueId v) const {
    return may_be_negative_[at(group_of(v))] ? DType::kI8 : DType::kU8;
  }

  void add_scale(const std::string& node, const std::string& param, ValueId v) {
    const ValueId group = group_of(v);
    const auto [it, fresh] = value_.emplace(group, out_.values.size());
    if (fresh) out_.values.push_back(value_of(group));
    out_.scales.push_back({node + "." + param, it->second});
  }

  /// The values of a group that its other ones come from.
  [[nodiscard]] Int8Graph::Value value_of(ValueId group) const {
    Int8Graph::Value value{{}, v8(group) == DType::kU8 ? kMostU8 : kMostI8};
    for (ValueId id = 0; id < count(); ++id) {
      const bool member = group_of(id) == group && !traits_[at(id)].keeps_range;
      if (member) value.nodes.push_back(from_.node(id).name);
    }
    return value;
  }

  const Graph& from_;
  std::vector<std::vector<ValueId>> readers_;
  std::vector<Int8Traits> traits_;
  std::vector<bool> floats_;
  std::vector<DType> dtype_;
  std::vector<ValueId> map_;  // to the new graph
  std::map<ValueId, ValueId> twin_;
  std::vector<ValueId> group_;  // a value of the same group, itself if it stands for the group
  std::vector<bool> may_be_negative_;     // by what stands for the group
  std::map<ValueId, std::size_t> value_;  // of a group
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
