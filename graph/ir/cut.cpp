// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/cut.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace graft {
namespace {

using ValueMap = std::vector<ValueId>;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

/// Everything that `value` depends on, itself included.
std::vector<bool> ancestors(const Graph& graph, ValueId value) {
  std::vector<bool> in(graph.nodes().size(), false);
  in[at(value)] = true;
  for (std::size_t i = at(value) + 1; i-- > 0;) {
    if (!in[i]) continue;
    for (const ValueId v : graph.nodes()[i].inputs) in[at(v)] = true;
  }
  return in;
}

/// A prefix value, other than `value` and inputs, that a node behind the cut reads; kNoValue if
/// none.
ValueId crossing(const Graph& graph, const std::vector<bool>& prefix, ValueId value) {
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (prefix[i]) continue;
    for (const ValueId v : graph.nodes()[i].inputs) {
      if (v != value && prefix[at(v)] && graph.node(v).kind != NodeKind::kInput) return v;
    }
  }
  return kNoValue;
}

std::vector<ValueId> mapped(const std::vector<ValueId>& inputs, const ValueMap& map) {
  std::vector<ValueId> out;
  for (const ValueId v : inputs) out.push_back(map[at(v)]);
  return out;
}

/// Copies of the inputs of `graph` that a node behind the cut reads, entered into `map`.
void copy_used_inputs(const Graph& graph, const std::vector<bool>& prefix, Graph& to,
                      ValueMap& map) {
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (prefix[i]) continue;
    for (const ValueId v : graph.nodes()[i].inputs) {
      if (graph.node(v).kind == NodeKind::kInput && prefix[at(v)] && map[at(v)] == kNoValue) {
        map[at(v)] = to.append(graph.node(v), {});
      }
    }
  }
}

std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2);
  h *= 0xFF51AFD7ED558CCDull;
  return h ^ (h >> 33);
}

std::uint64_t mix(std::uint64_t h, std::string_view s) {
  return mix(h, std::hash<std::string_view>{}(s));
}

}  // namespace

Split split(const Graph& graph, ValueId value) {
  const auto prefix = ancestors(graph, value);
  if (const ValueId extra = crossing(graph, prefix, value); extra != kNoValue) {
    fail(Errc::kInvalidArgument, "split at ", graph.node(value).name, ": ", graph.node(extra).name,
         " crosses the cut as well; `cut_points` lists where it works");
  }
  Split out;
  ValueMap to_prefix(graph.nodes().size(), kNoValue), to_suffix(graph.nodes().size(), kNoValue);
  for (std::size_t i = 0; i <= at(value); ++i) {
    if (!prefix[i]) continue;
    to_prefix[i] = out.prefix.append(graph.nodes()[i], mapped(graph.nodes()[i].inputs, to_prefix));
  }
  out.prefix.mark_output("cut", to_prefix[at(value)]);

  to_suffix[at(value)] = out.suffix.input("cut", graph.node(value).shape, graph.node(value).dtype);
  copy_used_inputs(graph, prefix, out.suffix, to_suffix);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (prefix[i]) continue;
    to_suffix[i] = out.suffix.append(graph.nodes()[i], mapped(graph.nodes()[i].inputs, to_suffix));
  }
  for (const auto& o : graph.outputs()) {
    if (to_suffix[at(o.value)] != kNoValue) out.suffix.mark_output(o.name, to_suffix[at(o.value)]);
  }
  return out;
}

std::vector<ValueId> cut_points(const Graph& graph) {
  std::vector<ValueId> points;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (graph.nodes()[i].kind == NodeKind::kInput || graph.nodes()[i].shape.rank() < 2) continue;
    if (crossing(graph, ancestors(graph, id), id) == kNoValue) points.push_back(id);
  }
  return points;
}

namespace {

/// Builds the merged graph of merge_shared.
class Merger {
 public:
  Merger(std::span<const Graph> graphs, std::span<const std::string> names,
         const WeightHash& weight_hash)
      : graphs_(graphs), names_(names), weight_hash_(weight_hash) {}

  Graph run() {
    for (std::size_t g = 0; g < graphs_.size(); ++g) hash_nodes(g);
    for (std::size_t g = 0; g < graphs_.size(); ++g) find_ends(g);
    for (std::size_t g = 0; g < graphs_.size(); ++g) append_graph(g);
    return std::move(merged_);
  }

 private:
  void hash_nodes(std::size_t g) {
    auto& hashes = hash_.emplace_back();
    for (const Node& n : graphs_[g].nodes()) {
      std::uint64_t h =
          mix(static_cast<std::uint64_t>(n.kind) + 1, n.layer ? n.layer->kind() : n.name);
      if (n.layer) h = mix(mix(h, n.layer->attributes()), weight_hash_(g, n));
      if (n.kind == NodeKind::kSelect) h = mix(h, n.label);
      for (int i = 0; i < n.shape.rank(); ++i) h = mix(h, static_cast<std::uint64_t>(n.shape[i]));
      for (const ValueId v : n.inputs) h = mix(h, hashes[at(v)]);
      hashes.push_back(h);
      users_[h].insert(g);
    }
  }

  /// Values with a reader that serves fewer of the graphs.
  void find_ends(std::size_t g) {
    const auto readers = graphs_[g].consumers();
    for (std::size_t i = 0; i < readers.size(); ++i) {
      const std::uint64_t h = hash_[g][i];
      for (const ValueId r : readers[i]) {
        if (users_.at(hash_[g][at(r)]) != users_.at(h)) ends_.insert(h);
      }
    }
  }

  [[nodiscard]] bool shared(std::uint64_t h) const { return users_.at(h).size() > 1; }

  void append_graph(std::size_t g) {
    const Graph& graph = graphs_[g];
    ValueMap map(graph.nodes().size(), kNoValue);
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
      const std::uint64_t h = hash_[g][i];
      if (const auto it = made_.find(h); it != made_.end()) {
        map[i] = it->second;
        continue;
      }
      Node node = graph.nodes()[i];
      if (!shared(h) || merged_.find(node.name) != kNoValue)
        node.name = names_[g] + "/" + node.name;
      map[i] = merged_.append(node, mapped(node.inputs, map));
      if (shared(h) && ends_.contains(h) && node.kind != NodeKind::kInput) {
        map[i] = merged_.share(node.name + ".share", map[i], users(h));
      }
      made_[h] = map[i];
    }
    for (const auto& o : graph.outputs()) {
      merged_.mark_output(names_[g] + "/" + o.name, map[at(o.value)]);
    }
  }

  [[nodiscard]] std::string users(std::uint64_t h) const {
    std::string s;
    for (const std::size_t g : users_.at(h)) s += (s.empty() ? "" : ", ") + names_[g];
    return s;
  }

  std::span<const Graph> graphs_;
  std::span<const std::string> names_;
  const WeightHash& weight_hash_;
  std::vector<std::vector<std::uint64_t>> hash_;
  std::map<std::uint64_t, std::set<std::size_t>> users_;
  std::set<std::uint64_t> ends_;
  std::map<std::uint64_t, ValueId> made_;
  Graph merged_;
};

}  // namespace

Graph merge_shared(std::span<const Graph> graphs, std::span<const std::string> names,
                   const WeightHash& weight_hash) {
  GRAFT_CHECK_EQ(graphs.size(), names.size(), "merge_shared: one name a graph");
  return Merger(graphs, names, weight_hash).run();
}

}  // namespace graft
