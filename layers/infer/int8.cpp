// SPDX-License-Identifier: Apache-2.0
#include "layers/infer/int8.h"

#include <fmt/format.h>

#include "kernels/api/pointwise.h"
#include "layers/core/int8_cast.h"

namespace graft {
namespace {

// Positions in the buffers of Int8Conv2d, the first four also of Int8Linear, and Int8ScaleShift.
enum ConvBuffer : std::size_t { kWeight, kWScale, kBias, kConvX, kConvResidual, kConvY };
enum ScaleShiftBuffer : std::size_t { kScale, kShift, kX, kY };

float scalar(const Tensor& t) { return t.ptr<const float>()[0]; }

const char* describe(Activation act) {
  if (act == Activation::kRelu) return " +relu";
  return act == Activation::kRelu6 ? " +relu6" : "";
}

}  // namespace

LayerPtr int8_cast(DType from, DType to) { return std::make_shared<Int8Cast>(from, to); }

Int8Conv2d::Int8Conv2d(const Shape& weight, const kernels::Int8ConvOptions& options,
                       bool has_residual, DType y)
    : weight_(weight), o_(options), has_residual_(has_residual), y_(y) {}

std::string Int8Conv2d::attributes() const {
  const int groups = o_.conv.groups;
  return fmt::format("{}->{} {}x{} stride {} pad {}{}{}{} to {}", weight_[3] * groups, weight_[0],
                     weight_[1], weight_[2], o_.conv.stride, o_.conv.pad_top,
                     groups > 1 ? fmt::format(" groups {}", groups) : "",
                     has_residual_ ? " +residual" : "", describe(o_.activation), name(y_));
}

LayerPlan Int8Conv2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), has_residual_ ? 2u : 1u, "Int8Conv2d inputs");
  const Shape y = kernels::conv_output_shape(o_.conv, x[0], weight_);
  if (has_residual_) GRAFT_CHECK_EQ(x[1], y, "Int8Conv2d: residual");
  return {.y = y, .dtype = y_};
}

std::vector<ParamSpec> Int8Conv2d::params() const {
  const Shape filters = {weight_[0]};
  return {derived("weight", weight_, DType::kI8),
          derived("w_scale", filters),
          derived("bias", filters),
          derived("x_scale", {1}),
          derived("residual_scale", {1}),
          derived("y_scale", {1})};
}

std::int64_t Int8Conv2d::flops(std::span<const Shape> x) const {
  return 2 * plan(x).y.numel() * weight_.row_numel();
}

void Int8Conv2d::forward(const ForwardArgs& a) const {
  auto o = o_;
  o.x_scale = scalar(a.params[kConvX]);
  o.residual_scale = scalar(a.params[kConvResidual]);
  o.y_scale = scalar(a.params[kConvY]);
  kernels::conv_int8_fwd(a.ctx, o, a.x[0], a.params[kWeight], a.params[kWScale], a.params[kBias],
                         has_residual_ ? a.x[1] : Tensor(), a.param_version, a.y);
}

void Int8Conv2d::derive_params(Context& ctx, std::span<const ParamSource> from,
                               std::span<Tensor> to) const {
  kernels::quantise_weights(ctx, from[0].params[0], to[kWeight], to[kWScale]);
  kernels::copy(ctx, from[0].params[1], to[kBias]);
}

std::string Int8Linear::attributes() const { return fmt::format("{}->{}", in_, out_); }

LayerPlan Int8Linear::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Int8Linear inputs");
  GRAFT_CHECK(x[0].rank() == 2 && x[0][1] == in_, "Int8Linear: expects (N,", in_, "), got ", x[0]);
  return {.y = {x[0][0], out_}};
}

std::vector<ParamSpec> Int8Linear::params() const {
  return {derived("weight", {out_, in_}, DType::kI8), derived("w_scale", {out_}),
          derived("bias", {out_}), derived("x_scale", {1})};
}

std::int64_t Int8Linear::flops(std::span<const Shape> x) const { return 2 * x[0][0] * in_ * out_; }

void Int8Linear::forward(const ForwardArgs& a) const {
  kernels::Int8ConvOptions o;
  o.x_scale = scalar(a.params[kConvX]);
  kernels::linear_int8_fwd(a.ctx, o, a.x[0], a.params[kWeight], a.params[kWScale], a.params[kBias],
                           a.param_version, a.y);
}

