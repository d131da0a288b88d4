// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/candidate_graph.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "engine/core/text.h"
#include "graph/ir/prune.h"
#include "graph/plan/fuse.h"
#include "layers/loss/cross_entropy.h"
#include "layers/nn/linear.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "runtime/model/model.h"

namespace graft::finetune {
namespace {

constexpr int kVectorRank = 2, kFeatureMapRank = 4;

bool has_weights(const Node& node) {
  if (node.kind != NodeKind::kLayer) return false;
  const auto params = node.layer->params();
  return std::any_of(params.begin(), params.end(),
                     [](const ParamSpec& p) { return p.shape.rank() >= kVectorRank; });
}

bool is_pool_or_dropout(const Node& node) {
  return node.kind == NodeKind::kLayer &&
         (node.layer->kind() == "GlobalAvgPool" || node.layer->kind() == "Dropout");
}

bool any_weights_before(const Graph& graph, ValueId value) {
  const auto& nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.begin() + value + 1, has_weights);
}

/// The largest and the smallest candidate beside `frozen`, for a message.
std::string neighbours(int frozen, const std::vector<BranchPoint>& cuts) {
  std::string below = "0", above;
  for (const BranchPoint& p : cuts) {
    if (p.frozen < frozen) below = std::to_string(p.frozen);
    if (p.frozen > frozen && above.empty()) above = " and " + std::to_string(p.frozen);
  }
  return below + above;
}

ValueId mapped(const std::vector<ValueId>& map, ValueId id) {
  return map[static_cast<std::size_t>(id)];
}

}  // namespace

ValueId last_feature(const Graph& graph, std::string_view source) {
  ValueId value = graph.outputs().front().value;
  if (graph.node(value).shape.rank() == kVectorRank && graph.outputs().front().name == kLogits) {
    const auto input = [&](ValueId id) {
      const Node& node = graph.node(id);
      if (node.kind != NodeKind::kLayer || node.inputs.size() != 1) {
        fail(Errc::kModel, source, ": its output is no classifier: ", node.name,
             " is no layer of one input");
      }
      return node.inputs.front();
    };
    while (!has_weights(graph.node(value))) value = input(value);
    value = input(value);
    while (is_pool_or_dropout(graph.node(value))) value = input(value);
  }
  const int rank = graph.node(value).shape.rank();
  if (!any_weights_before(graph, value) || (rank != kVectorRank && rank != kFeatureMapRank)) {
    fail(Errc::kModel, source, ": in front of its classifier there is no layer with weights whose ",
         "features could be shared");
  }
  return value;
}

Graph with_new_head(const Graph& base, std::string_view source, std::int64_t classes,
                    std::int64_t hidden) {
  constexpr const char* kTrunk = "trunk";
  const Graph trunk = prune(base, last_feature(base, source), kTrunk);
  Graph graph;
  for (const Node& n : trunk.nodes()) graph.append(n, n.inputs);
  ValueId x = trunk.output(kTrunk);
  const auto name = [&base](std::string part) {
    while (base.find("finetune." + part) != kNoValue) part += "_";  // fine-tuned before
    return "finetune." + part;
  };
  if (graph.node(x).shape.rank() == kFeatureMapRank) {
    x = graph.add(name("pool"), std::make_shared<GlobalAvgPool>(), {x});
  }
  if (hidden > 0) {
    x = graph.add(name("hidden"), std::make_shared<Linear>(graph.node(x).shape[1], hidden), {x});
    x = graph.add(name("hidden.act"), std::make_shared<ActivationLayer>(Activation::kRelu), {x});
  }
  x = graph.add(name("logits"), std::make_shared<Linear>(graph.node(x).shape[1], classes), {x});
  graph.mark_output(kLogits, x);
  return graph;
}

