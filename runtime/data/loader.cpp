// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/loader.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/core/error.h"

namespace graft::data {

Loader::Loader(DatasetPtr dataset, const LoaderOptions& options, MemoryResource& memory,
               std::unique_ptr<BatchUpload> upload)
    : dataset_(std::move(dataset)), options_(options), upload_(std::move(upload)) {
  GRAFT_CHECK(dataset_ != nullptr && options.batch >= 1 && options.threads >= 1, "loader: batch ",
              options.batch, ", threads ", options.threads);
  for (int t = 0; t < options.threads; ++t) {
    makers_.push_back(std::make_unique<BatchMaker>(dataset_, options.augment, options.seed,
                                                   options.batch, memory));
  }
  // One in the caller's hands, one on its way to a device, one in the making.
  const std::size_t least = upload_ ? 3 : 2;
  slots_.resize(std::max(least, options.ring_bytes / makers_.front()->storage_bytes()));
  for (Slot& slot : slots_) {
    if (options.pixels) slot.storage = makers_.front()->allocate();
    slot.batch.ids.reserve(static_cast<std::size_t>(options.batch));
    slot.batch.epochs.reserve(static_cast<std::size_t>(options.batch));
  }
  for (auto& maker : makers_) {
    threads_.emplace_back(
        [this, &maker = *maker](const std::stop_token& stop) { work(stop, maker); });
  }
}

Loader::~Loader() {
  for (std::jthread& thread : threads_) thread.request_stop();
  if (upload_ == nullptr) return;
  try {
    upload_->wait();        // before the memory goes that it copies from
  } catch (const Error&) {  // a broken device was reported where it broke
  }
}

void Loader::start(std::uint32_t epoch, std::int64_t cursor) {
  start(epoch, epoch_order(dataset_->size(), options_.seed, epoch), cursor);
}

void Loader::start(std::uint32_t epoch, std::vector<std::int64_t> ids, std::int64_t cursor) {
  GRAFT_CHECK(cursor >= 0 && cursor <= static_cast<std::int64_t>(ids.size()), "loader: cursor ",
              cursor, " in an epoch of ", ids.size());
  for (const std::int64_t id : ids) {
    GRAFT_CHECK(id >= 0 && id < dataset_->size(), "loader: id ", id, " of ", dataset_->size());
  }
  std::unique_lock lock(mutex_);
  batches_ = claimed_;  // nobody claims another one
  may_take_.wait(lock, [&] { return busy_ == 0; });
  ids_ = std::move(ids);
  if (upload_) upload_->wait();
  begin(epoch, cursor);
  lock.unlock();
  may_make_.notify_all();
}

void Loader::begin(std::uint32_t epoch, std::int64_t cursor) {
  epochs_.assign(static_cast<std::size_t>(options_.batch), epoch);
  first_ = cursor_ = cursor;
  const std::int64_t left = epoch_size() - cursor;
  batches_ =
      options_.drop_last ? left / options_.batch : (left + options_.batch - 1) / options_.batch;
  claimed_ = taken_ = released_ = 0;
  failed_ = false;
  for (Slot& slot : slots_) {
    slot.ready = slot.sent = false;
    slot.error = nullptr;
  }
}

void Loader::work(const std::stop_token& stop, BatchMaker& maker) {
  std::unique_lock lock(mutex_);
  const auto may_claim = [&] {
    return !failed_ && claimed_ < batches_ && claimed_ < released_ + slots();
  };
  while (may_make_.wait(lock, stop, may_claim)) {
    const std::int64_t number = claimed_++;
    ++busy_;
    lock.unlock();
    make(number, maker);
    lock.lock();
    --busy_;
    slot_of(number).ready = true;
    failed_ = failed_ || slot_of(number).error != nullptr;
    may_take_.notify_all();
  }
}

void Loader::make(std::int64_t number, BatchMaker& maker) {
  Slot& slot = slot_of(number);
  const std::int64_t begin = first_ + number * options_.batch;
  const auto count = static_cast<std::size_t>(std::min(options_.batch, epoch_size() - begin));
  try {
    maker.fill(std::span(ids_).subspan(static_cast<std::size_t>(begin), count),
               std::span(epochs_).first(count), slot.storage, slot.batch);
  } catch (...) {
    slot.error = std::current_exception();
  }
}

const Batch* Loader::next() {
  std::unique_lock lock(mutex_);
  if (released_ < taken_) {
    if (upload_) upload_->wait();  // it was sent before the last batch was handed out
    slot_of(released_).ready = slot_of(released_).sent = false;
    ++released_;
    may_make_.notify_one();
  }
  if (taken_ == batches_) return nullptr;
  Slot& slot = slot_of(taken_);
  if (!slot.ready) {
    const auto begin = std::chrono::steady_clock::now();
    may_take_.wait(lock, [&] { return slot.ready; });
    wait_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  if (slot.error) std::rethrow_exception(slot.error);
  if (upload_) {
    send(taken_);
    upload_->publish();
    if (taken_ + 1 < batches_) send(taken_ + 1);
  }
  ++taken_;
  cursor_ += slot.batch.size();
  return &slot.batch;
}

void Loader::send(std::int64_t number) {
  Slot& slot = slot_of(number);
  if (!slot.ready || slot.sent || slot.error) return;
  upload_->send(slot.batch);
  slot.sent = true;
}

LoaderStats Loader::stats() const { return {dataset_->bad_files(), wait_seconds_}; }

}  // namespace graft::data
