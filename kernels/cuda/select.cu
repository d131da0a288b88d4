// SPDX-License-Identifier: Apache-2.0
// Selective-Backprop's choice of rows on the device: kernels/api/select.h.
//
//   push     window[(next + i) % capacity] = loss[i]
//   draw     halves = sum over the window of 2 [h < loss] + tie [h == loss];  chosen where
//            (Philox word >> 8) < threshold[halves]
//   compact  rows[number of chosen below i] = i where chosen
//   enqueue  as compact, with the chosen example behind those that wait in a queue
//   shift    the queue without its first batch
//
// Mapping: push one thread a loss; draw one warp a loss over the window (R = 1024: 32 loads a lane,
// L2); compact and enqueue one block, every thread counts the flags below its row; counters one
// thread, which also sets the branch of a recording. Integers throughout: the same rows as
// sampler/select/selective_backprop.cpp on the host, bitwise repeatable. DRAM: a few KB; three or
// four launches, no synchronisation. Reference: sampler/. Source: Jiang et al. 2019.
#include <algorithm>

#include "kernels/api/optim.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

struct Push {
  const float* loss;
  float* window;
  std::uint32_t next, capacity;
  const SelectionCounts* counts;  // null: `next` is known, and nobody wants to see the losses
  float* seen;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t first = counts != nullptr ? counts->next : next;
    window[(first + i) % capacity] = loss[i];
    if (counts != nullptr) seen[counts->seen + i] = loss[i];
  }
};

struct Draw {
  const float *loss, *window;
  std::uint32_t size, tie;
  bool include_self;
  std::uint64_t seed;
  const std::int64_t* example;
  const std::uint32_t* epoch;
  const std::int32_t* threshold;
  std::uint8_t* chosen;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t i) const {
    const float mine = loss[i];
    const std::uint32_t all = team.reduce(
        size, 0u,
        [&](std::uint32_t j) { return window[j] < mine    ? 2u
                                      : window[j] == mine ? tie
                                                          : 0u; },
        Add{});
    const std::uint32_t halves = include_self ? all : all - tie;
    team.each(1, [&](std::uint32_t) {
      const auto words = philox_block({.seed = seed,
                                       .purpose = RngPurpose::kSelect,
                                       .epoch = epoch[i],
                                       .id = static_cast<std::uint64_t>(example[i])},
                                      0);
      chosen[i] = words[0] >> 8 < static_cast<std::uint32_t>(threshold[halves]) ? 1 : 0;
    });
  }
};

struct Compact {
  const std::uint8_t* chosen;
  std::uint32_t n;
  std::int32_t *rows, *count;
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t) const {
    team.each(n, [&](std::uint32_t i) {
      std::int32_t below = 0;
      for (std::uint32_t j = 0; j < i; ++j) below += chosen[j];
      if (chosen[i] != 0) rows[below] = static_cast<std::int32_t>(i);
      if (i == n - 1) count[0] = below + chosen[i];
    });
  }
};

struct Enqueue {
  const std::uint8_t* chosen;
  std::uint32_t n;
  const std::int64_t* id;
  const std::uint32_t* epoch;
  std::int64_t* queue_id;
  std::uint32_t* queue_epoch;
  SelectionCounts* counts;
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t) const {
    team.each(n, [&](std::uint32_t i) {
      std::uint32_t below = 0;
      for (std::uint32_t j = 0; j < i; ++j) below += chosen[j];
      const std::uint32_t place = counts->queued + below;
      if (chosen[i] != 0) queue_id[place] = id[i];
      if (chosen[i] != 0) queue_epoch[place] = epoch[i];
      if (i == n - 1) counts->chosen = below + chosen[i];
    });
  }
};

struct CountSlice {
  std::uint32_t n, capacity, batch;
  SelectionCounts* counts;
  Branch full;
  GRAFT_HD void operator()(std::uint32_t) const {
    counts->next = (counts->next + n) % capacity;
    counts->seen += n;
    counts->idle += n;
    counts->queued += counts->chosen;
    const bool is_full = counts->queued >= batch;
#if defined(__CUDA_ARCH__)
    cudaGraphSetConditional(full.handle, is_full ? 1 : 0);
#else
    *full.flag = is_full ? 1 : 0;
#endif
  }
};

