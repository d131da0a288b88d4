// SPDX-License-Identifier: Apache-2.0
// Batch normalisation fused with the residual and the activation behind it: kernels/api/norm.h.
//
//   forward   mean, var over (N,H,W);  y = act((x - mean) * gamma * inv_std + beta + residual)
//   backward  g = dy (+ dy2) where the activation passes;  dbeta = sum g;  dgamma = sum g * xhat;
//             dx = inv_std * (gamma * g - constant - slope * xhat), dresidual = g,
//             (constant, slope) by NormStats, see coupling()
//
// Mapping: x is a (N*H*W, C) matrix. Statistics: column sums (device/columns.h), Welford and Chan
// in f32; then one thread an item of 16 bytes of channels. DRAM, in tensors like x: forward 2 reads
// + 1 write (+ 1 read of the residual); backward x and dy twice, dx once (+ y twice and dresidual
// once after a residual). The second read comes out of L2 where the tensor fits (50 MB on an H200).
// Bitwise repeatable. Reference: kernels/ref/norm.cpp. Source: Ioffe & Szegedy 2015; Welford 1962;
// Chan et al. 1979.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/columns.h"
#include "kernels/cuda/device/norm.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T, int V>
struct LoadMoments {
  const T* x;
  std::uint32_t c;
  GRAFT_HD void operator()(std::uint32_t row, std::uint32_t column, Moments (&sum)[V]) const {
    float v[V];
    load<V>(x + (row * c + column), v);
    const float inv_n = 1 / (sum[0].n + 1);
    for (int j = 0; j < V; ++j) sum[j].add(v[j], inv_n);
  }
};

struct FinishStatistics {
  float eps, momentum;
  float *mean, *inv_std, *running_mean, *running_var;
  GRAFT_HD void operator()(std::uint32_t c, const Moments& m) const {
    mean[c] = m.mean;
    inv_std[c] = m.inv_std(eps);
    const float unbiased = m.m2 / (m.n > 1 ? m.n - 1 : 1);
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * m.mean;
    running_var[c] = (1 - momentum) * running_var[c] + momentum * unbiased;
  }
};

template <class T, int V>
struct Apply {
  Normalise<T, V> normalise;
  std::uint32_t c;
  float eps;
  bool running;  // `spread` is a variance, else 1 / standard deviation
  const float *gamma, *beta, *mean, *spread;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t channel = i % (c / V) * V;
    float mu[V], scale[V], shift[V];
    for (int j = 0; j < V; ++j) {
      const float s = spread[channel + j];
      mu[j] = mean[channel + j];
      scale[j] = gamma[channel + j] * (running ? 1 / sqrtf(s + eps) : s);
      shift[j] = beta[channel + j];
    }
    normalise(i * V, mu, scale, shift);
  }
};

void apply(Context& ctx, const BatchNormOptions& o, const Tensor& x, const Tensor& gamma,
           const Tensor& beta, const Tensor& residual, const Tensor& mean, const Tensor& spread,
           bool running, Tensor& y) {
  const auto c = count(gamma);
  with_pack(x.dtype(), wide(c, x, residual, y), "batch_norm",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(
                  ctx, count(x) / V,
                  Apply<T, V>{{o.activation, x.ptr<const T>(), residual.ptr<const T>(), y.ptr<T>()},
                              c,
                              static_cast<float>(o.eps),
                              running,
                              gamma.ptr<const float>(),
                              beta.ptr<const float>(),
                              mean.ptr<const float>(),
                              spread.ptr<const float>()});
            });
}

/// Sums of a channel that its gradient needs; the last two for NormStats::kSubset only.
struct Sums {
  float g = 0, g_xhat = 0, xhat = 0, xhat_xhat = 0;
  GRAFT_HD Sums operator+(const Sums& o) const {
    return {g + o.g, g_xhat + o.g_xhat, xhat + o.xhat, xhat_xhat + o.xhat_xhat};
  }
};

template <class T, int V>
struct LoadSums {
  NormInputs<T> in;
  std::uint32_t c;
  GRAFT_HD void operator()(std::uint32_t row, std::uint32_t column, Sums (&sum)[V]) const {
    float g[V], xhat[V];
    in.template at<V>(row * c + column, column, column, true, g, xhat);
    for (int j = 0; j < V; ++j) {
      sum[j].g += g[j];
      sum[j].g_xhat += g[j] * xhat[j];
      sum[j].xhat += xhat[j];
      sum[j].xhat_xhat += xhat[j] * xhat[j];
    }
  }
};

/// dx = scale * g - constant - slope * xhat.
struct Coefficients {
  float scale, constant, slope;
};

