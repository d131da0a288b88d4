// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/selective_step.h"

#include <algorithm>
#include <limits>

#include "engine/core/rng.h"
#include "kernels/api/rows.h"

namespace graft::train {
namespace {

constexpr const char* kPolicySlot = "sampler";

}  // namespace

SelectiveStep::SelectiveStep(Network& network, Sampler& sampler, const LrPolicy& lr,
                             const Options& options)
    : network_(network),
      sampler_(sampler),
      lr_(lr),
      options_(options),
      queue_(sampler.queue_options(), options.batch),
      pool_(network.context(), options.image, options.batch + options.select_batch),
      select_node_(network.graph().find("select")) {
  auto& memory = network.context().memory();
  batch_x_ = Tensor::allocate(memory, options.image.with_batch(options.batch));
  batch_y_ = Tensor::allocate(memory, {options.batch}, DType::kI32);
  network.executor().set_policy(kPolicySlot, [this](std::span<const float> losses) {
    Stopwatch watch(time_.policy);
    choose(*slice_, losses);
    return RowSelection{selection_.rows, selection_.weights};
  });
}

void SelectiveStep::run(const Network::Rows& slice, bool last, double epoch_progress) {
  const auto n = static_cast<std::int64_t>(slice.ids.size());
  GRAFT_CHECK(n <= options_.select_batch, "selective step: slice of ", n, ", planned for ",
              options_.select_batch);
  const Progress before{.step = counters_.updates,
                        .forwarded = counters_.candidates,
                        .backpropped = counters_.backprops,
                        .epoch = epoch_progress};
  select(slice);
  counters_.candidates += n;
  {
    Stopwatch watch(time_.policy);
    enqueue(slice, last);
  }
  while (queue_.next(batch_)) train(batch_, before);
  for (const QueuedExample& e : queue_.dropped()) pool_.free(e.slot);
}

void SelectiveStep::select(const Network::Rows& slice) {
  Stopwatch watch(time_.policy);
  const std::size_t n = slice.ids.size();
  needed_.resize(n);
  sampler_.needs_selection_forward(slice.ids, needed_);
  scored_rows_.clear();
  for (std::size_t i = 0; i < n; ++i) {
    if (needed_[i] != 0) scored_rows_.push_back(static_cast<std::int32_t>(i));
  }
  u_select_.resize(n);
  u_score_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    Philox rng({.seed = options_.seed,
                .purpose = RngPurpose::kSelect,
                .epoch = slice.epochs[i],
                .id = static_cast<std::uint64_t>(slice.ids[i])});
    u_select_[i] = rng.uniform();
    u_score_[i] = rng.uniform();
  }
  if (scored_rows_.empty()) {
    choose(slice, {});
    return;
  }
  watch.stop();
  score(slice, static_cast<std::int64_t>(scored_rows_.size()));
}

void SelectiveStep::score(const Network::Rows& slice, std::int64_t wanted) {
  Stopwatch watch(time_.select);
  const double policy_before = time_.policy;
  slice_ = &slice;
  Network::Rows rows = slice;
  if (wanted < static_cast<std::int64_t>(slice.ids.size())) {
    if (subset_x_.empty()) {
      auto& memory = network_.context().memory();
      subset_x_ = Tensor::allocate(memory, options_.image.with_batch(options_.select_batch));
      subset_y_ = Tensor::allocate(memory, {options_.select_batch}, DType::kI32);
    }
    subset_ids_.clear();
    subset_epochs_.clear();
    for (const std::int32_t r : scored_rows_) {
      subset_ids_.push_back(slice.ids[static_cast<std::size_t>(r)]);
      subset_epochs_.push_back(slice.epochs[static_cast<std::size_t>(r)]);
    }
    rows = {subset_x_.rows(0, wanted), subset_y_.rows(0, wanted), subset_ids_, subset_epochs_};
    kernels::gather_rows(network_.context(), slice.x, scored_rows_, rows.x);
    kernels::gather_rows(network_.context(), slice.y, scored_rows_, rows.y);
  }
  subset_losses_.resize(static_cast<std::size_t>(wanted));
  network_.score(rows, Phase::kSelect, subset_losses_, {});
  counters_.forward_select += wanted;
  watch.stop();
  time_.select -= time_.policy - policy_before;  // the policy ran inside the Select node
  if (observer_.on_select) observer_.on_select(slice, losses_, selection_);
}

void SelectiveStep::choose(const Network::Rows& slice, std::span<const float> losses) {
  losses_.assign(losses.empty() ? 0 : slice.ids.size(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    losses_[static_cast<std::size_t>(scored_rows_[i])] = losses[i];
  }
  epoch_losses_.seen.insert(epoch_losses_.seen.end(), losses.begin(), losses.end());
  selection_ = sampler_.select(
      {.ids = slice.ids, .losses = losses_, .u_select = u_select_, .u_score = u_score_});
}

void SelectiveStep::enqueue(const Network::Rows& slice, bool last) {
  queued_.clear();
  for (std::size_t i = 0; i < selection_.rows.size(); ++i) {
    const std::int32_t row = selection_.rows[i];
    const std::int64_t id = slice.ids[static_cast<std::size_t>(row)];
    const float planned =
        example_weights_.empty() ? 1.0F : example_weights_[static_cast<std::size_t>(id)];
    queued_.push_back({.id = id,
                       .epoch = slice.epochs[static_cast<std::size_t>(row)],
                       .weight = selection_.weights[i] * planned,
                       .slot = pool_.put(slice.x, slice.y, row)});
  }
  queue_.push_slice(static_cast<std::int64_t>(slice.ids.size()), queued_, last);
}

void SelectiveStep::train(const std::vector<QueuedExample>& batch, const Progress& before_slice) {
  const std::size_t n = batch.size();
  {
    Stopwatch watch(time_.policy);
    batch_ids_.clear();
    batch_slots_.clear();
    batch_epochs_.clear();
    batch_weights_.clear();
    for (const QueuedExample& e : batch) {
      batch_ids_.push_back(e.id);
      batch_slots_.push_back(e.slot);
      batch_epochs_.push_back(e.epoch);
      batch_weights_.push_back(e.weight / static_cast<float>(n));  // mean over the actual count
    }
    pool_.take(batch_slots_, batch_x_, batch_y_);
    batch_losses_.resize(n);
  }
  // Candidates and epochs: as of the slice's start, so "epoch 60" begins with its first update.
  Progress now = before_slice;
  now.step = counters_.updates;
  now.backpropped = counters_.backprops;
  last_lr_ = lr_(now);
  const auto rows_n = static_cast<std::int64_t>(n);
  const Network::Rows rows{batch_x_.rows(0, rows_n), batch_y_.rows(0, rows_n), batch_ids_,
                           batch_epochs_};
  const auto result =
      network_.step(rows, batch_weights_, last_lr_, counters_.updates + 1, batch_losses_, time_);
  counters_.forward_train += rows_n;
  counters_.backprops += rows_n;
  counters_.updates += 1;
  epoch_losses_.weighted_sum += result.weighted_loss * static_cast<double>(n);
  epoch_losses_.count += rows_n;
  if (losses_.empty()) {
    epoch_losses_.seen.insert(epoch_losses_.seen.end(), batch_losses_.begin(), batch_losses_.end());
  }
  sampler_.on_training_losses(batch_ids_, batch_losses_);
  if (observer_.on_update) observer_.on_update(rows, batch_losses_, last_lr_, counters_);
}

}  // namespace graft::train
