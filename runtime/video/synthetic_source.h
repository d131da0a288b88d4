// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/video/frame_source.h"

namespace graft::video {

struct SyntheticVideo {
  std::int64_t frames = 0;  ///< 0: without end
  double fps = 10;
  int width = 160, height = 120;
  std::uint64_t seed = 0;
  int event = 40;  ///< frames in which an object crosses the picture
  int gap = 60;    ///< frames without it, on average
  int noise = 8;   ///< largest deviation of a pixel, in grey levels

  /// Ground truth: whether the object is in frame `index`.
  [[nodiscard]] bool object_at(std::int64_t index) const;
  /// Draws frame `index`. A pure function of the options and the index, by whole numbers only: the
  /// same on every machine.
  void render(std::int64_t index, ImageU8& image) const;
};

/// Reads [key=value,...] with the names of the fields. `fps` above 0 overrides. Throws
/// Error(kUsage).
[[nodiscard]] SyntheticVideo parse_synthetic(std::string_view text, double fps);

class SyntheticSource final : public FrameSource {
 public:
  explicit SyntheticSource(const SyntheticVideo& video) : video_(video) {}

  bool next(Frame& frame) override;
  double fps() const override { return video_.fps; }

 private:
  SyntheticVideo video_;
  std::int64_t at_ = 0;
};

}  // namespace graft::video
