// SPDX-License-Identifier: Apache-2.0
#include "layers/infer/fused.h"

#include <fmt/format.h>

#include "kernels/api/int8.h"
#include "layers/infer/int8.h"

namespace graft {
namespace {

constexpr std::size_t kWeight = 0, kBias = 1;  // positions in the params of both convolutions

const char* describe(Activation act) {
  if (act == Activation::kRelu) return " +relu";
  return act == Activation::kRelu6 ? " +relu6" : "";
}

/// Two arrays of `channels` doubles in the context's workspace.
struct Affine {
  std::span<double> scale, shift;
  Affine(Context& ctx, std::int64_t channels) {
    const auto n = static_cast<std::size_t>(channels);
    auto* memory = static_cast<double*>(ctx.workspace().get(2 * n * sizeof(double)));
    scale = {memory, n};
    shift = {memory + n, n};
  }
};

}  // namespace

FusedConv2d::FusedConv2d(const Shape& weight, const kernels::ConvOptions& options, Activation act,
                         bool has_residual)
    : weight_(weight), o_(options), act_(act), has_residual_(has_residual) {}

std::string FusedConv2d::attributes() const {
  std::string s = fmt::format("{}->{} {}x{} stride {} pad {}", weight_[3] * o_.groups, weight_[0],
                              weight_[1], weight_[2], o_.stride, o_.pad_top);
  if (o_.pad_bottom != o_.pad_top) s += fmt::format("/{}", o_.pad_bottom);
  if (o_.groups > 1) s += fmt::format(" groups {}", o_.groups);
  return s + (has_residual_ ? " +residual" : "") + describe(act_);
}

LayerPlan FusedConv2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), has_residual_ ? 2u : 1u, "FusedConv2d inputs");
  const Shape y = kernels::conv_output_shape(o_, x[0], weight_);
  if (has_residual_) GRAFT_CHECK_EQ(x[1], y, "FusedConv2d: residual");
  return {.y = y};
}

std::vector<ParamSpec> FusedConv2d::params() const {
  return {derived("weight", weight_), derived("bias", {weight_[0]})};
}

std::int64_t FusedConv2d::flops(std::span<const Shape> x) const {
  return 2 * plan(x).y.numel() * weight_.row_numel();
}

void FusedConv2d::forward(const ForwardArgs& a) const {
  kernels::conv_fused_fwd(a.ctx, o_, act_, a.x[0], a.params[kWeight], a.params[kBias],
                          has_residual_ ? a.x[1] : Tensor(), a.param_version, a.y);
}

LayerPtr FusedConv2d::with_activation(Activation act) const {
  if (act_ != Activation::kNone) return nullptr;
  return std::make_shared<FusedConv2d>(weight_, o_, act, has_residual_);
}

LayerPtr FusedConv2d::with_residual() const {
  if (has_residual_ || act_ != Activation::kNone) return nullptr;
  return std::make_shared<FusedConv2d>(weight_, o_, act_, true);
}

void FusedConv2d::derive_params(Context& ctx, std::span<const ParamSource> from,
                                std::span<Tensor> to) const {
  const Affine norm(ctx, weight_[0]);
  std::fill(norm.scale.begin(), norm.scale.end(), 1.0);
  std::fill(norm.shift.begin(), norm.shift.end(), 0.0);
  if (from.size() > 1) from[1].layer->affine(from[1].params, norm.scale, norm.shift);
  const auto own = from[0].params;
  dispatch_float(to[kWeight].dtype(), "FusedConv2d", [&]<class T>(std::type_identity<T>) {
    const std::int64_t row = weight_.row_numel();
    for (std::int64_t k = 0; k < weight_[0]; ++k) {
      const double scale = norm.scale[static_cast<std::size_t>(k)];
      const T* w = own[kWeight].ptr<const T>() + k * row;
      T* out = to[kWeight].ptr<T>() + k * row;
      for (std::int64_t i = 0; i < row; ++i) {
        out[i] = static_cast<T>(scale * static_cast<double>(w[i]));
      }
      const double bias =
          own.size() > kBias ? static_cast<double>(own[kBias].ptr<const T>()[k]) : 0.0;
      to[kBias].ptr<T>()[k] =
          static_cast<T>(scale * bias + norm.shift[static_cast<std::size_t>(k)]);
    }
  });
}

Int8Traits FusedConv2d::int8_traits() const {
  constexpr std::int64_t kLanes = 16, kDepthwise = 3;
  const bool depthwise = o_.groups == weight_[0] && weight_[3] == 1 && weight_[0] % kLanes == 0 &&
                         weight_[1] == kDepthwise && weight_[2] == kDepthwise;
  const bool nonnegative = act_ != Activation::kNone;
  // Elsewhere 8 bits would be slower than f32.
  if ((o_.groups != 1 && !depthwise) || o_.stride > 2 || o_.dilation != 1) {
    return {.nonnegative = nonnegative};
  }
  return {.takes = true, .needs = true, .makes = true, .nonnegative = nonnegative};
}

LayerPtr FusedConv2d::int8_form(std::span<const DType> x, DType y) const {
  if (x[0] == DType::kF32) return nullptr;
  return std::make_shared<Int8Conv2d>(
      weight_, kernels::Int8ConvOptions{.conv = o_, .activation = act_}, has_residual_, y);
}

std::string ScaleShift::attributes() const {
  return fmt::format("{}{}", channels_, describe(act_));
}

LayerPlan ScaleShift::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "ScaleShift inputs");
  GRAFT_CHECK_EQ(x[0][x[0].rank() - 1], channels_, "ScaleShift: ", x[0]);
  return {.y = x[0]};
}

std::vector<ParamSpec> ScaleShift::params() const {
  return {derived("scale", {channels_}), derived("shift", {channels_})};
}

std::int64_t ScaleShift::flops(std::span<const Shape> x) const { return 2 * x[0].numel(); }

void ScaleShift::forward(const ForwardArgs& a) const {
  kernels::scale_shift_fwd(a.ctx, {.activation = act_}, a.x[0], a.params[0], a.params[1], a.y);
}

LayerPtr ScaleShift::with_activation(Activation act) const {
  return act_ == Activation::kNone ? std::make_shared<ScaleShift>(channels_, act) : nullptr;
}

void ScaleShift::derive_params(Context& ctx, std::span<const ParamSource> from,
                               std::span<Tensor> to) const {
  const Affine norm(ctx, channels_);
  from[0].layer->affine(from[0].params, norm.scale, norm.shift);
  dispatch_float(to[0].dtype(), "ScaleShift", [&]<class T>(std::type_identity<T>) {
    for (std::size_t c = 0; c < norm.scale.size(); ++c) {
      to[0].ptr<T>()[c] = static_cast<T>(norm.scale[c]);
      to[1].ptr<T>()[c] = static_cast<T>(norm.shift[c]);
    }
  });
}

Int8Traits ScaleShift::int8_traits() const {
  return {.takes = true, .makes = true, .nonnegative = act_ != Activation::kNone};
}

LayerPtr ScaleShift::int8_form(std::span<const DType>, DType y) const {
  return std::make_shared<Int8ScaleShift>(channels_, act_, y);
}

}  // namespace graft
