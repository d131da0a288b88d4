// SPDX-License-Identifier: Apache-2.0
// Sums over the rows of a (rows, columns) matrix, one result a column: statistics of channels-last
// tensors. Two launches, no atomics, the shape of the tree depends on the extents only: bitwise
// repeatable on every device.
//
//   1. block (tile, chunk): `tx` threads side by side take V columns each, kBlock / tx threads one
//      below the other take every so-manyth row of the chunk; then a tree over shared memory.
//   2. the same over the chunks' sums, one chunk: finish(column, sum).
//
// DRAM: what `load` reads, and 2 * chunks * columns * sizeof(Sum), small beside it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cuda/device/launch.h"

namespace graft::kernels::cuda {

/// How a matrix is cut.
struct ColumnGrid {
  std::uint32_t rows, columns;
  std::uint32_t width;   ///< V
  std::uint32_t tx;      ///< threads side by side, a power of two up to 32
  std::uint32_t tiles;   ///< blocks side by side
  std::uint32_t chunks;  ///< blocks one below the other
  std::uint32_t chunk_rows;

  [[nodiscard]] GRAFT_HD std::uint32_t ty() const { return kBlock / tx; }
};

/// `max_chunks` 1: one pass.
inline ColumnGrid column_grid(std::uint32_t rows, std::uint32_t columns, std::uint32_t width,
                              std::uint32_t max_chunks) {
  constexpr std::uint32_t kBlocks = 512;       // a few for each multiprocessor of today's devices
  constexpr std::uint32_t kRowsPerThread = 8;  // below that the tree costs more than the sums
  ColumnGrid g{};
  g.rows = rows;
  g.columns = columns;
  g.width = width;
  g.tx = 1;
  while (g.tx < kWarp && g.tx * width < columns) g.tx *= 2;
  g.tiles = ceil_div(columns, g.tx * width);
  const std::uint32_t wanted =
      std::min(ceil_div(kBlocks, g.tiles), ceil_div(rows, g.ty() * kRowsPerThread));
  const std::uint32_t chunks = std::max(1u, std::min(wanted, max_chunks));
  g.chunk_rows = ceil_div(rows, chunks);
  g.chunks = ceil_div(rows, g.chunk_rows);
  return g;
}

/// One thread's part: its rows of its V columns from `column` on.
template <class Sum, int V, class Load>
GRAFT_HD void column_part(const ColumnGrid& g, const Load& load, std::uint32_t chunk,
                          std::uint32_t y, std::uint32_t column, Sum (&sum)[V]) {
  for (int j = 0; j < V; ++j) sum[j] = Sum{};
  if (column >= g.columns) return;
  const std::uint32_t begin = chunk * g.chunk_rows;
  const std::uint32_t end = begin + g.chunk_rows < g.rows ? begin + g.chunk_rows : g.rows;
  for (std::uint32_t row = begin + y; row < end; row += g.ty()) load(row, column, sum);
}

#if defined(__CUDACC__)

template <class Sum, int V, class Load, class Store>
__global__ void __launch_bounds__(kBlock) columns_kernel(ColumnGrid g, Load load, Store store) {
  __shared__ alignas(16) unsigned char bytes[sizeof(Sum) * kBlock * V];
  Sum* part = reinterpret_cast<Sum*>(bytes);  // Sum has a constructor, shared memory runs none
  const std::uint32_t x = threadIdx.x % g.tx, y = threadIdx.x / g.tx;
  const std::uint32_t column = (blockIdx.x * g.tx + x) * V;
  Sum sum[V];
  column_part<Sum, V>(g, load, blockIdx.y, y, column, sum);
  for (int j = 0; j < V; ++j) part[threadIdx.x * V + j] = sum[j];
  for (std::uint32_t half = g.ty() / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y >= half) continue;
    for (int j = 0; j < V; ++j) {
      part[threadIdx.x * V + j] =
          part[threadIdx.x * V + j] + part[(threadIdx.x + half * g.tx) * V + j];
    }
  }
  if (y != 0 || column >= g.columns) return;
  for (int j = 0; j < V; ++j) store(blockIdx.y, column + j, part[threadIdx.x * V + j]);
}

