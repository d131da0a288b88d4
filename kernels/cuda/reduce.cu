// SPDX-License-Identifier: Apache-2.0
// Sum of squares: kernels/api/reduce.h.
//
// Mapping: up to kParts blocks, a contiguous part each, f64 sums; then the host adds the parts in
// order. DRAM: every element once. Trees of fixed shape: bitwise repeatable. Synchronises.
// Reference: kernels/ref/reduce.cpp. Source: textbook.
#include <algorithm>
#include <array>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

constexpr std::uint32_t kParts = 256;

template <class T>
struct SumSquares {
  const T* x;
  std::uint32_t n, part;
  double* out;
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t i) const {
    const std::uint32_t begin = i * part, end = begin + part < n ? begin + part : n;
    const double sum = team.reduce(
        end - begin, 0.0,
        [&](std::uint32_t j) {
          const double v = to_float(x[begin + j]);
          return v * v;
        },
        Add{});
    team.each(1, [&](std::uint32_t) { out[i] = sum; });
  }
};

}  // namespace

double sum_squares(Context& ctx, const Tensor& x) {
  const std::uint32_t n = count(x);
  const std::uint32_t part = std::max<std::uint32_t>(kBlock, ceil_div(n, kParts));
  const std::uint32_t parts = ceil_div(n, part);
  const Tensor sums = Tensor::borrow(scratch(ctx, kParts * sizeof(double)), {parts}, DType::kF64);
  with_pack(
      x.dtype(), false, "sum_squares",
      [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
        for_teams<kBlock>(ctx, parts, SumSquares<T>{x.ptr<const T>(), n, part, sums.ptr<double>()});
      });
  std::array<double, kParts> host{};
  copy_to_host(ctx, sums, host.data());
  double total = 0;
  for (std::uint32_t i = 0; i < parts; ++i) total += host[i];
  return total;
}

}  // namespace graft::kernels::cuda
