// SPDX-License-Identifier: Apache-2.0
// Batch and group normalisation are one computation over sets of elements that share their
// statistics: a channel over (N,H,W), or a group of channels of one example. Set s of a batch norm
// is channel s; set s of a group norm is (example, group) = (s / groups, s % groups).
#include "kernels/ref/norm.h"

#include <cmath>
#include <vector>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

/// Which elements share statistics: `outer` runs of `inner` consecutive elements in each set.
struct Sets {
  std::int64_t count;         // how many sets
  std::int64_t outer, inner;  // elements of a set: outer * inner
  std::int64_t channels;      // C
  std::int64_t groups;        // sets of one example; 0 for batch norm

  static Sets batch(const Shape& x) {
    const std::int64_t c = x[x.rank() - 1];
    return {c, x.numel() / c, 1, c, 0};
  }
  static Sets group(const Shape& x, int groups) {
    const std::int64_t c = x[x.rank() - 1];
    return {x[0] * groups, x.row_numel() / c, c / groups, c, groups};
  }

  /// f(element, channel) over set s, in memory order.
  template <class F>
  void each(std::int64_t s, F&& f) const {
    const std::int64_t c0 = groups == 0 ? s : s % groups * inner;
    const std::int64_t start = groups == 0 ? 0 : s / groups * outer * channels;
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) f(start + o * channels + c0 + i, c0 + i);
    }
  }
  [[nodiscard]] double elements() const { return static_cast<double>(outer * inner); }
};

struct Moments {
  double mean, var;  // var biased
};

template <class T>
Moments moments(const Sets& sets, std::int64_t s, const T* x) {
  double sum = 0, squares = 0;
  sets.each(s, [&](auto i, auto) { sum += static_cast<double>(x[i]); });
  const double mean = sum / sets.elements();
  sets.each(s, [&](auto i, auto) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  });
  return {mean, squares / sets.elements()};
}

/// y = act(gamma * (x - mean) * inv_std + beta + residual) over set s.
template <class T>
void normalise(const Sets& sets, std::int64_t s, double mean, double inv_std, Activation act,
               const T* x, const T* gamma, const T* beta, const T* residual, T* y) {
  sets.each(s, [&](auto i, auto c) {
    double v = static_cast<double>(gamma[c]) * (static_cast<double>(x[i]) - mean) * inv_std +
               static_cast<double>(beta[c]);
    if (residual != nullptr) v += static_cast<double>(residual[i]);
    y[i] = static_cast<T>(activate(act, v));
  });
}

template <class T>
void fwd_train(const BatchNormOptions& o, const Tensor& x, const Tensor& gamma, const Tensor& beta,
               const Tensor& residual, Tensor& running_mean, Tensor& running_var, Tensor& mean,
               Tensor& inv_std, Tensor& y) {
  const Sets sets = Sets::batch(x.shape());
  const double n = sets.elements();
  const double unbias = n > 1 ? n / (n - 1) : 1;
  const auto track = [&](T& running, double now) {
    running = static_cast<T>((1 - o.momentum) * static_cast<double>(running) + o.momentum * now);
  };
  for (std::int64_t s = 0; s < sets.count; ++s) {
    const Moments m = moments(sets, s, x.ptr<const T>());
    const double scale = 1 / std::sqrt(m.var + o.eps);
    track(running_mean.ptr<T>()[s], m.mean);
    track(running_var.ptr<T>()[s], m.var * unbias);
    mean.ptr<T>()[s] = static_cast<T>(m.mean);
    inv_std.ptr<T>()[s] = static_cast<T>(scale);
    normalise(sets, s, m.mean, scale, o.activation, x.ptr<const T>(), gamma.ptr<const T>(),
              beta.ptr<const T>(), residual.ptr<const T>(), y.ptr<T>());
  }
}

/// Sums over a set that the gradient needs, of h = gamma * g: the gradient of the normalised value.
struct Sums {
  double h = 0, h_xhat = 0, xhat = 0, xhat_xhat = 0;
};

/// What is taken away from h because the statistics depend on x: constant + slope * xhat.
struct Coupling {
  double constant = 0, slope = 0;
};

Coupling coupling(NormStats stats, const Sums& sum, double n) {
  if (stats == NormStats::kRunning) return {};
  if (stats == NormStats::kBatch) return {sum.h / n, sum.h_xhat / n};
  const double spread = sum.xhat_xhat - sum.xhat * sum.xhat / n;
  const double slope = spread > 0 ? (sum.h_xhat - sum.xhat * sum.h / n) / spread : 0;
  return {(sum.h - slope * sum.xhat) / n, slope};
}

