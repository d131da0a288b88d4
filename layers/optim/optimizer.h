// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "kernels/api/optim.h"
#include "layers/core/param.h"

namespace graft {

struct OptimizerOptions {
  std::string name = "sgd";  ///< sgd, adam or adamw
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  ///< adam, adamw
};

/// Moves the trainable values of a store along their gradients: one kernel over the flat block. The
/// step number and the learning rate come from the trainer. Gradients are read-only.
class Optimizer {
 public:
  /// State tensors start at zero. Throws Error(kUsage) for an unknown name.
  Optimizer(Context& ctx, const OptimizerOptions& options, ParamStore& params);

  /// Updates flat elements [begin, end of the block) and bumps the store's version.  `step` is 1
  /// for the first update.
  void step(Context& ctx, double lr, std::int64_t step, std::int64_t begin = 0);
  /// step() for a recording: what changes comes from `control`, bytes of a kernels::UpdateControl
  /// on the device. The version is the caller's to bump, once for every run.
  void step_by(Context& ctx, const Tensor& control);
  /// What stands in `control` for update `step` at `lr`.
  [[nodiscard]] kernels::UpdateControl control(double lr, std::int64_t step) const;

  /// Flat state blocks with their names, e.g. "momentum": for checkpoints.
  struct State {
    std::string name;
    Tensor block;
  };
  [[nodiscard]] const std::vector<State>& state() const { return state_; }
  [[nodiscard]] const OptimizerOptions& options() const { return options_; }

 private:
  [[nodiscard]] bool is_sgd() const { return options_.name == "sgd"; }
  [[nodiscard]] kernels::SgdOptions sgd(double lr) const;
  [[nodiscard]] kernels::AdamOptions adam(double lr) const;

  OptimizerOptions options_;
  ParamStore& params_;
  std::vector<State> state_;
};

}  // namespace graft
