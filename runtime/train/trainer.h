// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "runtime/data/loader.h"
#include "runtime/data/resident.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/example_ledger.h"
#include "runtime/train/network.h"
#include "runtime/train/priority_schedule.h"
#include "runtime/train/probes.h"
#include "runtime/train/progress_bar.h"
#include "runtime/train/run_dir.h"
#include "runtime/train/selective_step.h"
#include "runtime/train/train_data.h"
#include "runtime/train/train_options.h"

namespace graft::train {

/// How a run ended.
struct RunResult {
  enum class End : std::uint8_t { kFinished, kTargetReached, kInterrupted, kNothingLeft };
  End end = End::kFinished;
  int epochs = 0;  ///< done
  double test_error = 1, best_error = 1, test_loss = 0;
  Counters counters;
  TimeSplit time;
};

/// One run of one seed: data, network, sampler, records and checkpoints.
class Trainer {
 public:
  /// Opens the data, builds the network, opens the run directory `out` and, if asked to resume,
  /// loads its last checkpoint. `ctx` must outlive the trainer. Throws what the parts throw:
  /// Error(kUsage, kData, kConfig, kModel, kOutOfMemory, kIo).
  /// `schedule` may exchange the sampler's priority function; null: nobody does.
  Trainer(Context& ctx, const TrainOptions& options, const std::string& out,
          std::unique_ptr<PrioritySchedule> schedule = nullptr);

  /// Trains to the end, the target error or a signal. Metrics are written at every epoch's end; a
  /// checkpoint then, and in between by updates or seconds. Throws Error(kNumerical), Error(kData),
  /// Error(kIo).
  RunResult run();

  /// Called with every epoch's record, after it was written.
  void on_epoch(std::function<void(const Json&)> callback) { on_epoch_ = std::move(callback); }
  [[nodiscard]] SelectiveStep& step() { return *step_; }
  [[nodiscard]] Network& network() { return *network_; }
  [[nodiscard]] const Sampler& sampler() const { return *sampler_; }

 private:
  void build_network();
  void log_cache() const;
  /// What a run on a device needs of its memory, before any of it is taken.
  void log_memory(const Graph& graph) const;
  /// Puts the training set on the device, if there is one and it fits.
  void place_data();
  /// Of the training set; its batches come to where the network works.
  void make_loader();
  /// What scores slices in place of the network's own selection forward, if anything does.
  void build_selection(const Graph& graph);
  void open_run(const std::string& out);
  void begin_epoch();
  [[nodiscard]] Network::Options network_options() const;
  [[nodiscard]] LrPolicy make_lr_policy(std::int64_t epochs, std::int64_t examples) const;
  /// Trains the model that the sampler compares with, if it needs one; false if a stop was asked
  /// for.
  bool provide_irreducible_losses();
  [[nodiscard]] Json description() const;
  void resume_from(const CheckpointExtra& extra);
  void refill_queue(const Json& queue);
  void resume_selection(const CheckpointExtra& extra);

  /// Lets the schedule exchange the sampler's priority function.
  void exchange_priority();

  /// Runs what is left of the epoch; false if a stop was asked for.
  bool run_epoch();
  void finish_epoch();
  [[nodiscard]] EpochInfo epoch_info(std::span<const float> u) const;
  /// Forwards the examples that the epoch's plan hid from training.
  void refresh_scores();
  [[nodiscard]] bool budget_spent() const;
  void save_checkpoint();
  [[nodiscard]] bool checkpoint_is_due() const;
  [[nodiscard]] bool target_reached() const;
  [[nodiscard]] Json epoch_record() const;
  [[nodiscard]] Json loss_cdf_record() const;
  void show_progress();
  void account_other();
  /// What run() returns; ends what works in the background.
  [[nodiscard]] RunResult result(RunResult::End end);

  Context& ctx_;
  TrainOptions options_;
  TrainData data_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<data::ResidentData> resident_;  // null: the loader makes the pixels
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<PrioritySchedule> schedule_;  // null: F stays
  std::unique_ptr<LrPolicy> lr_;
  std::unique_ptr<Context> selector_ctx_;  // of the pipeline's thread
  std::unique_ptr<CheapSelection> cheap_;  // null: the network's own selection forward
  std::unique_ptr<SelectionPipeline> pipeline_;
  std::unique_ptr<SelectiveStep> step_;
  std::unique_ptr<ExampleLedger> ledger_;  // null unless asked for
  std::unique_ptr<data::Loader> loader_;
  std::unique_ptr<RunDir> dir_;
  std::unique_ptr<CheckpointManager> checkpoints_;
  std::unique_ptr<Probes> probes_;  // null: none
  ProgressBar progress_;
  std::function<void(const Json&)> on_epoch_;

  std::int64_t select_batch_ = 0;  // candidates of one slice

  // Where the run is; all of it is in a checkpoint.
  int epoch_ = 0;
  bool epoch_open_ = false;  // before_epoch was called for epoch_
  EpochPlan epoch_plan_;
  std::int64_t cursor_ = 0;  // candidates of this epoch that were processed
  Counters epoch_start_;     // counters at the epoch's start
  Evaluation last_eval_;
  double best_error_ = 1;

  bool finished_ = false;  // target reached or all epochs done

  using Clock = std::chrono::steady_clock;
  Clock::time_point run_start_ = Clock::now(), saved_at_ = run_start_;
  double measured_before_ = 0;  // total time of the run when this process took it up
  std::int64_t saved_update_ = 0;
};

/// Checks all that the options say by themselves: ranges, data, model, rate policy, sampler and its
/// options. Throws Error(kUsage) as Trainer would. Opens nothing.
void validate(const TrainOptions& options);

/// Compute threads that `--threads` stands for; 0: all cores.
[[nodiscard]] int thread_budget(int threads);

/// Context for `device` (cpu, cuda or auto) with `threads` (0: all cores); logs what auto chose and
/// why.
[[nodiscard]] std::unique_ptr<Context> make_context(const std::string& device, int threads);

}  // namespace graft::train
