// SPDX-License-Identifier: Apache-2.0
#include "scheduler/plan/exec_tree.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "scheduler/model/json_field.h"

namespace graft {
namespace {

constexpr std::size_t kMaxNodes = 4096;

TreeNode stem_segment(std::span<const Placement> apps, int parent, int first, int last) {
  TreeNode node{
      .parent = parent, .first = first, .last = last, .fps = 0, .shared = true, .apps = {}};
  for (std::size_t i = 0; i < apps.size(); ++i) {
    if (apps[i].frozen < last) continue;
    node.fps = std::max(node.fps, apps[i].fps);
    node.apps.push_back(static_cast<int>(i));
  }
  return node;
}

TreeNode parse_node(const JsonField& field, const std::vector<TreeNode>& before) {
  constexpr int kMost = std::numeric_limits<int>::max();
  TreeNode node;
  node.parent = field.at("parent").integer(-1, static_cast<int>(before.size()) - 1);
  const auto layers = field.at("layers").elements(2);
  if (layers.size() != 2) field.at("layers").reject("must be [first, last]");
  node.first = layers[0].integer(0, kMost);
  node.last = layers[1].integer(node.first, kMost);
  node.fps = field.at("fps").positive(std::numeric_limits<double>::max());
  node.shared = field.at("shared").integer(0, 1) == 1;
  for (const JsonField& app : field.at("apps").elements(kMaxNodes)) {
    node.apps.push_back(app.integer(0, kMost));
  }
  if (!node.shared && node.apps.size() != 1) field.at("apps").reject("must be one for a branch");
  if (node.parent < 0) {
    if (node.first != 0) field.at("layers").reject("must start at 0 without a parent");
    return node;
  }
  const TreeNode& parent = before[static_cast<std::size_t>(node.parent)];
  if (!parent.shared) field.at("parent").reject("is a branch");
  if (node.first != parent.last) field.at("layers").reject("must start where the parent ends");
  if (node.fps > parent.fps) field.at("fps").reject("is above the parent's");
  return node;
}

}  // namespace

double ExecTree::cost(const CostModel& costs) const {
  double sum = 0;
  for (const TreeNode& n : nodes) sum += (costs.prefix(n.last) - costs.prefix(n.first)) * n.fps;
  return sum;
}

ExecTree make_exec_tree(std::span<const Placement> apps, int n_layers) {
  std::set<int> cuts;
  for (const Placement& p : apps) {
    if (p.frozen > 0) cuts.insert(p.frozen);
  }
  ExecTree tree;
  int first = 0;
  for (const int last : cuts) {
    tree.nodes.push_back(stem_segment(apps, static_cast<int>(tree.nodes.size()) - 1, first, last));
    first = last;
  }
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const auto depth = std::distance(cuts.begin(), cuts.upper_bound(apps[i].frozen));
    tree.nodes.push_back({.parent = static_cast<int>(depth) - 1,
                          .first = apps[i].frozen,
                          .last = n_layers,
                          .fps = apps[i].fps,
                          .shared = false,
                          .apps = {static_cast<int>(i)}});
  }
  return tree;
}

void to_json(Json& json, const ExecTree& tree) {
  json = Json::array();
  for (const TreeNode& n : tree.nodes) {
    json.push_back({{"parent", n.parent},
                    {"layers", {n.first, n.last}},
                    {"fps", n.fps},
                    {"shared", n.shared ? 1 : 0},
                    {"apps", n.apps}});
  }
}

ExecTree parse_exec_tree(const Json& json, std::string_view source) {
  ExecTree tree;
  for (const JsonField& field : JsonField(json, std::string(source)).elements(kMaxNodes)) {
    tree.nodes.push_back(parse_node(field, tree.nodes));
  }
  return tree;
}

}  // namespace graft