std::vector<BranchPoint> parse_branch_points(std::string_view text, const Graph& graph) {
  std::vector<BranchPoint> points = {BranchPoint{}};
  if (text == "auto" || text == "all") {
    const auto more = text == "auto" ? branch_points(graph) : block_ends(graph);
    points.insert(points.end(), more.begin(), more.end());
    return points;
  }
  points.clear();
  const auto cuts = single_value_cuts(graph);
  for (const std::string& piece : split(text, ',')) {
    const auto frozen = parse_int(piece);
    if (!frozen) {
      fail(Errc::kUsage, "--branchpoints: expects auto, all or a list of numbers of layers, got '",
           text, "'");
    }
    const auto cut = std::find_if(cuts.begin(), cuts.end(),
                                  [&](const BranchPoint& p) { return p.frozen == *frozen; });
    if (*frozen != 0 && cut == cuts.end()) {
      fail(Errc::kUsage, "--branchpoints: ", piece, " of ", count_layers(graph),
           " layers is no branch point, nearest are ", neighbours(static_cast<int>(*frozen), cuts));
    }
    points.push_back(*frozen == 0 ? BranchPoint{} : *cut);
  }
  std::sort(points.begin(), points.end(),
            [](const BranchPoint& a, const BranchPoint& b) { return a.frozen < b.frozen; });
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

BranchPoint branch_point(const Graph& graph, int frozen) {
  if (frozen == 0) return {};
  for (const BranchPoint& p : single_value_cuts(graph)) {
    if (p.frozen == frozen) return p;
  }
  fail(Errc::kInvalidArgument, "no branch point behind ", frozen, " layers");
}

Graph training_graph(const Graph& graph, const BranchPoint& start, const BranchPoint& frozen) {
  GRAFT_CHECK(start.frozen <= frozen.frozen, "start ", start.frozen, ", frozen ", frozen.frozen);
  Graph out;
  std::vector<ValueId> map(graph.nodes().size(), kNoValue);
  const ValueId image = graph.find(kImageInput);
  const ValueId first = start.value == kNoValue ? image : start.value;
  const ValueId x = out.input(kImageInput, graph.node(first).shape);
  map[static_cast<std::size_t>(first)] = x;
  for (std::size_t i = static_cast<std::size_t>(first) + 1; i < map.size(); ++i) {
    std::vector<ValueId> inputs;
    for (const ValueId v : graph.nodes()[i].inputs) inputs.push_back(mapped(map, v));
    map[i] = out.append(graph.nodes()[i], std::move(inputs));
  }
  const ValueId label = out.input("label", {1}, DType::kI32);
  const ValueId logits = mapped(map, graph.output(kLogits));
  const ValueId loss = out.add("loss", std::make_shared<CrossEntropy>(), {logits, label});
  out.mark_output(kLogits, logits);
  out.mark_output("loss", loss);
  if (frozen.value != kNoValue) out.freeze(mapped(map, frozen.value));
  return fuse(out);
}

Graph stem_graph(const Graph& graph, std::span<const BranchPoint> cuts) {
  GRAFT_CHECK(!cuts.empty(), "a stem without cuts");
  const BranchPoint& last = *std::max_element(
      cuts.begin(), cuts.end(),
      [](const BranchPoint& a, const BranchPoint& b) { return a.frozen < b.frozen; });
  Graph stem = prune(graph, last.value, std::to_string(last.frozen));
  for (const BranchPoint& p : cuts) {
    if (p.frozen != last.frozen) {
      stem.mark_output(std::to_string(p.frozen), stem.find(graph.node(p.value).name));
    }
  }
  return fuse(stem);
}

void copy_params(Context& ctx, const ParamStore& from, ParamStore& to) {
  for (const auto& e : to.entries()) {
    const ParamId id = from.find(e.name);
    if (id < 0) fail(Errc::kInternal, "no weights for ", e.name);
    Tensor value = e.value;
    copy_from_host(ctx, from.entry(id).value.data(), value);
  }
  to.bump_version();
}

}  // namespace graft::finetune
