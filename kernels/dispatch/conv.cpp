// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/conv.h"

#include "kernels/cpu/conv_1x1.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/depthwise.h"
#include "kernels/cpu/winograd.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/conv.h"

namespace graft::kernels {
namespace {

/// why_not of cuDNN: looks at the first tensor.
template <class... A>
const char* cudnn_why_not(const ConvOptions&, A... args) {
  const char* reason = nullptr;
  const auto look = [&]<class T>(const T& a) {
    if constexpr (std::is_same_v<T, Tensor>) reason = cuda::cudnn_why_not(a);
    return std::is_same_v<T, Tensor>;
  };
  (void)(look(args) || ...);
  return reason;
}

constexpr Impl<decltype(conv_fwd)> kConvFwd[] = {
    {"depthwise", Backend::kCuda, cuda::depthwise_fwd_why_not, cuda::depthwise_fwd},
    {"cudnn", Backend::kCuda, cudnn_why_not, cuda::cudnn_conv_fwd},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_conv_fwd},
    {"depthwise", Backend::kCpu, cpu::depthwise_fwd_why_not, cpu::depthwise_fwd},
    {"gemm", Backend::kCpu, cpu::conv_1x1_fwd_why_not, cpu::conv_1x1_fwd},
    {"winograd", Backend::kCpu, cpu::winograd_fwd_why_not, cpu::winograd_fwd},
    {"onednn", Backend::kCpu, if_f64, cpu::conv_fwd},
    {"ref", Backend::kRef, never, ref::conv_fwd},
};
constexpr Impl<decltype(conv_fused_fwd)> kConvFusedFwd[] = {
    {"depthwise", Backend::kCuda, cuda::depthwise_fused_fwd_why_not, cuda::depthwise_fused_fwd},
    {"cudnn", Backend::kCuda, cudnn_why_not, cuda::cudnn_conv_fused_fwd},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_conv_fused_fwd},
    {"depthwise", Backend::kCpu, cpu::depthwise_fused_fwd_why_not, cpu::depthwise_fused_fwd},
    {"gemm", Backend::kCpu, cpu::conv_1x1_fused_fwd_why_not, cpu::conv_1x1_fused_fwd},
    {"winograd", Backend::kCpu, cpu::winograd_fused_fwd_why_not, cpu::winograd_fused_fwd},
    {"onednn", Backend::kCpu, if_f64, cpu::conv_fused_fwd},
    {"ref", Backend::kRef, never, ref::conv_fused_fwd},
};
constexpr Impl<decltype(conv_bwd_data)> kConvBwdData[] = {
    {"depthwise", Backend::kCuda, cuda::depthwise_bwd_data_why_not, cuda::depthwise_bwd_data},
    {"cudnn", Backend::kCuda, cudnn_why_not, cuda::cudnn_conv_bwd_data},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_conv_bwd_data},
    {"depthwise", Backend::kCpu, cpu::depthwise_bwd_data_why_not, cpu::depthwise_bwd_data},
    {"gemm", Backend::kCpu, cpu::conv_1x1_bwd_data_why_not, cpu::conv_1x1_bwd_data},
    {"winograd", Backend::kCpu, cpu::winograd_bwd_data_why_not, cpu::winograd_bwd_data},
    {"onednn", Backend::kCpu, unless_f32, cpu::conv_bwd_data},
    {"ref", Backend::kRef, never, ref::conv_bwd_data},
};
constexpr Impl<decltype(conv_bwd_weight)> kConvBwdWeight[] = {
    {"depthwise", Backend::kCuda, cuda::depthwise_bwd_weight_why_not, cuda::depthwise_bwd_weight},
    {"cudnn", Backend::kCuda, cudnn_why_not, cuda::cudnn_conv_bwd_weight},
    {"direct", Backend::kCuda, cuda::why_not, cuda::direct_conv_bwd_weight},
    {"depthwise", Backend::kCpu, cpu::depthwise_bwd_weight_why_not, cpu::depthwise_bwd_weight},
    {"gemm", Backend::kCpu, cpu::conv_1x1_bwd_weight_why_not, cpu::conv_1x1_bwd_weight},
    {"onednn", Backend::kCpu, unless_f32, cpu::conv_bwd_weight},
    {"ref", Backend::kRef, never, ref::conv_bwd_weight},
};

void check_options(const Door& door, const ConvOptions& o) {
  door.require(o.stride >= 1, "stride must be >= 1, got ", o.stride);
  door.require(o.dilation >= 1, "dilation must be >= 1, got ", o.dilation);
  door.require(o.groups >= 1, "groups must be >= 1, got ", o.groups);
  door.require(o.pad_top >= 0 && o.pad_left >= 0 && o.pad_bottom >= 0 && o.pad_right >= 0,
               "padding must be >= 0, got top ", o.pad_top, " left ", o.pad_left, " bottom ",
               o.pad_bottom, " right ", o.pad_right);
}

