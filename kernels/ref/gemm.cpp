// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/gemm.h"

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

template <class T>
void fwd(std::int64_t n, std::int64_t c, std::int64_t k, const T* x, const T* w, const T* bias,
         T* y) {
  for (std::int64_t in = 0; in < n; ++in) {
    for (std::int64_t ik = 0; ik < k; ++ik) {
      double sum = bias != nullptr ? static_cast<double>(bias[ik]) : 0.0;
      for (std::int64_t ic = 0; ic < c; ++ic) {
        sum += static_cast<double>(x[in * c + ic]) * static_cast<double>(w[ik * c + ic]);
      }
      y[in * k + ik] = static_cast<T>(sum);
    }
  }
}

template <class T>
void bwd_data(std::int64_t n, std::int64_t c, std::int64_t k, const T* dy, const T* w,
              GradMode mode, T* dx) {
  for (std::int64_t in = 0; in < n; ++in) {
    for (std::int64_t ic = 0; ic < c; ++ic) {
      double sum = 0;
      for (std::int64_t ik = 0; ik < k; ++ik) {
        sum += static_cast<double>(dy[in * k + ik]) * static_cast<double>(w[ik * c + ic]);
      }
      store(mode, dx, in * c + ic, sum);
    }
  }
}

template <class T>
void bwd_weight(std::int64_t n, std::int64_t c, std::int64_t k, const T* x, const T* dy,
                GradMode mode, T* dw, T* dbias) {
  for (std::int64_t ik = 0; ik < k; ++ik) {
    for (std::int64_t ic = 0; ic < c; ++ic) {
      double sum = 0;
      for (std::int64_t in = 0; in < n; ++in) {
        sum += static_cast<double>(dy[in * k + ik]) * static_cast<double>(x[in * c + ic]);
      }
      store(mode, dw, ik * c + ic, sum);
    }
    if (dbias == nullptr) continue;
    double sum = 0;
    for (std::int64_t in = 0; in < n; ++in) sum += static_cast<double>(dy[in * k + ik]);
    store(mode, dbias, ik, sum);
  }
}

}  // namespace

void linear_fwd(Context&, const Tensor& x, const Tensor& w, const Tensor& bias, std::uint64_t,
                Tensor& y) {
  dispatch_float(x.dtype(), "linear_fwd", [&]<class T>(std::type_identity<T>) {
    fwd(x.shape()[0], x.shape()[1], w.shape()[0], x.ptr<const T>(), w.ptr<const T>(),
        bias.ptr<const T>(), y.ptr<T>());
  });
}

void linear_bwd_data(Context&, const Tensor& dy, const Tensor& w, std::uint64_t, GradMode mode,
                     Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  dispatch_float(dy.dtype(), "linear_bwd_data", [&]<class T>(std::type_identity<T>) {
    bwd_data(dy.shape()[0], w.shape()[1], w.shape()[0], dy.ptr<const T>(), w.ptr<const T>(), mode,
             dx.ptr<T>());
  });
}

void linear_bwd_weight(Context&, const Tensor& x, const Tensor& dy, GradMode mode, Tensor& dw,
                       Tensor& dbias) {
  if (mode == GradMode::kSkip) return;
  dispatch_float(x.dtype(), "linear_bwd_weight", [&]<class T>(std::type_identity<T>) {
    bwd_weight(x.shape()[0], x.shape()[1], dy.shape()[1], x.ptr<const T>(), dy.ptr<const T>(), mode,
               dw.ptr<T>(), dbias.ptr<T>());
  });
}

}  // namespace graft::kernels::ref
