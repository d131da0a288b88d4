// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// Per-example softmax cross-entropy with label smoothing. Inputs: logits (N,C), label (N) i32; y:
/// loss (N). Its backward's dy is one weight per example; the mean is the caller's. Saved "correct"
/// (N) u8: 1 where the label's logit is the first maximum, in every phase.
class CrossEntropy final : public Layer {
 public:
  explicit CrossEntropy(double smoothing = 0);
  [[nodiscard]] std::string_view kind() const override { return "CrossEntropy"; }
  [[nodiscard]] std::string attributes() const override;
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override;
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override;
  void forward(const ForwardArgs& args) const override;
  void backward(const BackwardArgs& args) const override;

 private:
  double smoothing_;
};

}  // namespace graft
