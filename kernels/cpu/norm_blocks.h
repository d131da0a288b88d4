// SPDX-License-Identifier: Apache-2.0
// Per-channel sums over rows of channels, for both norms. Rows are cut into blocks of a fixed size,
// whatever the thread count; a block is summed in f32 (moments around its own first row, so that a
// mean far from zero does not cancel), blocks are merged in order in f64: the same bits for any
// number of threads.
#pragma once

#include <cstdint>

#include "kernels/api/norm.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

/// How (rows, c) is walked.
struct RowBlocks {
  std::int64_t rows, c;
  std::int64_t
      repeat;          ///< rows that one vector row spans: more than 1 where there are few channels
  std::int64_t width;  ///< repeat * c
  std::int64_t block_rows;  ///< the last block may have fewer
  std::int64_t count;

  RowBlocks(std::int64_t n_rows, std::int64_t channels);
  [[nodiscard]] std::int64_t begin(std::int64_t block) const { return block * block_rows * c; }
  [[nodiscard]] std::int64_t end(std::int64_t block) const {
    return block + 1 == count ? rows * c : begin(block + 1);
  }
  [[nodiscard]] std::int64_t rows_of(std::int64_t block) const {
    return (end(block) - begin(block)) / c;
  }
  /// Writes v[j % c] for j in [0, width) over an array whose first c entries are given.
  void repeat_columns(float* v, std::int64_t first, std::int64_t last) const;
};

/// Two f64 sums per block and channel, (count, c) each, and the totals (c).
struct Partials {
  double *first, *second;
  double *first_total, *second_total;
};

/// Two f32 accumulators and a pivot of one thread, (width) each.
struct Accumulators {
  float *first, *second, *pivot;
};

/// Mean and sum of squared deviations of one block, into `out` at that block.
void block_moments(const RowBlocks& rows, const float* x, std::int64_t block, const Accumulators& a,
                   const Partials& out);
/// Mean and sum of squared deviations over all blocks, channels [begin, end), into the totals.
void merge_moments(const RowBlocks& rows, const Partials& p, std::int64_t begin, std::int64_t end);

/// Sums of dz and dz * (x - mean) of one block; stores dz as `loop` says.
void block_gradient_sums(const RowBlocks& rows, const simd::NormBackwardLoop& loop,
                         std::int64_t block, const Accumulators& a, const Partials& out);
/// Sums over all blocks, channels [begin, end), into the totals.
void merge_sums(const RowBlocks& rows, const Partials& p, std::int64_t begin, std::int64_t end);

/// The part of a backward loop that the arguments decide; coefficients are left null.
[[nodiscard]] simd::NormBackwardLoop backward_loop(const NormBackward& args, Activation activation,
                                                   Tensor& dx, Tensor& dresidual);
/// The second pass reads the masked gradient where the first one left it.
void read_stored_gradient(simd::NormBackwardLoop& loop);
/// The same loop on the rows from element `at` on.
[[nodiscard]] simd::NormBackwardLoop advanced(const simd::NormBackwardLoop& loop, std::int64_t at);

/// out = g or out += g.
void store(GradMode mode, float* out, std::int64_t i, double g);

}  // namespace graft::kernels::cpu
