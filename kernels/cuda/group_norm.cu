// SPDX-License-Identifier: Apache-2.0
// Group normalisation fused with the residual and the activation behind it: kernels/api/norm.h.
//
//   forward   mean, var over (H,W,C/groups) of one example and group; y as in batch_norm.cu
//   backward  h = gamma * g;  dx = inv_std * (h - mean(h) - xhat * mean(h * xhat));
//             dgamma, dbeta: sums over (N,H,W) of g * xhat and g
//
// Mapping: one block an (example, group): it sums, then writes; the second read comes out of L1 or
// L2. Parameter gradients are column sums (device/columns.h), launched first, since dresidual may
// overwrite dy. DRAM, in tensors like x: forward 1 read + 1 write (+ residual); backward x and dy
// twice (once for the parameters), dx once. Bitwise repeatable. Reference: kernels/ref/norm.cpp.
// Source: Wu & He 2018; Welford 1962; Chan et al. 1979.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/columns.h"
#include "kernels/cuda/device/norm.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

/// Which elements an (example, group) has; set = example * groups + group.
struct Sets {
  std::uint32_t pixels, c, groups;

  [[nodiscard]] GRAFT_HD std::uint32_t group_channels() const { return c / groups; }
  [[nodiscard]] GRAFT_HD std::uint32_t elements() const { return pixels * group_channels(); }
  /// Channel and place of element `e` of `set`.
  [[nodiscard]] GRAFT_HD std::uint32_t channel(std::uint32_t set, std::uint32_t e) const {
    return set % groups * group_channels() + e % group_channels();
  }
  [[nodiscard]] GRAFT_HD std::uint32_t place(std::uint32_t set, std::uint32_t e) const {
    return (set / groups * pixels + e / group_channels()) * c + channel(set, e);
  }
};

template <class T, int V>
struct Forward {
  Sets sets;
  Normalise<T, V> normalise;
  float eps;
  const float *gamma, *beta;
  float *mean, *inv_std;  // may be null
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t set) const {
    const std::uint32_t items = sets.elements() / V;
    const Moments m = team.reduce(
        items, Moments{}, [&](std::uint32_t i) { return item(sets.place(set, i * V)); }, Add{});
    const float scale = m.inv_std(eps);
    team.each(1, [&](std::uint32_t) {
      if (mean != nullptr) mean[set] = m.mean;
      if (inv_std != nullptr) inv_std[set] = scale;
    });
    team.each(items, [&](std::uint32_t i) {
      const std::uint32_t c = sets.channel(set, i * V);
      float mu[V], scales[V], shift[V];
      for (int j = 0; j < V; ++j) {
        mu[j] = m.mean;
        scales[j] = gamma[c + j] * scale;
        shift[j] = beta[c + j];
      }
      normalise(sets.place(set, i * V), mu, scales, shift);
    });
  }
  [[nodiscard]] GRAFT_HD Moments item(std::uint32_t at) const {
    float v[V];
    load<V>(normalise.x + at, v);
    float mean_of = 0, m2 = 0;
    for (const float e : v) mean_of += e;
    mean_of /= V;
    for (const float e : v) m2 += (e - mean_of) * (e - mean_of);
    return {V, mean_of, m2};
  }
};

template <class T, int V>
struct InputGradient {
  Sets sets;
  NormInputs<T> in;
  GradMode dx_mode, dresidual_mode;
  T *dx, *dresidual;
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t set) const {
    const std::uint32_t items = sets.elements() / V;
    AffineSums sum = team.reduce(
        items, AffineSums{},
        [&](std::uint32_t i) {
          float h[V], xhat[V];
          at(set, i * V, h, xhat, true);
          AffineSums s;
          for (int j = 0; j < V; ++j) {
            s.g += h[j];
            s.g_xhat += h[j] * xhat[j];
          }
          return s;
        },
        Add{});
    const auto n = static_cast<float>(sets.elements());
    const float constant = sum.g / n, slope = sum.g_xhat / n, scale = in.inv_std[set];
    team.each(items, [&](std::uint32_t i) {
      const std::uint32_t place = sets.place(set, i * V), c = sets.channel(set, i * V);
      float g[V], xhat[V], d[V];
      at(set, i * V, g, xhat, false);
      for (int j = 0; j < V; ++j) {
        d[j] = scale * (in.gamma[c + j] * g[j] - constant - slope * xhat[j]);
      }
      store_grad<V>(dx_mode, dx + place, d);
      store_grad<V>(dresidual_mode, dresidual + place, g);
    });
  }
  GRAFT_HD void at(std::uint32_t set, std::uint32_t e, float (&g)[V], float (&xhat)[V],
                   bool times_gamma) const {
    const std::uint32_t c = sets.channel(set, e);
    in.template at<V>(sets.place(set, e), c, set, false, g, xhat);
    if (!times_gamma) return;
    for (int j = 0; j < V; ++j) g[j] *= in.gamma[c + j];
  }
};

