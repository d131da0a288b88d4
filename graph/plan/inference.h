// SPDX-License-Identifier: Apache-2.0
// The inference form of a training graph: the same function in evaluation, with fewer and cheaper
// nodes. Its parameters are computed from those of the original by rules, as often as those change.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace graft {

/// A graph whose parameters derive from another's.
struct DerivedGraph {
  struct Source {
    std::string node;  ///< of the original
    LayerPtr layer;
  };
  /// Node `node` gets its parameters by Layer::derive_params() from these.
  struct Rule {
    std::string node;
    std::vector<Source> from;
  };
  Graph graph;
  std::vector<Rule> rules;  ///< one for each node with parameters, in node order
};

/// Layers that are the identity in evaluation, Select, Keep and Share vanish, and so does what no
/// output depends on, but for inputs; batch norm is folded
/// into the convolution before it where nobody else reads that, else becomes a scale and shift;
/// sums and activations go into the convolution before them. Inputs and outputs keep their names,
/// nodes those of the convolutions. Group norm stays.
[[nodiscard]] DerivedGraph inference_form(const Graph& graph);

/// `graph` for inputs of another shape (with a leading 1). Throws Error(kInvalidArgument) naming
/// the node whose layer refuses.
[[nodiscard]] Graph with_input_shape(const Graph& graph, const std::string& input,
                                     const Shape& shape);

}  // namespace graft
