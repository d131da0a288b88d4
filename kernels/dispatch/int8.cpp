// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/int8.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/int8_conv.h"
#include "kernels/cpu/int8_depthwise.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/int8.h"

namespace graft::kernels {
namespace {

constexpr std::int64_t kMaxTerms = 1 << 16;  // times 255 * 127 is below 2^31
constexpr int kMaxWindow = 15;               // 15^2 * 255 is below 2^16

constexpr Impl<decltype(conv_int8_fwd)> kConvInt8Fwd[] = {
    {"depthwise", Backend::kCpu, cpu::depthwise_int8_fwd_why_not, cpu::depthwise_int8_fwd},
    {"vnni", Backend::kCpu, cpu::conv_int8_fwd_why_not, cpu::conv_int8_fwd},
    {"ref", Backend::kRef, never, ref::conv_int8_fwd},
};
constexpr Impl<decltype(quantise_weights)> kQuantiseWeights[] = {
    {"simd", Backend::kCpu, never, cpu::quantise_weights},
    {"ref", Backend::kRef, never, ref::quantise_weights},
};
constexpr Impl<decltype(quantise)> kQuantise[] = {
    {"simd", Backend::kCpu, never, cpu::quantise},
    {"ref", Backend::kRef, never, ref::quantise},
};
constexpr Impl<decltype(dequantise)> kDequantise[] = {
    {"simd", Backend::kCpu, never, cpu::dequantise},
    {"ref", Backend::kRef, never, ref::dequantise},
};
constexpr Impl<decltype(scale_shift_fwd)> kScaleShiftFwd[] = {
    {"simd", Backend::kCpu, if_f64, cpu::scale_shift_fwd},
    {"ref", Backend::kRef, never, ref::scale_shift_fwd},
};
constexpr Impl<decltype(max_pool_int8_fwd)> kMaxPoolInt8Fwd[] = {
    {"simd", Backend::kCpu, never, cpu::max_pool_int8_fwd},
    {"ref", Backend::kRef, never, ref::max_pool_int8_fwd},
};
constexpr Impl<decltype(avg_pool_int8_fwd)> kAvgPoolInt8Fwd[] = {
    {"simd", Backend::kCpu, never, cpu::avg_pool_int8_fwd},
    {"ref", Backend::kRef, never, ref::avg_pool_int8_fwd},
};
constexpr Impl<decltype(global_avg_pool_int8_fwd)> kGlobalAvgPoolInt8Fwd[] = {
    {"simd", Backend::kCpu, never, cpu::global_avg_pool_int8_fwd},
    {"ref", Backend::kRef, never, ref::global_avg_pool_int8_fwd},
};

void check_scale(const Door& door, const char* what, const Tensor& t, float scale) {
  if (t.empty() || (t.dtype() != DType::kU8 && t.dtype() != DType::kI8)) return;
  door.require(scale > 0 && std::isfinite(scale), "scale of ", what, " must be > 0, got ", scale);
}

/// `t` must be u8, i8 or f32, of this shape.
void expect_value(const Door& door, const char* what, const Tensor& t, const Shape& shape) {
  door.require(!t.empty(), what, " is not given, expects ", shape);
  door.expect(what, t, shape, t.dtype() == DType::kF32 ? DType::kF32 : door.bytes(what, t));
}

void check_conv(const Door& door, const Int8ConvOptions& o, const Tensor& x, const Tensor& w,
                const Tensor& w_scale, const Tensor& bias, const Tensor& residual,
                const Tensor& y) {
  (void)door.image_bytes("x", x);
  const Shape expected = conv_output_shape(o.conv, x.shape(), w.shape());
  const std::int64_t k = w.shape()[0], terms = w.numel() / std::max<std::int64_t>(k, 1);
  door.expect("weight", w, w.shape(), DType::kI8);
  door.expect("w_scale", w_scale, {k}, DType::kF32);
  door.expect("bias", bias, {k}, DType::kF32);
  door.require(terms <= kMaxTerms, "sums of ", terms, " products may overflow, at most ",
               kMaxTerms);
  if (!residual.empty()) expect_value(door, "residual", residual, expected);
  expect_value(door, "y", y, expected);
  check_scale(door, "x", x, o.x_scale);
  check_scale(door, "residual", residual, o.residual_scale);
  check_scale(door, "y", y, o.y_scale);
}

}  // namespace

void conv_int8_fwd(Context& ctx, const Int8ConvOptions& options, const Tensor& x, const Tensor& w,
                   const Tensor& w_scale, const Tensor& bias, const Tensor& residual,
                   std::uint64_t w_version, Tensor& y) {
  check_conv(Door("conv_int8_fwd"), options, x, w, w_scale, bias, residual, y);
  if (y.numel() == 0) return;
  dispatch("conv_int8_fwd", kConvInt8Fwd, ctx, options, x, w, w_scale, bias, residual, w_version,
           y);
}

void linear_int8_fwd(Context& ctx, const Int8ConvOptions& options, const Tensor& x, const Tensor& w,
                     const Tensor& w_scale, const Tensor& bias, std::uint64_t w_version,
                     Tensor& y) {
  const Door door("linear_int8_fwd");
  door.require(x.shape().rank() == 2 && w.shape().rank() == 2 && y.shape().rank() == 2,
               "expects x (N,C), weight (K,C) and y (N,K), got ", x.shape(), ", ", w.shape(),
               " and ", y.shape());
  const auto pixels = [](const Tensor& t) { return t.reshape({t.shape()[0], 1, 1, t.shape()[1]}); };
  Tensor out = pixels(y);
  conv_int8_fwd(ctx, options, pixels(x), pixels(w), w_scale, bias, Tensor(), w_version, out);
}

void quantise_weights(Context& ctx, const Tensor& w, Tensor& q, Tensor& scale) {
  const Door door("quantise_weights");
  door.expect("w", w, w.shape(), DType::kF32);
  door.expect("q", q, w.shape(), DType::kI8);
  door.expect("scale", scale, {w.shape()[0]}, DType::kF32);
  if (w.numel() > 0) dispatch("quantise_weights", kQuantiseWeights, ctx, w, q, scale);
}

void quantise(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  const Door door("quantise");
  door.expect("x", x, x.shape(), DType::kF32);
  door.expect("y", y, x.shape(), door.bytes("y", y));
  check_scale(door, "y", y, scale);
  if (x.numel() > 0) dispatch("quantise", kQuantise, ctx, scale, x, y);
}

void dequantise(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  const Door door("dequantise");
  (void)door.bytes("x", x);
  door.expect("y", y, x.shape(), DType::kF32);
  check_scale(door, "x", x, scale);
  if (x.numel() > 0) dispatch("dequantise", kDequantise, ctx, scale, x, y);
}

void scale_shift_fwd(Context& ctx, const ScaleShiftOptions& options, const Tensor& x,
                     const Tensor& scale, const Tensor& shift, Tensor& y) {
  const Door door("scale_shift_fwd");
  door.require(!x.empty() && x.shape().rank() >= 1, "x is not given");
  const DType params = x.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  const Shape channels = {x.shape()[x.shape().rank() - 1]};
  door.expect("scale", scale, channels, params);
  door.expect("shift", shift, channels, params);
  if (x.dtype() == DType::kF64 || x.dtype() == DType::kBF16) {
    door.expect("y", y, x.shape(), x.dtype());
  } else {
    expect_value(door, "x", x, x.shape());
    expect_value(door, "y", y, x.shape());
  }
  check_scale(door, "x", x, options.x_scale);
  check_scale(door, "y", y, options.y_scale);
  if (x.numel() == 0) return;
  dispatch("scale_shift_fwd", kScaleShiftFwd, ctx, options, x, scale, shift, y);
}

void max_pool_int8_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  const Door door("max_pool_int8_fwd");
  const DType dtype = door.image_bytes("x", x);
  door.expect("y", y, pool_output_shape(options, x.shape()), dtype);
  if (y.numel() > 0) dispatch("max_pool_int8_fwd", kMaxPoolInt8Fwd, ctx, options, x, y);
}

void avg_pool_int8_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  const Door door("avg_pool_int8_fwd");
  const DType dtype = door.image_bytes("x", x);
  door.require(options.window <= kMaxWindow, "window must be <= ", kMaxWindow, ", got ",
               options.window);
  door.expect("y", y, pool_output_shape(options, x.shape()), dtype);
  if (y.numel() > 0) dispatch("avg_pool_int8_fwd", kAvgPoolInt8Fwd, ctx, options, x, y);
}

void global_avg_pool_int8_fwd(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  const Door door("global_avg_pool_int8_fwd");
  (void)door.image_bytes("x", x);
  door.expect("y", y, {x.shape()[0], x.shape()[3]}, DType::kF32);
  check_scale(door, "x", x, scale);
  if (y.numel() == 0) return;
  dispatch("global_avg_pool_int8_fwd", kGlobalAvgPoolInt8Fwd, ctx, scale, x, y);
}

}  // namespace graft::kernels
