// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
#include "kernels/api/augment.h"
#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"

namespace graft::data {

/// A data set that lies on the device as bytes: its batches are read, augmented and normalised
/// there, bit by bit as a BatchMaker makes them. On Backend::kCuda.
class ResidentData {
 public:
  /// Reads all of `dataset`. Throws what it throws, and Error(kOutOfMemory).
  ResidentData(Context& ctx, const Dataset& dataset, const AugmentOptions& options,
               std::uint64_t seed, std::int64_t max_batch);

  /// Bytes that `dataset` would take on a device.
  [[nodiscard]] static std::size_t bytes(const Dataset& dataset);

  /// Rows of x (>= N,H,W,3) f32 and y (>= N) i32, on the device: examples `ids` (N, at most
  /// max_batch) as augmented in `epochs`. Does not synchronise.
  void fill(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs, Tensor& x,
            Tensor& y);
  /// The same with ids (N) i64 and epochs (N) i32 on the device: for recordings.
  void fill(const Tensor& ids, const Tensor& epochs, Tensor& x, Tensor& y);

 private:
  Context& ctx_;
  kernels::AugmentRule rule_;
  std::uint64_t seed_;
  kernels::DeviceImages data_;
  Tensor ids_, epochs_;  // (max_batch)
};

}  // namespace graft::data
