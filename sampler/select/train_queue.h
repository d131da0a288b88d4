// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace graft {

/// How many batches one slice of candidates may train.
enum class QueueMode : std::uint8_t {
  kDrainAll,         ///< every full batch that is there
  kOneStepPerSlice,  ///< at most one, as the authors' loop; a backlog can grow
  kFlushSlice,       ///< every full batch, then the rest as a smaller one: nothing waits
};

/// What happens at the end of an epoch to selected examples that do not fill a batch.
enum class EpochEnd : std::uint8_t {
  kFlush,    ///< they are trained as a smaller batch; the queue is empty afterwards
  kCarry,    ///< they wait for the next epoch
  kDiscard,  ///< they are dropped (the paper's Algorithm 1)
  kAuthors,  ///< trained if the last slice trained nothing, otherwise carried
};

/// "drain_all", "one_step_per_slice", "flush_slice"; "flush", "carry", "discard", "authors".
[[nodiscard]] std::string_view name(QueueMode mode);
[[nodiscard]] std::string_view name(EpochEnd end);

struct QueueOptions {
  QueueMode mode = QueueMode::kDrainAll;
  EpochEnd epoch_end = EpochEnd::kFlush;
  /// Error if more than this many batches' worth of candidates pass without an update; 0: never.
  std::int64_t watchdog_batches = 256;

  template <class V>
  void visit(V&& v) {
    v("queue_mode", mode);
    v("epoch_end", epoch_end);
    v("watchdog_batches", watchdog_batches);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// A selected example on its way into a batch.
struct QueuedExample {
  std::int64_t id = 0;
  std::uint32_t epoch = 0;  ///< in which it was drawn: with the id, it addresses its augmentation
  float weight = 1;
  std::int64_t slot = 0;  ///< the caller's handle of the example's data

  bool operator==(const QueuedExample&) const = default;
};

/// The bookkeeping between selection and training: a FIFO of selected examples, cut into batches.
/// Holds no data. Per slice: push_slice once, then next until it returns false.
class TrainQueue {
 public:
  /// batch: examples per update, > 0.
  TrainQueue(const QueueOptions& options, std::int64_t batch);

  /// Appends the selected examples of a slice of `candidates` candidates, in their order.
  /// The slice before it must be finished. hold: it is finished at once, unless it is the last of
  /// its epoch.
  void push_slice(std::int64_t candidates, std::span<const QueuedExample> selected,
                  bool last_of_epoch, bool hold = false);

  /// True: `batch` holds the examples of the next update, which the caller makes now. False: the
  /// slice is finished. Throws Error(kConfig) when the watchdog fires.
  bool next(std::vector<QueuedExample>& batch);

  /// What the last finished slice dropped (epoch_end discard), for the caller to free.
  [[nodiscard]] std::span<const QueuedExample> dropped() const { return dropped_; }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(queue_.size()); }
  [[nodiscard]] std::int64_t batch() const { return batch_; }

  /// Everything needed to go on, also between two batches of a slice. Slots are the caller's to
  /// assign anew.
  struct State {
    std::vector<std::int64_t> ids;
    std::vector<std::uint32_t> epochs;
    std::vector<float> weights;
    std::int64_t candidates_since_update = 0;
    std::int64_t batches_of_slice = 0;
    bool slice_open = false;
    bool last_of_epoch = false;

    bool operator==(const State&) const = default;
  };
  [[nodiscard]] State state() const;
  /// slots: one for each id of the state. Throws Error(kModel) if the lists differ in length.
  void restore(const State& state, std::span<const std::int64_t> slots);

 private:
  /// How many examples the next batch takes; 0: none.
  [[nodiscard]] std::int64_t next_size() const;
  void finish_slice();

  QueueOptions options_;
  std::int64_t batch_;
  std::deque<QueuedExample> queue_;
  std::vector<QueuedExample> dropped_;
  std::int64_t candidates_since_update_ = 0;
  std::int64_t batches_of_slice_ = 0;
  bool slice_open_ = false;
  bool last_of_epoch_ = false;
};

}  // namespace graft
