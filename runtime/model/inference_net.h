// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "graph/exec/param_derivation.h"
#include "graph/plan/inference.h"

namespace graft {

/// The inference form of a graph and its parameters, which follow those of the original: batch
/// norms are folded in f64 as often as the original's parameters change.
class InferenceNet {
 public:
  /// `params`: of `graph`; must outlive this, as must `ctx`.
  InferenceNet(Context& ctx, const Graph& graph, const ParamStore& params)
      : ctx_(ctx),
        original_(params),
        derived_(inference_form(graph)),
        params_(ctx, derived_.graph.param_specs(), DType::kF32),
        derivation_(derived_, params, params_) {}

  [[nodiscard]] const Graph& graph() const { return derived_.graph; }
  /// As of the last follow().
  [[nodiscard]] ParamStore& params() { return params_; }
  [[nodiscard]] const ParamStore& params() const { return params_; }

  /// Folds again if the original's parameters have changed since the last time.
  void follow() {
    if (version_ == original_.version()) return;
    derivation_.run(ctx_);
    version_ = original_.version();
  }

 private:
  Context& ctx_;
  const ParamStore& original_;
  DerivedGraph derived_;
  ParamStore params_;
  ParamDerivation derivation_;
  std::uint64_t version_ = 0;  // of original_
};

}  // namespace graft
