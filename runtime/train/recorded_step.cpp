// SPDX-License-Identifier: Apache-2.0
// Network's step as a recording: forward, losses, backward, verdict and update enqueued by one call
// (on a device: one CUDA graph), then read back at once. step() call by call is the oracle.
#include <algorithm>
#include <cmath>

#include "engine/core/log.h"
#include "kernels/api/optim.h"
#include "runtime/train/network.h"

namespace graft::train {
namespace {

constexpr int kWarmRuns = 2;             // plans are made, workspaces grow
constexpr std::size_t kMaxRecorded = 4;  // a full batch, the last one of an epoch, ...

}  // namespace

Network::RecordedStep* Network::recorded(const Rows& rows, const Scores& scores) {
  const bool wanted = options_.record_steps && can_record_ && ctx_.backend() == Backend::kCuda &&
                      options_.cache == CacheMode::kRecompute && scores.confidences.empty();
  if (!wanted) return nullptr;
  const std::int64_t n = rows.x.shape()[0];
  auto found = std::find_if(recorded_.begin(), recorded_.end(), [&](const RecordedStep& r) {
    return r.x == rows.x.data() && r.y == rows.y.data() && r.rows == n;
  });
  if (found == recorded_.end()) {
    if (recorded_.size() == kMaxRecorded) recorded_.pop_front();
    found = recorded_.emplace(recorded_.end());
    found->x = rows.x.data();
    found->y = rows.y.data();
    found->rows = n;
  }
  if (found->work != nullptr && !found->work->valid()) found->work = nullptr;
  if (found->work == nullptr) {
    if (found->runs++ < kWarmRuns) return nullptr;
    place_ids(rows);
    record_step(*found);
  }
  return can_record_ ? &*found : nullptr;
}

void Network::place_ids(const Rows& rows) {
  if (device_ids_.empty()) {
    device_ids_ = Tensor::allocate(ctx_.memory(), {options_.max_batch}, DType::kI64);
    device_epochs_ = Tensor::allocate(ctx_.memory(), {options_.max_batch}, DType::kI32);
  }
  const auto n = static_cast<std::size_t>(rows.x.shape()[0]);
  Tensor to_ids = device_ids_.rows(0, rows.x.shape()[0]);
  Tensor to_epochs = device_epochs_.rows(0, rows.x.shape()[0]);
  copy_from_host(ctx_, rows.ids.data(), to_ids);
  copy_from_host(ctx_, rows.epochs.data(), to_epochs);
  recorded_rows_ = {rows.x,
                    rows.y,
                    {to_ids.ptr<const std::int64_t>(), n},
                    {static_cast<const std::uint32_t*>(to_epochs.data()), n},
                    /*ids_on_device=*/true};
}

void Network::record_step(RecordedStep& step) {
  if (control_.empty()) {
    control_ = Tensor::allocate(ctx_.memory(), {sizeof(kernels::UpdateControl)}, DType::kU8);
  }
  try {
    params_.bump_version();  // so that copies of the weights are made within the recording
    step.work = record(ctx_, [this, &step] {
      const StepOutputs out = enqueue_update(recorded_rows_, control_);
      step.loss = out.loss;
      step.correct = out.correct;
    });
  } catch (const Error& e) {
    if (e.code() != Errc::kUnsupported) throw;
    log::info("the training step runs call by call: {}", e.what());
    can_record_ = false;
    params_.bump_version();  // copies that were made in a recording hold nothing
  }
}

Network::StepOutputs Network::enqueue_update(const Rows& rows, const Tensor& control) {
  const RowIds ids{.seed = options_.seed,
                   .example = rows.ids,
                   .epoch = rows.epochs,
                   .on_device = rows.ids_on_device};
  bind(rows);
  executor_.forward(Phase::kTrain, ids);
  executor_.backward(weight_.rows(0, rows.x.shape()[0]), ids);
  Tensor verdict = control;
  kernels::judge_update(ctx_, executor_.value(loss_), params_.grads(), verdict);
  optimizer_.step_by(ctx_, control);
  return {executor_.value(loss_), executor_.saved(loss_, "correct")};
}

Network::StepResult Network::run_recorded(RecordedStep& recorded, const Rows& rows,
                                          std::span<const float> weights, double lr,
                                          std::int64_t step, const Scores& scores,
                                          TimeSplit& time) {
  const Stopwatch watch(time.backward);
  place_ids(rows);
  Tensor weight = weight_.rows(0, rows.x.shape()[0]);
  copy_from_host(ctx_, weights.data(), weight);
  kernels::UpdateControl control = optimizer_.control(lr, step);
  copy_from_host(ctx_, &control, control_);
  recorded.work->run();
  ++recorded_runs_;
  params_.bump_version();
  copy_to_host(ctx_, recorded.loss, scores.losses.data());
  if (!scores.correct.empty()) copy_to_host(ctx_, recorded.correct, scores.correct.data());
  copy_to_host(ctx_, control_, &control);
  if (control.go == 0) {
    check_losses(scores.losses, rows.ids, step);
    refuse_update(step);
  }
  StepResult result{.gradient_norm = std::sqrt(control.sum_squares)};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result.weighted_loss += static_cast<double>(weights[i]) * static_cast<double>(scores.losses[i]);
  }
  return result;
}

void Network::weigh_equally(std::int64_t rows) {
  const std::vector<float> weights(static_cast<std::size_t>(rows), 1.0F / static_cast<float>(rows));
  Tensor weight = weight_.rows(0, rows);
  copy_from_host(ctx_, weights.data(), weight);
}

Tensor Network::enqueue_step(const Rows& rows, const Tensor& control) {
  return enqueue_update(rows, control).loss;
}

Tensor Network::enqueue_scores(const Rows& rows) {
  bind(rows);
  executor_.forward(Phase::kEval, {});
  return executor_.value(loss_);
}

}  // namespace graft::train
