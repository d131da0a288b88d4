// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/pointwise.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/pointwise.h"

namespace graft::kernels {
namespace {

constexpr std::int64_t kMaxDropoutRow = std::int64_t{1} << 22;
constexpr std::uint32_t kMaxDropoutLayer = 4096;

constexpr Impl<decltype(activation_fwd)> kActivationFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::activation_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::activation_fwd},
    {"ref", Backend::kRef, never, ref::activation_fwd},
};
constexpr Impl<decltype(activation_bwd)> kActivationBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::activation_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::activation_bwd},
    {"ref", Backend::kRef, never, ref::activation_bwd},
};
constexpr Impl<decltype(add_fwd)> kAddFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::add_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::add_fwd},
    {"ref", Backend::kRef, never, ref::add_fwd},
};
constexpr Impl<decltype(accumulate)> kAccumulate[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::accumulate},
    {"simd", Backend::kCpu, unless_f32, cpu::accumulate},
    {"ref", Backend::kRef, never, ref::accumulate},
};
constexpr Impl<decltype(scale)> kScale[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::scale},
    {"simd", Backend::kCpu, unless_f32, cpu::scale},
    {"ref", Backend::kRef, never, ref::scale},
};
constexpr Impl<decltype(copy)> kCopy[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::copy},
    {"simd", Backend::kCpu, never, cpu::copy},
    {"ref", Backend::kRef, never, ref::copy},
};
constexpr Impl<decltype(cast)> kCast[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::cast},
    {"simd", Backend::kCpu, never, cpu::cast},
};
constexpr Impl<decltype(concat_fwd)> kConcatFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::concat_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::concat_fwd},
    {"ref", Backend::kRef, never, ref::concat_fwd},
};
constexpr Impl<decltype(concat_bwd)> kConcatBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::concat_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::concat_bwd},
    {"ref", Backend::kRef, never, ref::concat_bwd},
};
constexpr Impl<decltype(dropout)> kDropout[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::dropout},
    {"simd", Backend::kCpu, unless_f32, cpu::dropout},
    {"ref", Backend::kRef, never, ref::dropout},
};
constexpr Impl<decltype(subsample_pad_fwd)> kSubsamplePadFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::subsample_pad_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::subsample_pad_fwd},
    {"ref", Backend::kRef, never, ref::subsample_pad_fwd},
};
constexpr Impl<decltype(subsample_pad_bwd)> kSubsamplePadBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::subsample_pad_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::subsample_pad_bwd},
    {"ref", Backend::kRef, never, ref::subsample_pad_bwd},
};

std::int64_t channels(const Shape& s) { return s[s.rank() - 1]; }

/// Checks one part of a concatenation; returns its channels. A part that is not `wanted` has a
/// shape, but needs no memory.
std::int64_t check_part(const Door& door, const char* what, std::size_t i, const Tensor& part,
                        bool wanted, const char* whole_name, const Tensor& whole) {
  Shape expected = whole.shape();
  if (part.shape().rank() == expected.rank()) {
    expected[expected.rank() - 1] = channels(part.shape());
  }
  door.require(part.shape() == expected, what, "[", i, "] has shape ", part.shape(), ", ",
               whole_name, " ", whole.shape());
  if (wanted) door.expect(what, part, expected, whole.dtype());
  return channels(part.shape());
}

void check_subsample(const Door& door, int stride, const char* x_name, const Tensor& x,
                     const char* y_name, const Tensor& y) {
  const bool bytes = x.dtype() == DType::kU8 || x.dtype() == DType::kI8;
  const DType dtype = bytes ? door.image_bytes(x_name, x) : door.image(x_name, x);
  door.require(stride >= 1, "stride must be >= 1, got ", stride);
  door.require(y.shape().rank() == 4 && y.shape()[3] >= x.shape()[3], y_name,
               " expects (N,P,Q,K) with K >= ", x.shape()[3], ", got ", y.shape());
  const Shape& s = x.shape();
  const Shape expected = {s[0], (s[1] + stride - 1) / stride, (s[2] + stride - 1) / stride,
                          y.shape()[3]};
  door.expect(y_name, y, expected, dtype);
}

}  // namespace

void activation_fwd(Context& ctx, Activation act, const Tensor& x, Tensor& y) {
  const Door door("activation_fwd");
  door.expect("y", y, x.shape(), door.floating("x", x));
  if (x.numel() == 0) return;
  dispatch("activation_fwd", kActivationFwd, ctx, act, x, y);
}

void activation_bwd(Context& ctx, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const Door door("activation_bwd");
  const DType dtype = door.floating("y", y);
  door.expect("dy", dy, y.shape(), dtype);
  door.expect("dx", dx, y.shape(), dtype);
  if (y.numel() == 0) return;
  dispatch("activation_bwd", kActivationBwd, ctx, act, y, dy, mode, dx);
}

