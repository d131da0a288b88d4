// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft::video {

/// Which applications look at which frames of a stream. Each gets its rate exactly in the long run,
/// as evenly as whole frames allow, and the frames of a slower one are always among those of the
/// faster: an application at 2 frames a second of a stream of 10, beside one at 3, takes two of the
/// three that run anyway. So the stem runs at the rate of its fastest user, as schedules assume.
///
/// A function of frame indices alone: the same frames give the same choice, live or replayed. Where
/// frames were lost, the next one that comes takes the place of those that were due.
class FramePicker {
 public:
  /// `fps`: one an application, each in (0, stream_fps]. Rates count in millionths of a frame a
  /// second. Throws Error(kConfig) naming both rates for one that the stream does not have.
  FramePicker(double stream_fps, std::span<const double> fps);

  /// Whether each application is due at frame `index`, which must be greater than the last one's:
  /// one byte an application, until the next call.
  [[nodiscard]] std::span<const std::uint8_t> pick(std::int64_t index);

 private:
  /// Applications of one rate, fastest first.
  struct Level {
    std::int64_t rate = 0, of = 0;  ///< `rate` of each `of` frames of the level before
    std::int64_t taken = 0;         ///< frames that it should have had up to the last index
    std::vector<std::size_t> apps;
  };
  std::vector<Level> levels_;
  std::vector<std::uint8_t> due_;
};

}  // namespace graft::video
