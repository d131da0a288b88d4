// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "layers/optim/lr_policy.h"
#include "runtime/data/resident.h"
#include "runtime/train/cheap_selection.h"
#include "runtime/train/device_selection.h"
#include "runtime/train/network.h"
#include "runtime/train/pending_update.h"
#include "runtime/train/row_pool.h"
#include "runtime/train/selection_pipeline.h"
#include "runtime/train/time_split.h"
#include "sampler/score/cost.h"
#include "sampler/select/sampler.h"
#include "sampler/select/train_queue.h"

namespace graft::train {

/// What tests and reports may watch; empty functions are not called.
struct StepObserver {
  /// After a selection forward: who was scored, with what losses, and who was chosen.
  std::function<void(const Network::Rows& slice, std::span<const float> losses, const Selection&)>
      on_select;
  /// After an update. With cached activations the batch has no tensors: its slices are gone.
  std::function<void(const Network::Rows& batch, std::span<const float> losses, double lr,
                     const Counters&)>
      on_update;
};

/// Storage of the scores of some rows.
struct ScoreBuffer {
  std::vector<float> losses, confidences, gradient_norms;
  std::vector<std::uint8_t> correct;

  /// Room for n rows; only losses unless `softmax`.
  [[nodiscard]] Network::Scores resize(std::size_t n, bool softmax);
  [[nodiscard]] ExampleScores view() const {
    return {losses, correct, confidences, gradient_norms};
  }
};

/// The loop of Selective-Backprop around a network: score a slice of candidates, let the sampler
/// choose, queue the chosen with their tensors, and train every batch that the queue says is full.
/// A sampler that needs no scores makes it the ordinary training loop. Source: Jiang 2020,
/// section 3.3, in the order of the authors' code.
///
/// A network with cached activations (CacheMode kReuse or kMasked) is trained by
/// select-and-accumulate instead: a slice is forwarded once, in training mode; the gradient of its
/// selected rows is computed at once and added up, and after the slice that brings their number to
/// `batch` or more the weights move along its mean. Nothing is queued. Counters: the scored rows
/// count as forward_select, selected rows that were not scored as forward_train, and backprops are
/// the selected rows, also for kMasked.
class SelectiveStep {
 public:
  struct Options {
    std::int64_t batch = 128;         ///< examples of one update
    std::int64_t select_batch = 128;  ///< largest slice
    std::uint64_t seed = 0;           ///< of the selection draws
    Shape image;                      ///< of one example, with a leading 1
  };
  /// All of `network`, `sampler` and `lr` must outlive the loop. Units of lr: its clock's.
  SelectiveStep(Network& network, Sampler& sampler, const LrPolicy& lr, const Options& options);

  /// One slice: at most select_batch candidates of one epoch, in order. `last`: the epoch ends with
  /// it. `epoch_progress`: epochs done at the slice's start, with the fraction.
  void run(const Network::Rows& candidates, bool last, double epoch_progress);

  /// Takes the sampler's losses from `cheap` in place of the network's own selection forward and,
  /// with `pipeline`, ahead of training; both outlive the loop, null is none. Throws Error(kUsage)
  /// naming the sampler or the cache mode that needs the network's own forward, in time.
  void score_with(CheapSelection* cheap, SelectionPipeline* pipeline);

  /// From now on slices come without tensors: their images are taken from `data`, which outlives
  /// the loop, at the forward and again when a batch is trained. With `on_device`,
  /// Selective-Backprop passes whole slices without the host while it can, see DeviceSelection.
  void read_from(data::ResidentData& data, bool on_device);
  /// Brings counters, sampler and queue up to what the device has done. Throws Error(kNumerical).
  void settle();

  /// Slices so far that passed without the host.
  [[nodiscard]] std::int64_t device_slices() const { return device_slices_; }

  /// Puts an example back into the queue's data at resume; returns its slot.
  [[nodiscard]] std::int64_t put(const Tensor& x, const Tensor& y, std::int64_t row) {
    return pool_.put(x, y, row);
  }

  [[nodiscard]] TrainQueue& queue() { return queue_; }
  [[nodiscard]] const PendingUpdate& pending() const { return pending_; }
  /// The gradient of pending(), for a checkpoint; empty if nothing is pending.
  [[nodiscard]] std::vector<float> pending_gradient() const;
  /// Throws Error(kModel) if the two do not fit each other or the network.
  void restore_pending(PendingUpdate pending, std::span<const float> gradient);

  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] TimeSplit& time() { return time_; }
  /// Rate of the last update; set at resume, for a record before the next one.
  [[nodiscard]] double last_lr() const { return last_lr_; }
  void set_last_lr(double lr) { last_lr_ = lr; }
  /// Factor on the policy's rate, of an epoch's plan.
  void set_lr_scale(double scale) { lr_scale_ = scale; }

  /// Scores `rows` without training on them, in evaluation mode, for the sampler's
  /// on_refresh_scores; counted as selection forwards.
  void refresh(const Network::Rows& rows);