void check_channels(const Door& door, const ConvOptions& o, const Shape& x, const Shape& w) {
  const std::int64_t c = x[3], per_group = w[3];
  if (c == per_group * o.groups) {
    door.require(w[0] % o.groups == 0, "weight's K=", w[0],
                 " does not divide into groups=", o.groups);
    return;
  }
  if (per_group > 0 && c % per_group == 0 && w[0] % (c / per_group) == 0) {
    door.require(false, "weight expects C=", c / o.groups, " (groups=", o.groups, "), got ",
                 per_group, "; did you mean groups=", c / per_group, "?");
  }
  door.require(false, "weight expects C/groups=", c, "/", o.groups, ", got ", per_group);
}

/// Extent of the output along one axis.
std::int64_t output_extent(const Door& door, const char* axis, std::int64_t in, int pad,
                           std::int64_t filter, const ConvOptions& o) {
  const std::int64_t reach = (filter - 1) * o.dilation + 1;
  door.require(in + pad >= reach, "filter of ", axis, " ", reach, " (dilation ", o.dilation,
               ") does not fit into ", in, " + padding ", pad);
  return (in + pad - reach) / o.stride + 1;
}

Shape output_shape(const Door& door, const ConvOptions& o, const Shape& x, const Shape& w) {
  door.require(x.rank() == 4, "x expects (N,H,W,C), got ", x);
  door.require(w.rank() == 4, "weight expects (K,R,S,C/groups), got ", w);
  check_options(door, o);
  check_channels(door, o, x, w);
  return {x[0], output_extent(door, "height", x[1], o.pad_top + o.pad_bottom, w[1], o),
          output_extent(door, "width", x[2], o.pad_left + o.pad_right, w[2], o), w[0]};
}

/// Checks x, w and y, which stand for the gradients in the backward operators.
void check_conv(const Context& ctx, const Door& door, const ConvOptions& o, const char* x_name,
                const Tensor& x, const char* w_name, const Tensor& w, const char* y_name,
                const Tensor& y) {
  const ProductTypes types = product_types(ctx, door.image(x_name, x), w, y);
  const Shape expected = output_shape(door, o, x.shape(), w.shape());
  door.expect(w_name, w, w.shape(), types.weight);
  door.expect(y_name, y, expected, types.y);
}

}  // namespace

Shape conv_output_shape(const ConvOptions& options, const Shape& x, const Shape& w) {
  return output_shape(Door("conv"), options, x, w);
}

void conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
              const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  const Door door("conv_fwd");
  check_conv(ctx, door, options, "x", x, "weight", w, "y", y);
  door.expect_or_empty("bias", bias, {w.shape()[0]}, param_dtype(x.dtype()));
  if (y.numel() == 0) return;
  dispatch("conv_fwd", kConvFwd, ctx, options, x, w, bias, w_version, y);
}

void conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                    const Tensor& w, const Tensor& bias, const Tensor& residual,
                    std::uint64_t w_version, Tensor& y) {
  const Door door("conv_fused_fwd");
  check_conv(ctx, door, options, "x", x, "weight", w, "y", y);
  door.expect_or_empty("bias", bias, {w.shape()[0]}, param_dtype(x.dtype()));
  door.expect_or_empty("residual", residual, y.shape(), x.dtype());
  if (y.numel() == 0) return;
  dispatch("conv_fused_fwd", kConvFusedFwd, ctx, options, act, x, w, bias, residual, w_version, y);
}

void conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                   std::uint64_t w_version, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  check_conv(ctx, Door("conv_bwd_data"), options, "dx", dx, "weight", w, "dy", dy);
  if (dx.numel() == 0) return;
  dispatch("conv_bwd_data", kConvBwdData, ctx, options, dy, w, w_version, mode, dx);
}

void conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw, Tensor& dbias) {
  if (mode == GradMode::kSkip) return;
  const Door door("conv_bwd_weight");
  check_conv(ctx, door, options, "x", x, "dw", dw, "dy", dy);
  door.expect_or_empty("dbias", dbias, {dw.shape()[0]}, param_dtype(x.dtype()));
  if (dy.numel() == 0) {
    zero_if_overwrite(ctx, mode, dw);
    zero_if_overwrite(ctx, mode, dbias);
    return;
  }
  dispatch("conv_bwd_weight", kConvBwdWeight, ctx, options, x, dy, mode, dw, dbias);
}

}  // namespace graft::kernels
