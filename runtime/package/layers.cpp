// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/layers.h"

#include <algorithm>
#include <unordered_map>

#include "engine/io/hash.h"
#include "graph/ir/branch_points.h"
#include "graph/plan/inference.h"

namespace graft {
namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

void add_params(Context& ctx, const Node& node, const ParamStore& params, Sha256& hash) {
  for (const ParamSpec& spec : node.layer->params()) {
    const ParamId id = params.find(node.name + "." + spec.name);
    GRAFT_CHECK(id >= 0, "layer hashes: the parameters lack ", node.name, ".", spec.name);
    GRAFT_CHECK_EQ(params.entry(id).spec.shape, spec.shape, "shape of ", node.name, ".", spec.name);
    Shape shape;
    const std::vector<float> values =
        to_archive_order(ctx, params.entry(id).spec, params.entry(id).value, shape);
    hash.update(detail::cat(spec.name, ' ', shape, '\n'));
    hash.update(values.data(), values.size() * sizeof(float));
  }
}

}  // namespace

std::vector<ValueId> layers_of(const Graph& graph) {
  std::vector<ValueId> layers;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.nodes().size()); ++id) {
    if (graph.node(id).kind == NodeKind::kLayer) layers.push_back(id);
  }
  return layers;
}

std::vector<int> inference_owners(const Graph& graph) {
  const Graph form = inference_form(graph).graph;
  const std::vector<ValueId> layers = layers_of(graph);
  std::vector<int> of_node(graph.nodes().size(), -1);  // inputs: none
  std::vector<int> owners;
  for (const ValueId id : layers) {
    const Node& node = graph.node(id);
    int owner = static_cast<int>(owners.size());
    // What was absorbed runs with its operand; a sum with the one made last, as fuse() prefers.
    if (form.find(node.name) == kNoValue) {
      int last = -1;
      for (const ValueId v : node.inputs) last = std::max(last, of_node[at(v)]);
      if (last >= 0) owner = last;
    }
    of_node[at(id)] = owner;
    owners.push_back(owner);
  }
  return owners;
}

std::vector<bool> deployable_cuts(const Graph& graph) {
  const std::vector<ValueId> layers = layers_of(graph);
  const std::vector<int> owners = inference_owners(graph);
  std::vector<bool> cuts(layers.size() + 1, false);
  cuts[0] = true;
  for (const BranchPoint& p : single_value_cuts(graph)) {
    cuts[static_cast<std::size_t>(p.frozen)] = true;
  }
  int first_owner = static_cast<int>(layers.size());  // of the layers behind the cut
  for (std::size_t k = layers.size(); k > 0; --k) {
    if (first_owner < static_cast<int>(k)) cuts[k] = false;
    const bool runs = !graph.node(layers[k - 1]).layer->is_identity();
    if (runs) first_owner = std::min(first_owner, owners[k - 1]);
  }
  return cuts;
}

std::vector<std::string> layer_hashes(Context& ctx, const Graph& graph, const ParamStore& params,
                                      int count) {
  std::vector<std::string> hashes;
  std::unordered_map<ValueId, std::size_t> position;  // of layers; inputs go by name
  for (const ValueId id : layers_of(graph)) {
    if (hashes.size() == static_cast<std::size_t>(count)) break;
    const Node& node = graph.node(id);
    Sha256 hash;
    hash.update(detail::cat(node.layer->kind(), '\n', node.layer->attributes(), '\n', node.shape));
    for (const ValueId v : node.inputs) {
      const auto found = position.find(v);
      hash.update(found == position.end() ? " " + graph.node(v).name
                                          : " " + std::to_string(found->second));
    }
    hash.update("\n");
    add_params(ctx, node, params, hash);
    position[id] = hashes.size();
    hashes.push_back(hash.hex());
  }
  return hashes;
}

}  // namespace graft
