// SPDX-License-Identifier: Apache-2.0
// Work that is enqueued many times in the same form: recorded once, then run by one call. On a
// device it is a CUDA graph; where kernels run eagerly it is the calls themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/device/context.h"

namespace graft {

class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  virtual ~Recording() = default;

  /// Enqueues the work.
  virtual void run() = 0;
  /// Whether it still may run: memory that was freed since may be memory that it uses.
  [[nodiscard]] virtual bool valid() const = 0;
};

/// Where a kernel says whether the second part of record_if() runs. A value for kernels.
struct Branch {
  std::uint64_t handle = 0;      ///< on a device: a cudaGraphConditionalHandle
  std::int32_t* flag = nullptr;  ///< else
};

/// What `work` enqueues on ctx; it has not run on return. `work` is called now (device) or at every
/// run (else) and must only enqueue: its tensors stay where they are, nothing is allocated, waited
/// for or sent from the host. Throws Error(kUnsupported) that says what could not be recorded; ctx
/// goes on.
[[nodiscard]] std::unique_ptr<Recording> record(Context& ctx, std::function<void()> work);

/// `work`, then `then` if a kernel of `work` has set the branch: without the host, by a conditional
/// node (CUDA 12.4). Both as above.
[[nodiscard]] std::unique_ptr<Recording> record_if(Context& ctx,
                                                   std::function<void(const Branch&)> work,
                                                   std::function<void()> then);

/// Whether ctx is inside record(): then what is enqueued is kept, not run.
[[nodiscard]] bool is_recording(Context& ctx);

}  // namespace graft
