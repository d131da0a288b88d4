// SPDX-License-Identifier: Apache-2.0
// Sum of squares: kernels/api/reduce.h; with a verdict on an update: judge_update in
// kernels/api/optim.h.
//
// Mapping: up to kParts blocks, a contiguous part each, f64 sums; then the host, or one thread of
// the device, adds the parts in order. DRAM: every element once. Trees of fixed shape: bitwise
// repeatable. sum_squares synchronises. Reference: kernels/ref/reduce.cpp. Source: textbook.
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

struct Judge {
  const double* sums;
  const float* loss;
  std::uint32_t parts, losses;
  UpdateControl* control;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t) const {
    const float bad = team.reduce(
        losses, 0.0f, [&](std::uint32_t i) { return finite(loss[i]) ? 0.0f : 1.0f; }, Max{});
    team.each(1, [&](std::uint32_t) {
      double total = 0;
      for (std::uint32_t i = 0; i < parts; ++i) total += sums[i];
      control->sum_squares = total;
      control->go = bad == 0 && finite(total) ? 1 : 0;
    });
  }
  [[nodiscard]] GRAFT_HD static bool finite(double v) { return v - v == 0; }
};

/// Sums of squares of up to kParts parts of x, in scratch memory.
Tensor parts_of(Context& ctx, const Tensor& x) {
  const std::uint32_t n = count(x);
  const std::uint32_t part = std::max<std::uint32_t>(kBlock, ceil_div(n, kParts));
  const std::uint32_t parts = ceil_div(n, part);
  const Tensor sums = Tensor::borrow(scratch(ctx, kParts * sizeof(double)), {parts}, DType::kF64);
  with_pack(
      x.dtype(), false, "sum_squares",
      [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
        for_teams<kBlock>(ctx, parts, SumSquares<T>{x.ptr<const T>(), n, part, sums.ptr<double>()});
      });
  return sums;
}

}  // namespace

double sum_squares(Context& ctx, const Tensor& x) {
  const Tensor sums = parts_of(ctx, x);
  std::array<double, kParts> host{};
  copy_to_host(ctx, sums, host.data());
  double total = 0;
  for (std::uint32_t i = 0; i < count(sums); ++i) total += host[i];
  return total;
}

void judge_update(Context& ctx, const Tensor& loss, const Tensor& grads, Tensor& control) {
  const Tensor sums = parts_of(ctx, grads);
  for_teams<kWarp>(ctx, 1,
                   Judge{sums.ptr<const double>(), loss.ptr<const float>(), count(sums),
                         count(loss), static_cast<UpdateControl*>(control.data())});
}

}  // namespace graft::kernels::cuda
