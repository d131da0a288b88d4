// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

namespace graft::testing {

struct VideoPart {
  int width = 0, height = 0, frames = 0;
};

/// Writes a video (MPEG-4 part 2, a key frame every 5 frames) whose frame n is of the grey level
/// 40 + 8 * (n mod 16). The container follows from the name. Parts of other sizes follow one
/// another as raw packets only in formats that allow it (.m4v). False if this build has no FFmpeg.
bool write_video(const std::filesystem::path& path, const std::vector<VideoPart>& parts, int fps);

}  // namespace graft::testing
