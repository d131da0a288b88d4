// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "graph/plan/inference.h"
#include "layers/core/param.h"

namespace graft {

/// Computes the parameters of a derived graph from those of its original. Host backends only.
class ParamDerivation {
 public:
  /// `from` holds the original's parameters, `to` those of `derived.graph`; both must outlive this.
  /// Throws Error(kInvalidArgument) naming a parameter that a store lacks.
  ParamDerivation(const DerivedGraph& derived, const ParamStore& from, ParamStore& to);

  /// Runs all rules and bumps the version of `to`. O(parameters); a warm run does not allocate.
  void run(Context& ctx);

 private:
  struct Rule {
    LayerPtr layer;
    std::vector<LayerPtr> from_layers;
    std::vector<std::vector<Tensor>> from_params;
    std::vector<ParamSource> from;  // views of the two above
    std::vector<Tensor> to;
  };
  std::vector<Rule> rules_;
  ParamStore& to_;
};

}  // namespace graft
