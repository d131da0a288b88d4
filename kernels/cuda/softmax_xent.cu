// SPDX-License-Identifier: Apache-2.0
// Softmax cross-entropy, one value per example: kernels/api/softmax_xent.h.
//
//   loss[n] = sum_c t[n,c] * (lse[n] - x[n,c]),  lse = logsumexp_c(x[n,c])
//   dx[n,c] = w[n] * (softmax(x[n])[c] - t[n,c]),  t = (1 - smoothing) * onehot + smoothing / C
//   scores: confidence = max softmax, gradient_norm = ||softmax - onehot||
//
// Logits f32 or bf16, everything else f32. Mapping: one warp a row, lanes side by side. DRAM: the
// logits (read again from L1 for the second and third sum), 4 bytes a row of losses, dx once.
// Trees of fixed shape: bitwise repeatable. Reference: kernels/ref/softmax_xent.cpp. Source:
// textbook; scores: Katharopoulos & Fleuret 2018.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

/// Value and place of the first maximum.
struct Best {
  float value;
  std::int32_t place;
};
struct FirstMax {
  GRAFT_HD Best operator()(const Best& a, const Best& b) const {
    const bool b_wins = b.value > a.value || (b.value == a.value && b.place < a.place);
    return b_wins ? b : a;
  }
};

template <class T>
struct Row {
  const T* x;
  std::uint32_t c;

  [[nodiscard]] GRAFT_HD float at(std::uint32_t i) const { return to_float(x[i]); }
  [[nodiscard]] GRAFT_HD Best best(const Team<kWarp>& team) const {
    return team.reduce(
        c, Best{-INFINITY, 0x7FFFFFFF},
        [&](std::uint32_t i) {
          return Best{at(i), static_cast<std::int32_t>(i)};
        },
        FirstMax{});
  }
  /// log sum exp; the maximum goes out first, so that nothing overflows.
  [[nodiscard]] GRAFT_HD float log_sum_exp(const Team<kWarp>& team, float top) const {
    return top + logf(team.sum(c, [&](std::uint32_t i) { return expf(at(i) - top); }));
  }
};

/// Target probability of a class.
GRAFT_HD float target(float smoothing, std::uint32_t c, bool is_label) {
  return smoothing / static_cast<float>(c) + (is_label ? 1 - smoothing : 0);
}

template <class T>
struct XentFwd {
  float smoothing;
  std::uint32_t c;
  const T* x;
  const std::int32_t* label;
  float* loss;
  std::uint8_t* correct;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t n) const {
    const Row<T> row{x + n * c, c};
    const auto want = static_cast<std::uint32_t>(label[n]);
    const Best best = row.best(team);
    const float lse = row.log_sum_exp(team, best.value);
    const float total = team.sum(c, [&](std::uint32_t i) {
      const float t = target(smoothing, c, i == want);
      return t != 0 ? t * (lse - row.at(i)) : 0.0f;
    });
    team.each(1, [&](std::uint32_t) {
      loss[n] = total;
      if (correct != nullptr) correct[n] = best.place == label[n] ? 1 : 0;
    });
  }
};

template <class T>
struct XentBwd {
  float smoothing;
  std::uint32_t c;
  const T* x;
  const std::int32_t* label;
  const float* weight;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t n) const {
    const Row<T> row{x + n * c, c};
    const float lse = row.log_sum_exp(team, row.best(team).value);
    const auto want = static_cast<std::uint32_t>(label[n]);
    team.each(c, [&](std::uint32_t i) {
      const float g[1] = {weight[n] * (expf(row.at(i) - lse) - target(smoothing, c, i == want))};
      store_grad<1>(mode, dx + n * c + i, g);
    });
  }
};

template <class T>
struct Scores {
  std::uint32_t c;
  const T* x;
  const std::int32_t* label;
  float *confidence, *gradient_norm;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t n) const {
    const Row<T> row{x + n * c, c};
    const Best best = row.best(team);
    const float lse = row.log_sum_exp(team, best.value);
    const auto want = static_cast<std::uint32_t>(label[n]);
    const float squares = team.sum(c, [&](std::uint32_t i) {
      const float g = expf(row.at(i) - lse) - (i == want ? 1.0f : 0.0f);
      return g * g;
    });
    team.each(1, [&](std::uint32_t) {
      confidence[n] = expf(best.value - lse);
      gradient_norm[n] = sqrtf(squares);
    });
  }
};

template <class T>
struct Softmax {
  std::uint32_t c;
  const T* x;
  T* y;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t n) const {
    const Row<T> row{x + n * c, c};
    const float lse = row.log_sum_exp(team, row.best(team).value);
    team.each(c, [&](std::uint32_t i) { y[n * c + i] = from_float<T>(expf(row.at(i) - lse)); });
  }
};

/// f(type_identity<T>, rows, C) of logits of type T.
template <class F>
void with_logits(const Tensor& x, const char* op, F&& f) {
  with_pack(x.dtype(), false, op,
            [&]<class T, int V>(std::type_identity<T> type, std::integral_constant<int, V>) {
              f(type, static_cast<std::uint32_t>(x.shape()[0]),
                static_cast<std::uint32_t>(x.shape()[1]));
            });
}

}  // namespace

void softmax_xent_fwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct) {
  with_logits(logits, "softmax_xent_fwd",
              [&]<class T>(std::type_identity<T>, std::uint32_t rows, std::uint32_t c) {
                for_teams<kWarp>(ctx, rows,
                                 XentFwd<T>{static_cast<float>(smoothing), c, logits.ptr<const T>(),
                                            label.ptr<const std::int32_t>(), loss.ptr<float>(),
                                            correct.ptr<std::uint8_t>()});
              });
}

void softmax_xent_bwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits) {
  with_logits(logits, "softmax_xent_bwd",
              [&]<class T>(std::type_identity<T>, std::uint32_t rows, std::uint32_t c) {
                for_teams<kWarp>(ctx, rows,
                                 XentBwd<T>{static_cast<float>(smoothing), c, logits.ptr<const T>(),
                                            label.ptr<const std::int32_t>(),
                                            weight.ptr<const float>(), mode, dlogits.ptr<T>()});
              });
}

void softmax_scores(Context& ctx, const Tensor& logits, const Tensor& label, Tensor& confidence,
                    Tensor& gradient_norm) {
  with_logits(logits, "softmax_scores",
              [&]<class T>(std::type_identity<T>, std::uint32_t rows, std::uint32_t c) {
                for_teams<kWarp>(
                    ctx, rows,
                    Scores<T>{c, logits.ptr<const T>(), label.ptr<const std::int32_t>(),
                              confidence.ptr<float>(), gradient_norm.ptr<float>()});
              });
}

void softmax(Context& ctx, const Tensor& x, Tensor& y) {
  with_logits(x, "softmax",
              [&]<class T>(std::type_identity<T>, std::uint32_t rows, std::uint32_t c) {
                for_teams<kWarp>(ctx, rows, Softmax<T>{c, x.ptr<const T>(), y.ptr<T>()});
              });
}

}  // namespace graft::kernels::cuda
