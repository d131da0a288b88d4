// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/row_pool.h"

#include <algorithm>
#include <array>

#include "kernels/api/rows.h"

namespace graft::train {

RowPool::RowPool(Context& ctx, const Shape& row, std::int64_t chunk_rows)
    : ctx_(ctx), row_(row), chunk_rows_(std::max<std::int64_t>(chunk_rows, 1)) {
  grow();
}

void RowPool::grow() {
  const auto first = static_cast<std::int64_t>(chunks_.size()) * chunk_rows_;
  chunks_.push_back({Tensor::allocate(ctx_.memory(), row_.with_batch(chunk_rows_)),
                     Tensor::allocate(ctx_.memory(), {chunk_rows_}, DType::kI32)});
  free_.reserve(static_cast<std::size_t>(first + chunk_rows_));
  for (std::int64_t i = chunk_rows_ - 1; i >= 0; --i) free_.push_back(first + i);
}

std::int64_t RowPool::put(const Tensor& x, const Tensor& y, std::int64_t row) {
  if (free_.empty()) grow();
  const std::int64_t slot = free_.back();
  free_.pop_back();
  const Chunk& chunk = chunks_[static_cast<std::size_t>(slot / chunk_rows_)];
  const std::array from = {static_cast<std::int32_t>(row)};
  Tensor to_x = chunk.x.rows(slot % chunk_rows_, 1), to_y = chunk.y.rows(slot % chunk_rows_, 1);
  kernels::gather_rows(ctx_, x, from, to_x);
  kernels::gather_rows(ctx_, y, from, to_y);
  return slot;
}

void RowPool::take(std::span<const std::int64_t> slots, Tensor& x, Tensor& y) {
  std::vector<std::int32_t> from;  // rows of one chunk that follow each other in the batch
  for (std::size_t first = 0; first < slots.size(); first += from.size()) {
    const std::int64_t number = slots[first] / chunk_rows_;
    from.clear();
    for (std::size_t i = first; i < slots.size() && slots[i] / chunk_rows_ == number; ++i) {
      from.push_back(static_cast<std::int32_t>(slots[i] % chunk_rows_));
    }
    const Chunk& chunk = chunks_[static_cast<std::size_t>(number)];
    Tensor to_x = x.rows(static_cast<std::int64_t>(first), std::ssize(from));
    Tensor to_y = y.rows(static_cast<std::int64_t>(first), std::ssize(from));
    kernels::gather_rows(ctx_, chunk.x, from, to_x);
    kernels::gather_rows(ctx_, chunk.y, from, to_y);
  }
  for (const std::int64_t slot : slots) free(slot);
}

}  // namespace graft::train
