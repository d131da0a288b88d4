// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/network.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/reduce.h"
#include "kernels/api/softmax_xent.h"

namespace graft::train {
namespace {

constexpr std::size_t kMaxNamedExamples = 8;

void check_losses(std::span<const float> losses, std::span<const std::int64_t> ids,
                  std::int64_t step) {
  std::string bad;
  std::size_t count = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (std::isfinite(losses[i])) continue;
    if (count++ < kMaxNamedExamples) {
      bad += detail::cat(bad.empty() ? "" : ", ", ids[i], " (", losses[i], ")");
    }
  }
  if (count == 0) return;
  fail(Errc::kNumerical, "non-finite loss before update ", step, ": ", count, " of ", losses.size(),
       " examples, e.g. ", bad,
       "; the weights are those of the last finite update. Lower --lr, or add warm-up "
       "(--lr-policy cosine:warmup=1)");
}

}  // namespace

Network::Network(Context& ctx, const Graph& graph, const Options& options)
    : ctx_(ctx),
      seed_(options.seed),
      params_(ctx, graph.param_specs(), DType::kF32),
      executor_(
          ctx, graph, params_,
          {.max_batch = options.max_batch, .dtype = DType::kF32, .loss = graph.output("loss")}),
      optimizer_(ctx, options.optimizer, params_),
      image_(graph.find("image")),
      label_(graph.find("label")),
      logits_(graph.output("logits")),
      loss_(graph.output("loss")),
      weight_(Tensor::allocate(ctx.memory(), {options.max_batch})) {
  params_.initialise(ctx, options.seed);
}

void Network::bind(const Rows& rows) {
  executor_.bind(image_, rows.x);
  executor_.bind(label_, rows.y);
}

void Network::score(const Rows& rows, Phase phase, const Scores& out) {
  bind(rows);
  executor_.forward(phase, {.seed = seed_, .example = rows.ids, .epoch = rows.epochs});
  read_scores(out);
}

void Network::read_scores(const Scores& out) {
  if (!out.losses.empty()) copy_to_host(ctx_, executor_.value(loss_), out.losses.data());
  if (!out.correct.empty()) {
    copy_to_host(ctx_, executor_.saved(loss_, "correct"), out.correct.data());
  }
  if (out.confidences.empty()) return;
  if (confidence_.empty()) {
    confidence_ = Tensor::allocate(ctx_.memory(), weight_.shape());
    gradient_norm_ = Tensor::allocate(ctx_.memory(), weight_.shape());
  }
  const Tensor logits = executor_.value(logits_);
  Tensor confidence = confidence_.rows(0, logits.shape()[0]);
  Tensor gradient_norm = gradient_norm_.rows(0, logits.shape()[0]);
  kernels::softmax_scores(ctx_, logits, executor_.value(label_), confidence, gradient_norm);
  copy_to_host(ctx_, confidence, out.confidences.data());
  copy_to_host(ctx_, gradient_norm, out.gradient_norms.data());
}

Network::StepResult Network::step(const Rows& rows, std::span<const float> weights, double lr,
                                  std::int64_t step, const Scores& scores, TimeSplit& time) {
  const RowIds row_ids{.seed = seed_, .example = rows.ids, .epoch = rows.epochs};
  Stopwatch watch(time.forward);
  bind(rows);
  Tensor weight = weight_.rows(0, rows.x.shape()[0]);
  copy_from_host(ctx_, weights.data(), weight);
  executor_.forward(Phase::kTrain, row_ids);
  read_scores(scores);
  check_losses(scores.losses, rows.ids, step);

  watch.switch_to(time.backward);
  executor_.backward(weight, row_ids);
  ctx_.synchronize();

  watch.switch_to(time.optimizer);
  StepResult result;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result.weighted_loss += static_cast<double>(weights[i]) * static_cast<double>(scores.losses[i]);
  }
  result.gradient_norm = std::sqrt(kernels::sum_squares(ctx_, params_.grads()));
  if (!std::isfinite(result.gradient_norm)) {
    fail(Errc::kNumerical, "non-finite gradient before update ", step, ", first in ",
         first_bad_gradient(), "; the weights are those of the last finite update. Lower --lr");
  }
  optimizer_.step(ctx_, lr, step);
  return result;
}

std::string Network::first_bad_gradient() const {
  for (const auto& e : params_.entries()) {
    if (!e.grad.empty() && !std::isfinite(kernels::sum_squares(ctx_, e.grad))) return e.name;
  }
  return "the sum over all parameters (each is finite)";
}

}  // namespace graft::train
