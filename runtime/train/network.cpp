// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/network.h"

#include <algorithm>
#include <cmath>

#include "graph/plan/scale_invariant.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/reduce.h"
#include "kernels/api/rows.h"
#include "kernels/api/softmax_xent.h"

namespace graft::train {
namespace {

constexpr std::size_t kMaxNamedExamples = 8;

}  // namespace

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

Network::Network(Context& ctx, const Graph& graph, const Options& options)
    : ctx_(ctx),
      options_(options),
      params_(ctx, graph.param_specs(), DType::kF32),
      executor_(ctx, graph, params_,
                {.max_batch = options.max_batch,
                 .dtype = options.precision,
                 .loss = graph.output("loss"),
                 .tape = options.cache == CacheMode::kReuse ? Tape::kCompactable : Tape::kWhole,
                 .row_sparse_norm = options.row_sparse_norm}),
      optimizer_(ctx, options.optimizer, params_),
      image_(graph.find("image")),
      label_(graph.find("label")),
      logits_(graph.output("logits")),
      loss_(graph.output("loss")),
      weight_(Tensor::allocate(ctx.memory(), {options.max_batch})) {
  params_.initialise(ctx, options.seed);
  if (options.precision == DType::kBF16) {
    image_bf16_ = Tensor::allocate(
        ctx.memory(), graph.node(image_).shape.with_batch(options.max_batch), DType::kBF16);
  }
  if (options.cache != CacheMode::kReuse) return;
  const ExecutionPlan& plan = executor_.training_plan();
  if (!plan.row_separable && options.row_sparse_norm == RowSparseNorm::kRefuse) {
    fail(Errc::kUsage, "--cache reuse: layer ", plan.first_inseparable,
         " couples the rows of a batch, so that a backward on the selected ones is not their "
         "gradient. Use --norm group, name an approximation with --cache-bn b1p, b2 or b2prime, "
         "or use --cache recompute");
  }
  if (options.row_sparse_norm != RowSparseNorm::kB1p) return;
  for (const std::string& name : scale_invariant_filters(graph)) {
    projected_.push_back(params_.find(name));
  }
}

Network::Rows Network::rows_of(const data::Batch& batch) {
  if (ctx_.queue() == nullptr) return {batch.x, batch.y, batch.ids, batch.epochs};
  if (staged_x_.empty()) {
    staged_x_ = Tensor::allocate(ctx_.memory(), batch.x.shape().with_batch(options_.max_batch));
    staged_y_ = Tensor::allocate(ctx_.memory(), {options_.max_batch}, DType::kI32);
  }
  Rows rows{staged_x_.rows(0, batch.size()), staged_y_.rows(0, batch.size()), batch.ids,
            batch.epochs};
  copy_from_host(ctx_, batch.x.data(), rows.x);
  copy_from_host(ctx_, batch.y.data(), rows.y);
  return rows;
}

void Network::bind(const Rows& rows) {
  if (image_bf16_.empty()) {
    executor_.bind(image_, rows.x);
  } else {
    Tensor x = image_bf16_.rows(0, rows.x.shape()[0]);
    kernels::cast(ctx_, rows.x, x);
    executor_.bind(image_, x);
  }
  executor_.bind(label_, rows.y);
}

void Network::score(const Rows& rows, Phase phase, const Scores& out) {
  bind(rows);
  executor_.forward(phase, {.seed = options_.seed, .example = rows.ids, .epoch = rows.epochs});
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
  if (RecordedStep* ready = recorded(rows, scores)) {
    return run_recorded(*ready, rows, weights, lr, step, scores, time);
  }
  Stopwatch watch(time.forward);
  forward_train(rows, Selecting::kNo, step, scores);
  Tensor weight = weight_.rows(0, rows.x.shape()[0]);
  copy_from_host(ctx_, weights.data(), weight);

  watch.switch_to(time.backward);
  executor_.backward(weight, {.seed = options_.seed, .example = rows.ids, .epoch = rows.epochs});
  ctx_.synchronize();

  watch.switch_to(time.optimizer);
  StepResult result;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result.weighted_loss += static_cast<double>(weights[i]) * static_cast<double>(scores.losses[i]);
  }
  result.gradient_norm = update(1, lr, step);
  return result;
}

void Network::forward_train(const Rows& rows, Selecting selecting, std::int64_t step,
                            const Scores& scores) {
  const RowIds ids{.seed = options_.seed, .example = rows.ids, .epoch = rows.epochs};
  bind(rows);
  if (selecting == Selecting::kYes) {
    executor_.forward_and_select(ids);
  } else {
    executor_.forward(Phase::kTrain, ids);
  }
  read_scores(scores);
  check_losses(scores.losses, rows.ids, step);
}

void Network::backward(const Rows& rows, std::span<const std::int32_t> row,
                       std::span<const float> weights, GradMode mode) {
  RowIds ids{.seed = options_.seed, .example = rows.ids, .epoch = rows.epochs};
  if (options_.cache == CacheMode::kReuse) {
    row_ids_.clear();
    row_epochs_.clear();
    for (const std::int32_t r : row) {
      row_ids_.push_back(rows.ids[static_cast<std::size_t>(r)]);
      row_epochs_.push_back(rows.epochs[static_cast<std::size_t>(r)]);
    }
    ids.example = row_ids_;
    ids.epoch = row_epochs_;
    row_weights_.assign(weights.begin(), weights.end());
    executor_.compact(row);
  } else {
    row_weights_.assign(rows.ids.size(), 0.0F);
    for (std::size_t i = 0; i < row.size(); ++i) {
      row_weights_[static_cast<std::size_t>(row[i])] = weights[i];
    }
  }
  Tensor weight = weight_.rows(0, std::ssize(row_weights_));
  copy_from_host(ctx_, row_weights_.data(), weight);
  executor_.backward(weight, ids, mode);
}

double Network::update(double scale, double lr, std::int64_t step) {
  if (scale != 1) kernels::scale(ctx_, scale, params_.grads());
  for (const ParamId id : projected_) {
    Tensor grad = params_.entry(id).grad;
    kernels::project_out_rows(ctx_, params_.entry(id).value, grad);
  }
  const double norm = std::sqrt(kernels::sum_squares(ctx_, params_.grads()));
  if (!std::isfinite(norm)) refuse_update(step);
  optimizer_.step(ctx_, lr, step);
  return norm;
}

void Network::refuse_update(std::int64_t step) const {
  fail(Errc::kNumerical, "non-finite gradient before update ", step, ", first in ",
       first_bad_gradient(), "; the weights are those of the last finite update. Lower --lr");
}

std::string Network::first_bad_gradient() const {
  for (const auto& e : params_.entries()) {
    if (!e.grad.empty() && !std::isfinite(kernels::sum_squares(ctx_, e.grad))) return e.name;
  }
  return "the sum over all parameters (each is finite)";
}

}  // namespace graft::train
