// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// x (N,C) -> y (N,K) = x w^T + bias. Parameters: weight (K,C), bias (K); both start as
/// U(-1/sqrt(C), 1/sqrt(C)).
class Linear final : public Layer {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);
  [[nodiscard]] std::int64_t in_features() const { return in_; }
  [[nodiscard]] std::int64_t out_features() const { return out_; }
  [[nodiscard]] bool has_bias() const { return bias_; }
  [[nodiscard]] std::string_view kind() const override { return "Linear"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::vector<ParamSpec> params() const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;
  [[nodiscard]] Int8Traits int8_traits() const override;
  [[nodiscard]] LayerPtr int8_form(std::span<const DType> x, DType y) const override;

 private:
  std::int64_t in_, out_;
  bool bias_;
};

}  // namespace graft
