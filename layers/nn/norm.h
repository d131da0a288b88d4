// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/api/norm.h"
#include "layers/core/layer.h"

namespace graft {

/// Batch normalisation over (N,H,W) per channel: y = act(gamma * xhat + beta [+ residual]).
/// Inputs: x (N,H,W,C) [, residual of the same shape]. Parameters: weight = gamma, bias = beta;
/// buffers running_mean, running_var. Not row separable in training: batch statistics couple the
/// rows; backward on some of a batch's rows is an approximation (BackwardArgs::batch_stats).
class BatchNorm2d final : public Layer {
 public:
  explicit BatchNorm2d(std::int64_t channels, kernels::BatchNormOptions options = {},
                       bool has_residual = false);
  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] const kernels::BatchNormOptions& options() const { return o_; }
  [[nodiscard]] bool has_residual() const { return has_residual_; }
  [[nodiscard]] std::string_view kind() const override { return "BatchNorm2d"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] LayerPtr with_activation(Activation act) const override;
  [[nodiscard]] LayerPtr with_residual() const override;
  [[nodiscard]] bool is_affine() const override { return true; }
  [[nodiscard]] Activation fused_activation() const override { return o_.activation; }
  void affine(std::span<const Tensor> params, std::span<double> scale,
              std::span<double> shift) const override;
  [[nodiscard]] LayerPtr inference_form() const override;

 private:
  std::int64_t channels_;
  kernels::BatchNormOptions o_;
  bool has_residual_;
};

/// Group normalisation (Wu & He 2018), fused in the same way. Row separable.
class GroupNorm final : public Layer {
 public:
  [[nodiscard]] Int8Traits int8_traits() const override {
    return {.nonnegative = o_.activation != Activation::kNone};
  }
  explicit GroupNorm(std::int64_t channels, kernels::GroupNormOptions options,
                     bool has_residual = false);
  [[nodiscard]] std::string_view kind() const override { return "GroupNorm"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] LayerPtr with_activation(Activation act) const override;
  [[nodiscard]] LayerPtr with_residual() const override;

 private:
  std::int64_t channels_;
  kernels::GroupNormOptions o_;
  bool has_residual_;
};

}  // namespace graft
