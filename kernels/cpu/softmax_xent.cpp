// SPDX-License-Identifier: Apache-2.0
// Small next to everything else in a step: plain loops, f32 exponentials, f64 sums.
#include "kernels/api/softmax_xent.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/parallel.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kExpCost = 8;  // an exponential costs as much as so many plain elements

/// Maximum and log of the sum of exp(x - maximum) of one row.
struct RowSum {
  float top;
  double log_sum;
};

RowSum row_sum(const float* x, std::int64_t c) {
  const float top = *std::max_element(x, x + c);
  double sum = 0;
  for (std::int64_t i = 0; i < c; ++i) sum += std::exp(x[i] - top);
  return {top, std::log(sum)};
}

double row_loss(const float* x, std::int64_t c, std::int32_t label, double smoothing) {
  const RowSum s = row_sum(x, c);
  const auto minus_log_p = [&](std::int64_t i) {
    return s.log_sum - (static_cast<double>(x[i]) - static_cast<double>(s.top));
  };
  double loss = (1 - smoothing) * minus_log_p(label);
  if (smoothing > 0) {
    double sum = 0;
    for (std::int64_t i = 0; i < c; ++i) sum += minus_log_p(i);
    loss += smoothing / static_cast<double>(c) * sum;
  }
  return loss;
}

}  // namespace

void softmax_xent_fwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct) {
  const std::int64_t c = logits.shape()[1];
  const auto* xs = logits.ptr<const float>();
  const auto* want = label.ptr<const std::int32_t>();
  auto* out = loss.ptr<float>();
  auto* hit = correct.ptr<std::uint8_t>();
  parallel_rows(ctx, logits.shape()[0], c * kExpCost, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const float* x = xs + n * c;
      out[n] = static_cast<float>(row_loss(x, c, want[n], smoothing));
      if (hit != nullptr) hit[n] = std::max_element(x, x + c) - x == want[n] ? 1 : 0;
    }
  });
}

void softmax_xent_bwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits) {
  const std::int64_t c = logits.shape()[1];
  const auto* xs = logits.ptr<const float>();
  const auto* want = label.ptr<const std::int32_t>();
  const auto* ws = weight.ptr<const float>();
  auto* out = dlogits.ptr<float>();
  const float uniform = static_cast<float>(smoothing / static_cast<double>(c));
  const float at_label = static_cast<float>(1 - smoothing);
  parallel_rows(ctx, logits.shape()[0], c * kExpCost, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const float* x = xs + n * c;
      float* dx = out + n * c;
      const RowSum s = row_sum(x, c);
      const auto scale = static_cast<float>(std::exp(-s.log_sum));
      for (std::int64_t i = 0; i < c; ++i) {
        const float target = uniform + (i == want[n] ? at_label : 0.0f);
        const float g = ws[n] * (std::exp(x[i] - s.top) * scale - target);
        dx[i] = mode == GradMode::kAccumulate ? dx[i] + g : g;
      }
    }
  });
}

void softmax(Context& ctx, const Tensor& x, Tensor& y) {
  const std::int64_t c = x.shape()[1];
  const auto* xs = x.ptr<const float>();
  auto* ys = y.ptr<float>();
  parallel_rows(ctx, x.shape()[0], c * kExpCost, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const RowSum s = row_sum(xs + n * c, c);
      const auto scale = static_cast<float>(std::exp(-s.log_sum));
      for (std::int64_t i = n * c; i < (n + 1) * c; ++i) ys[i] = std::exp(xs[i] - s.top) * scale;
    }
  });
}

}  // namespace graft::kernels::cpu
