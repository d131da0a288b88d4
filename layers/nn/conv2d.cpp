// SPDX-License-Identifier: Apache-2.0
#include "layers/nn/conv2d.h"

#include <fmt/format.h>

#include "layers/infer/fused.h"

namespace graft {

Conv2d::Conv2d(const Conv2dOptions& options) : o_(options) {
  if (o_.kernel_w == 0) o_.kernel_w = o_.kernel;
  if (o_.pad_left < 0) o_.pad_left = o_.pad;
  if (o_.pad_right < 0) o_.pad_right = o_.pad_end >= 0 ? o_.pad_end : o_.pad_left;
  if (o_.pad_end < 0) o_.pad_end = o_.pad;
  GRAFT_CHECK(o_.in_channels > 0 && o_.out_channels > 0 && o_.kernel > 0 && o_.kernel_w > 0 &&
                  o_.stride > 0 && o_.pad >= 0 && o_.dilation > 0 && o_.groups > 0 &&
                  o_.in_channels % o_.groups == 0 && o_.out_channels % o_.groups == 0,
              "Conv2d: ", attributes());
  conv_ = {.stride = o_.stride,
           .pad_top = o_.pad,
           .pad_left = o_.pad_left,
           .pad_bottom = o_.pad_end,
           .pad_right = o_.pad_right,
           .dilation = o_.dilation,
           .groups = o_.groups};
}

std::string Conv2d::attributes() const {
  std::string s = fmt::format("{}->{} {}x{} stride {} pad {}", o_.in_channels, o_.out_channels,
                              o_.kernel, o_.kernel_w, o_.stride, o_.pad);
  if (o_.pad_left != o_.pad || o_.pad_right != o_.pad_end) {
    s += fmt::format("/{}/{}/{}", o_.pad_left, o_.pad_end, o_.pad_right);
  } else if (o_.pad_end != o_.pad) {
    s += fmt::format("/{}", o_.pad_end);
  }
  if (o_.dilation > 1) s += fmt::format(" dilation {}", o_.dilation);
  if (o_.groups > 1) s += fmt::format(" groups {}", o_.groups);
  if (o_.bias) s += " bias";
  return s;
}

Shape Conv2d::weight_shape() const {
  return {o_.out_channels, o_.kernel, o_.kernel_w, o_.in_channels / o_.groups};
}

LayerPlan Conv2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Conv2d inputs");
  GRAFT_CHECK(x[0].rank() == 4 && x[0][3] == o_.in_channels, "Conv2d: expects (N,H,W,",
              o_.in_channels, "), got ", x[0]);
  return {.y = kernels::conv_output_shape(conv_, x[0], weight_shape()), .keeps_x = true};
}

std::vector<ParamSpec> Conv2d::params() const {
  const std::int64_t fan_out =
      o_.out_channels * o_.kernel * o_.kernel_w;  // torchvision does not divide by groups
  std::vector<ParamSpec> specs = {{.name = "weight",
                                   .shape = weight_shape(),
                                   .init = Init::kaiming_normal(fan_out),
                                   .order = ParamOrder::kFilterOhwi}};
  if (o_.bias) specs.push_back({.name = "bias", .shape = {o_.out_channels}, .init = {}});
  return specs;
}

std::int64_t Conv2d::flops(std::span<const Shape> x) const {
  return 2 * plan(x).y.numel() * o_.kernel * o_.kernel_w * o_.in_channels / o_.groups;
}

void Conv2d::forward(const ForwardArgs& a) const {
  kernels::conv_fwd(a.ctx, conv_, a.x[0], a.params[0], o_.bias ? a.params[1] : Tensor(),
                    a.param_version, a.y);
}

LayerPtr Conv2d::inference_form() const {
  return std::make_shared<FusedConv2d>(weight_shape(), conv_, Activation::kNone, false);
}

void Conv2d::backward(const BackwardArgs& a) const {
  if (a.param_mode != GradMode::kSkip) {
    Tensor none;
    kernels::conv_bwd_weight(a.ctx, conv_, a.x[0], a.dy, a.param_mode, a.dparams[0],
                             o_.bias ? a.dparams[1] : none);
  }
  if (a.dx_mode[0] != GradMode::kSkip) {
    kernels::conv_bwd_data(a.ctx, conv_, a.dy, a.params[0], a.param_version, a.dx_mode[0], a.dx[0]);
  }
}

}  // namespace graft
