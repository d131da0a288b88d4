// SPDX-License-Identifier: Apache-2.0
// Layers without parameters that work element by element or move channels.
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// ReLU or ReLU6.
class ActivationLayer final : public Layer {
 public:
  explicit ActivationLayer(Activation act);
  [[nodiscard]] std::string_view kind() const override { return "Activation"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] Activation as_activation() const override { return act_; }

 private:
  Activation act_;
};

/// y = act(a + b), shapes equal.
class Add final : public Layer {
 public:
  explicit Add(Activation act = Activation::kNone) : act_(act) {}
  [[nodiscard]] Activation activation() const { return act_; }
  [[nodiscard]] std::string_view kind() const override { return "Add"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] bool is_sum() const override { return act_ == Activation::kNone; }
  [[nodiscard]] LayerPtr with_activation(Activation act) const override;

 private:
  Activation act_;
};

/// (N,H,W,C_i) side by side on the channel axis.
class Concat final : public Layer {
 public:
  explicit Concat(DType dtype = DType::kF32) : dtype_(dtype) {}
  [[nodiscard]] std::string_view kind() const override { return "Concat"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] Int8Traits int8_traits() const override {
    return {.takes = true, .makes = true, .keeps_range = true};
  }
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  DType dtype_;  // 8-bit in inference
};

/// Zeroes each element with probability p in training and scales the others by 1/(1-p); the mask is
/// a function of (seed, epoch, example id, node, element), so nothing is saved. Identity in
/// evaluation.
class Dropout final : public Layer {
 public:
  explicit Dropout(double p);
  [[nodiscard]] double p() const { return p_; }
  [[nodiscard]] std::string_view kind() const override { return "Dropout"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] bool is_identity() const override { return true; }

 private:
  double p_;
};

/// Parameter-free shortcut of CIFAR ResNets ("option A"): every stride-th pixel, zero channels
/// around.
class SubsamplePad final : public Layer {
 public:
  SubsamplePad(std::int64_t out_channels, int stride, DType dtype = DType::kF32);
  [[nodiscard]] std::int64_t out_channels() const { return out_channels_; }
  [[nodiscard]] int stride() const { return stride_; }
  [[nodiscard]] std::string_view kind() const override { return "SubsamplePad"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] Int8Traits int8_traits() const override {
    return {.takes = true, .makes = true, .keeps_range = true};
  }
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  std::int64_t out_channels_;
  int stride_;
  DType dtype_;  // 8-bit in inference
};

}  // namespace graft
