// SPDX-License-Identifier: Apache-2.0
// What stands around a vendor's convolution or GEMM where it does not fuse it itself.
//
//   epilogue     y = act(y + bias[c] + residual)
//   column_sums  dbias[c] = sum over rows of dy[row, c]
//   cast         between f32 and bf16, by mode: weights to bf16, their gradients back
//
// Mapping: one thread an item of 16 bytes (epilogue, cast); column sums as device/columns.h. DRAM:
// epilogue y read and written (+ residual); column_sums dy once; cast 6 bytes an element. Bitwise
// repeatable. Reference: conv_fused_fwd, conv_bwd_weight in kernels/ref/conv.cpp. Source: textbook.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/columns.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T, int V>
struct Epilogue {
  Activation act;
  std::uint32_t c;
  const float* bias;
  const T* residual;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t channel = i % (c / V) * V;
    float v[V];
    load<V>(y + i * V, v);
    if (bias != nullptr) {
      for (int j = 0; j < V; ++j) v[j] += bias[channel + j];
    }
    if (residual != nullptr) {
      float r[V];
      load<V>(residual + i * V, r);
      for (int j = 0; j < V; ++j) v[j] += r[j];
    }
    for (float& e : v) e = activate(act, e);
    store<V>(y + i * V, v);
  }
};

/// Eight elements a thread where both addresses allow it.
template <class From, class To, int V>
struct Cast {
  const From* x;
  GradMode mode;
  To* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    float v[V];
    load<V>(x + i * V, v);
    store_grad<V>(mode, y + i * V, v);
  }
};

struct SumOfColumn {
  float v = 0;
  GRAFT_HD SumOfColumn operator+(const SumOfColumn& o) const { return {v + o.v}; }
};

template <class T, int V>
struct LoadColumn {
  const T* x;
  std::uint32_t c;
  GRAFT_HD void operator()(std::uint32_t row, std::uint32_t column, SumOfColumn (&sum)[V]) const {
    float v[V];
    load<V>(x + (row * c + column), v);
    for (int j = 0; j < V; ++j) sum[j].v += v[j];
  }
};

struct FinishColumnSum {
  GradMode mode;
  float* out;
  GRAFT_HD void operator()(std::uint32_t c, const SumOfColumn& s) const {
    const float g[1] = {s.v};
    store_grad<1>(mode, out + c, g);
  }
};

template <class From, class To>
void cast_as(Context& ctx, const Tensor& x, GradMode mode, Tensor& y) {
  constexpr int kWide = 4;  // 16 bytes of f32, 8 of bf16
  if (x.numel() % kWide == 0 && wide(kWide * 2, x, y)) {
    for_each(ctx, count(x) / kWide, Cast<From, To, kWide>{x.ptr<const From>(), mode, y.ptr<To>()});
  } else {
    for_each(ctx, count(x), Cast<From, To, 1>{x.ptr<const From>(), mode, y.ptr<To>()});
  }
}

}  // namespace

void epilogue(Context& ctx, Activation act, const Tensor& bias, const Tensor& residual, Tensor& y) {
  if (act == Activation::kNone && bias.empty() && residual.empty()) return;
  const std::int64_t c = y.shape()[y.shape().rank() - 1];
  with_pack(y.dtype(), wide(c, y, residual), "epilogue",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y) / V,
                       Epilogue<T, V>{act, static_cast<std::uint32_t>(c), bias.ptr<const float>(),
                                      residual.ptr<const T>(), y.ptr<T>()});
            });
}

void column_sums(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dbias) {
  if (dbias.empty() || mode == GradMode::kSkip) return;
  const std::uint32_t c = count(dbias), rows = count(dy) / c;
  with_pack(dy.dtype(), wide(c, dy), "column_sums",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              sum_columns<SumOfColumn, V>(ctx, rows, c, LoadColumn<T, V>{dy.ptr<const T>(), c},
                                          FinishColumnSum{mode, dbias.ptr<float>()},
                                          scratch(ctx, column_scratch<SumOfColumn>(rows, c, V)));
            });
}

void cast(Context& ctx, const Tensor& x, Tensor& y) { cast_grad(ctx, x, GradMode::kOverwrite, y); }

void cast_grad(Context& ctx, const Tensor& x, GradMode mode, Tensor& y) {
  if (x.dtype() == DType::kF32) {
    cast_as<float, BFloat16>(ctx, x, mode, y);
  } else {
    cast_as<BFloat16, float>(ctx, x, mode, y);
  }
}

}  // namespace graft::kernels::cuda
