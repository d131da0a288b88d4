// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "engine/io/records.h"
#include "sampler/search/search.h"

namespace graft::adapt {

/// What one trial came to.
struct FinishedTrial {
  Trial trial;
  double objective = 0;   ///< validation accuracy, in [0, 1]
  double cost_units = 0;  ///< spent since the trial's beginning, earlier rungs included
  double seconds = 0;     ///< likewise
};

/// trials.jsonl: one finished trial a line {"id", "priority", "budget", "objective", "cost_units",
/// "seconds"}, in the order of finishing; only ever appended to.
class TrialJournal {
 public:
  /// Reads what is there. What a crash left of an unfinished last line is dropped. Throws
  /// Error(kConfig) naming the line that is damaged or there twice.
  explicit TrialJournal(const std::filesystem::path& path);

  /// Returns when the line is on the disk.
  void append(const FinishedTrial& finished);
  [[nodiscard]] const std::vector<FinishedTrial>& finished() const { return finished_; }
  [[nodiscard]] bool contains(const Trial& trial) const;
  /// Spent by all trials together.
  [[nodiscard]] double total_cost_units() const;

 private:
  RecordWriter writer_;
  std::vector<FinishedTrial> finished_;
};

}  // namespace graft::adapt
