// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "runtime/adapt/adapt_options.h"
#include "runtime/adapt/child_process.h"
#include "runtime/train/priority_schedule.h"
#include "runtime/train/train_options.h"
#include "sampler/score/priority.h"

namespace graft::adapt {

/// AdaptSB-Multi: when a run has come to a stage, `graft adapt` searches in the background from a
/// copy of its newest weights while the run goes on; once it ends, the best function takes effect
/// at the start of an epoch. One search at a time; a stage whose time comes meanwhile waits. Each
/// stage first tries the best of the one before. Source: thesis section 4.3, spec 3.3 and 3.5.
///
/// The trainer calls before_epoch() at the start of every epoch, when a checkpoint of exactly that
/// moment exists, hands the swap to its sampler and writes its record(); state() belongs into the
/// checkpoint. A killed run takes the search up where it stood. When swaps happen depends on how
/// fast the searches are: it is recorded, not reproducible.
///
/// Stages lie in RUN/adapt/stage-<k>/: a search's folder, with snapshot/ (run.json and the one
/// checkpoint in ckpt/) beside its trials unless the stage began at epoch 0.
class AdaptSchedule final : public train::PrioritySchedule {
 public:
  struct Options {
    std::vector<double> at;  ///< shares of the epochs at which stages begin: ascending, in [0, 1)
    AdaptOptions search;
    train::TrainOptions run;        ///< of the run itself: trials train like it
    std::filesystem::path program;  ///< the graft binary
  };

  /// Throws Error(kUsage) for bad stages or search options.
  explicit AdaptSchedule(const Options& options);

  /// `epoch` of `epochs` are done. Trials of a stage that begins after epoch 0 train at the fixed
  /// rate `lr`, the run's at this moment. Throws the error of a search that failed, Error(kIo),
  /// Error(kModel) if a stage has no checkpoint to begin from.
  [[nodiscard]] std::optional<train::PrioritySwap> before_epoch(int epoch, int epochs,
                                                                double lr) override;
  /// True while a search runs.
  [[nodiscard]] bool searching() const { return search_.has_value(); }
  /// Lets a running search save what it has; state() still counts it as running.
  void interrupt() override;

  [[nodiscard]] Json state() const override;
  /// Throws Error(kModel) for what state() did not write.
  void restore(const Json& state) override;

 private:
  [[nodiscard]] std::filesystem::path folder() const;
  void begin(int epoch, double lr);
  void start_search();
  [[nodiscard]] train::PrioritySwap read_best(int epoch) const;

  Options options_;
  // Where the schedule is; all of it is in state().
  int stage_ = 0;           // running if begun_, else the next
  bool begun_ = false;      // its search has begun
  int snapshot_epoch_ = 0;  // of the running stage
  double lr_ = 0;           // likewise
  std::string best_;        // of the stage before; empty at first
  std::optional<ChildProcess> search_;
};

/// The schedule that a run's --adapt-at and adapt.KEY options ask for; null if they ask for none.
/// Throws Error(kUsage) naming the option.
[[nodiscard]] std::unique_ptr<train::PrioritySchedule> make_adapt_schedule(
    const train::TrainOptions& run);

/// Reads `0,0.33,0.66`. Throws Error(kUsage) naming the text.
[[nodiscard]] std::vector<double> parse_stages(std::string_view text);

}  // namespace graft::adapt
