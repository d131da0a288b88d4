// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime_video/write_video.h"

namespace graft::testing {

bool write_video(const std::filesystem::path&, const std::vector<VideoPart>&, int) { return false; }

}  // namespace graft::testing
