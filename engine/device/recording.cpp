// SPDX-License-Identifier: Apache-2.0
#include "engine/device/recording.h"

#include <utility>

#include "engine/device/cuda_recording.h"

namespace graft {
namespace {

/// The calls themselves.
class Replay final : public Recording {
 public:
  Replay(std::function<void(const Branch&)> work, std::function<void()> then)
      : work_(std::move(work)), then_(std::move(then)) {}
  void run() override {
    flag_ = 0;
    work_({.handle = 0, .flag = &flag_});
    if (flag_ != 0) then_();
  }
  [[nodiscard]] bool valid() const override { return true; }

 private:
  std::function<void(const Branch&)> work_;
  std::function<void()> then_;
  std::int32_t flag_ = 0;
};

}  // namespace

std::unique_ptr<Recording> record(Context& ctx, std::function<void()> work) {
  if (ctx.queue() != nullptr) {
    return detail::record_cuda(
        ctx, [&](const Branch&) { work(); }, nullptr);
  }
  return std::make_unique<Replay>([work = std::move(work)](const Branch&) { work(); }, nullptr);
}

std::unique_ptr<Recording> record_if(Context& ctx, std::function<void(const Branch&)> work,
                                     std::function<void()> then) {
  if (ctx.queue() != nullptr) return detail::record_cuda(ctx, work, then);
  return std::make_unique<Replay>(std::move(work), std::move(then));
}

bool is_recording(Context& ctx) { return ctx.queue() != nullptr && detail::is_recording_cuda(ctx); }

}  // namespace graft
