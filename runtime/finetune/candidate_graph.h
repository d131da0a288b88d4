// SPDX-License-Identifier: Apache-2.0
// The networks of a family: base and new head as one graph, and the parts of it that are run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/ir/branch_points.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"

namespace graft::finetune {

/// The value of `graph` that its classifier reads: what is left without the last layer with
/// weights, everything behind it, and the global pooling and dropout in front of it. The output
/// itself where that is no matrix (a feature extractor). Throws Error(kModel) naming `source` if
/// nothing with weights is left.
[[nodiscard]] ValueId last_feature(const Graph& graph, std::string_view source);

/// `base` up to its last_feature(), then global pooling, a hidden layer of `hidden` units with ReLU
/// (0: none) and one logit a class; output "logits". The new nodes are called finetune.*.
[[nodiscard]] Graph with_new_head(const Graph& base, std::string_view source, std::int64_t classes,
                                  std::int64_t hidden);

/// Branch points of a candidate network that `text` names: `auto` (branch_points() and 0), `all`
/// (block_ends() and 0), or a list of numbers of frozen layers such as 0,57,75. Ascending, each
/// once. Throws Error(kUsage) naming what is no branch point, and those nearest to it.
[[nodiscard]] std::vector<BranchPoint> parse_branch_points(std::string_view text,
                                                           const Graph& graph);

/// The branch point with `frozen` layers; value kNoValue for 0. Throws Error(kInvalidArgument).
[[nodiscard]] BranchPoint branch_point(const Graph& graph, int frozen);

/// What trains a candidate: `graph` from the value at `start` on, which is its input "image", with
/// input "label" and outputs "logits" and "loss". Layers up to `frozen` are frozen; start.frozen <=
/// frozen.frozen. Fused.
[[nodiscard]] Graph training_graph(const Graph& graph, const BranchPoint& start,
                                   const BranchPoint& frozen);

/// What fills the feature cache: `graph` up to the last of `cuts`, each of which is an output
/// called by its number of frozen layers. Fused.
[[nodiscard]] Graph stem_graph(const Graph& graph, std::span<const BranchPoint> cuts);

/// Copies every parameter of `to` from the one of its name in `from`. Throws Error(kInternal) if
/// there is none.
void copy_params(Context& ctx, const ParamStore& from, ParamStore& to);

}  // namespace graft::finetune