void Int8Linear::derive_params(Context& ctx, std::span<const ParamSource> from,
                               std::span<Tensor> to) const {
  const auto own = from[0].params;
  kernels::quantise_weights(ctx, own[0], to[kWeight], to[kWScale]);
  if (own.size() > 1) {
    kernels::copy(ctx, own[1], to[kBias]);
  } else {
    fill_zero(ctx, to[kBias]);
  }
}

std::string Int8ScaleShift::attributes() const {
  return fmt::format("{}{} to {}", channels_, describe(act_), name(y_));
}

LayerPlan Int8ScaleShift::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Int8ScaleShift inputs");
  GRAFT_CHECK_EQ(x[0][x[0].rank() - 1], channels_, "Int8ScaleShift: ", x[0]);
  return {.y = x[0], .dtype = y_};
}

std::vector<ParamSpec> Int8ScaleShift::params() const {
  return {derived("scale", {channels_}), derived("shift", {channels_}), derived("x_scale", {1}),
          derived("y_scale", {1})};
}

std::int64_t Int8ScaleShift::flops(std::span<const Shape> x) const { return 2 * x[0].numel(); }

void Int8ScaleShift::forward(const ForwardArgs& a) const {
  kernels::scale_shift_fwd(
      a.ctx, {.activation = act_, .x_scale = scalar(a.params[kX]), .y_scale = scalar(a.params[kY])},
      a.x[0], a.params[kScale], a.params[kShift], a.y);
}

void Int8ScaleShift::derive_params(Context& ctx, std::span<const ParamSource> from,
                                   std::span<Tensor> to) const {
  for (const std::size_t i : {kScale, kShift}) kernels::copy(ctx, from[0].params[i], to[i]);
}

std::string Int8Pool2d::attributes() const {
  return fmt::format("{}x{} stride {} pad {}", o_.window, o_.window, o_.stride, o_.pad);
}

LayerPlan Int8Pool2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, kind(), " inputs");
  return {.y = kernels::pool_output_shape(o_, x[0]), .dtype = dtype_};
}

std::int64_t Int8Pool2d::flops(std::span<const Shape> x) const {
  return plan(x).y.numel() * o_.window * o_.window;
}

void Int8Pool2d::forward(const ForwardArgs& a) const {
  if (of_ == Of::kMax) {
    kernels::max_pool_int8_fwd(a.ctx, o_, a.x[0], a.y);
  } else {
    kernels::avg_pool_int8_fwd(a.ctx, o_, a.x[0], a.y);
  }
}

LayerPlan Int8GlobalAvgPool::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Int8GlobalAvgPool inputs");
  GRAFT_CHECK_EQ(x[0].rank(), 4, "Int8GlobalAvgPool: ", x[0]);
  return {.y = {x[0][0], x[0][3]}};
}

std::vector<ParamSpec> Int8GlobalAvgPool::params() const { return {derived("x_scale", {1})}; }

std::int64_t Int8GlobalAvgPool::flops(std::span<const Shape> x) const { return x[0].numel(); }

void Int8GlobalAvgPool::forward(const ForwardArgs& a) const {
  kernels::global_avg_pool_int8_fwd(a.ctx, scalar(a.params[0]), a.x[0], a.y);
}

std::string Int8Cast::attributes() const { return fmt::format("{} to {}", name(from_), name(to_)); }

LayerPlan Int8Cast::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, kind(), " inputs");
  return {.y = x[0], .dtype = to_};
}

std::vector<ParamSpec> Int8Cast::params() const {
  return {derived(to_ == DType::kF32 ? "x_scale" : "y_scale", {1})};
}

std::int64_t Int8Cast::flops(std::span<const Shape> x) const { return x[0].numel(); }

void Int8Cast::forward(const ForwardArgs& a) const {
  if (to_ == DType::kF32) {
    kernels::dequantise(a.ctx, scalar(a.params[0]), a.x[0], a.y);
  } else {
    kernels::quantise(a.ctx, scalar(a.params[0]), a.x[0], a.y);
  }
}

}  // namespace graft
