// SPDX-License-Identifier: Apache-2.0
// Threads that share one set of items. Sums are trees of a fixed shape: bitwise repeatable.
#pragma once

#include <cstdint>
#include <cstring>

#include "engine/core/rng.h"

namespace graft::kernels::cuda {

constexpr int kWarp = 32;
constexpr int kBlock = 256;

/// Commutative operators for Team::reduce.
struct Add {
  template <class T>
  GRAFT_HD T operator()(const T& a, const T& b) const {
    return a + b;
  }
};
struct Max {
  GRAFT_HD float operator()(float a, float b) const { return a < b ? b : a; }
};

#if defined(__CUDA_ARCH__)

/// f(word) for every 32-bit word of v.
template <class T, class F>
__device__ T with_words(const T& v, const F& f) {
  static_assert(sizeof(T) % 4 == 0);
  unsigned words[sizeof(T) / 4];
  memcpy(words, &v, sizeof(T));
  for (unsigned& w : words) w = f(w);
  T out;
  memcpy(&out, words, sizeof(T));
  return out;
}

/// T of another lane of the warp.
template <class T>
__device__ T shuffle_xor(const T& v, int mask) {
  return with_words(v, [&](unsigned w) { return __shfl_xor_sync(0xFFFFFFFFu, w, mask); });
}

/// T of lane 0, so that all agree where a contracted multiply-add made op(a, b) != op(b, a).
template <class T>
__device__ T broadcast(const T& v) {
  return with_words(v, [](unsigned w) { return __shfl_sync(0xFFFFFFFFu, w, 0); });
}

#endif

/// kThreads threads, a warp or a whole block. Every thread calls the same functions in the same
/// order.
template <int kThreads>
class Team {
 public:
  static_assert(kThreads == kWarp || kThreads == kBlock);

  /// f(i) for i in [0, n), spread over the threads.
  template <class F>
  GRAFT_HD void each(std::uint32_t n, const F& f) const {
#if defined(__CUDA_ARCH__)
    for (std::uint32_t i = threadIdx.x % kThreads; i < n; i += kThreads) f(i);
#else
    for (std::uint32_t i = 0; i < n; ++i) f(i);
#endif
  }

  /// op over f(i), i in [0, n), and `identity`; the same value in every thread. `op` commutes.
  /// Thread t takes i = t, t + kThreads, ...; then warps by halving, then the warps in order.
  template <class T, class F, class Op>
  GRAFT_HD T reduce(std::uint32_t n, T identity, const F& f, const Op& op) const {
#if defined(__CUDA_ARCH__)
    T mine = identity;
    for (std::uint32_t i = threadIdx.x % kThreads; i < n; i += kThreads) mine = op(mine, f(i));
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      mine = op(mine, shuffle_xor(mine, offset));
    }
    if constexpr (kThreads == kWarp) {
      return broadcast(mine);
    } else {
      __shared__ alignas(16) unsigned char bytes[kThreads / kWarp * sizeof(T)];
      T* of_warp = reinterpret_cast<T*>(bytes);
      __syncthreads();  // the last reduction's values have been read
      if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = mine;
      __syncthreads();
      mine = of_warp[0];
      for (int w = 1; w < kThreads / kWarp; ++w) mine = op(mine, of_warp[w]);
      return mine;
    }
#else
    T total = identity;
    for (int warp = 0; warp < kThreads / kWarp; ++warp) {
      T lane[kWarp];
      for (int t = 0; t < kWarp; ++t) {
        lane[t] = identity;
        for (std::uint32_t i = static_cast<std::uint32_t>(warp * kWarp + t); i < n; i += kThreads) {
          lane[t] = op(lane[t], f(i));
        }
      }
      for (int offset = kWarp / 2; offset > 0; offset /= 2) {
        for (int t = 0; t < offset; ++t) lane[t] = op(lane[t], lane[t + offset]);
      }
      total = warp == 0 ? lane[0] : op(total, lane[0]);
    }
    return total;
#endif
  }
  template <class F>
  GRAFT_HD float sum(std::uint32_t n, const F& f) const {
    return reduce(n, 0.0f, f, Add{});
  }
};

}  // namespace graft::kernels::cuda
