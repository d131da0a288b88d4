// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/gemm.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/gemm.h"

namespace graft::kernels {
namespace {

/// why_not of cuBLASLt: looks at the first tensor.
template <class... A>
const char* cublaslt_why_not(const Tensor& first, A...) {
  return cuda::cublaslt_why_not(first);
}

constexpr Impl<decltype(linear_fwd)> kLinearFwd[] = {
    {"cublaslt", Backend::kCuda, cublaslt_why_not, cuda::cublaslt_linear_fwd},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_linear_fwd},
    {"onednn", Backend::kCpu, if_f64, cpu::linear_fwd},
    {"ref", Backend::kRef, never, ref::linear_fwd},
};
constexpr Impl<decltype(linear_bwd_data)> kLinearBwdData[] = {
    {"cublaslt", Backend::kCuda, cublaslt_why_not, cuda::cublaslt_linear_bwd_data},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_linear_bwd_data},
    {"onednn", Backend::kCpu, unless_f32, cpu::linear_bwd_data},
    {"ref", Backend::kRef, never, ref::linear_bwd_data},
};
constexpr Impl<decltype(linear_bwd_weight)> kLinearBwdWeight[] = {
    {"cublaslt", Backend::kCuda, cublaslt_why_not, cuda::cublaslt_linear_bwd_weight},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_linear_bwd_weight},
    {"onednn", Backend::kCpu, unless_f32, cpu::linear_bwd_weight},
    {"ref", Backend::kRef, never, ref::linear_bwd_weight},
};

/// Checks x (N,C), w (K,C) and y (N,K), which stand for the gradients in the backward operators.
void check_linear(const Context& ctx, const Door& door, const char* x_name, const Tensor& x,
                  const char* w_name, const Tensor& w, const char* y_name, const Tensor& y) {
  const ProductTypes types = product_types(ctx, door.floating(x_name, x), w, y);
  door.require(x.shape().rank() == 2, x_name, " expects (N,C), got ", x.shape(),
               x.shape().rank() > 2 ? "; flatten or pool it first" : "");
  door.require(w.shape().rank() == 2, w_name, " expects (K,C), got ", w.shape());
  door.expect(w_name, w, {w.shape()[0], x.shape()[1]}, types.weight);
  door.expect(y_name, y, {x.shape()[0], w.shape()[0]}, types.y);
}

}  // namespace

void linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                std::uint64_t w_version, Tensor& y) {
  const Door door("linear_fwd");
  check_linear(ctx, door, "x", x, "weight", w, "y", y);
  door.expect_or_empty("bias", bias, {w.shape()[0]}, param_dtype(x.dtype()));
  if (y.numel() == 0) return;
  dispatch("linear_fwd", kLinearFwd, ctx, x, w, bias, w_version, y);
}

void linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w, std::uint64_t w_version,
                     GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  check_linear(ctx, Door("linear_bwd_data"), "dx", dx, "weight", w, "dy", dy);
  if (dx.numel() == 0) return;
  dispatch("linear_bwd_data", kLinearBwdData, ctx, dy, w, w_version, mode, dx);
}

void linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode, Tensor& dw,
                       Tensor& dbias) {
  if (mode == GradMode::kSkip) return;
  const Door door("linear_bwd_weight");
  check_linear(ctx, door, "x", x, "dw", dw, "dy", dy);
  door.expect_or_empty("dbias", dbias, {dw.shape()[0]}, param_dtype(x.dtype()));
  if (dy.numel() == 0) {
    zero_if_overwrite(ctx, mode, dw);
    zero_if_overwrite(ctx, mode, dbias);
    return;
  }
  dispatch("linear_bwd_weight", kLinearBwdWeight, ctx, x, dy, mode, dw, dbias);
}

}  // namespace graft::kernels
