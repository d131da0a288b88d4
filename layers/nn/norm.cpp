// SPDX-License-Identifier: Apache-2.0
#include "layers/nn/norm.h"

#include <cmath>

#include <fmt/format.h>

#include "layers/infer/fused.h"

namespace graft {
namespace {

// Positions in params() and saved.
constexpr std::size_t kGamma = 0, kBeta = 1, kRunningMean = 2, kRunningVar = 3;
constexpr std::size_t kMean = 0, kInvStd = 1;
constexpr std::int64_t kFlopsPerElement = 8;  // two passes: subtract, square, sum; scale, shift

std::string describe(Activation act, bool has_residual) {
  std::string s = has_residual ? " +residual" : "";
  if (act == Activation::kRelu) s += " +relu";
  if (act == Activation::kRelu6) s += " +relu6";
  return s;
}

void check_inputs(std::string_view kind, std::span<const Shape> x, std::int64_t channels,
                  bool has_residual) {
  GRAFT_CHECK_EQ(x.size(), has_residual ? 2u : 1u, kind, " inputs");
  GRAFT_CHECK(x[0].rank() == 4 && x[0][3] == channels, kind, ": expects (N,H,W,", channels,
              "), got ", x[0]);
  if (has_residual) GRAFT_CHECK_EQ(x[1], x[0], kind, ": residual");
}

std::vector<ParamSpec> affine_params(std::int64_t channels) {
  return {{.name = "weight", .shape = {channels}, .init = Init::constant(1)},
          {.name = "bias", .shape = {channels}, .init = Init::constant(0)}};
}

kernels::NormBackward norm_backward(const BackwardArgs& a, bool has_residual, const Tensor& mean,
                                    const Tensor& inv_std) {
  return {.x = a.x[0],
          .y = a.y,
          .gamma = a.params[kGamma],
          .beta = a.params[kBeta],
          .mean = mean,
          .inv_std = inv_std,
          .dy = a.dy,
          .dy2 = a.dy2,
          .has_residual = has_residual,
          .dx_mode = a.dx_mode[0],
          .dresidual_mode = has_residual ? a.dx_mode[1] : GradMode::kSkip,
          .param_mode = a.param_mode};
}

}  // namespace

BatchNorm2d::BatchNorm2d(std::int64_t channels, kernels::BatchNormOptions options,
                         bool has_residual)
    : channels_(channels), o_(options), has_residual_(has_residual) {
  GRAFT_CHECK(channels > 0, "BatchNorm2d: channels ", channels);
}

std::string BatchNorm2d::attributes() const {
  return fmt::format("{} eps {} momentum {}{}", channels_, o_.eps, o_.momentum,
                     describe(o_.activation, has_residual_));
}

LayerPlan BatchNorm2d::plan(std::span<const Shape> x) const {
  check_inputs(kind(), x, channels_, has_residual_);
  LayerPlan plan{
      .y = x[0],
      .keeps_x = true,
      .keeps_y = has_residual_ && o_.activation != Activation::kNone,
      .saved = {{"mean", {channels_}, DType::kF32, -1}, {"inv_std", {channels_}, DType::kF32, -1}},
      .row_separable = false,
      .scale_invariant = true,
      .accepts_dy2 = true};
  if (has_residual_) plan.backward_in_place = 1;
  return plan;
}

std::vector<ParamSpec> BatchNorm2d::params() const {
  auto specs = affine_params(channels_);
  specs.push_back({.name = "running_mean",
                   .shape = {channels_},
                   .init = Init::constant(0),
                   .kind = ParamKind::kBuffer});
  specs.push_back({.name = "running_var",
                   .shape = {channels_},
                   .init = Init::constant(1),
                   .kind = ParamKind::kBuffer});
  return specs;
}

std::int64_t BatchNorm2d::flops(std::span<const Shape> x) const {
  return kFlopsPerElement * x[0].numel();
}

void BatchNorm2d::forward(const ForwardArgs& a) const {
  const Tensor residual = has_residual_ ? a.x[1] : Tensor();
  if (a.phase == Phase::kTrain && !a.frozen) {
    kernels::batch_norm_fwd_train(a.ctx, o_, a.x[0], a.params[kGamma], a.params[kBeta], residual,
                                  a.params[kRunningMean], a.params[kRunningVar], a.saved[kMean],
                                  a.saved[kInvStd], a.y);
    return;
  }
  kernels::batch_norm_fwd_eval(a.ctx, o_, a.x[0], a.params[kGamma], a.params[kBeta], residual,
                               a.params[kRunningMean], a.params[kRunningVar], a.y);
}

void BatchNorm2d::backward(const BackwardArgs& a) const {
  GRAFT_CHECK(!a.frozen, "BatchNorm2d: backward through a frozen layer");
  Tensor none;
  kernels::batch_norm_bwd(
      a.ctx, o_, a.batch_stats, norm_backward(a, has_residual_, a.saved[kMean], a.saved[kInvStd]),
      a.dx[0], has_residual_ ? a.dx[1] : none, a.dparams[kGamma], a.dparams[kBeta]);
}

LayerPtr BatchNorm2d::with_activation(Activation act) const {
  if (o_.activation != Activation::kNone) return nullptr;
  auto o = o_;
  o.activation = act;
  return std::make_shared<BatchNorm2d>(channels_, o, has_residual_);
}

LayerPtr BatchNorm2d::with_residual() const {
  if (has_residual_ || o_.activation != Activation::kNone) return nullptr;
  return std::make_shared<BatchNorm2d>(channels_, o_, true);
}

void BatchNorm2d::affine(std::span<const Tensor> params, std::span<double> scale,
                         std::span<double> shift) const {
  dispatch_float(params[kGamma].dtype(), "BatchNorm2d", [&]<class T>(std::type_identity<T>) {
    const auto at = [&](std::size_t param, std::size_t c) {
      return static_cast<double>(params[param].ptr<const T>()[c]);
    };
    for (std::size_t c = 0; c < scale.size(); ++c) {
      scale[c] = at(kGamma, c) / std::sqrt(at(kRunningVar, c) + o_.eps);
      shift[c] = at(kBeta, c) - at(kRunningMean, c) * scale[c];
    }
  });
}

LayerPtr BatchNorm2d::inference_form() const {
  return has_residual_ ? nullptr : std::make_shared<ScaleShift>(channels_, o_.activation);
}

GroupNorm::GroupNorm(std::int64_t channels, kernels::GroupNormOptions options, bool has_residual)
    : channels_(channels), o_(options), has_residual_(has_residual) {
  GRAFT_CHECK(channels > 0 && o_.groups > 0 && channels % o_.groups == 0, "GroupNorm: ", channels,
              " channels in ", o_.groups, " groups");
}

std::string GroupNorm::attributes() const {
  return fmt::format("{} groups {} eps {}{}", channels_, o_.groups, o_.eps,
                     describe(o_.activation, has_residual_));
}

LayerPlan GroupNorm::plan(std::span<const Shape> x) const {
  check_inputs(kind(), x, channels_, has_residual_);
  LayerPlan plan{.y = x[0],
                 .keeps_x = true,
                 .keeps_y = has_residual_ && o_.activation != Activation::kNone,
                 .saved = {{"mean", {x[0][0], o_.groups}, DType::kF32, 0},
                           {"inv_std", {x[0][0], o_.groups}, DType::kF32, 0}},
                 .accepts_dy2 = true};
  if (has_residual_) plan.backward_in_place = 1;
  return plan;
}

std::vector<ParamSpec> GroupNorm::params() const { return affine_params(channels_); }

std::int64_t GroupNorm::flops(std::span<const Shape> x) const {
  return kFlopsPerElement * x[0].numel();
}

void GroupNorm::forward(const ForwardArgs& a) const {
  kernels::group_norm_fwd(a.ctx, o_, a.x[0], a.params[kGamma], a.params[kBeta],
                          has_residual_ ? a.x[1] : Tensor(), a.saved[kMean], a.saved[kInvStd], a.y);
}

void GroupNorm::backward(const BackwardArgs& a) const {
  Tensor none;
  kernels::group_norm_bwd(
      a.ctx, o_, norm_backward(a, has_residual_, a.saved[kMean], a.saved[kInvStd]), a.dx[0],
      has_residual_ ? a.dx[1] : none, a.dparams[kGamma], a.dparams[kBeta]);
}

LayerPtr GroupNorm::with_activation(Activation act) const {
  if (o_.activation != Activation::kNone) return nullptr;
  auto o = o_;
  o.activation = act;
  return std::make_shared<GroupNorm>(channels_, o, has_residual_);
}

LayerPtr GroupNorm::with_residual() const {
  if (has_residual_ || o_.activation != Activation::kNone) return nullptr;
  return std::make_shared<GroupNorm>(channels_, o_, true);
}

}  // namespace graft
