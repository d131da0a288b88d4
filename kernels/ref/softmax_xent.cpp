// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/softmax_xent.h"

#include <algorithm>
#include <cmath>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

/// log sum exp of a row; the maximum goes out first, so that nothing overflows.
template <class T>
double log_sum_exp(const T* x, std::int64_t c) {
  const auto top = static_cast<double>(*std::max_element(x, x + c));
  double sum = 0;
  for (std::int64_t i = 0; i < c; ++i) sum += std::exp(static_cast<double>(x[i]) - top);
  return top + std::log(sum);
}

/// Target probability of class i.
double target(double smoothing, std::int64_t c, bool is_label) {
  return smoothing / static_cast<double>(c) + (is_label ? 1 - smoothing : 0);
}

template <class T>
double loss_of(const T* x, std::int64_t c, std::int32_t label, double smoothing) {
  const double lse = log_sum_exp(x, c);
  double loss = 0;
  for (std::int64_t i = 0; i < c; ++i) {
    const double t = target(smoothing, c, i == label);
    if (t != 0) loss += t * (lse - static_cast<double>(x[i]));
  }
  return loss;
}

}  // namespace

void softmax_xent_fwd(Context&, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct) {
  const std::int64_t c = logits.shape()[1];
  dispatch_float(logits.dtype(), "softmax_xent_fwd", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t n = 0; n < logits.shape()[0]; ++n) {
      const T* x = logits.ptr<const T>() + n * c;
      const std::int32_t want = label.ptr<const std::int32_t>()[n];
      loss.ptr<T>()[n] = static_cast<T>(loss_of(x, c, want, smoothing));
      if (!correct.empty()) {
        correct.ptr<std::uint8_t>()[n] = std::max_element(x, x + c) - x == want ? 1 : 0;
      }
    }
  });
}

void softmax_xent_bwd(Context&, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits) {
  if (mode == GradMode::kSkip) return;
  const std::int64_t c = logits.shape()[1];
  dispatch_float(logits.dtype(), "softmax_xent_bwd", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t n = 0; n < logits.shape()[0]; ++n) {
      const T* x = logits.ptr<const T>() + n * c;
      const std::int32_t want = label.ptr<const std::int32_t>()[n];
      const auto w = static_cast<double>(weight.ptr<const T>()[n]);
      const double lse = log_sum_exp(x, c);
      for (std::int64_t i = 0; i < c; ++i) {
        const double prob = std::exp(static_cast<double>(x[i]) - lse);
        store(mode, dlogits.ptr<T>(), n * c + i, w * (prob - target(smoothing, c, i == want)));
      }
    }
  });
}

void softmax_scores(Context&, const Tensor& logits, const Tensor& label, Tensor& confidence,
                    Tensor& gradient_norm) {
  const std::int64_t c = logits.shape()[1];
  dispatch_float(logits.dtype(), "softmax_scores", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t n = 0; n < logits.shape()[0]; ++n) {
      const T* x = logits.ptr<const T>() + n * c;
      const std::int32_t want = label.ptr<const std::int32_t>()[n];
      const double lse = log_sum_exp(x, c);
      double top = 0, squares = 0;
      for (std::int64_t i = 0; i < c; ++i) {
        const double prob = std::exp(static_cast<double>(x[i]) - lse);
        const double gradient = prob - (i == want ? 1 : 0);
        top = std::max(top, prob);
        squares += gradient * gradient;
      }
      confidence.ptr<T>()[n] = static_cast<T>(top);
      gradient_norm.ptr<T>()[n] = static_cast<T>(std::sqrt(squares));
    }
  });
}

void softmax(Context&, const Tensor& x, Tensor& y) {
  const std::int64_t c = x.shape()[1];
  dispatch_float(x.dtype(), "softmax", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
      const T* xs = x.ptr<const T>() + n * c;
      const double lse = log_sum_exp(xs, c);
      for (std::int64_t i = 0; i < c; ++i) {
        y.ptr<T>()[n * c + i] = static_cast<T>(std::exp(static_cast<double>(xs[i]) - lse));
      }
    }
  });
}

}  // namespace graft::kernels::ref
