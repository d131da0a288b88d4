// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/selective_step.h"

#include <algorithm>
#include <limits>

#include "engine/core/rng.h"
#include "kernels/api/rows.h"

namespace graft::train {
namespace {

constexpr const char* kPolicySlot = "sampler";

/// values[i] to out[rows[i]], NaN elsewhere; nothing if there are no values.
void spread(std::span<const float> values, std::span<const std::int32_t> rows, std::size_t n,
            std::vector<float>& out) {
  out.assign(values.empty() ? 0 : n, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < values.size(); ++i)
    out[static_cast<std::size_t>(rows[i])] = values[i];
}

}  // namespace

Network::Scores ScoreBuffer::resize(std::size_t n, bool softmax) {
  losses.resize(n);
  if (!softmax) return {.losses = losses};
  correct.resize(n);
  confidences.resize(n);
  gradient_norms.resize(n);
  return {losses, correct, confidences, gradient_norms};
}

SelectiveStep::SelectiveStep(Network& network, Sampler& sampler, const LrPolicy& lr,
                             const Options& options)
    : network_(network),
      sampler_(sampler),
      lr_(lr),
      options_(options),
      queue_(sampler.queue_options(), options.batch),
      pool_(network.context(), options.image, options.batch + options.select_batch),
      softmax_scores_(sampler.needs_softmax_scores()) {
  if (network.cache() == CacheMode::kRecompute) {
    auto& memory = network.context().memory();
    batch_x_ = Tensor::allocate(memory, options.image.with_batch(options.batch));
    batch_y_ = Tensor::allocate(memory, {options.batch}, DType::kI32);
  }
  network.executor().set_policy(kPolicySlot, [this](std::span<const float> losses) {
    Stopwatch watch(time_.policy);
    choose(*slice_, losses);
    return RowSelection{selection_.rows, selection_.weights};
  });
}

void SelectiveStep::run(const Network::Rows& candidates, bool last, double epoch_progress) {
  const auto n = static_cast<std::int64_t>(candidates.ids.size());
  GRAFT_CHECK(n <= options_.select_batch, "selective step: slice of ", n, ", planned for ",
              options_.select_batch);
  if (device_takes(candidates, last)) {
    Stopwatch watch(time_.select);
    const auto ahead = static_cast<std::int64_t>(device_->slices()) * options_.select_batch;
    Progress now = clocks(epoch_progress);
    now.forwarded += ahead;
    device_->run(candidates.ids, candidates.epochs, rate(now));
    ++device_slices_;
    return;
  }
  settle();
  const Progress before = clocks(epoch_progress);
  const Network::Rows slice = loaded(candidates);
  draw(slice);
  ask_for_scores(slice);
  if (pipeline_ != nullptr) {
    run_ahead(slice, last, epoch_progress);
    return;
  }
  if (network_.cache() != CacheMode::kRecompute) {
    run_cached(slice, last, before);
    return;
  }
  if (scored_rows_.empty()) {
    Stopwatch watch(time_.policy);
    choose(slice, {});
  } else {
    (void)score(slice);
  }
  train_selected(slice, last, before);
}

Progress SelectiveStep::clocks(double epoch_progress) const {
  return {.step = counters_.updates,
          .forwarded = counters_.candidates,
          .backpropped = counters_.backprops,
          .epoch = epoch_progress};
}

void SelectiveStep::train_selected(const Network::Rows& slice, bool last, const Progress& before) {
  counters_.candidates += std::ssize(slice.ids);
  {
    Stopwatch watch(time_.policy);
    enqueue(slice, last);
  }
  while (queue_.next(batch_)) train(batch_, before);
  if (resident_ != nullptr) return;
  for (const QueuedExample& e : queue_.dropped()) pool_.free(e.slot);
}

void SelectiveStep::draw(const Network::Rows& slice) {
  Stopwatch watch(time_.policy);
  const std::size_t n = slice.ids.size();
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
}

void SelectiveStep::ask_for_scores(const Network::Rows& slice) {
  Stopwatch watch(time_.policy);
  const std::size_t n = slice.ids.size();
  needed_.resize(n);
  sampler_.needs_selection_forward(
      {.ids = slice.ids, .losses = {}, .u_select = u_select_, .u_score = u_score_}, needed_);
  scored_rows_.clear();
  for (std::size_t i = 0; i < n; ++i) {
    if (needed_[i] != 0) scored_rows_.push_back(static_cast<std::int32_t>(i));
  }
}

Network::Rows SelectiveStep::gather(const Network::Rows& slice, std::span<const std::int32_t> row) {
  if (subset_x_.empty()) {
    auto& memory = network_.context().memory();
    subset_x_ = Tensor::allocate(memory, options_.image.with_batch(options_.select_batch));
    subset_y_ = Tensor::allocate(memory, {options_.select_batch}, DType::kI32);
  }
  subset_ids_.clear();
  subset_epochs_.clear();
  for (const std::int32_t r : row) {
    subset_ids_.push_back(slice.ids[static_cast<std::size_t>(r)]);
    subset_epochs_.push_back(slice.epochs[static_cast<std::size_t>(r)]);
  }
  Network::Rows rows{subset_x_.rows(0, std::ssize(row)), subset_y_.rows(0, std::ssize(row)),
                     subset_ids_, subset_epochs_};
  kernels::gather_rows(network_.context(), slice.x, row, rows.x);
  kernels::gather_rows(network_.context(), slice.y, row, rows.y);
  return rows;
}

Network::Rows SelectiveStep::score(const Network::Rows& slice) {
  Stopwatch watch(time_.select);
  const double policy_before = time_.policy;
  slice_ = &slice;
  const std::size_t wanted = scored_rows_.size();
  const Network::Rows rows = wanted < slice.ids.size() ? gather(slice, scored_rows_) : slice;
  const Network::Scores scores = slice_scores_.resize(wanted, softmax_scores_);
  if (cheap_ != nullptr) {
    cheap_->score(rows, scores.losses, exact_losses_);
    Stopwatch policy_watch(time_.policy);
    choose_watched(slice, scores.losses, exact_losses_);
  } else if (network_.cache() == CacheMode::kRecompute) {
    network_.score(rows, Phase::kSelect, scores);
  } else {
    network_.forward_train(rows, Network::Selecting::kYes, counters_.updates + 1, scores);
  }
  counters_.forward_select += static_cast<std::int64_t>(wanted);
  ++host_slices_;
  watch.stop();
  time_.select -= time_.policy - policy_before;  // the policy ran inside the Select node
  if (observer_.on_select) observer_.on_select(slice, losses_, selection_);
  return rows;
}

void SelectiveStep::choose(const Network::Rows& slice, std::span<const float> losses) {
  spread(losses, scored_rows_, slice.ids.size(), losses_);
  gradient_norms_.clear();
  if (softmax_scores_ && !losses.empty()) {
    network_.read_scores(slice_scores_.resize(losses.size(), true));
    spread(slice_scores_.gradient_norms, scored_rows_, slice.ids.size(), gradient_norms_);
  }
  epoch_losses_.seen.insert(epoch_losses_.seen.end(), losses.begin(), losses.end());
  selection_ = sampler_.select({.ids = slice.ids,
                                .losses = losses_,
                                .u_select = u_select_,
                                .u_score = u_score_,
                                .gradient_norms = gradient_norms_});
}

void SelectiveStep::choose_watched(const Network::Rows& slice, std::span<const float> losses,
                                   std::span<const float> exact) {
  if (exact.empty()) {
    choose(slice, losses);
    return;
  }
  const SamplerState before = sampler_.state();
  const std::size_t seen = epoch_losses_.seen.size();
  choose(slice, exact);
  mark_chosen(chosen_exactly_);
  sampler_.restore(before);
  epoch_losses_.seen.resize(seen);
  choose(slice, losses);
  mark_chosen(chosen_);
  cheap_->compare(losses, exact, chosen_, chosen_exactly_);
}

void SelectiveStep::mark_chosen(std::vector<std::uint8_t>& chosen) const {
  chosen.assign(scored_rows_.size(), 0);
  for (std::size_t i = 0; i < scored_rows_.size(); ++i) {
    chosen[i] =
        std::binary_search(selection_.rows.begin(), selection_.rows.end(), scored_rows_[i]) ? 1 : 0;
  }
}

void SelectiveStep::score_with(CheapSelection* cheap, SelectionPipeline* pipeline) {
  const char* option = pipeline != nullptr ? "--pipeline" : "--select-dtype and --select-scale";
  if (network_.cache() != CacheMode::kRecompute) {
    fail(Errc::kUsage, option, ": cached activations come from the network's own forward; use ",
         "--cache recompute");
  }
  if (softmax_scores_ || (pipeline != nullptr && !sampler_.scores_ahead())) {
    fail(Errc::kUsage, option, ": sampler ", sampler_.name(),
         softmax_scores_ ? " needs gradient norms or confidences of the network's own forward"
                         : " decides only when a slice is due which losses it needs");
  }
  cheap_ = cheap;
  pipeline_ = pipeline;
  // Of a slice and what was left of the ones before it.
  if (pipeline_ != nullptr) {
    pipeline_->set_updates_per_slice(options_.select_batch / options_.batch + 1);
  }
}

void SelectiveStep::enqueue(const Network::Rows& slice, bool last) {
  queued_.clear();
  for (std::size_t i = 0; i < selection_.rows.size(); ++i) {
    const std::int32_t row = selection_.rows[i];
    const std::int64_t id = slice.ids[static_cast<std::size_t>(row)];
    queued_.push_back({.id = id,
                       .epoch = slice.epochs[static_cast<std::size_t>(row)],
                       .weight = selection_.weights[i] * planned_weight(id),
                       .slot = resident_ != nullptr ? 0 : pool_.put(slice.x, slice.y, row)});
  }
  queue_.push_slice(static_cast<std::int64_t>(slice.ids.size()), queued_, last, selection_.hold);
}

float SelectiveStep::planned_weight(std::int64_t id) const {
  return example_weights_.empty() ? 1.0F : example_weights_[static_cast<std::size_t>(id)];
}

double SelectiveStep::rate(const Progress& before_slice) const {
  Progress now = before_slice;
  now.step = counters_.updates;
  now.backpropped = counters_.backprops;
  return lr_(now) * lr_scale_;
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
    if (resident_ != nullptr) {
      resident_->fill(batch_ids_, batch_epochs_, batch_x_, batch_y_);
    } else {
      pool_.take(batch_slots_, batch_x_, batch_y_);
    }
  }
  last_lr_ = rate(before_slice);
  const auto rows_n = static_cast<std::int64_t>(n);
  const Network::Rows rows{batch_x_.rows(0, rows_n), batch_y_.rows(0, rows_n), batch_ids_,
                           batch_epochs_};
  const auto result = network_.step(rows, batch_weights_, last_lr_, counters_.updates + 1,
                                    batch_scores_.resize(n, softmax_scores_), time_);
  counters_.forward_train += rows_n;
  counters_.backprops += rows_n;
  counters_.updates += 1;
  epoch_losses_.weighted_sum += result.weighted_loss * static_cast<double>(n);
  epoch_losses_.count += rows_n;
  if (losses_.empty()) {
    const auto& losses = batch_scores_.losses;
    epoch_losses_.seen.insert(epoch_losses_.seen.end(), losses.begin(), losses.end());
  }
  sampler_.on_training_scores(batch_ids_, batch_scores_.view());
  if (observer_.on_update) observer_.on_update(rows, batch_scores_.losses, last_lr_, counters_);
}

void SelectiveStep::refresh(const Network::Rows& rows) {
  Stopwatch watch(time_.select);
  network_.score(rows, Phase::kEval, batch_scores_.resize(rows.ids.size(), softmax_scores_));
  counters_.forward_select += static_cast<std::int64_t>(rows.ids.size());
  sampler_.on_refresh_scores(rows.ids, batch_scores_.view());
}

}  // namespace graft::train