struct Shift {
  std::uint32_t batch;
  const SelectionCounts* counts;
  std::int64_t* queue_id;
  std::uint32_t* queue_epoch;
  GRAFT_HD void operator()(std::uint32_t i) const {
    if (batch + i >= counts->queued) return;  // fewer than a batch are left: no overlap
    queue_id[i] = queue_id[batch + i];
    queue_epoch[i] = queue_epoch[batch + i];
  }
};

struct CountBatch {
  std::uint32_t batch;
  const float* loss;
  const UpdateControl* control;
  SelectionCounts* counts;
  GRAFT_HD void operator()(std::uint32_t) const {
    counts->queued -= batch;
    counts->idle = 0;
    if (control->go == 0) {
      ++counts->refused;
      return;
    }
    ++counts->updates;
    double sum = 0;
    for (std::uint32_t i = 0; i < batch; ++i) sum += double{loss[i]};
    counts->loss_sum += sum;
  }
};

std::uint32_t* words(const Tensor& t) { return static_cast<std::uint32_t*>(t.data()); }

}  // namespace

void select_by_percentile(Context& ctx, const SelectOptions& options, const Tensor& loss,
                          const Tensor& threshold, LossWindow& window, Tensor& rows,
                          Tensor& count_of) {
  const std::uint32_t n = count(loss), capacity = count(window.losses);
  const Upload sent(ctx, {std::as_bytes(options.example), std::as_bytes(options.epoch)}, n);
  auto* chosen = static_cast<std::uint8_t*>(sent.room());
  for_each(ctx, n,
           Push{loss.ptr<const float>(), window.losses.ptr<float>(),
                static_cast<std::uint32_t>(window.next), capacity, nullptr, nullptr});
  window.next = (window.next + n) % capacity;
  window.size = std::min<std::int64_t>(window.size + n, capacity);
  // While it fills, the window is the first `size` places; then all of it, in any order.
  for_teams<kWarp>(
      ctx, n,
      Draw{loss.ptr<const float>(), window.losses.ptr<const float>(),
           static_cast<std::uint32_t>(window.size), static_cast<std::uint32_t>(options.tie),
           options.include_self, options.seed, sent.part<std::int64_t>(0),
           sent.part<std::uint32_t>(1), threshold.ptr<const std::int32_t>(), chosen});
  for_teams<kBlock>(ctx, 1,
                    Compact{chosen, n, rows.ptr<std::int32_t>(), count_of.ptr<std::int32_t>()});
}

void select_into_queue(Context& ctx, const SelectOptions& options, std::int64_t batch,
                       const Tensor& loss, const Tensor& id, const Tensor& epoch,
                       DeviceSelection& selection, const Branch& full) {
  const std::uint32_t n = count(loss), capacity = count(selection.window);
  auto* counts = static_cast<SelectionCounts*>(selection.counts.data());
  auto* chosen = static_cast<std::uint8_t*>(scratch(ctx, n));
  for_each(ctx, n,
           Push{loss.ptr<const float>(), selection.window.ptr<float>(), 0, capacity, counts,
                selection.seen.ptr<float>()});
  for_teams<kWarp>(ctx, n,
                   Draw{loss.ptr<const float>(), selection.window.ptr<const float>(), capacity,
                        static_cast<std::uint32_t>(options.tie), options.include_self, options.seed,
                        id.ptr<const std::int64_t>(), words(epoch),
                        selection.threshold.ptr<const std::int32_t>(), chosen});
  for_teams<kBlock>(
      ctx, 1,
      Enqueue{chosen, n, id.ptr<const std::int64_t>(), words(epoch),
              selection.queue_id.ptr<std::int64_t>(), words(selection.queue_epoch), counts});
  for_each(ctx, 1, CountSlice{n, capacity, static_cast<std::uint32_t>(batch), counts, full});
}

void finish_batch(Context& ctx, const Tensor& loss, const Tensor& control,
                  DeviceSelection& selection) {
  const std::uint32_t batch = count(loss);
  auto* counts = static_cast<SelectionCounts*>(selection.counts.data());
  for_each(
      ctx, batch,
      Shift{batch, counts, selection.queue_id.ptr<std::int64_t>(), words(selection.queue_epoch)});
  for_each(ctx, 1,
           CountBatch{batch, loss.ptr<const float>(),
                      static_cast<const UpdateControl*>(control.data()), counts});
}

}  // namespace graft::kernels::cuda
