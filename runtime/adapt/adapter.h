// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/adapt/adapt_options.h"
#include "runtime/adapt/child_process.h"
#include "runtime/adapt/trial_journal.h"
#include "runtime/train/train_options.h"

namespace graft::adapt {

struct AdaptResult {
  bool interrupted = false;  ///< by SIGINT or SIGTERM; resumable
  Search::Observation best;  ///< if any trial has finished
  std::int64_t finished = 0;
  double cost_units = 0;  ///< of all trials
};

/// Searches the priority function with which a short training does best on held-out examples, each
/// trial a `graft train` in a process of its own. Source: thesis section 4.2.
///
/// The folder: adapt.json (what is searched), trials.jsonl (finished trials, the truth), best.json
/// {"priority", "objective", "trial", "cost_units" of the trial, "search_cost_units", "trials",
/// "finished"}, trials/<id>/ (each a run directory, with trial.json and child.log). At every
/// moment it is enough to take up the search: finished trials are in the journal, one that was
/// suggested has its trial.json before it starts and goes on from its own checkpoint.
class Adapter {
 public:
  /// `trial`: options of every trial; its out is the search's folder, its resume and force are the
  /// search's. `program`: the graft binary. Throws Error(kUsage), Error(kConfig) if the folder
  /// holds another search, Error(kData), Error(kIo).
  Adapter(const train::TrainOptions& trial, const AdaptOptions& options,
          std::filesystem::path program);

  /// Runs until all trials are done or a signal comes, which is passed on. A trial that diverges
  /// counts with objective 0; one that fails otherwise ends the search with its error.
  AdaptResult run();

 private:
  struct Running {
    Trial trial;
    ChildProcess process;
  };

  void open_folder(bool resume, bool force);
  void take_up();
  [[nodiscard]] std::filesystem::path folder_of(std::int64_t id) const;
  [[nodiscard]] std::vector<std::string> command_of(const Trial& trial) const;
  void start_trials();
  /// Takes in what has ended; true if anything has.
  bool collect();
  void finish(const Trial& trial, int exit_code);
  void write_best(bool finished) const;
  void stop_trials();
  [[nodiscard]] AdaptResult result(bool interrupted) const;

  train::TrainOptions trial_options_;
  AdaptOptions options_;
  std::filesystem::path out_, program_;
  std::unique_ptr<Search> search_;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<TrialJournal> journal_;
  std::deque<Trial> waiting_;  // suggested before this process began
  std::vector<Running> running_;
};

}  // namespace graft::adapt
