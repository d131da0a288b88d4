// SPDX-License-Identifier: Apache-2.0
// Fully connected layer by oneDNN's sgemm: no plan, no packing, and it can accumulate. In bf16 it
// is a 1x1 convolution, whose weights are packed once.
#include <algorithm>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace graft::kernels::cpu {
namespace {

struct Sizes {
  std::int64_t n, c, k;
};

/// One operand: row-major, with its row length.
struct Matrix {
  const float* data;
  std::int64_t row;
  bool transposed = false;
};

/// out (m, n) = a b + beta * out, over `inner`.
void gemm(Context& ctx, const char* op, std::int64_t m, std::int64_t n, std::int64_t inner,
          const Matrix& a, const Matrix& b, float beta, float* out) {
  use_threads_of(ctx);
  check(dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, inner, 1.0f, a.data,
                   a.row, b.data, b.row, beta, out, n),
        op);
}

float beta_of(GradMode mode) { return mode == GradMode::kAccumulate ? 1.0f : 0.0f; }

}  // namespace

void linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                std::uint64_t w_version, Tensor& y) {
  const Sizes s = {x.shape()[0], x.shape()[1], w.shape()[0]};
  if (x.dtype() == DType::kBF16) {
    Tensor pixels = y.reshape({1, s.n, 1, s.k});
    cpu::conv_fwd(ctx, {}, x.reshape({1, s.n, 1, s.c}), w.reshape({s.k, 1, 1, s.c}), bias,
                  w_version, pixels);
    return;
  }
  auto* ys = y.ptr<float>();
  if (!bias.empty()) {
    parallel_rows(ctx, s.n, s.k, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        std::copy_n(bias.ptr<const float>(), s.k, ys + n * s.k);
      }
    });
  }
  gemm(ctx, "linear_fwd", s.n, s.k, s.c, {x.ptr<const float>(), s.c},
       {w.ptr<const float>(), s.c, true}, bias.empty() ? 0.0f : 1.0f, ys);
}

void linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w, std::uint64_t, GradMode mode,
                     Tensor& dx) {
  const Sizes s = {dx.shape()[0], dx.shape()[1], w.shape()[0]};
  gemm(ctx, "linear_bwd_data", s.n, s.c, s.k, {dy.ptr<const float>(), s.k},
       {w.ptr<const float>(), s.c}, beta_of(mode), dx.ptr<float>());
}

void linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode, Tensor& dw,
                       Tensor& dbias) {
  const Sizes s = {x.shape()[0], x.shape()[1], dw.shape()[0]};
  gemm(ctx, "linear_bwd_weight", s.k, s.c, s.n, {dy.ptr<const float>(), s.k, true},
       {x.ptr<const float>(), s.c}, beta_of(mode), dw.ptr<float>());
  if (dbias.empty()) return;
  Scratch scratch;
  const auto sums = scratch.array<double>(s.k);
  scratch.open(ctx);
  std::fill_n(sums.get(), s.k, 0.0);
  for (std::int64_t n = 0; n < s.n; ++n) {
    const float* row = dy.ptr<const float>() + n * s.k;
    for (std::int64_t k = 0; k < s.k; ++k) sums.get()[k] += static_cast<double>(row[k]);
  }
  auto* out = dbias.ptr<float>();
  const bool add = mode == GradMode::kAccumulate;
  for (std::int64_t k = 0; k < s.k; ++k) {
    out[k] = static_cast<float>(sums.get()[k]) + (add ? out[k] : 0.0f);
  }
}

}  // namespace graft::kernels::cpu
