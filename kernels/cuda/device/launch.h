// SPDX-License-Identifier: Apache-2.0
// How work is spread over threads: one item a thread, or one set of items a team of threads. A
// kernel is a functor; compiled by nvcc it is launched, compiled as C++ (a build without CUDA, for
// tests) the same functor runs over the same items in the same order of sums on the host.
//
// Items are counted in 32 bits: tensors have fewer than 2^31 elements (why_not in cuda.h).
#pragma once

#include <cstdint>

#include "engine/core/rng.h"
#include "engine/device/context.h"
#include "kernels/cuda/device/team.h"

#if defined(__CUDACC__)
#include "engine/core/config.h"
#include "engine/device/cuda_runtime.h"
#endif

namespace graft::kernels::cuda {

inline std::uint32_t ceil_div(std::uint32_t n, std::uint32_t d) { return (n + d - 1) / d; }

#if defined(__CUDACC__)

template <class F>
__global__ void __launch_bounds__(kBlock) for_each_kernel(F f, std::uint32_t n) {
  const std::uint32_t step = gridDim.x * kBlock;
  for (std::uint32_t i = blockIdx.x * kBlock + threadIdx.x; i < n; i += step) f(i);
}

template <int kThreads, class F>
__global__ void __launch_bounds__(kBlock) for_teams_kernel(F f, std::uint32_t n) {
  constexpr std::uint32_t kTeams = kBlock / kThreads;
  const std::uint32_t team = blockIdx.x * kTeams + threadIdx.x / kThreads;
  if (team < n) f(Team<kThreads>(), team);  // the whole team leaves together
}

/// After every launch; GRAFT_SYNC=1 waits, so that an error names its kernel.
inline void check_launch(Context& ctx) {
  GRAFT_CUDA(cudaGetLastError());
  if (env_config().sync) GRAFT_CUDA(cudaStreamSynchronize(stream_of(ctx)));
}

/// f(i) for i in [0, n), one a thread.
template <class F>
void for_each(Context& ctx, std::uint32_t n, const F& f) {
  if (n == 0) return;
  constexpr std::uint32_t kMaxBlocks = 1u << 22;
  const std::uint32_t wanted = ceil_div(n, kBlock);
  const std::uint32_t blocks = wanted < kMaxBlocks ? wanted : kMaxBlocks;
  for_each_kernel<<<blocks, kBlock, 0, stream_of(ctx)>>>(f, n);
  check_launch(ctx);
}

/// f(team, i) for i in [0, n), one a team of kThreads (a warp or a block).
template <int kThreads, class F>
void for_teams(Context& ctx, std::uint32_t n, const F& f) {
  if (n == 0) return;
  for_teams_kernel<kThreads><<<ceil_div(n, kBlock / kThreads), kBlock, 0, stream_of(ctx)>>>(f, n);
  check_launch(ctx);
}

#else

template <class F>
void for_each(Context&, std::uint32_t n, const F& f) {
  for (std::uint32_t i = 0; i < n; ++i) f(i);
}

template <int kThreads, class F>
void for_teams(Context&, std::uint32_t n, const F& f) {
  for (std::uint32_t i = 0; i < n; ++i) f(Team<kThreads>(), i);
}

#endif

}  // namespace graft::kernels::cuda
