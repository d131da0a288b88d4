// SPDX-License-Identifier: Apache-2.0
// Floating-point inference forms. Batch norm behind a convolution is folded into its weights:
// w' = scale[k] * w, bias' = scale[k] * bias + shift[k], in f64.
#pragma once

#include "kernels/api/conv.h"
#include "layers/infer/inference_layer.h"

namespace graft {

/// y = act(conv(x) + bias [+ residual]).  Inputs: x (N,H,W,C) [, residual like y]. Buffers: weight
/// (K,R,S,C/groups), bias (K). Derives from a Conv2d [and an affine layer behind it].
class FusedConv2d final : public InferenceLayer {
 public:
  FusedConv2d(const Shape& weight, const kernels::ConvOptions& options, Activation act,
              bool has_residual);
  [[nodiscard]] const kernels::ConvOptions& options() const { return o_; }
  [[nodiscard]] Activation activation() const { return act_; }
  [[nodiscard]] bool has_residual() const { return has_residual_; }
  [[nodiscard]] std::string_view kind() const override { return "FusedConv2d"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  [[nodiscard]] LayerPtr with_activation(Activation act) const override;
  [[nodiscard]] LayerPtr with_residual() const override;
  [[nodiscard]] bool takes_affine() const override { return true; }
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override;
  [[nodiscard]] Int8Traits int8_traits() const override;
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  Shape weight_;
  kernels::ConvOptions o_;
  Activation act_;
  bool has_residual_;
};

/// y = act(scale[c] * x + shift[c]), channels last. Buffers: scale, shift (C). Derives from an
/// affine layer.
class ScaleShift final : public InferenceLayer {
 public:
  ScaleShift(std::int64_t channels, Activation act) : channels_(channels), act_(act) {}
  [[nodiscard]] Activation activation() const { return act_; }
  [[nodiscard]] std::string_view kind() const override { return "ScaleShift"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  [[nodiscard]] LayerPtr with_activation(Activation act) const override;
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override;
  [[nodiscard]] Int8Traits int8_traits() const override;
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  std::int64_t channels_;
  Activation act_;
};

}  // namespace graft
