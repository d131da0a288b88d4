// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/bf16.h"

#include <algorithm>
#include <map>
#include <utility>

#include "layers/core/bf16.h"

namespace graft {
namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

class Bf16Form {
 public:
  explicit Bf16Form(const Graph& graph)
      : from_(graph), readers_(graph.consumers()), map_(graph.nodes().size(), kNoValue) {}

  DerivedGraph build() {
    for (ValueId id = 0; id < static_cast<ValueId>(map_.size()); ++id) add(id);
    for (const auto& o : from_.outputs()) {
      out_.graph.mark_output(o.name, as(o.value, DType::kF32));
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] Bf16Output output(ValueId id) const {
    const Node& n = from_.node(id);
    return n.kind == NodeKind::kLayer ? bf16_output(*n.layer) : Bf16Output::kNone;
  }
  [[nodiscard]] bool takes_bf16(ValueId id) const { return output(id) != Bf16Output::kNone; }

  /// Dtype of what node `id` writes, which has a bf16 form.
  [[nodiscard]] DType dtype_of(ValueId id) const {
    if (output(id) == Bf16Output::kBf16) return DType::kBF16;
    const auto& readers = readers_[at(id)];
    const bool wanted = std::any_of(readers.begin(), readers.end(),
                                    [this](ValueId reader) { return takes_bf16(reader); });
    return output(id) == Bf16Output::kEither && wanted ? DType::kBF16 : DType::kF32;
  }

  void add(ValueId id) {
    Node node = from_.node(id);
    if (node.kind != NodeKind::kLayer) {
      map_[at(id)] = out_.graph.append(node, {});
      return;
    }
    const LayerPtr original = node.layer;
    if (takes_bf16(id)) node.layer = in_bf16(original, dtype_of(id));
    std::vector<ValueId> inputs;
    for (const ValueId v : from_.node(id).inputs) {
      inputs.push_back(as(v, takes_bf16(id) ? DType::kBF16 : DType::kF32));
    }
    map_[at(id)] = out_.graph.append(node, inputs);
    if (!node.layer->params().empty()) out_.rules.push_back({node.name, {{node.name, original}}});
  }

  /// Value `v` in the new graph as `dtype`; integers stay what they are.
  ValueId as(ValueId v, DType dtype) {
    const Node& made = out_.graph.node(map_[at(v)]);
    const bool floating = made.dtype == DType::kF32 || made.dtype == DType::kBF16;
    if (!floating || made.dtype == dtype) return map_[at(v)];
    const auto found = twin_.find(v);
    if (found != twin_.end()) return found->second;
    const std::string name = made.name + "." + std::string(graft::name(dtype));
    return twin_[v] = out_.graph.add(name, bf16_cast(dtype), {map_[at(v)]});
  }

  const Graph& from_;
  std::vector<std::vector<ValueId>> readers_;
  std::vector<ValueId> map_;         // to out_.graph
  std::map<ValueId, ValueId> twin_;  // of the other floating type
  DerivedGraph out_;
};

}  // namespace

DerivedGraph bf16_form(const Graph& inference) { return Bf16Form(inference).build(); }

}  // namespace graft
