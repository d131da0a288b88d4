// SPDX-License-Identifier: Apache-2.0
#include "layers/optim/optimizer.h"

#include "kernels/api/optim.h"

namespace graft {

Optimizer::Optimizer(Context& ctx, const OptimizerOptions& options, ParamStore& params)
    : options_(options), params_(params) {
  const bool sgd = options.name == "sgd";
  if (!sgd && options.name != "adam" && options.name != "adamw") {
    fail(Errc::kUsage, "unknown optimizer '", options.name, "'; known: sgd, adam, adamw");
  }
  const std::vector<std::string> names = sgd ? std::vector<std::string>{"momentum"}
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
  if (options_.name == "sgd") {
    kernels::sgd_step(ctx,
                      {.lr = lr,
                       .momentum = options_.momentum,
                       .weight_decay = options_.weight_decay,
                       .nesterov = options_.nesterov},
                      g, w, first);
  } else {
    Tensor second = state_[1].block.rows(begin, count);
    kernels::adam_step(ctx,
                       {.lr = lr,
                        .beta1 = options_.beta1,
                        .beta2 = options_.beta2,
                        .eps = options_.eps,
                        .weight_decay = options_.weight_decay,
                        .decoupled = options_.name == "adamw"},
                       step, g, w, first, second);
  }
  params_.bump_version();
}

}  // namespace graft
