// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "runtime/video/frame_source.h"

namespace graft::video {

/// The images of a folder, sorted by name, as a video of `fps` frames a second. A file that cannot
/// be decoded is skipped, counted and named on stderr.
class ImagesSource final : public FrameSource {
 public:
  /// `fps` 0: 1. Throws SourceError(kIo) if there is no such folder, (kData) if it has no images.
  ImagesSource(const std::filesystem::path& folder, double fps);

  bool next(Frame& frame) override;
  double fps() const override { return fps_; }
  std::int64_t corrupt() const override { return corrupt_; }

 private:
  std::vector<std::filesystem::path> files_;
  double fps_;
  std::size_t at_ = 0;
  std::int64_t corrupt_ = 0;
};

}  // namespace graft::video
