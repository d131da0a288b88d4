// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/device/recording.h"
#include "kernels/api/select.h"
#include "runtime/data/resident.h"
#include "runtime/train/network.h"
#include "sampler/select/selective_backprop.h"
#include "sampler/select/train_queue.h"

namespace graft::train {

/// Selective-Backprop whose loss window, draws and queue live on the device. A slice is one
/// recording: its images read and augmented, the selection forward, the choice of rows and, where
/// that fills a batch, the training step behind a conditional node. The host enqueues slices and
/// reads what happened when it asks. SelectiveStep driven by the host is the oracle: the same
/// examples are selected and trained, in the same order.
class DeviceSelection {
 public:
  struct Options {
    std::int64_t batch = 128, slice = 128;  ///< slice <= batch
    std::uint64_t seed = 0;                 ///< of the draws
    Shape image;                            ///< of one example, with a leading 1
  };
  /// `network` and `data` must outlive it.
  DeviceSelection(Network& network, data::ResidentData& data, const Options& options);

  /// Slices that may be run before the host has to read.
  static constexpr std::int64_t kMaxSlices = 64;

  /// Takes over: the window of losses, oldest first and full, how it is read, and the queue, less
  /// than a batch, all of weight 1. Throws Error(kUnsupported) if the step cannot be recorded.
  void begin(std::span<const float> window, const PercentileRule& rule,
             const TrainQueue::State& queue);
  /// Between begin() and end().
  [[nodiscard]] bool running() const { return open_; }
  [[nodiscard]] std::int64_t slices() const { return slices_; }  ///< since begin()

  /// Enqueues one full slice; an update that it leads to is made at `lr`.
  void run(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs, double lr);

  /// What happened since begin().
  struct Outcome {
    kernels::SelectionCounts counts;
    std::vector<float> window;  ///< oldest first
    TrainQueue::State queue;
    std::vector<float> seen;  ///< losses of the slices, in order
    double last_lr = 0;       ///< of the last update; 0: there was none
  };
  /// Synchronises and gives the state back. Throws Error(kNumerical) naming the first example whose
  /// selection loss is not finite, or if an update was refused.
  [[nodiscard]] Outcome end();

 private:
  void record_slice();
  void check(const Outcome& outcome) const;

  Network& network_;
  data::ResidentData& data_;
  Options options_;
  PercentileRule rule_;
  kernels::DeviceSelection state_;
  Tensor id_, epoch_, slice_x_, slice_y_, batch_x_, batch_y_, control_;
  std::unique_ptr<Recording> slice_;
  bool open_ = false;
  std::int64_t slices_ = 0;        // since begin()
  std::vector<double> lr_;         // of these slices
  std::vector<std::int64_t> ids_;  // of these slices, for messages
};

}  // namespace graft::train
