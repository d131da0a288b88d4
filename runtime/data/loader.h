// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "runtime/data/batch.h"
#include "runtime/data/batch_upload.h"

namespace graft::data {

struct LoaderOptions {
  std::int64_t batch = 128;
  int threads = 1;                                 ///< background threads
  std::size_t ring_bytes = std::size_t{16} << 20;  ///< finished batches kept ready; two at least
  bool drop_last = false;                          ///< leave out a last batch that is not full
  std::uint64_t seed = 0;                          ///< of order and augmentation
  AugmentOptions augment = {};
  /// Whether batches have tensors; else only ids and epochs, for pixels that lie on a device.
  bool pixels = true;
};

struct LoaderStats {
  std::vector<BadFile> bad_files;
  double wait_seconds = 0;  ///< spent in next() until a batch was ready
};

/// Makes the batches of an epoch in the background, ahead of the trainer by the ring's bytes. The
/// sequence is a function of seed, epoch and ids: not of threads, ring size or the moment of a
/// resume. When the ring is full the threads wait; nothing is dropped. Once warm, a batch
/// allocates nothing. All of it lies in `memory`, which must be host memory.
class Loader {
 public:
  /// With `upload` the tensors of batches are on its device: the next one is copied while the
  /// caller works on the last.
  Loader(DatasetPtr dataset, const LoaderOptions& options, MemoryResource& memory = host_memory(),
         std::unique_ptr<BatchUpload> upload = nullptr);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Begins an epoch in the order epoch_order(size, seed, epoch), from its example `cursor` on.
  /// What is left of the epoch before is given up.
  void start(std::uint32_t epoch, std::int64_t cursor = 0);
  /// As above, with the examples that a sampler chose, in its order.
  void start(std::uint32_t epoch, std::vector<std::int64_t> ids, std::int64_t cursor = 0);
  /// So that {7} is a list, not a cursor.
  void start(std::uint32_t epoch, std::initializer_list<std::int64_t> ids) {
    start(epoch, std::vector<std::int64_t>(ids));
  }

  /// The next batch, or nullptr at the end of the epoch. It stays valid until the next call of
  /// next() or start(). Rethrows what a thread met while making it, at this and every further call.
  const Batch* next();

  /// Examples of this epoch handed out so far, `cursor` included: where a resume starts.
  [[nodiscard]] std::int64_t cursor() const { return cursor_; }
  /// Examples in this epoch.
  [[nodiscard]] std::int64_t epoch_size() const { return static_cast<std::int64_t>(ids_.size()); }
  [[nodiscard]] LoaderStats stats() const;
  /// Batches the ring holds.
  [[nodiscard]] std::int64_t slots() const { return static_cast<std::int64_t>(slots_.size()); }

 private:
  struct Slot {
    BatchMaker::Storage storage;
    Batch batch;
    std::exception_ptr error;
    bool ready = false, sent = false;
  };

  void begin(std::uint32_t epoch, std::int64_t cursor);
  void work(const std::stop_token& stop, BatchMaker& maker);
  void make(std::int64_t number, BatchMaker& maker);
  /// Starts the copy of a batch that is made and whose copy has not started.
  void send(std::int64_t number);
  [[nodiscard]] Slot& slot_of(std::int64_t number) {
    return slots_[static_cast<std::size_t>(number) % slots_.size()];
  }

  DatasetPtr dataset_;
  LoaderOptions options_;
  std::unique_ptr<BatchUpload> upload_;  ///< null: batches stay where they are made
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<BatchMaker>> makers_;

  std::vector<std::int64_t> ids_;      ///< this epoch's examples; fixed while threads are busy
  std::vector<std::uint32_t> epochs_;  ///< `batch` copies of the epoch's number
  std::int64_t first_ = 0, cursor_ = 0;
  double wait_seconds_ = 0;

  // Under mutex_. Batches are numbered from 0 in each epoch; number b lives in slot b % slots.
  std::mutex mutex_;
  std::condition_variable_any may_make_, may_take_;
  std::int64_t batches_ = 0;   ///< in this epoch
  std::int64_t claimed_ = 0;   ///< given to threads
  std::int64_t taken_ = 0;     ///< handed out; batch taken_ - 1 is in the caller's hands
  std::int64_t released_ = 0;  ///< given back by the caller
  int busy_ = 0;               ///< threads in make()
  bool failed_ = false;

  std::vector<std::jthread> threads_;  // last: joined before anything else goes
};

}  // namespace graft::data
