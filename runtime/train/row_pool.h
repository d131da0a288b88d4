// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::train {

/// Augmented images and labels of selected examples that wait for their batch: what was scored is
/// what is trained. Grows by chunks when a backlog does; slots are recycled.
class RowPool {
 public:
  /// `row`: shape of one image with a leading 1; `chunk_rows`: growth, rounded up to at least 1.
  RowPool(Context& ctx, const Shape& row, std::int64_t chunk_rows);

  /// Copies row `row` of x (N,H,W,3) and y (N) into a free slot and returns it.
  [[nodiscard]] std::int64_t put(const Tensor& x, const Tensor& y, std::int64_t row);
  /// Copies the slots, in order, into the first rows of x and y, and frees them.
  void take(std::span<const std::int64_t> slots, Tensor& x, Tensor& y);
  void free(std::int64_t slot) { free_.push_back(slot); }
  /// Slots in use.
  [[nodiscard]] std::int64_t size() const {
    return static_cast<std::int64_t>(chunks_.size()) * chunk_rows_ -
           static_cast<std::int64_t>(free_.size());
  }

 private:
  struct Chunk {
    Tensor x, y;
  };
  void grow();

  Context& ctx_;
  Shape row_;
  std::int64_t chunk_rows_;
  std::vector<Chunk> chunks_;
  std::vector<std::int64_t> free_;
};

}  // namespace graft::train