template <class T, int V>
struct LoadAffine {
  Sets sets;
  NormInputs<T> in;
  GRAFT_HD void operator()(std::uint32_t row, std::uint32_t column, AffineSums (&sum)[V]) const {
    float g[V], xhat[V];
    const std::uint32_t set = row / sets.pixels * sets.groups + column / sets.group_channels();
    in.template at<V>(row * sets.c + column, column, set, false, g, xhat);
    for (int j = 0; j < V; ++j) {
      sum[j].g += g[j];
      sum[j].g_xhat += g[j] * xhat[j];
    }
  }
};

struct FinishAffine {
  GradMode mode;
  float *dgamma, *dbeta;
  GRAFT_HD void operator()(std::uint32_t c, const AffineSums& s) const {
    const float dg[1] = {s.g_xhat}, db[1] = {s.g};
    store_grad<1>(mode, dgamma + c, dg);
    store_grad<1>(mode, dbeta + c, db);
  }
};

Sets sets_of(const Tensor& x, int groups) {
  const auto c = static_cast<std::uint32_t>(x.shape()[x.shape().rank() - 1]);
  return {static_cast<std::uint32_t>(x.shape().row_numel()) / c, c,
          static_cast<std::uint32_t>(groups)};
}

template <class T, int V>
void backward(Context& ctx, const GroupNormOptions& o, const NormBackward& a, Tensor& dx,
              Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  const Sets sets = sets_of(a.x, o.groups);
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
  const auto examples = static_cast<std::uint32_t>(a.x.shape()[0]);
  if (a.param_mode != GradMode::kSkip) {
    const std::uint32_t rows = examples * sets.pixels;
    sum_columns<AffineSums, V>(ctx, rows, sets.c, LoadAffine<T, V>{sets, in},
                               FinishAffine{a.param_mode, dgamma.ptr<float>(), dbeta.ptr<float>()},
                               scratch(ctx, column_scratch<AffineSums>(rows, sets.c, V)));
  }
  if (a.dx_mode == GradMode::kSkip && a.dresidual_mode == GradMode::kSkip) return;
  for_teams<kBlock>(
      ctx, examples * sets.groups,
      InputGradient<T, V>{sets, in, a.dx_mode, a.dresidual_mode, dx.ptr<T>(), dresidual.ptr<T>()});
}

}  // namespace

void group_norm_fwd(Context& ctx, const GroupNormOptions& options, const Tensor& x,
                    const Tensor& gamma, const Tensor& beta, const Tensor& residual, Tensor& mean,
                    Tensor& inv_std, Tensor& y) {
  const Sets sets = sets_of(x, options.groups);
  with_pack(x.dtype(), wide(sets.group_channels(), x, residual, y), "group_norm_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_teams<kBlock>(ctx, static_cast<std::uint32_t>(x.shape()[0]) * sets.groups,
                                Forward<T, V>{sets,
                                              {options.activation, x.ptr<const T>(),
                                               residual.ptr<const T>(), y.ptr<T>()},
                                              static_cast<float>(options.eps),
                                              gamma.ptr<const float>(),
                                              beta.ptr<const float>(),
                                              mean.ptr<float>(),
                                              inv_std.ptr<float>()});
            });
}

void group_norm_bwd(Context& ctx, const GroupNormOptions& options, const NormBackward& args,
                    Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  const Sets sets = sets_of(args.x, options.groups);
  const bool is_wide =
      wide(sets.group_channels(), args.x, args.y, args.dy, args.dy2, dx, dresidual);
  with_pack(args.x.dtype(), is_wide, "group_norm_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              backward<T, V>(ctx, options, args, dx, dresidual, dgamma, dbeta);
            });
}

}  // namespace graft::kernels::cuda
