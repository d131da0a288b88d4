// SPDX-License-Identifier: Apache-2.0
// The device's half of recording.h.
#pragma once

#include <functional>
#include <memory>

#include "engine/device/recording.h"

namespace graft::detail {

/// As record_if(); `then` may be empty: record(). ctx has a queue.
[[nodiscard]] std::unique_ptr<Recording> record_cuda(Context& ctx,
                                                     const std::function<void(const Branch&)>& work,
                                                     const std::function<void()>& then);
[[nodiscard]] bool is_recording_cuda(Context& ctx);

}  // namespace graft::detail