struct FinishSums {
  NormStats stats;
  float n;
  GradMode param_mode;
  const float *gamma, *inv_std;
  float *dgamma, *dbeta;
  Coefficients* coefficients;
  GRAFT_HD void operator()(std::uint32_t c, const Sums& s) const {
    const float scale = gamma[c] * inv_std[c];
    coefficients[c] = coupling(s, scale);
    const float dg[1] = {s.g_xhat}, db[1] = {s.g};
    store_grad<1>(param_mode, dgamma + c, dg);
    store_grad<1>(param_mode, dbeta + c, db);
  }
  [[nodiscard]] GRAFT_HD Coefficients coupling(const Sums& s, float scale) const {
    if (stats == NormStats::kRunning) return {scale, 0, 0};
    if (stats == NormStats::kBatch) return {scale, scale * s.g / n, scale * s.g_xhat / n};
    const float spread = s.xhat_xhat - s.xhat * s.xhat / n;
    const float slope = spread > 0 ? (s.g_xhat - s.xhat * s.g / n) / spread : 0;
    return {scale, scale * (s.g - slope * s.xhat) / n, scale * slope};
  }
  /// Without sums: constant statistics and no parameter gradient.
  GRAFT_HD void operator()(std::uint32_t c) const { (*this)(c, Sums{}); }
};

template <class T, int V>
struct InputGradient {
  NormInputs<T> in;
  std::uint32_t c;
  const Coefficients* coefficients;
  GradMode dx_mode, dresidual_mode;
  T *dx, *dresidual;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t channel = i % (c / V) * V;
    float g[V], xhat[V], d[V];
    in.template at<V>(i * V, channel, channel, true, g, xhat);
    for (int j = 0; j < V; ++j) {
      const Coefficients k = coefficients[channel + j];
      d[j] = k.scale * g[j] - k.constant - k.slope * xhat[j];
    }
    store_grad<V>(dx_mode, dx + i * V, d);
    store_grad<V>(dresidual_mode, dresidual + i * V, g);  // after dy was read: it may be dy
  }
};

template <class T, int V>
void backward(Context& ctx, const BatchNormOptions& o, NormStats stats, const NormBackward& a,
              Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  const std::uint32_t c = count(a.gamma), rows = count(a.x) / c;
  const NormInputs<T> in{o.activation,
                         a.has_residual,
                         a.x.ptr<const T>(),
                         a.y.ptr<const T>(),
                         a.dy.ptr<const T>(),
                         a.dy2.ptr<const T>(),
                         a.gamma.ptr<const float>(),
                         a.beta.ptr<const float>(),
                         a.mean.ptr<const float>(),
                         a.inv_std.ptr<const float>()};
  const std::size_t coefficient_bytes = (c * sizeof(Coefficients) + 63) / 64 * 64;
  auto* base =
      static_cast<std::byte*>(scratch(ctx, coefficient_bytes + column_scratch<Sums>(rows, c, V)));
  auto* coefficients = reinterpret_cast<Coefficients*>(base);
  const FinishSums finish{stats,
                          static_cast<float>(rows),
                          a.param_mode,
                          a.gamma.ptr<const float>(),
                          a.inv_std.ptr<const float>(),
                          dgamma.ptr<float>(),
                          dbeta.ptr<float>(),
                          coefficients};
  if (stats == NormStats::kRunning && a.param_mode == GradMode::kSkip) {
    for_each(ctx, c, finish);
  } else {
    sum_columns<Sums, V>(ctx, rows, c, LoadSums<T, V>{in, c}, finish, base + coefficient_bytes);
  }
  if (a.dx_mode == GradMode::kSkip && a.dresidual_mode == GradMode::kSkip) return;
  for_each(ctx, count(a.x) / V,
           InputGradient<T, V>{in, c, coefficients, a.dx_mode, a.dresidual_mode, dx.ptr<T>(),
                               dresidual.ptr<T>()});
}

}  // namespace

void batch_norm_fwd_train(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                          const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_var, Tensor& mean, Tensor& inv_std,
                          Tensor& y) {
  const std::uint32_t c = count(gamma), rows = count(x) / c;
  with_pack(
      x.dtype(), wide(c, x), "batch_norm_fwd_train",
      [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
        sum_columns<Moments, V>(
            ctx, rows, c, LoadMoments<T, V>{x.ptr<const T>(), c},
            FinishStatistics{static_cast<float>(options.eps), static_cast<float>(options.momentum),
                             mean.ptr<float>(), inv_std.ptr<float>(), running_mean.ptr<float>(),
                             running_var.ptr<float>()},
            scratch(ctx, column_scratch<Moments>(rows, c, V)));
      });
  apply(ctx, options, x, gamma, beta, residual, mean, inv_std, false, y);
}

void batch_norm_fwd_eval(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                         const Tensor& running_mean, const Tensor& running_var, Tensor& y) {
  apply(ctx, options, x, gamma, beta, residual, running_mean, running_var, true, y);
}

void batch_norm_bwd(Context& ctx, const BatchNormOptions& options, NormStats stats,
                    const NormBackward& args, Tensor& dx, Tensor& dresidual, Tensor& dgamma,
                    Tensor& dbeta) {
  const bool is_wide = wide(count(args.gamma), args.x, args.y, args.dy, args.dy2, dx, dresidual);
  with_pack(args.x.dtype(), is_wide, "batch_norm_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              backward<T, V>(ctx, options, stats, args, dx, dresidual, dgamma, dbeta);
            });
}

}  // namespace graft::kernels::cuda
