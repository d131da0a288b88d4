// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/int8.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/ref/common.h"
#include "kernels/ref/conv.h"
#include "kernels/ref/pool.h"

namespace graft::kernels::ref {
namespace {

/// Reads element i of a tensor as a real number; `scale` of 8-bit ones.
double value_at(const Tensor& t, float scale, std::int64_t i) {
  switch (t.dtype()) {
    case DType::kU8:
      return static_cast<double>(scale) * t.ptr<std::uint8_t>()[i];
    case DType::kI8:
      return static_cast<double>(scale) * t.ptr<std::int8_t>()[i];
    case DType::kF64:
      return t.ptr<double>()[i];
    default:
      return static_cast<double>(t.ptr<float>()[i]);
  }
}

/// The integers of an 8-bit tensor. Those below 2^53 are exact in f64, so sums of them are too.
Tensor wide(Context& ctx, const Tensor& t) {
  Tensor out = Tensor::allocate(ctx.memory(), t.shape(), DType::kF64);
  for (std::int64_t i = 0; i < t.numel(); ++i) out.ptr<double>()[i] = value_at(t, 1, i);
  return out;
}

/// Saturated to the range of T; NaN becomes its lower end, as the vector instructions do it.
template <class T>
T narrow(double v) {
  constexpr double kLo = std::numeric_limits<T>::lowest(), kHi = std::numeric_limits<T>::max();
  return v > kLo ? static_cast<T>(std::nearbyint(std::min(v, kHi))) : static_cast<T>(kLo);
}

void store(const Tensor& t, float scale, std::int64_t i, double value) {
  const double q = value / static_cast<double>(scale);
  switch (t.dtype()) {
    case DType::kU8:
      t.ptr<std::uint8_t>()[i] = narrow<std::uint8_t>(q);
      return;
    case DType::kI8:
      t.ptr<std::int8_t>()[i] = narrow<std::int8_t>(q);
      return;
    case DType::kF64:
      t.ptr<double>()[i] = value;
      return;
    default:
      t.ptr<float>()[i] = static_cast<float>(value);
  }
}

template <class T>
void max_pool(const PoolOptions& o, const Shape& x, const Shape& y, const T* from, T* to) {
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t c = i % y[3], q = i / y[3] % y[2], p = i / (y[3] * y[2]) % y[1];
    const std::int64_t n = i / (y[3] * y[2] * y[1]);
    T best = std::numeric_limits<T>::lowest();
    for (std::int64_t h = p * o.stride - o.pad; h < p * o.stride - o.pad + o.window; ++h) {
      for (std::int64_t w = q * o.stride - o.pad; w < q * o.stride - o.pad + o.window; ++w) {
        if (h < 0 || h >= x[1] || w < 0 || w >= x[2]) continue;
        best = std::max(best, from[((n * x[1] + h) * x[2] + w) * x[3] + c]);
      }
    }
    to[i] = best;
  }
}

}  // namespace

void conv_int8_fwd(Context& ctx, const Int8ConvOptions& o, const Tensor& x, const Tensor& w,
                   const Tensor& w_scale, const Tensor& bias, const Tensor& residual, std::uint64_t,
                   Tensor& y) {
  Tensor sums = Tensor::allocate(ctx.memory(), y.shape(), DType::kF64);
  ref::conv_fwd(ctx, o.conv, wide(ctx, x), wide(ctx, w), Tensor(), 0, sums);
  const std::int64_t k = y.shape()[3];
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const double scale =
        static_cast<double>(o.x_scale) * static_cast<double>(w_scale.ptr<float>()[i % k]);
    double v = sums.ptr<double>()[i] * scale + static_cast<double>(bias.ptr<float>()[i % k]);
    if (!residual.empty()) v += value_at(residual, o.residual_scale, i);
    store(y, o.y_scale, i, activate(o.activation, v));
  }
}

void quantise_weights(Context&, const Tensor& w, Tensor& q, Tensor& scale) {
  constexpr float kMost = 127;
  const std::int64_t row = w.shape().row_numel();
  for (std::int64_t k = 0; k < w.shape()[0]; ++k) {
    float largest = 0;
    for (std::int64_t i = 0; i < row; ++i) {
      largest = std::max(largest, std::fabs(w.ptr<float>()[k * row + i]));
    }
    scale.ptr<float>()[k] = largest > 0 ? largest / kMost : 1;
    for (std::int64_t i = k * row; i < (k + 1) * row; ++i) {
      store(q, scale.ptr<float>()[k], i, value_at(w, 1, i));
    }
  }
}

void quantise(Context&, float scale, const Tensor& x, Tensor& y) {
  for (std::int64_t i = 0; i < x.numel(); ++i) store(y, scale, i, value_at(x, 1, i));
}

void dequantise(Context&, float scale, const Tensor& x, Tensor& y) {
  for (std::int64_t i = 0; i < x.numel(); ++i) store(y, 1, i, value_at(x, scale, i));
}

void scale_shift_fwd(Context&, const ScaleShiftOptions& o, const Tensor& x, const Tensor& scale,
                     const Tensor& shift, Tensor& y) {
  const std::int64_t c = scale.numel();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double v =
        value_at(scale, 1, i % c) * value_at(x, o.x_scale, i) + value_at(shift, 1, i % c);
    store(y, o.y_scale, i, activate(o.activation, v));
  }
}

void max_pool_int8_fwd(Context&, const PoolOptions& options, const Tensor& x, Tensor& y) {
  if (x.dtype() == DType::kU8) {
    max_pool(options, x.shape(), y.shape(), x.ptr<std::uint8_t>(), y.ptr<std::uint8_t>());
  } else {
    max_pool(options, x.shape(), y.shape(), x.ptr<std::int8_t>(), y.ptr<std::int8_t>());
  }
}

void avg_pool_int8_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  Tensor means = Tensor::allocate(ctx.memory(), y.shape(), DType::kF64);
  ref::avg_pool_fwd(ctx, options, wide(ctx, x), means);
  for (std::int64_t i = 0; i < y.numel(); ++i) store(y, 1, i, means.ptr<double>()[i]);
}

void global_avg_pool_int8_fwd(Context&, float scale, const Tensor& x, Tensor& y) {
  const std::int64_t hw = x.shape()[1] * x.shape()[2], c = x.shape()[3];
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < hw; ++j) sum += value_at(x, 1, (i / c * hw + j) * c + i % c);
    store(y, 1, i, sum * static_cast<double>(scale) / static_cast<double>(hw));
  }
}

}  // namespace graft::kernels::ref