void add_fwd(Context& ctx, Activation act, const Tensor& a, const Tensor& b, Tensor& y) {
  const Door door("add_fwd");
  const DType dtype = door.floating("a", a);
  door.expect("b", b, a.shape(), dtype);
  door.expect("y", y, a.shape(), dtype);
  if (a.numel() == 0) return;
  dispatch("add_fwd", kAddFwd, ctx, act, a, b, y);
}

void accumulate(Context& ctx, const Tensor& x, Tensor& y) {
  const Door door("accumulate");
  door.expect("y", y, x.shape(), door.floating("x", x));
  if (x.numel() == 0) return;
  dispatch("accumulate", kAccumulate, ctx, x, y);
}

void scale(Context& ctx, double factor, Tensor& y) {
  (void)Door("scale").floating("y", y);
  if (y.numel() == 0) return;
  dispatch("scale", kScale, ctx, factor, y);
}

void copy(Context& ctx, const Tensor& x, Tensor& y) {
  const Door door("copy");
  door.require(!x.empty(), "x is not given");
  door.expect("y", y, x.shape(), x.dtype());
  if (x.numel() == 0) return;
  dispatch("copy", kCopy, ctx, x, y);
}

void cast(Context& ctx, const Tensor& x, Tensor& y) {
  const Door door("cast");
  const DType from = door.floating("x", x);
  const bool narrowing = from == DType::kF32;
  door.require(narrowing || from == DType::kBF16, "x expects f32 or bf16, got ", name(from));
  door.expect("y", y, x.shape(), narrowing ? DType::kBF16 : DType::kF32);
  if (x.numel() == 0) return;
  dispatch("cast", kCast, ctx, x, y);
}

void concat_fwd(Context& ctx, std::span<const Tensor> x, Tensor& y) {
  const Door door("concat_fwd");
  const bool bytes = y.dtype() == DType::kU8 || y.dtype() == DType::kI8;
  if (!bytes) door.floating("y", y);
  std::int64_t total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += check_part(door, "x", i, x[i], true, "y", y);
  door.require(total == channels(y.shape()), "x have ", total, " channels together, y ",
               channels(y.shape()));
  if (y.numel() == 0) return;
  dispatch("concat_fwd", kConcatFwd, ctx, x, y);
}

void concat_bwd(Context& ctx, const Tensor& dy, std::span<const GradMode> mode,
                std::span<Tensor> dx) {
  const Door door("concat_bwd");
  door.floating("dy", dy);
  door.require(mode.size() == dx.size(), "expects one mode a dx, got ", mode.size(), " for ",
               dx.size());
  std::int64_t total = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    total += check_part(door, "dx", i, dx[i], mode[i] != GradMode::kSkip, "dy", dy);
  }
  door.require(total == channels(dy.shape()), "dx have ", total, " channels together, dy ",
               channels(dy.shape()));
  if (dy.numel() == 0) return;
  dispatch("concat_bwd", kConcatBwd, ctx, dy, mode, dx);
}

void dropout(Context& ctx, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y) {
  const Door door("dropout");
  door.expect("y", y, x.shape(), door.floating("x", x));
  door.require(p >= 0 && p < 1, "p must be in [0, 1), got ", p);
  door.require(x.shape().rank() >= 1 && x.shape().row_numel() <= kMaxDropoutRow,
               "rows have at most ", kMaxDropoutRow, " elements, got ", x.shape());
  door.require(keys.layer < kMaxDropoutLayer, "layer must be below ", kMaxDropoutLayer, ", got ",
               keys.layer);
  door.require(!keys.on_device || ctx.backend() == Backend::kCuda,
               "keys on a device, but the context is of ", name(ctx.backend()));
  const auto n_rows = static_cast<std::size_t>(x.shape()[0]);
  door.require(keys.epoch.size() == n_rows && keys.example.size() == n_rows, "expects ", n_rows,
               " epochs and example ids, got ", keys.epoch.size(), " and ", keys.example.size());
  if (x.numel() == 0) return;
  dispatch("dropout", kDropout, ctx, p, keys, x, y);
}

void subsample_pad_fwd(Context& ctx, int stride, const Tensor& x, Tensor& y) {
  check_subsample(Door("subsample_pad_fwd"), stride, "x", x, "y", y);
  if (y.numel() == 0) return;
  dispatch("subsample_pad_fwd", kSubsamplePadFwd, ctx, stride, x, y);
}

void subsample_pad_bwd(Context& ctx, int stride, const Tensor& dy, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  check_subsample(Door("subsample_pad_bwd"), stride, "dx", dx, "dy", dy);
  if (dx.numel() == 0) return;
  dispatch("subsample_pad_bwd", kSubsamplePadBwd, ctx, stride, dy, mode, dx);
}

}  // namespace graft::kernels
