// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/optim.h"

#include <cmath>

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/optim.h"

namespace graft::kernels {
namespace {

constexpr Impl<decltype(sgd_step)> kSgdStep[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::sgd_step},
    {"simd", Backend::kCpu, unless_f32, cpu::sgd_step},
    {"ref", Backend::kRef, never, ref::sgd_step},
};
constexpr Impl<decltype(adam_step)> kAdamStep[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::adam_step},
    {"simd", Backend::kCpu, unless_f32, cpu::adam_step},
    {"ref", Backend::kRef, never, ref::adam_step},
};

constexpr Impl<decltype(judge_update)> kJudgeUpdate[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::judge_update},
};

void check_control(const Door& door, Context& ctx, const UpdateControl* control) {
  door.require(control == nullptr || ctx.backend() == Backend::kCuda, "the ", name(ctx.backend()),
               " backend takes no UpdateControl");
}

}  // namespace

UpdateControl update_control(const SgdOptions& options) {
  return {.lr = static_cast<float>(options.lr)};
}

UpdateControl update_control(const AdamOptions& o, std::int64_t step) {
  const double correction1 = 1 - std::pow(o.beta1, static_cast<double>(step));
  const double correction2 = std::sqrt(1 - std::pow(o.beta2, static_cast<double>(step)));
  return {.step_size = static_cast<float>(o.lr / correction1),
          .inv_correction2 = static_cast<float>(1 / correction2),
          .keep = static_cast<float>(o.decoupled ? 1 - o.lr * o.weight_decay : 1)};
}

void judge_update(Context& ctx, const Tensor& loss, const Tensor& grads, Tensor& control) {
  const Door door("judge_update");
  door.expect("loss", loss, {loss.numel()}, DType::kF32);
  door.expect("grads", grads, {grads.numel()}, DType::kF32);
  door.expect("control", control, {sizeof(UpdateControl)}, DType::kU8);
  dispatch("judge_update", kJudgeUpdate, ctx, loss, grads, control);
}

void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v) {
  const Door door("sgd_step");
  const DType dtype = door.floating("w", w);
  door.expect("g", g, w.shape(), dtype);
  door.expect_or_empty("v", v, w.shape(), dtype);
  door.require(!v.empty() || options.momentum == 0, "v is not given, but momentum is ",
               options.momentum);
  check_control(door, ctx, options.control);
  if (w.numel() == 0) return;
  dispatch("sgd_step", kSgdStep, ctx, options, g, w, v);
}

void adam_step(Context& ctx, const AdamOptions& options, std::int64_t step, const Tensor& g,
               Tensor& w, Tensor& m, Tensor& v) {
  const Door door("adam_step");
  const DType dtype = door.floating("w", w);
  door.expect("g", g, w.shape(), dtype);
  door.expect("m", m, w.shape(), dtype);
  door.expect("v", v, w.shape(), dtype);
  door.require(step >= 1, "step must be >= 1, got ", step);
  check_control(door, ctx, options.control);
  if (w.numel() == 0) return;
  dispatch("adam_step", kAdamStep, ctx, options, step, g, w, m, v);
}

}  // namespace graft::kernels
