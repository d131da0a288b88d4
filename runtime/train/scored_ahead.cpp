// SPDX-License-Identifier: Apache-2.0
// SelectiveStep with slices that a pipeline scores ahead of training.
#include <numeric>

#include "kernels/api/rows.h"
#include "runtime/train/selective_step.h"

namespace graft::train {

void SelectiveStep::run_ahead(const Network::Rows& slice, bool last, double epoch_progress) {
  {
    Stopwatch watch(time_.policy);
    AheadSlice& ahead = pipeline_->prepare();
    ahead.ids.assign(slice.ids.begin(), slice.ids.end());
    ahead.epochs.assign(slice.epochs.begin(), slice.epochs.end());
    ahead.scored_rows = scored_rows_;
    ahead.epoch_progress = epoch_progress;
    ahead.last = last;
    all_rows_.resize(slice.ids.size());
    std::iota(all_rows_.begin(), all_rows_.end(), 0);
    Network::Rows copy = ahead.rows();
    kernels::gather_rows(network_.context(), slice.x, all_rows_, copy.x);
    kernels::gather_rows(network_.context(), slice.y, all_rows_, copy.y);
    pipeline_->submit(counters_.updates);
  }
  while (pipeline_->full() || (last && pipeline_->size() > 0)) train_oldest();
}

void SelectiveStep::train_oldest() {
  Stopwatch watch(time_.select);
  const AheadSlice& ahead = pipeline_->front(counters_.updates);
  watch.switch_to(time_.policy);
  const Network::Rows slice = ahead.rows();
  const Progress before = clocks(ahead.epoch_progress);
  scored_rows_ = ahead.scored_rows;
  draw(slice);
  choose_watched(slice, ahead.losses, ahead.exact);
  counters_.forward_select += std::ssize(ahead.scored_rows);
  watch.stop();
  if (!scored_rows_.empty() && observer_.on_select) observer_.on_select(slice, losses_, selection_);
  train_selected(slice, ahead.last, before);
  pipeline_->pop();
}

}  // namespace graft::train