template <class Sum, int V, class Load, class Store>
void run_columns(Context& ctx, const ColumnGrid& g, const Load& load, const Store& store) {
  columns_kernel<Sum, V><<<dim3(g.tiles, g.chunks), kBlock, 0, stream_of(ctx)>>>(g, load, store);
  check_launch(ctx);
}

#else

template <class Sum, int V, class Load, class Store>
void run_columns(Context&, const ColumnGrid& g, const Load& load, const Store& store) {
  std::vector<Sum> part(static_cast<std::size_t>(kBlock) * V);
  for (std::uint32_t chunk = 0; chunk < g.chunks; ++chunk) {
    for (std::uint32_t tile = 0; tile < g.tiles; ++tile) {
      const auto column = [&](std::uint32_t x) { return (tile * g.tx + x) * V; };
      for (std::uint32_t t = 0; t < kBlock; ++t) {
        Sum sum[V];
        column_part<Sum, V>(g, load, chunk, t / g.tx, column(t % g.tx), sum);
        for (int j = 0; j < V; ++j) part[t * V + static_cast<std::uint32_t>(j)] = sum[j];
      }
      for (std::uint32_t half = g.ty() / 2; half > 0; half /= 2) {
        for (std::uint32_t i = 0; i < half * g.tx * V; ++i) {
          part[i] = part[i] + part[i + half * g.tx * V];
        }
      }
      for (std::uint32_t x = 0; x < g.tx && column(x) < g.columns; ++x) {
        for (std::uint32_t j = 0; j < V; ++j) store(chunk, column(x) + j, part[x * V + j]);
      }
    }
  }
}

#endif

/// Where the chunks' sums stand between the launches.
template <class Sum>
struct PartialSums {
  Sum* data;
  std::uint32_t columns;
  GRAFT_HD void operator()(std::uint32_t chunk, std::uint32_t column, const Sum& sum) const {
    data[static_cast<std::size_t>(chunk) * columns + column] = sum;
  }
  GRAFT_HD void operator()(std::uint32_t chunk, std::uint32_t column, Sum (&sum)[1]) const {
    sum[0] = sum[0] + data[static_cast<std::size_t>(chunk) * columns + column];
  }
};

template <class Finish>
struct FinishColumn {
  Finish finish;
  template <class Sum>
  GRAFT_HD void operator()(std::uint32_t, std::uint32_t column, const Sum& sum) const {
    finish(column, sum);
  }
};

constexpr std::uint32_t kMaxChunks = 1024;

/// Bytes of workspace that sum_columns needs.
template <class Sum>
std::size_t column_scratch(std::uint32_t rows, std::uint32_t columns, std::uint32_t width) {
  return std::size_t{column_grid(rows, columns, width, kMaxChunks).chunks} * columns * sizeof(Sum);
}

/// load(row, column, Sum (&)[V]) adds the row's V elements from `column` on; finish(column, Sum).
/// V divides columns. `scratch`: column_scratch() bytes.
template <class Sum, int V, class Load, class Finish>
void sum_columns(Context& ctx, std::uint32_t rows, std::uint32_t columns, const Load& load,
                 const Finish& finish, void* scratch) {
  const ColumnGrid first = column_grid(rows, columns, V, kMaxChunks);
  const PartialSums<Sum> partial{static_cast<Sum*>(scratch), columns};
  run_columns<Sum, V>(ctx, first, load, partial);
  const ColumnGrid second = column_grid(first.chunks, columns, 1, 1);
  run_columns<Sum, 1>(ctx, second, partial, FinishColumn<Finish>{finish});
}

}  // namespace graft::kernels::cuda