  /// Mean loss of what was trained, and the losses that the candidates showed, since reset_epoch().
  struct EpochLosses {
    double weighted_sum = 0;
    std::int64_t count = 0;
    std::vector<float> seen;  ///< selection losses, or training losses where nothing is scored
  };
  [[nodiscard]] EpochLosses& epoch_losses() { return epoch_losses_; }
  [[nodiscard]] const EpochLosses& epoch_losses() const { return epoch_losses_; }
  void reset_epoch() { epoch_losses_ = {}; }

  /// Weights of the losses by example id, for samplers that plan an epoch with weights; empty: 1.
  void set_example_weights(std::vector<float> by_id) { example_weights_ = std::move(by_id); }

  void observe(StepObserver observer) { observer_ = std::move(observer); }

 private:
  /// Some rows of a forward, ascending and unique; what is chosen again adds to the weight.
  struct ChosenRows {
    std::vector<std::int32_t> row;
    std::vector<float> weight;
    void clear();
    void add(std::int32_t r, float w);
  };

  /// Fills the uniforms of the slice.
  void draw(const Network::Rows& slice);
  /// Asks the sampler which rows it needs scored; fills scored_rows_.
  void ask_for_scores(const Network::Rows& slice);
  /// Selection forward of scored_rows_, which fills selection_; returns the rows as forwarded.
  Network::Rows score(const Network::Rows& slice);
  /// Those rows of the slice, copied into subset_x_ and subset_y_.
  Network::Rows gather(const Network::Rows& slice, std::span<const std::int32_t> row);
  /// Asks the sampler; fills selection_.
  void choose(const Network::Rows& slice, std::span<const float> losses);
  /// As choose(), and if there are exact losses tells cheap_ what they would have led to.
  void choose_watched(const Network::Rows& slice, std::span<const float> losses,
                      std::span<const float> exact);
  /// Whether each scored row is in selection_.
  void mark_chosen(std::vector<std::uint8_t>& chosen) const;
  [[nodiscard]] Progress clocks(double epoch_progress) const;
  /// Queues selection_ and trains every batch that is full.
  void train_selected(const Network::Rows& slice, bool last, const Progress& before);
  void enqueue(const Network::Rows& slice, bool last);
  void train(const std::vector<QueuedExample>& batch, const Progress& before_slice);
  [[nodiscard]] float planned_weight(std::int64_t id) const;
  /// Rate of the next update. Candidates and epochs are as of the slice's start, so "epoch 60"
  /// begins with its first update.
  [[nodiscard]] double rate(const Progress& before_slice) const;

  // With data on the device.
  [[nodiscard]] Network::Rows loaded(const Network::Rows& slice);
  /// Whether the slice may pass without the host; then the device is ready for it.
  [[nodiscard]] bool device_takes(const Network::Rows& slice, bool last);

  // With a pipeline.
  void run_ahead(const Network::Rows& slice, bool last, double epoch_progress);
  void train_oldest();

  // With cached activations.
  void run_cached(const Network::Rows& slice, bool last, const Progress& before);
  void split_selection(const Network::Rows& slice);
  void train_fresh(const Network::Rows& slice);
  void back_propagate(const Network::Rows& rows, const ChosenRows& chosen);
  void update(const Progress& before_slice);

  Network& network_;
  Sampler& sampler_;
  const LrPolicy& lr_;
  Options options_;
  TrainQueue queue_;
  RowPool pool_;
  Counters counters_;
  TimeSplit time_;
  double last_lr_ = 0, lr_scale_ = 1;
  EpochLosses epoch_losses_;
  StepObserver observer_;
  std::vector<float> example_weights_;
  CheapSelection* cheap_ = nullptr;
  SelectionPipeline* pipeline_ = nullptr;
  data::ResidentData* resident_ = nullptr;
  std::unique_ptr<DeviceSelection> device_;  // null: the host chooses
  std::int64_t device_slices_ = 0;
  int host_slices_ = 0;  // scored by the host: what the device needs is warm
  PendingUpdate pending_;
  ChosenRows reused_, fresh_;  // of the rows that were scored; of the slice

  // Of the slice and of the batch in work; members so that a warm step allocates nothing.
  bool softmax_scores_;  // whether the sampler asks for more than losses
  Selection selection_;
  std::vector<std::uint8_t> needed_;
  std::vector<std::int32_t> scored_rows_, tape_row_, all_rows_;
  std::vector<float> exact_losses_;
  std::vector<std::uint8_t> chosen_, chosen_exactly_;
  std::vector<float> losses_, gradient_norms_, u_select_, u_score_;
  std::vector<std::int64_t> subset_ids_, batch_ids_, batch_slots_;
  std::vector<std::uint32_t> subset_epochs_, batch_epochs_;
  std::vector<QueuedExample> queued_, batch_;
  std::vector<float> batch_weights_;
  ScoreBuffer slice_scores_, batch_scores_;
  const Network::Rows* slice_ = nullptr;
  Tensor subset_x_, subset_y_, batch_x_, batch_y_, slice_x_, slice_y_;
};

}  // namespace graft::train
