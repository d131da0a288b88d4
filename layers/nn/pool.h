// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/api/pool.h"
#include "layers/core/layer.h"

namespace graft {

/// x (N,H,W,C) -> y (N,P,Q,C). Saves the place of each maximum, one byte an output.
class MaxPool2d final : public Layer {
 public:
  explicit MaxPool2d(const kernels::PoolOptions& options) : o_(options) {}
  [[nodiscard]] const kernels::PoolOptions& options() const { return o_; }
  [[nodiscard]] std::string_view kind() const override { return "MaxPool2d"; }
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
  kernels::PoolOptions o_;
};

/// x (N,H,W,C) -> y (N,P,Q,C).
class AvgPool2d final : public Layer {
 public:
  explicit AvgPool2d(const kernels::PoolOptions& options) : o_(options) {}
  [[nodiscard]] const kernels::PoolOptions& options() const { return o_; }
  [[nodiscard]] std::string_view kind() const override { return "AvgPool2d"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] Int8Traits int8_traits() const override;
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  kernels::PoolOptions o_;
};

/// x (N,H,W,C) -> y (N,C).
class GlobalAvgPool final : public Layer {
 public:
  [[nodiscard]] Int8Traits int8_traits() const override { return {.takes = true}; }
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;
  [[nodiscard]] std::string_view kind() const override { return "GlobalAvgPool"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
};

}  // namespace graft
