// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host.h"

#include "engine/device/recording.h"

namespace graft::kernels::cuda {
namespace {

struct Scratch {
  explicit Scratch(Context& ctx) : memory(ctx.memory()) {}
  Workspace memory;
};

}  // namespace

void* scratch(Context& ctx, std::size_t bytes) { return ctx.state<Scratch>().memory.get(bytes); }

Upload::Upload(Context& ctx, std::initializer_list<std::span<const std::byte>> parts,
               std::size_t room) {
  if (is_recording(ctx)) {
    fail(Errc::kUnsupported, "a kernel takes bytes of the host that change from call to call");
  }
  constexpr std::size_t kAlign = 64;
  std::size_t n = 0;
  for (const auto& part : parts) {
    offset_[n++] = room_;
    room_ += (part.size() + kAlign - 1) / kAlign * kAlign;
  }
  base_ = static_cast<std::byte*>(scratch(ctx, room_ + room));
  n = 0;
  for (const auto& part : parts) {
    Tensor to =
        Tensor::borrow(base_ + offset_[n++], {static_cast<std::int64_t>(part.size())}, DType::kU8);
    copy_from_host(ctx, part.data(), to);
  }
}

}  // namespace graft::kernels::cuda
