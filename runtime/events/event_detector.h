// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/events/event.h"

namespace graft::events {

struct DetectorOptions {
  int votes = 1;              ///< positive analysed frames in a row that open an event, >= 1
  int closing_votes = 0;      ///< negative ones in a row that end it; 0: as many as `votes`
  double update_every_s = 0;  ///< stream time between updates of an open event; 0: none
};

/// Turns the answers of one application on one stream into events, by X-voting: `votes` positives
/// in a row among the *analysed* frames open one, `closing_votes` negatives in a row end it.
/// A pure function of what it was given: the same answers give the same events, live or replayed.
/// Not thread-safe. Source: Mainstream (ATC'18), section on X-voting.
class EventDetector {
 public:
  EventDetector(std::string stream, std::string app, std::string model_sha256,
                const DetectorOptions& options);

  /// The answer on the next analysed frame, whose index must be greater than the last one's.
  /// `confidence` in [0, 1]: the probability of the positive class. At most one change comes of it.
  std::optional<EventChange> observe(const FrameTime& frame, bool positive, double confidence);

  /// Ends the open event, if there is one, and forgets all votes.
  std::optional<EventChange> close(EndReason reason);

  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] const DetectorOptions& options() const { return options_; }

 private:
  std::optional<EventChange> while_voting();
  std::optional<EventChange> while_open(bool positive);

  DetectorOptions options_;
  EventState state_;  // of the open event, or of the votes for one
  bool open_ = false;
  int positives_in_row_ = 0;  // while closed
  int negatives_in_row_ = 0;  // while open
  double updated_pts_s_ = 0;
  std::optional<std::int64_t> last_index_;
};

}  // namespace graft::events
