// SPDX-License-Identifier: Apache-2.0
#include "layers/loss/cross_entropy.h"

#include <fmt/format.h>

#include "kernels/api/softmax_xent.h"

namespace graft {

CrossEntropy::CrossEntropy(double smoothing) : smoothing_(smoothing) {
  GRAFT_CHECK(smoothing >= 0 && smoothing < 1, "CrossEntropy: smoothing must be in [0, 1), got ",
              smoothing);
}

std::string CrossEntropy::attributes() const {
  return smoothing_ == 0 ? "" : fmt::format("smoothing {}", smoothing_);
}

LayerPlan CrossEntropy::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 2u, "CrossEntropy inputs");
  GRAFT_CHECK(x[0].rank() == 2 && x[1].rank() == 1 && x[0][0] == x[1][0], "CrossEntropy: logits ",
              x[0], ", label ", x[1]);
  return {.y = x[1], .keeps_x = true, .saved = {{"correct", x[1], DType::kU8, 0}}, .exact = true};
}

std::int64_t CrossEntropy::flops(std::span<const Shape> x) const { return 5 * x[0].numel(); }

void CrossEntropy::forward(const ForwardArgs& a) const {
  kernels::softmax_xent_fwd(a.ctx, smoothing_, a.x[0], a.x[1], a.y, a.saved[0]);
}

void CrossEntropy::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::softmax_xent_bwd(a.ctx, smoothing_, a.x[0], a.x[1], a.dy, a.dx_mode[0], a.dx[0]);
}

}  // namespace graft
