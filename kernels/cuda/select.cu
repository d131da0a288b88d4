// SPDX-License-Identifier: Apache-2.0
// Selective-Backprop's choice of rows on the device: kernels/api/select.h.
//
//   push     window[(next + i) % capacity] = loss[i]
//   draw     halves = sum over the window of 2 [h < loss] + tie [h == loss];  chosen where
//            (Philox word >> 8) < threshold[halves]
//   compact  rows[number of chosen below i] = i where chosen
//
// Mapping: push one thread a loss; draw one warp a loss over the window (R = 1024: 32 loads a lane,
// L2); compact one block, every thread counts the flags below its row. Integers throughout: the
// same rows as sampler/select/selective_backprop.cpp on the host, bitwise repeatable. DRAM: a few
// KB; three launches, no synchronisation. Reference: sampler/. Source: Jiang et al. 2019.
#include <algorithm>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

struct Push {
  const float* loss;
  float* window;
  std::uint32_t next, capacity;
  GRAFT_HD void operator()(std::uint32_t i) const { window[(next + i) % capacity] = loss[i]; }
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

}  // namespace

void select_by_percentile(Context& ctx, const SelectOptions& options, const Tensor& loss,
                          const Tensor& threshold, LossWindow& window, Tensor& rows,
                          Tensor& count_of) {
  const std::uint32_t n = count(loss), capacity = count(window.losses);
  const Upload sent(ctx, {std::as_bytes(options.example), std::as_bytes(options.epoch)}, n);
  auto* chosen = static_cast<std::uint8_t*>(sent.room());
  for_each(ctx, n,
           Push{loss.ptr<const float>(), window.losses.ptr<float>(),
                static_cast<std::uint32_t>(window.next), capacity});
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

}  // namespace graft::kernels::cuda
