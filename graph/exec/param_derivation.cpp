// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/param_derivation.h"

namespace graft {
namespace {

std::vector<Tensor> tensors_of(const ParamStore& store, const std::string& node,
                               const Layer& layer) {
  std::vector<Tensor> found;
  for (const ParamSpec& spec : layer.params()) {
    const ParamId id = store.find(node + "." + spec.name);
    GRAFT_CHECK(id >= 0, "derived parameters: the store lacks ", node, ".", spec.name);
    found.push_back(store.entry(id).value);
  }
  return found;
}

}  // namespace

ParamDerivation::ParamDerivation(const DerivedGraph& derived, const ParamStore& from,
                                 ParamStore& to)
    : to_(to) {
  for (const auto& rule : derived.rules) {
    Rule r;
    r.layer = derived.graph.node(derived.graph.find(rule.node)).layer;
    r.to = tensors_of(to, rule.node, *r.layer);
    for (const auto& source : rule.from) {
      r.from_layers.push_back(source.layer);
      r.from_params.push_back(tensors_of(from, source.node, *source.layer));
    }
    rules_.push_back(std::move(r));
  }
  for (Rule& r : rules_) {
    for (std::size_t i = 0; i < r.from_layers.size(); ++i) {
      r.from.push_back({r.from_layers[i].get(), r.from_params[i]});
    }
  }
}

void ParamDerivation::run(Context& ctx) {
  for (Rule& r : rules_) r.layer->derive_params(ctx, r.from, r.to);
  to_.bump_version();
}

}  // namespace graft
