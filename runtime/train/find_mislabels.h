// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/train/trained_run.h"
#include "sampler/score/mislabel.h"

namespace graft::train {

/// What a finished run makes of the labels that it was trained on.
struct MislabelReport {
  std::vector<LabelOpinion> opinions;  ///< by example id
  std::vector<std::int32_t> labels;    ///< as trained on
  std::vector<float> mean_losses;      ///< of the run's ledger
  std::vector<std::int64_t> flagged;   ///< ids judged mislabelled, ascending
  std::int64_t rare = 0;
  /// Against the labels that --label-noise changed; nothing if the run had none.
  std::optional<FlagQuality> quality;
};

/// Forwards the run's whole training set once, in evaluation mode. Throws Error(kModel) if the run
/// was trained without --ledger.
[[nodiscard]] MislabelReport find_mislabels(Context& ctx, TrainedRun& run,
                                            const std::filesystem::path& run_dir, double threshold);

}  // namespace graft::train
