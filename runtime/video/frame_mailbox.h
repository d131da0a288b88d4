// SPDX-License-Identifier: Apache-2.0
// The one frame that waits between the decoder and the networks, and the account of all frames.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <numeric>

#include "runtime/video/frame_source.h"

namespace graft::video {

enum class FrameMode : std::uint8_t {
  kReplay,  ///< every frame is handed over: the decoder waits
  kLive,    ///< the newest frame wins
};

/// Why a captured frame was not processed.
enum class DropReason : std::uint8_t {
  kOverrun,  ///< a newer one came before its turn
  kNotDue,   ///< no application looks at this one, by their rates
  kFailed,   ///< the networks or the preprocessing refused it
  kStopped,  ///< it waited when the runner was stopped
};
inline constexpr std::size_t kDropReasons = 4;
/// "overrun", "not_due", "failed", "stopped".
[[nodiscard]] const char* name(DropReason reason);

/// What became of the frames so far, taken at one moment. A frame counts as captured when its fate
/// is known, so that captured = processed + dropped.
struct FrameCounts {
  std::int64_t captured = 0;  ///< counted by the decoder's side, without those under way
  std::int64_t processed = 0;
  std::array<std::int64_t, kDropReasons> dropped{};
  std::int64_t under_way = 0;  ///< waiting or being processed: 2 at most

  [[nodiscard]] std::int64_t all_dropped() const {
    return std::accumulate(dropped.begin(), dropped.end(), std::int64_t{0});
  }
  [[nodiscard]] bool balanced() const { return captured == processed + all_dropped(); }
};

/// What take() came back with.
enum class Taken : std::uint8_t {
  kFrame,
  kNothing,  ///< none in time
  kLost,     ///< the stream broke off; said once, frames may come again
  kEnd,      ///< there will be none
};

/// Thread-safe: one thread puts, one takes and resolves, any counts.
class FrameMailbox {
 public:
  explicit FrameMailbox(FrameMode mode) : mode_(mode) {}

  /// Hands over a frame by swapping buffers; kReplay waits for the place to be free. False, and the
  /// frame is no captured one, once the mailbox is closed.
  bool put(Frame& frame);
  /// The stream broke off.
  void lost();
  /// No more frames will come.
  void finish();

  /// The next frame, waiting for it for `patience` at most.
  [[nodiscard]] Taken take(Frame& frame, std::chrono::milliseconds patience);
  /// The frame taken last was processed.
  void processed();
  /// The frame taken last was dropped.
  void dropped(DropReason reason);
  /// Ends both sides' waits. A frame that waits is dropped as stopped.
  void close();

  [[nodiscard]] FrameCounts counts() const;

 private:
  void drop(DropReason reason) { ++counts_.dropped[static_cast<std::size_t>(reason)]; }

  FrameMode mode_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Frame slot_;
  bool waiting_ = false, taken_ = false, finished_ = false, closed_ = false;
  bool lost_before_ = false, lost_after_ = false;  // the frame that waits
  FrameCounts counts_;                             // captured counts every frame put
};

}  // namespace graft::video
