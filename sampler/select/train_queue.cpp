// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/train_queue.h"

#include <algorithm>

#include "engine/core/error.h"

namespace graft {

std::string_view name(QueueMode mode) {
  switch (mode) {
    case QueueMode::kDrainAll:
      return "drain_all";
    case QueueMode::kOneStepPerSlice:
      return "one_step_per_slice";
    case QueueMode::kFlushSlice:
      return "flush_slice";
  }
  return "?";
}

std::string_view name(EpochEnd end) {
  switch (end) {
    case EpochEnd::kFlush:
      return "flush";
    case EpochEnd::kCarry:
      return "carry";
    case EpochEnd::kDiscard:
      return "discard";
    case EpochEnd::kAuthors:
      return "authors";
  }
  return "?";
}

void QueueOptions::check() const {
  if (watchdog_batches < 0) {
    fail(Errc::kUsage, "sampler: watchdog_batches must be 0 (off) or more, got ", watchdog_batches);
  }
}

TrainQueue::TrainQueue(const QueueOptions& options, std::int64_t batch)
    : options_(options), batch_(batch) {
  GRAFT_CHECK(batch > 0, "batch of ", batch);
  GRAFT_CHECK(options.watchdog_batches >= 0, "watchdog_batches is ", options.watchdog_batches);
}

void TrainQueue::push_slice(std::int64_t candidates, std::span<const QueuedExample> selected,
                            bool last_of_epoch, bool hold) {
  GRAFT_CHECK(!slice_open_, "the slice before still has batches: call next until it is false");
  GRAFT_CHECK(std::ssize(selected) <= candidates, selected.size(), " selected of ", candidates);
  queue_.insert(queue_.end(), selected.begin(), selected.end());
  candidates_since_update_ += candidates;
  batches_of_slice_ = 0;
  slice_open_ = last_of_epoch || !hold;
  last_of_epoch_ = last_of_epoch;
  dropped_.clear();
}

std::int64_t TrainQueue::next_size() const {
  const bool flushing = options_.mode == QueueMode::kFlushSlice ||
                        (last_of_epoch_ && options_.epoch_end == EpochEnd::kFlush);
  if (options_.mode == QueueMode::kOneStepPerSlice && batches_of_slice_ > 0 && !flushing) return 0;
  if (size() >= batch_) return batch_;
  const bool authors_partial =
      last_of_epoch_ && options_.epoch_end == EpochEnd::kAuthors && batches_of_slice_ == 0;
  return flushing || authors_partial ? size() : 0;
}

bool TrainQueue::next(std::vector<QueuedExample>& batch) {
  batch.clear();
  if (!slice_open_) return false;
  const std::int64_t n = next_size();
  if (n == 0) {
    finish_slice();
    return false;
  }
  const auto end = queue_.begin() + n;
  batch.assign(queue_.begin(), end);
  queue_.erase(queue_.begin(), end);
  ++batches_of_slice_;
  candidates_since_update_ = 0;
  return true;
}

void TrainQueue::finish_slice() {
  slice_open_ = false;
  if (last_of_epoch_ && options_.epoch_end == EpochEnd::kDiscard) {
    dropped_.assign(queue_.begin(), queue_.end());
    queue_.clear();
  }
  const std::int64_t limit = options_.watchdog_batches * batch_;
  if (limit > 0 && candidates_since_update_ > limit) {
    fail(Errc::kConfig, "starved: ", candidates_since_update_,
         " candidates passed without an update (limit ", limit, "), ", size(), " of ", batch_,
         " selected examples wait. If all losses are equal, strict ties select nothing: use tie "
         "\"mid\" or p_min above 0, or raise watchdog_batches (now ",
         options_.watchdog_batches, ")");
  }
}

TrainQueue::State TrainQueue::state() const {
  State out;
  for (const QueuedExample& example : queue_) {
    out.ids.push_back(example.id);
    out.epochs.push_back(example.epoch);
    out.weights.push_back(example.weight);
  }
  out.candidates_since_update = candidates_since_update_;
  out.batches_of_slice = batches_of_slice_;
  out.slice_open = slice_open_;
  out.last_of_epoch = last_of_epoch_;
  return out;
}

void TrainQueue::restore(const State& state, std::span<const std::int64_t> slots) {
  const std::size_t n = state.ids.size();
  if (state.epochs.size() != n || state.weights.size() != n || slots.size() != n) {
    fail(Errc::kModel, "saved training queue is damaged: ", n, " ids, ", state.epochs.size(),
         " epochs, ", state.weights.size(), " weights, ", slots.size(), " slots");
  }
  queue_.clear();
  dropped_.clear();
  for (std::size_t i = 0; i < n; ++i) {
    queue_.push_back({state.ids[i], state.epochs[i], state.weights[i], slots[i]});
  }
  candidates_since_update_ = state.candidates_since_update;
  batches_of_slice_ = state.batches_of_slice;
  slice_open_ = state.slice_open;
  last_of_epoch_ = state.last_of_epoch;
}

}  // namespace graft
