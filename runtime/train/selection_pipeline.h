// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/json.h"
#include "runtime/train/network.h"

namespace graft::train {

/// A slice of candidates between its selection forward and its training.
struct AheadSlice {
  Tensor x, y;  ///< storage for the largest slice; the first ids.size() rows are in use
  std::vector<std::int64_t> ids;
  std::vector<std::uint32_t> epochs;
  std::vector<std::int32_t> scored_rows;  ///< rows that are scored, ascending
  std::vector<float> losses;              ///< one a scored row, once the slice is ready
  std::vector<float> exact;               ///< likewise in f32, where the two are to be compared
  double epoch_progress = 0;              ///< epochs done at the slice's start
  bool last = false;                      ///< the epoch ends with it
  std::int64_t weights_update = 0;        ///< updates that the weights it is scored with have seen

  [[nodiscard]] Network::Rows rows() const;
};

/// Scores slices in a thread of its own, ahead of training, with a copy of the network's weights:
/// while slice k is trained, slices k+1 .. k+depth are scored with weights that are as old as their
/// submission. Which weights score a slice depends on the order of calls only, never on timing, so
/// that runs repeat and resume exactly. Source: spec selective-backprop, section 4.5.
class SelectionPipeline {
 public:
  /// Losses of `rows` under the weights of the replica that it was made for; see AheadSlice.
  using Scorer = std::function<void(const Network::Rows& rows, std::span<float> losses,
                                    std::vector<float>& exact)>;
  struct Options {
    int depth = 1;                  ///< slices between submission and training; 0: none
    std::int64_t sync_updates = 1;  ///< weights are copied when so many updates have passed
    std::int64_t select_batch = 128;
    Shape image;  ///< of one example, with a leading 1
  };
  /// `trained` is read in submit() only, from the caller's thread. `replica`, of the same graph and
  /// with a context of its own, belongs to the pipeline from now on, as does `scorer`.
  SelectionPipeline(Network& trained, std::unique_ptr<Network> replica, Scorer scorer,
                    const Options& options);
  ~SelectionPipeline();
  SelectionPipeline(const SelectionPipeline&) = delete;
  SelectionPipeline& operator=(const SelectionPipeline&) = delete;

  /// A slice to fill and submit. Throws Error(kInternal) if depth + 1 are under way.
  [[nodiscard]] AheadSlice& prepare();
  /// Hands the prepared slice to the scoring thread, with today's weights if they are due.
  void submit(std::int64_t updates);

  /// Slices under way.
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(order_.size()); }
  /// Whether the oldest slice is to be trained before another one may be submitted.
  [[nodiscard]] bool full() const { return size() > options_.depth; }
  /// The oldest slice: waits for its losses. Rethrows what scoring met. Throws Error(kInternal) if
  /// its weights are more than max_staleness() updates old.
  [[nodiscard]] const AheadSlice& front(std::int64_t updates);
  void pop();

  /// What a checkpoint keeps: who is under way and with what losses (waits for them), and the
  /// weights in use.
  struct State {
    Json meta;
    std::map<std::string, std::vector<float>> arrays;
  };
  [[nodiscard]] State state();
  /// Fills x and y of a slice whose ids and epochs are set.
  using Refill = std::function<void(AheadSlice& slice)>;
  /// Inverse of state(), for a new pipeline. Throws Error(kModel) if the state is damaged.
  void restore(const State& state, const Refill& refill);

  /// Largest number of updates between the weights that score a slice and those that it trains.
  [[nodiscard]] std::int64_t max_staleness() const;
  /// Largest seen so far.
  [[nodiscard]] std::int64_t staleness() const { return staleness_; }
  [[nodiscard]] int depth() const { return options_.depth; }
  /// Declares how many updates one slice can lead to at most; part of max_staleness().
  void set_updates_per_slice(std::int64_t updates) { updates_per_slice_ = updates; }

 private:
  /// Parameters and buffers of the trained network at one time.
  struct Weights {
    std::vector<float> values, buffers;
  };
  struct Slot {
    AheadSlice slice;
    std::shared_ptr<const Weights> weights;
    std::exception_ptr error;
    bool ready = false;
  };
  void work(const std::stop_token& stop);
  void score(Slot& slot);
  void load(const std::shared_ptr<const Weights>& weights);
  void wait_for(const Slot& slot);
  Slot& take_prepared();

  Network& trained_;
  std::unique_ptr<Network> replica_;
  Scorer scorer_;
  Options options_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> free_;
  std::deque<Slot*> order_;  // under way, oldest first; the caller's thread only
  Slot* prepared_ = nullptr;
  std::shared_ptr<const Weights> weights_;  // of the last synchronisation
  std::int64_t synced_at_ = 0, staleness_ = 0, updates_per_slice_ = 1;

  // The scoring thread's own.
  std::shared_ptr<const Weights> loaded_;
  Tensor packed_x_, packed_y_;

  std::mutex mutex_;  // guards to_score_ and every Slot::ready
  std::condition_variable_any changed_;
  std::deque<Slot*> to_score_;
  std::jthread thread_;  // last: joined first
};

}  // namespace graft::train
