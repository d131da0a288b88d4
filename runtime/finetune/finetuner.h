// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/adapt/child_process.h"
#include "runtime/finetune/family_training.h"

namespace graft::finetune {

/// Fine-tunes a base once for each branch point, everything before it frozen: the M-Trainer of
/// Mainstream. Source: Jiang's thesis, section 5.2.
///
/// The folder: finetune.json (settings, and the seconds that the stem has taken), base.graft,
/// cache/ (activations at the branch points; removed at the end), candidates/frozen-K.safetensors
/// and .json (of finished candidates) and .log (of processes of their own), family.json,
/// report.html. At every moment it is enough to go on: a candidate with a .json is not trained
/// again.
class Finetuner {
 public:
  /// `program`: the graft binary, for processes of candidates. Throws Error(kUsage), Error(kModel)
  /// for the base, Error(kData), Error(kIo); Error(kConfig) if the folder holds a fine-tuning of
  /// other settings, or any without `resume` or `force`.
  Finetuner(const FinetuneOptions& options, std::filesystem::path program);

  /// Trains what is not finished, deepest branch point first, and writes family.json and the
  /// report. Nothing if a signal stopped it; finished candidates stay.
  [[nodiscard]] std::optional<Family> run();
  /// Candidates of this fine-tuning, and those of them that are finished.
  [[nodiscard]] std::size_t wanted() const { return training_->points().size(); }
  [[nodiscard]] std::size_t finished() const { return wanted() - unfinished().size(); }

 private:
  struct Running {
    BranchPoint point;
    adapt::ChildProcess process;
  };

  void open_folder(const Model& base);
  void write_description() const;
  /// Deepest first.
  [[nodiscard]] std::vector<BranchPoint> unfinished() const;
  bool fill_cache();
  bool train_here();
  bool train_in_processes();
  [[nodiscard]] adapt::ChildProcess start(const BranchPoint& point) const;
  /// Takes in what has ended; true if anything has.
  bool collect();
  void stop_processes();
  [[nodiscard]] CandidateRecord read_record(int frozen) const;
  void announce(int frozen) const;
  [[nodiscard]] Family finish() const;

  FinetuneOptions options_;
  std::filesystem::path out_, program_;
  Context ctx_;
  std::unique_ptr<FamilyTraining> training_;
  std::unique_ptr<adapt::FolderLock> lock_;
  Json description_;
  std::string base_sha256_;
  std::vector<Running> running_;
};

/// The process of one candidate, in the folder that a Finetuner has prepared. False if a signal
/// stopped it.
[[nodiscard]] bool train_in_child(const FinetuneOptions& options, int frozen);

}  // namespace graft::finetune
