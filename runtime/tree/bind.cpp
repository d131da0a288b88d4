// SPDX-License-Identifier: Apache-2.0
#include "runtime/tree/bind.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "graph/exec/param_derivation.h"
#include "graph/ir/cut.h"
#include "graph/ir/prune.h"
#include "graph/plan/inference.h"
#include "runtime/package/layers.h"

namespace graft {
namespace {

constexpr int kHashBase = 16, kHashDigits = 16;  // of a SHA-256, for merge_shared()

std::size_t at(int index) { return static_cast<std::size_t>(index); }

const Graph& graph_of(const TreeApp& app) { return app.package->header().graph; }

/// Where the applications of a tree may not come together.
void check_apps(std::span<const TreeApp> apps) {
  GRAFT_CHECK(!apps.empty(), "tree: no applications");
  const PackageHeader& first = apps.front().package->header();
  std::set<std::string> names;
  for (const TreeApp& app : apps) {
    const PackageHeader& h = app.package->header();
    GRAFT_CHECK(!app.name.empty() && app.name.find('/') == std::string::npos,
                "tree: an application is called '", app.name, "'");
    GRAFT_CHECK(app.first_row >= 0 && app.n_rows > 0, "tree: rows of ", app.name);
    if (!names.insert(app.name).second) {
      fail(Errc::kModel, "two applications are called ", app.name);
    }
    static_cast<void>(h.candidate(app.place.frozen));
    if (h.preprocess != first.preprocess) {
      fail(Errc::kModel, app.name, " and ", apps.front().name,
           " preprocess images differently, so they cannot share a stem");
    }
    if (h.n_layers() != first.n_layers()) {
      fail(Errc::kModel, app.name, " has ", h.n_layers(), " layers, ", apps.front().name, " ",
           first.n_layers(), ": they are not of one base");
    }
  }
}

/// Layers before the cuts of two applications are bit-equal.
void check_prefixes(std::span<const TreeApp> apps) {
  const TreeApp& deepest = *std::max_element(
      apps.begin(), apps.end(),
      [](const TreeApp& a, const TreeApp& b) { return a.place.frozen < b.place.frozen; });
  const auto& want = deepest.package->header().base_layers;
  for (const TreeApp& app : apps) {
    const auto& have = app.package->header().base_layers;
    for (std::size_t i = 0; i < at(app.place.frozen); ++i) {
      if (have[i] == want[i]) continue;
      fail(Errc::kModel, app.name, " and ", deepest.name, " part at layer ", i, " (",
           graph_of(app).node(layers_of(graph_of(app))[i]).name,
           "): operator, attributes or weights differ, but the plan shares ", app.place.frozen,
           " layers; schedule packages of one base");
    }
  }
}

/// All applications in one graph. Behind their cuts nothing is shared, equal or not, as planned.
Graph merge(std::span<const TreeApp> apps) {
  std::vector<Graph> graphs;
  std::vector<std::string> names;
  std::vector<std::map<std::string, std::size_t>> layer_of(apps.size());
  for (std::size_t i = 0; i < apps.size(); ++i) {
    graphs.push_back(graph_of(apps[i]));
    names.push_back(apps[i].name);
    for (const ValueId id : layers_of(graphs[i])) {
      layer_of[i].emplace(graphs[i].node(id).name, layer_of[i].size());
    }
  }
  return merge_shared(graphs, names, [&](std::size_t i, const Node& node) -> std::uint64_t {
    const auto layer = layer_of[i].find(node.name);
    if (layer == layer_of[i].end() || layer->second >= at(apps[i].place.frozen)) {
      return std::hash<std::string>{}(names[i] + "/");
    }
    const std::string& hash = apps[i].package->header().base_layers[layer->second];
    return std::strtoull(hash.substr(0, kHashDigits).c_str(), nullptr, kHashBase);
  });
}

/// The value of `merged` with which `node` of the tree ends.
ValueId end_of(const Graph& merged, const TreeNode& node, std::span<const TreeApp> apps) {
  const TreeApp& app = apps[at(node.apps.front())];
  if (!node.shared) return merged.output(app.name + "/" + kLogits);
  const std::string& last = graph_of(app).node(layers_of(graph_of(app))[at(node.last) - 1]).name;
  const ValueId share = merged.find(last + ".share");
  if (share != kNoValue && merged.node(share).kind == NodeKind::kShare) return share;
  for (const std::string& name : {last, app.name + "/" + last}) {
    if (const ValueId id = merged.find(name); id != kNoValue) return id;
  }
  fail(Errc::kInternal, "tree: the merged graph lacks ", last);
}

/// What `merged` computes of `to` from `from` (kNoValue: from the image).
Graph part_between(const Graph& merged, ValueId from, ValueId to) {
  Graph part = prune(merged, to, "out");
  if (from == kNoValue) return part;
  return split(part, part.find(merged.node(from).name)).suffix;
}

/// Parameters of the inference form of `part`, from those of an application, whose name may stand
/// before the nodes'. Computed on the host, whatever the device of `ctx`.
std::unique_ptr<ParamStore> derive(Context& ctx, const Graph& part, const DerivedGraph& form,
                                   const ParamStore& of_app, const std::string& app) {
  Context host(Backend::kCpu);
  ParamStore own(host, part.param_specs(), DType::kF32);
  for (const ParamStore::Entry& entry : own.entries()) {
    const bool prefixed = entry.name.compare(0, app.size() + 1, app + "/") == 0;
    const ParamId id = of_app.find(prefixed ? entry.name.substr(app.size() + 1) : entry.name);
    GRAFT_CHECK(id >= 0, "tree: ", app, " lacks ", entry.name);
    copy_to_host(ctx, of_app.entry(id).value, entry.value.data());
  }
  own.bump_version();
  ParamStore derived(host, form.graph.param_specs(), DType::kF32);
  ParamDerivation(form, own, derived).run(host);
  auto params = std::make_unique<ParamStore>(ctx, form.graph.param_specs(), DType::kF32);
  for (std::size_t i = 0; i < params->size(); ++i) {
    Tensor to = params->entries()[i].value;
    copy_from_host(ctx, derived.entries()[i].value.data(), to);
  }
  params->bump_version();
  return params;
}

}  // namespace

std::vector<TreeApp> tree_apps(std::span<const PlannedApp> plan,
                               std::span<const NamedPackage> packages) {
  std::vector<TreeApp> apps;
  for (const PlannedApp& planned : plan) {
    const auto found = std::find_if(packages.begin(), packages.end(),
                                    [&](const NamedPackage& p) { return p.name == planned.name; });
    if (found == packages.end()) {
      fail(Errc::kModel, "the plan has an application ", planned.name,
           ", no package is of that task");
    }
    static_cast<void>(found->package->header().candidate(planned.place.frozen));
    apps.push_back({.name = planned.name, .package = found->package, .place = planned.place});
  }
  return apps;
}

BoundTree bind_tree(Context& ctx, std::span<const TreeApp> apps, BaseModels& bases,
                    const std::function<void()>& between) {
  check_apps(apps);
  check_prefixes(apps);
  std::vector<Placement> places;
  for (const TreeApp& app : apps) places.push_back(app.place);
  BoundTree bound;
  bound.tree = make_exec_tree(places, apps.front().package->header().n_layers());
  bound.graph = merge(apps);
  const auto& nodes = bound.tree.nodes;
  std::vector<Graph> graphs;
  for (const TreeNode& node : nodes) {
    const ValueId from =
        node.parent < 0 ? kNoValue : end_of(bound.graph, nodes[at(node.parent)], apps);
    graphs.push_back(part_between(bound.graph, from, end_of(bound.graph, node, apps)));
  }
  bound.parts.resize(nodes.size());
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const Model& base = bases.get(ctx, *apps[i].package);
    between();
    const auto params = candidate_params(ctx, *apps[i].package, apps[i].place.frozen, base);
    between();
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (at(nodes[n].apps.front()) != i) continue;
      const DerivedGraph form = inference_form(graphs[n]);
      bound.parts[n] = {form.graph, derive(ctx, graphs[n], form, *params, apps[i].name)};
      between();
    }
  }
  return bound;
}

}  // namespace graft
