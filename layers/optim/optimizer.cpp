// SPDX-License-Identifier: Apache-2.0
#include "layers/optim/optimizer.h"

namespace graft {

Optimizer::Optimizer(Context& ctx, const OptimizerOptions& options, ParamStore& params)
    : options_(options), params_(params) {
  if (!is_sgd() && options.name != "adam" && options.name != "adamw") {
    fail(Errc::kUsage, "unknown optimizer '", options.name, "'; known: sgd, adam, adamw");
  }
  const std::vector<std::string> names = is_sgd()
                                             ? std::vector<std::string>{"momentum"}
                                             : std::vector<std::string>{"exp_avg", "exp_avg_sq"};
  for (const auto& name : names) {
    Tensor block = Tensor::allocate(ctx.memory(), params.values().shape(), params.values().dtype());
    fill_zero(ctx, block);
    state_.push_back({name, block});
  }
}

void Optimizer::step(Context& ctx, double lr, std::int64_t step, std::int64_t begin) {
  const std::int64_t count = params_.values().shape()[0] - begin;
  Tensor w = params_.values().rows(begin, count);
  const Tensor g = params_.grads().rows(begin, count);
  Tensor first = state_[0].block.rows(begin, count);
  if (is_sgd()) {
    kernels::sgd_step(ctx, sgd(lr), g, w, first);
  } else {
    Tensor second = state_[1].block.rows(begin, count);
    kernels::adam_step(ctx, adam(lr), step, g, w, first, second);
  }
  params_.bump_version();
}

void Optimizer::step_by(Context& ctx, const Tensor& control) {
  const auto* on_device = static_cast<const kernels::UpdateControl*>(control.data());
  if (is_sgd()) {
    kernels::SgdOptions options = sgd(0);
    options.control = on_device;
    kernels::sgd_step(ctx, options, params_.grads(), params_.values(), state_[0].block);
  } else {
    kernels::AdamOptions options = adam(0);
    options.control = on_device;
    kernels::adam_step(ctx, options, 1, params_.grads(), params_.values(), state_[0].block,
                       state_[1].block);
  }
}

kernels::UpdateControl Optimizer::control(double lr, std::int64_t step) const {
  return is_sgd() ? kernels::update_control(sgd(lr)) : kernels::update_control(adam(lr), step);
}

kernels::SgdOptions Optimizer::sgd(double lr) const {
  return {.lr = lr,
          .momentum = options_.momentum,
          .weight_decay = options_.weight_decay,
          .nesterov = options_.nesterov};
}

kernels::AdamOptions Optimizer::adam(double lr) const {
  return {.lr = lr,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .eps = options_.eps,
          .weight_decay = options_.weight_decay,
          .decoupled = options_.name == "adamw"};
}

}  // namespace graft
