// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/resident.h"

#include <algorithm>
#include <vector>

#include "engine/core/error.h"

namespace graft::data {

ResidentData::ResidentData(Context& ctx, const Dataset& dataset, const AugmentOptions& options,
                           std::uint64_t seed, std::int64_t max_batch)
    : ctx_(ctx), rule_(rule_of(options)), seed_(seed) {
  MemoryResource& memory = ctx.memory();
  const ImageSize size = dataset.image_size();
  const std::int64_t n = dataset.size();
  data_ = {.images = Tensor::allocate(memory, {n, size.height, size.width, 3}, DType::kU8),
           .labels = Tensor::allocate(memory, {n}, DType::kI32),
           .table = Tensor::allocate(memory, {3, 256})};
  ids_ = Tensor::allocate(memory, {max_batch}, DType::kI64);
  epochs_ = Tensor::allocate(memory, {max_batch}, DType::kI32);
  const kernels::ImageTable table =
      kernels::image_table(options.normalization.mean, options.normalization.stddev);
  copy_from_host(ctx, &table, data_.table);
  constexpr std::int64_t kChunk = 1024;  // images sent at once
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(std::min(n, kChunk)) * size.bytes());
  std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
  for (std::int64_t first = 0; first < n; first += kChunk) {
    const std::int64_t count = std::min(kChunk, n - first);
    for (std::int64_t i = 0; i < count; ++i) {
      dataset.read(first + i, std::span(pixels).subspan(static_cast<std::size_t>(i) * size.bytes(),
                                                        size.bytes()));
      labels[static_cast<std::size_t>(first + i)] = dataset.label(first + i);
    }
    Tensor to = data_.images.rows(first, count);
    copy_from_host(ctx, pixels.data(), to);
  }
  copy_from_host(ctx, labels.data(), data_.labels);
}

std::size_t ResidentData::bytes(const Dataset& dataset) {
  return static_cast<std::size_t>(dataset.size()) *
         (dataset.image_size().bytes() + sizeof(std::int32_t));
}

void ResidentData::fill(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs,
                        Tensor& x, Tensor& y) {
  const std::int64_t n = std::ssize(ids);
  GRAFT_CHECK(n >= 1 && n <= ids_.numel() && epochs.size() == ids.size(), "batch of ", n, " and ",
              epochs.size(), ", planned for ", ids_.numel());
  Tensor to_ids = ids_.rows(0, n), to_epochs = epochs_.rows(0, n);
  copy_from_host(ctx_, ids.data(), to_ids);
  copy_from_host(ctx_, epochs.data(), to_epochs);
  fill(to_ids, to_epochs, x, y);
}

void ResidentData::fill(const Tensor& ids, const Tensor& epochs, Tensor& x, Tensor& y) {
  Tensor to_x = x.rows(0, ids.numel()), to_y = y.rows(0, ids.numel());
  kernels::augment_rows(ctx_, rule_, seed_, data_, ids, epochs, to_x, to_y);
}

}  // namespace graft::data
