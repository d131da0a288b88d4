// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "engine/core/error.h"
#include "runtime/data/batch.h"

namespace graft::data {
namespace {

constexpr int kChannels = 3;

Shape image_shape(std::int64_t n, const ImageSize& size) {
  return {n, size.height, size.width, kChannels};
}

}  // namespace

BatchMaker::BatchMaker(DatasetPtr dataset, const AugmentOptions& options, std::uint64_t seed,
                       std::int64_t max_batch, MemoryResource& memory)
    : dataset_(std::move(dataset)),
      options_(options),
      seed_(seed),
      max_batch_(max_batch),
      memory_(memory),
      context_(std::make_unique<Context>(Backend::kCpu, /*threads=*/1, memory)),
      table_(kernels::image_table(options.normalization.mean, options.normalization.stddev)) {
  GRAFT_CHECK(dataset_ != nullptr && max_batch >= 1, "batch of ", max_batch);
  staging_ = Tensor::allocate(memory, image_shape(max_batch, dataset_->image_size()), DType::kU8);
  transforms_.resize(static_cast<std::size_t>(max_batch));
}

BatchMaker::~BatchMaker() = default;

BatchMaker::Storage BatchMaker::allocate() const {
  return {Tensor::allocate(memory_, image_shape(max_batch_, dataset_->image_size())),
          Tensor::allocate(memory_, {max_batch_}, DType::kI32)};
}

std::size_t BatchMaker::storage_bytes() const {
  return static_cast<std::size_t>(max_batch_) *
         (dataset_->image_size().bytes() * sizeof(float) + sizeof(std::int32_t));
}

void BatchMaker::fill(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs,
                      const Storage& storage, Batch& batch) {
  const auto n = static_cast<std::int64_t>(ids.size());
  GRAFT_CHECK(n >= 1 && n <= max_batch_, "batch of ", n, ", storage for ", max_batch_);
  GRAFT_CHECK_EQ(ids.size(), epochs.size());
  batch.ids.assign(ids.begin(), ids.end());
  batch.epochs.assign(epochs.begin(), epochs.end());
  if (storage.x.empty()) return;
  batch.x = storage.x.rows(0, n);
  batch.y = storage.y.rows(0, n);
  const ImageSize size = dataset_->image_size();
  Tensor pixels = staging_.rows(0, n);
  auto* row = pixels.ptr<std::uint8_t>();
  auto* label = batch.y.ptr<std::int32_t>();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    dataset_->read(ids[i], {row + i * size.bytes(), size.bytes()});
    label[i] = dataset_->label(ids[i]);
    transforms_[i] = augment(options_, size, seed_, epochs[i], ids[i]);
  }
  kernels::u8_to_float(*context_, std::span(transforms_).first(ids.size()), table_, pixels,
                       batch.x);
}

Batch make_batch(const DatasetPtr& dataset, std::span<const std::int64_t> ids,
                 std::span<const std::uint32_t> epochs, const AugmentOptions& options,
                 std::uint64_t seed, MemoryResource& memory) {
  BatchMaker maker(dataset, options, seed, static_cast<std::int64_t>(ids.size()), memory);
  Batch batch;
  maker.fill(ids, epochs, maker.allocate(), batch);
  return batch;
}

}  // namespace graft::data
