// SPDX-License-Identifier: Apache-2.0
// SelectiveStep with cached activations. Select-and-accumulate: the gradient of a slice's selected
// rows is added up while the weights that made their activations are still there; the weights move
// between slices only. Source: specification of selection, section 4.2, option (a).
#include <numeric>

#include "kernels/api/rows.h"
#include "runtime/train/selective_step.h"

namespace graft::train {
namespace {

std::size_t at(std::int32_t row) { return static_cast<std::size_t>(row); }

/// out = values[row[i]]; nothing if there are no values.
template <class T>
void pick(const std::vector<T>& values, std::span<const std::int32_t> row, std::vector<T>& out) {
  out.clear();
  if (values.empty()) return;
  for (const std::int32_t r : row) out.push_back(values[at(r)]);
}

}  // namespace

void SelectiveStep::ChosenRows::clear() {
  row.clear();
  weight.clear();
}

void SelectiveStep::ChosenRows::add(std::int32_t r, float w) {
  if (!row.empty() && row.back() == r) {
    weight.back() += w;
    return;
  }
  row.push_back(r);
  weight.push_back(w);
}

void SelectiveStep::run_cached(const Network::Rows& slice, bool last, const Progress& before) {
  Network::Rows scored;
  if (scored_rows_.empty()) {
    Stopwatch watch(time_.policy);
    choose(slice, {});
  } else {
    scored = score(slice);
  }
  const auto n = std::ssize(slice.ids);
  counters_.candidates += n;
  pending_.candidates += n;
  split_selection(slice);
  if (!reused_.row.empty()) back_propagate(scored, reused_);
  if (!fresh_.row.empty()) train_fresh(slice);
  pending_.examples += std::ssize(selection_.rows);
  epoch_losses_.count += std::ssize(selection_.rows);

  const EpochEnd end = sampler_.queue_options().epoch_end;
  // kAuthors: what is pending behind the last slice is less than a batch, and it made no update.
  const bool flush = last && (end == EpochEnd::kFlush || end == EpochEnd::kAuthors);
  if (pending_.examples >= options_.batch || (flush && pending_.examples > 0)) {
    update(before);
  } else if (last && end == EpochEnd::kDiscard) {
    pending_.clear();
  }
  const std::int64_t limit = sampler_.queue_options().watchdog_batches * options_.batch;
  if (limit > 0 && pending_.candidates > limit) {
    fail(Errc::kConfig, "starved: ", pending_.candidates,
         " candidates passed without an update (limit ", limit, "), ", pending_.examples, " of ",
         options_.batch,
         " selected examples are pending. If all losses are equal, strict ties select nothing: use "
         "tie \"mid\" or p_min above 0, or raise watchdog_batches");
  }
}

void SelectiveStep::split_selection(const Network::Rows& slice) {
  Stopwatch watch(time_.policy);
  constexpr std::int32_t kNotScored = -1;
  tape_row_.assign(slice.ids.size(), kNotScored);
  for (std::size_t i = 0; i < scored_rows_.size(); ++i) {
    tape_row_[at(scored_rows_[i])] = static_cast<std::int32_t>(i);
  }
  reused_.clear();
  fresh_.clear();
  for (std::size_t i = 0; i < selection_.rows.size(); ++i) {
    const std::int32_t row = selection_.rows[i];
    const float weight = selection_.weights[i] * planned_weight(slice.ids[at(row)]);
    if (tape_row_[at(row)] == kNotScored) {
      fresh_.add(row, weight);
    } else {
      reused_.add(tape_row_[at(row)], weight);
    }
  }
}

void SelectiveStep::train_fresh(const Network::Rows& slice) {
  const auto n = std::ssize(fresh_.row);
  Network::Rows rows = slice;
  {
    Stopwatch watch(time_.forward);
    if (n < std::ssize(slice.ids)) rows = gather(slice, fresh_.row);
    network_.forward_train(rows, Network::Selecting::kNo, counters_.updates + 1,
                           slice_scores_.resize(static_cast<std::size_t>(n), softmax_scores_));
  }
  counters_.forward_train += n;
  if (losses_.empty()) {
    const auto& losses = slice_scores_.losses;
    epoch_losses_.seen.insert(epoch_losses_.seen.end(), losses.begin(), losses.end());
  }
  std::iota(fresh_.row.begin(), fresh_.row.end(), 0);
  back_propagate(rows, fresh_);
}

void SelectiveStep::back_propagate(const Network::Rows& rows, const ChosenRows& chosen) {
  Stopwatch watch(time_.backward);
  network_.backward(rows, chosen.row, chosen.weight,
                    pending_.ids.empty() ? GradMode::kOverwrite : GradMode::kAccumulate);
  network_.context().synchronize();
  watch.switch_to(time_.policy);
  counters_.backprops += std::ssize(chosen.row);
  pick(slice_scores_.losses, chosen.row, batch_scores_.losses);
  pick(slice_scores_.correct, chosen.row, batch_scores_.correct);
  pick(slice_scores_.confidences, chosen.row, batch_scores_.confidences);
  pick(slice_scores_.gradient_norms, chosen.row, batch_scores_.gradient_norms);
  batch_ids_.clear();
  for (std::size_t i = 0; i < chosen.row.size(); ++i) {
    const std::size_t r = at(chosen.row[i]);
    const float loss = batch_scores_.losses[i];
    epoch_losses_.weighted_sum += static_cast<double>(chosen.weight[i]) * static_cast<double>(loss);
    batch_ids_.push_back(rows.ids[r]);
    pending_.ids.push_back(rows.ids[r]);
    pending_.epochs.push_back(rows.epochs[r]);
    pending_.losses.push_back(loss);
  }
  sampler_.on_training_scores(batch_ids_, batch_scores_.view());
}

void SelectiveStep::update(const Progress& before_slice) {
  Stopwatch watch(time_.optimizer);
  last_lr_ = rate(before_slice);
  (void)network_.update(1.0 / static_cast<double>(pending_.examples), last_lr_,
                        counters_.updates + 1);
  counters_.updates += 1;
  watch.stop();
  if (observer_.on_update) {
    observer_.on_update({Tensor(), Tensor(), pending_.ids, pending_.epochs}, pending_.losses,
                        last_lr_, counters_);
  }
  pending_.clear();
}

std::vector<float> SelectiveStep::pending_gradient() const {
  std::vector<float> gradient;
  if (pending_.ids.empty()) return gradient;
  const Tensor& grads = network_.params().grads();
  gradient.resize(static_cast<std::size_t>(grads.numel()));
  copy_to_host(network_.context(), grads, gradient.data());
  return gradient;
}

void SelectiveStep::restore_pending(PendingUpdate pending, std::span<const float> gradient) {
  Tensor& grads = network_.params().grads();
  const std::int64_t wanted = pending.ids.empty() ? 0 : grads.numel();
  if (std::ssize(gradient) != wanted || pending.epochs.size() != pending.ids.size() ||
      pending.losses.size() != pending.ids.size()) {
    fail(Errc::kModel, "checkpoint: the pending gradient is damaged: ", gradient.size(),
         " values for ", wanted, ", ", pending.ids.size(), " ids, ", pending.epochs.size(),
         " epochs, ", pending.losses.size(), " losses");
  }
  if (!gradient.empty()) copy_from_host(network_.context(), gradient.data(), grads);
  pending_ = std::move(pending);
}

}  // namespace graft::train
