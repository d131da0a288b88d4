// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/tensor/tensor.h"
#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"

namespace graft::data {

/// Examples ready for the network. Row i of x and y is example ids[i] as augmented in epochs[i].
struct Batch {
  Tensor x;  ///< (N, H, W, 3) f32, normalised
  Tensor y;  ///< (N) i32, in [0, classes)
  std::vector<std::int64_t> ids;
  std::vector<std::uint32_t> epochs;
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
};

/// Fills batches: reads, augments and normalises on the calling thread. What comes out is a
/// function of (options, seed, ids, epochs) and the data only. One thread per maker at a time.
class BatchMaker {
 public:
  /// At most `max_batch` examples at a time.
  BatchMaker(DatasetPtr dataset, const AugmentOptions& options, std::uint64_t seed,
             std::int64_t max_batch, MemoryResource& memory = host_memory());
  ~BatchMaker();
  BatchMaker(const BatchMaker&) = delete;
  BatchMaker& operator=(const BatchMaker&) = delete;

  /// Storage for `max_batch` rows.
  struct Storage {
    Tensor x, y;
  };
  [[nodiscard]] Storage allocate() const;
  /// Bytes of one Storage.
  [[nodiscard]] std::size_t storage_bytes() const;
  /// Makes `batch` the examples `ids`, its tensors views of `storage`; without tensors where that
  /// is empty. Allocates nothing once `batch` has held as many. Throws what the data set throws.
  void fill(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs,
            const Storage& storage, Batch& batch);

 private:
  DatasetPtr dataset_;
  AugmentOptions options_;
  std::uint64_t seed_;
  std::int64_t max_batch_;
  MemoryResource& memory_;
  std::unique_ptr<Context> context_;
  kernels::ImageTable table_;
  Tensor staging_;  ///< (max_batch, H, W, 3) u8
  std::vector<kernels::ImageTransform> transforms_;
};

/// One batch in memory of its own: bit by bit what a Loader with the same options gives. Serves
/// evaluation and the re-creation of queued examples at resume.
[[nodiscard]] Batch make_batch(const DatasetPtr& dataset, std::span<const std::int64_t> ids,
                               std::span<const std::uint32_t> epochs, const AugmentOptions& options,
                               std::uint64_t seed, MemoryResource& memory = host_memory());

}  // namespace graft::data
