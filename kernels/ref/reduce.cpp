// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/reduce.h"

namespace graft::kernels::ref {

double sum_squares(Context&, const Tensor& x) {
  return dispatch_float(x.dtype(), "sum_squares", [&]<class T>(std::type_identity<T>) {
    const T* xs = x.ptr<const T>();
    double sum = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const auto v = static_cast<double>(xs[i]);
      sum += v * v;
    }
    return sum;
  });
}

}  // namespace graft::kernels::ref