/// Backward for both norms.
template <class T>
void bwd(const Sets& sets, Activation act, NormStats stats, const NormBackward& a, T* dx,
         T* dresidual, T* dgamma, T* dbeta) {
  const T* x = a.x.ptr<const T>();
  const T* y = a.y.ptr<const T>();
  const T* gamma = a.gamma.ptr<const T>();
  const T* beta = a.beta.ptr<const T>();
  const T* dy = a.dy.ptr<const T>();
  const T* dy2 = a.dy2.ptr<const T>();
  const auto xhat = [&](std::int64_t s, std::int64_t i) {
    return (static_cast<double>(x[i]) - static_cast<double>(a.mean.ptr<const T>()[s])) *
           static_cast<double>(a.inv_std.ptr<const T>()[s]);
  };
  // Gradient of what the activation was given.
  const auto grad = [&](std::int64_t s, std::int64_t i, std::int64_t c) {
    const double g =
        static_cast<double>(dy[i]) + (dy2 != nullptr ? static_cast<double>(dy2[i]) : 0.0);
    if (act == Activation::kNone) return g;
    if (a.has_residual) return g * slope(act, static_cast<double>(y[i]));
    return g *
           slope(act, static_cast<double>(gamma[c]) * xhat(s, i) + static_cast<double>(beta[c]));
  };

  std::vector<double> gamma_sum(static_cast<std::size_t>(sets.channels));
  std::vector<double> beta_sum(static_cast<std::size_t>(sets.channels));
  for (std::int64_t s = 0; s < sets.count; ++s) {
    Sums sum;
    sets.each(s, [&](auto i, auto c) {
      const double g = grad(s, i, c), xh = xhat(s, i), h = g * static_cast<double>(gamma[c]);
      gamma_sum[static_cast<std::size_t>(c)] += g * xh;
      beta_sum[static_cast<std::size_t>(c)] += g;
      sum.h += h;
      sum.h_xhat += h * xh;
      sum.xhat += xh;
      sum.xhat_xhat += xh * xh;
    });
    const Coupling away = coupling(stats, sum, sets.elements());
    const auto scale = static_cast<double>(a.inv_std.ptr<const T>()[s]);
    sets.each(s, [&](auto i, auto c) {
      const double g = grad(s, i, c);  // before the stores: dresidual may be dy
      const double h = g * static_cast<double>(gamma[c]);
      store(a.dx_mode, dx, i, scale * (h - away.constant - away.slope * xhat(s, i)));
      store(a.dresidual_mode, dresidual, i, g);
    });
  }
  for (std::int64_t c = 0; c < sets.channels; ++c) {
    store(a.param_mode, dgamma, c, gamma_sum[static_cast<std::size_t>(c)]);
    store(a.param_mode, dbeta, c, beta_sum[static_cast<std::size_t>(c)]);
  }
}

}  // namespace

void batch_norm_fwd_train(Context&, const BatchNormOptions& options, const Tensor& x,
                          const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_var, Tensor& mean, Tensor& inv_std,
                          Tensor& y) {
  dispatch_float(x.dtype(), "batch_norm_fwd_train", [&]<class T>(std::type_identity<T>) {
    fwd_train<T>(options, x, gamma, beta, residual, running_mean, running_var, mean, inv_std, y);
  });
}

void batch_norm_fwd_eval(Context&, const BatchNormOptions& options, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                         const Tensor& running_mean, const Tensor& running_var, Tensor& y) {
  dispatch_float(x.dtype(), "batch_norm_fwd_eval", [&]<class T>(std::type_identity<T>) {
    const Sets sets = Sets::batch(x.shape());
    for (std::int64_t s = 0; s < sets.count; ++s) {
      const auto mean = static_cast<double>(running_mean.ptr<const T>()[s]);
      const auto var = static_cast<double>(running_var.ptr<const T>()[s]);
      normalise(sets, s, mean, 1 / std::sqrt(var + options.eps), options.activation,
                x.ptr<const T>(), gamma.ptr<const T>(), beta.ptr<const T>(),
                residual.ptr<const T>(), y.ptr<T>());
    }
  });
}

void batch_norm_bwd(Context&, const BatchNormOptions& options, NormStats stats,
                    const NormBackward& args, Tensor& dx, Tensor& dresidual, Tensor& dgamma,
                    Tensor& dbeta) {
  dispatch_float(args.x.dtype(), "batch_norm_bwd", [&]<class T>(std::type_identity<T>) {
    bwd(Sets::batch(args.x.shape()), options.activation, stats, args, dx.ptr<T>(),
        dresidual.ptr<T>(), dgamma.ptr<T>(), dbeta.ptr<T>());
  });
}

void group_norm_fwd(Context&, const GroupNormOptions& options, const Tensor& x, const Tensor& gamma,
                    const Tensor& beta, const Tensor& residual, Tensor& mean, Tensor& inv_std,
                    Tensor& y) {
  dispatch_float(x.dtype(), "group_norm_fwd", [&]<class T>(std::type_identity<T>) {
    const Sets sets = Sets::group(x.shape(), options.groups);
    for (std::int64_t s = 0; s < sets.count; ++s) {
      const Moments m = moments(sets, s, x.ptr<const T>());
      const double scale = 1 / std::sqrt(m.var + options.eps);
      if (!mean.empty()) mean.ptr<T>()[s] = static_cast<T>(m.mean);
      if (!inv_std.empty()) inv_std.ptr<T>()[s] = static_cast<T>(scale);
      normalise(sets, s, m.mean, scale, options.activation, x.ptr<const T>(), gamma.ptr<const T>(),
                beta.ptr<const T>(), residual.ptr<const T>(), y.ptr<T>());
    }
  });
}

void group_norm_bwd(Context&, const GroupNormOptions& options, const NormBackward& args, Tensor& dx,
                    Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  dispatch_float(args.x.dtype(), "group_norm_bwd", [&]<class T>(std::type_identity<T>) {
    bwd(Sets::group(args.x.shape(), options.groups), options.activation, NormStats::kBatch, args,
        dx.ptr<T>(), dresidual.ptr<T>(), dgamma.ptr<T>(), dbeta.ptr<T>());
  });
}

}  // namespace graft::kernels::ref
