// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/optim.h"

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

}  // namespace

void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v) {
  const Door door("sgd_step");
  const DType dtype = door.floating("w", w);
  door.expect("g", g, w.shape(), dtype);
  door.expect_or_empty("v", v, w.shape(), dtype);
  door.require(!v.empty() || options.momentum == 0, "v is not given, but momentum is ",
               options.momentum);
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
  if (w.numel() == 0) return;
  dispatch("adam_step", kAdamStep, ctx, options, step, g, w, m, v);
}

}  // namespace graft::kernels
