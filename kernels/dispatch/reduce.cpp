// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/reduce.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/reduce.h"

namespace graft::kernels {
namespace {

constexpr Impl<decltype(sum_squares)> kSumSquares[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::sum_squares},
    {"simd", Backend::kCpu, unless_f32, cpu::sum_squares},
    {"ref", Backend::kRef, never, ref::sum_squares},
};

}  // namespace

double sum_squares(Context& ctx, const Tensor& x) {
  Door("sum_squares").floating("x", x);
  if (x.numel() == 0) return 0;
  return dispatch("sum_squares", kSumSquares, ctx, x);
}

}  // namespace graft::kernels
