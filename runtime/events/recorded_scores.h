// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/events/event.h"

namespace graft::events {

/// What one application said of one analysed frame.
struct RecordedScore {
  FrameTime frame;
  double score = 0;  ///< probability of the positive class
  /// The answer: with several labels, a score below 0.5 may be positive and one above may not.
  std::optional<bool> positive = {};
};

/// The scores of `app` in a JSON-lines file of {"frame": index from 0, "app", "score"[, "positive"]
/// [, "pts"][, "captured_at"]}, as `graft run --scores` writes it, in the order of the frames;
/// times that are missing are counted at `stream_fps` from 0. Throws Error(kIo), or Error(kData)
/// naming the line that is damaged or whose frame does not follow the one before.
[[nodiscard]] std::vector<RecordedScore> read_scores(const std::filesystem::path& path,
                                                     const std::string& app, double stream_fps);

}  // namespace graft::events
