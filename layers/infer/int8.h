// SPDX-License-Identifier: Apache-2.0
// Inference forms on 8-bit integers. Scales are buffers (1): "x_scale", "residual_scale",
// "y_scale"; whoever calibrates fills them. Other parameters derive from the floating form.
#pragma once

#include "kernels/api/int8.h"
#include "kernels/api/pool.h"
#include "layers/infer/inference_layer.h"

namespace graft {

/// As FusedConv2d, x u8|i8, residual and y u8|i8|f32. Buffers: weight i8 (K,R,S,C), w_scale and
/// bias (K), x_scale, residual_scale, y_scale. Derives from a FusedConv2d.
class Int8Conv2d final : public InferenceLayer {
 public:
  Int8Conv2d(const Shape& weight, const kernels::Int8ConvOptions& options, bool has_residual,
             DType y);
  [[nodiscard]] const kernels::Int8ConvOptions& options() const { return o_; }
  [[nodiscard]] bool has_residual() const { return has_residual_; }
  [[nodiscard]] std::string_view kind() const override { return "Int8Conv2d"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override;

 private:
  Shape weight_;
  kernels::Int8ConvOptions o_;
  bool has_residual_;
  DType y_;
};

/// As Linear, x u8|i8, y f32. Buffers: weight i8 (K,C), w_scale and bias (K), x_scale. Derives from
/// a Linear.
class Int8Linear final : public InferenceLayer {
 public:
  Int8Linear(std::int64_t in_features, std::int64_t out_features)
      : in_(in_features), out_(out_features) {}
  [[nodiscard]] std::string_view kind() const override { return "Int8Linear"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override;

 private:
  std::int64_t in_, out_;
};

/// As ScaleShift, x and y u8|i8|f32. Buffers: scale, shift (C), x_scale, y_scale.
class Int8ScaleShift final : public InferenceLayer {
 public:
  Int8ScaleShift(std::int64_t channels, Activation act, DType y)
      : channels_(channels), act_(act), y_(y) {}
  [[nodiscard]] Activation activation() const { return act_; }
  [[nodiscard]] std::string_view kind() const override { return "Int8ScaleShift"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override;

 private:
  std::int64_t channels_;
  Activation act_;
  DType y_;
};

/// As MaxPool2d or AvgPool2d on u8|i8; input and output have one scale.
class Int8Pool2d final : public InferenceLayer {
 public:
  enum class Of : std::uint8_t { kMax, kMean };
  /// Largest window of a mean.
  static constexpr int kMostWindow = 15;

  Int8Pool2d(Of of, const kernels::PoolOptions& options, DType dtype)
      : of_(of), o_(options), dtype_(dtype) {}
  [[nodiscard]] const kernels::PoolOptions& options() const { return o_; }
  [[nodiscard]] std::string_view kind() const override {
    return of_ == Of::kMax ? "Int8MaxPool2d" : "Int8AvgPool2d";
  }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;

 private:
  Of of_;
  kernels::PoolOptions o_;
  DType dtype_;
};

/// As GlobalAvgPool, x u8|i8, y f32. Buffer: x_scale.
class Int8GlobalAvgPool final : public InferenceLayer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "Int8GlobalAvgPool"; }
  [[nodiscard]] std::string attributes() const override { return ""; }
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void derive_params(Context&, std::span<const ParamSource>, std::span<Tensor>) const override {}
};

/// f32 to u8|i8 (buffer y_scale) or back (buffer x_scale).
class Int8Cast final : public InferenceLayer {
 public:
  Int8Cast(DType from, DType to) : from_(from), to_(to) {}
  [[nodiscard]] std::string_view kind() const override {
    return to_ == DType::kF32 ? "Dequantise" : "Quantise";
  }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void derive_params(Context&, std::span<const ParamSource>, std::span<Tensor>) const override {}

 private:
  DType from_, to_;
};

}  // namespace graft
