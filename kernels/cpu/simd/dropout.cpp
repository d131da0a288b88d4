// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 of sixteen consecutive blocks at once: engine/core/rng.h, transposed. Only integer
// operations decide what is kept, so every instruction set gives the same answer.
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr int kLanes = 16;
constexpr int kWords = 4;
constexpr int kRounds = 10;

/// kept[4*b + j]: word j of block counter[0] + b, upper 24 bits, against the threshold.
void draw(const DropoutRow& row, std::uint32_t first_block,
          std::uint32_t (&bits)[kLanes * kWords]) {
  std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    c0[l] = row.counter[0] + first_block + static_cast<std::uint32_t>(l);
    c1[l] = row.counter[1];
    c2[l] = row.counter[2];
    c3[l] = row.counter[3];
  }
  std::uint32_t k0 = row.key[0], k1 = row.key[1];
  for (int round = 0; round < kRounds; ++round) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0[l];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2[l];
      c0[l] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[l] ^ k0;
      c1[l] = static_cast<std::uint32_t>(p1);
      c2[l] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[l] ^ k1;
      c3[l] = static_cast<std::uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int l = 0; l < kLanes; ++l) {
    bits[kWords * l] = c0[l];
    bits[kWords * l + 1] = c1[l];
    bits[kWords * l + 2] = c2[l];
    bits[kWords * l + 3] = c3[l];
  }
}

void dropout_row(const DropoutRow& row, const float* x, float* y, Index begin, Index end) {
  std::uint32_t bits[kLanes * kWords];
  for (Index at = begin; at < end; at += kLanes * kWords) {
    draw(row, static_cast<std::uint32_t>(at / kWords), bits);
    const Index n = end - at < kLanes * kWords ? end - at : kLanes * kWords;
#pragma omp simd
    for (Index i = 0; i < n; ++i) {
      y[at + i] = (bits[i] >> 8) >= row.threshold ? x[at + i] * row.scale : 0.0f;
    }
  }
}

}  // namespace

const DropoutLoops kDropout = {dropout_row};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
