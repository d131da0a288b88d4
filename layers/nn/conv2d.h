// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/api/conv.h"
#include "layers/core/layer.h"

namespace graft {

struct Conv2dOptions {
  std::int64_t in_channels = 0, out_channels = 0;
  int kernel = 3;
  int stride = 1;
  int pad = 0;
  int groups = 1;
  bool bias = false;
  /// Uneven padding (top/left as `pad`, bottom/right this), as Keras' "same" has at stride 2; -1:
  /// as `pad`.
  int pad_end = -1;
  int kernel_w = 0;    ///< columns of the filter; 0: as kernel, which then counts the rows only
  int pad_left = -1;   ///< -1: as pad
  int pad_right = -1;  ///< -1: as pad_end, or as the left side
  int dilation = 1;
};

/// x (N,H,W,C) -> y (N,P,Q,K). Parameters: weight (K,R,S,C/groups), bias (K). Starts as He et al.
/// 2015, fan out (K * R * S, whatever the groups), like torchvision.
class Conv2d final : public Layer {
 public:
  explicit Conv2d(const Conv2dOptions& options);
  [[nodiscard]] const Conv2dOptions& options() const { return o_; }
  /// Strides, all four paddings, dilation and groups.
  [[nodiscard]] const kernels::ConvOptions& geometry() const { return conv_; }
  [[nodiscard]] std::string_view kind() const override { return "Conv2d"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] LayerPtr inference_form() const override;

 private:
  [[nodiscard]] Shape weight_shape() const;
  Conv2dOptions o_;
  kernels::ConvOptions conv_;
};

}  // namespace graft
