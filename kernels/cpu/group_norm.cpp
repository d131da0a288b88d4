// SPDX-License-Identifier: Apache-2.0
// Group normalisation: the sums of one example are batch norm's over its own rows, folded from
// channels into groups. One example is small enough to stay in the cache between its two passes.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/norm_blocks.h"
#include "kernels/cpu/parallel.h"

namespace graft::kernels::cpu {
namespace {

/// Arrays of one thread.
struct ThreadMemory {
  Partials sums;
  Accumulators accumulators;
  float* coefficient[5];  // (width) each
};

class Memory {
 public:
  /// `n_rows`: examples whose channel sums are kept, two f64 arrays (n_rows, c); may be 0.
  Memory(Context& ctx, const RowBlocks& rows, std::int64_t n_rows)
      : rows_(rows),
        sums_(scratch_.array<double>(sums_size() * ctx.threads())),
        floats_(scratch_.array<float>(kFloatArrays * rows.width * ctx.threads())),
        kept_(scratch_.array<double>(2 * n_rows * rows.c)) {
    scratch_.open(ctx);
  }
  [[nodiscard]] ThreadMemory of_thread(int thread) const {
    double* sums = sums_.get() + sums_size() * thread;
    float* floats = floats_.get() + kFloatArrays * rows_.width * thread;
    const std::int64_t partial = rows_.count * rows_.c;
    ThreadMemory m = {};
    m.sums = {sums, sums + partial, sums + 2 * partial, sums + 2 * partial + rows_.c};
    m.accumulators = {floats, floats + rows_.width, floats + 2 * rows_.width};
    for (int i = 0; i < 5; ++i) m.coefficient[i] = floats + (3 + i) * rows_.width;
    return m;
  }
  /// Sums of example n: first (c), then second (c).
  [[nodiscard]] double* kept(std::int64_t n) const { return kept_.get() + 2 * n * rows_.c; }

 private:
  static constexpr std::int64_t kFloatArrays = 8;
  [[nodiscard]] std::int64_t sums_size() const { return 2 * (rows_.count + 1) * rows_.c; }

  Scratch scratch_;
  const RowBlocks& rows_;
  Scratch::Array<double> sums_;
  Scratch::Array<float> floats_;
  Scratch::Array<double> kept_;
};

/// One example's rows.
RowBlocks example_blocks(const Tensor& x) {
  const std::int64_t c = x.shape()[x.shape().rank() - 1];
  return {x.shape().row_numel() / c, c};
}

struct GroupMoments {
  double mean, var;
};

/// From the channels' means and squared deviations to those of channels [begin, end) together.
GroupMoments fold_group(const RowBlocks& rows, const Partials& p, std::int64_t begin,
                        std::int64_t end) {
  const auto n_rows = static_cast<double>(rows.rows), n = static_cast<double>(end - begin);
  double mean = 0, squares = 0;
  for (std::int64_t j = begin; j < end; ++j) mean += p.first_total[j] / n;
  for (std::int64_t j = begin; j < end; ++j) {
    const double d = p.first_total[j] - mean;
    squares += p.second_total[j] + n_rows * d * d;
  }
  return {mean, squares / (n_rows * n)};
}

void repeat_all(const RowBlocks& rows, const ThreadMemory& m) {
  for (float* v : m.coefficient) rows.repeat_columns(v, 0, rows.c);
}

/// Backward of one example at a time.
class Backward {
 public:
  Backward(const RowBlocks& rows, int groups, const NormBackward& args,
           const simd::NormBackwardLoop& loop, const Memory& memory)
      : rows_(rows), groups_(groups), args_(args), loop_(loop), memory_(memory) {}

  void example(std::int64_t n, int thread) const {
    const ThreadMemory m = memory_.of_thread(thread);
    auto loop = advanced(loop_, n * rows_.rows * rows_.c);
    loop.mean = m.coefficient[0];
    loop.scale = m.coefficient[1];
    loop.beta = m.coefficient[2];
    loop.mean_term = m.coefficient[3];
    loop.x_term = m.coefficient[4];
    set_statistics(n, m);
    repeat_all(rows_, m);
    for (std::int64_t b = 0; b < rows_.count; ++b) {
      block_gradient_sums(rows_, loop, b, m.accumulators, m.sums);
    }
    merge_sums(rows_, m.sums, 0, rows_.c);
    set_terms(n, m);
    repeat_all(rows_, m);
    if (loop.dx == nullptr) return;
    read_stored_gradient(loop);
    simd::norm().gradient_input(loop, 0, rows_.rows * rows_.c);
  }

 private:
  [[nodiscard]] float inv_std(std::int64_t n, std::int64_t g) const {
    return args_.inv_std.ptr<const float>()[n * groups_ + g];
  }
  void set_statistics(std::int64_t n, const ThreadMemory& m) const {
    const std::int64_t per_group = rows_.c / groups_;
    for (std::int64_t j = 0; j < rows_.c; ++j) {
      const std::int64_t g = j / per_group;
      m.coefficient[0][j] = args_.mean.ptr<const float>()[n * groups_ + g];
      m.coefficient[1][j] = args_.gamma.ptr<const float>()[j] * inv_std(n, g);
      m.coefficient[2][j] = args_.beta.ptr<const float>()[j];
      m.coefficient[3][j] = m.coefficient[4][j] = 0;
    }
  }
  /// The terms through which the statistics depend on x, and the example's share of dgamma, dbeta.
  void set_terms(std::int64_t n, const ThreadMemory& m) const {
    const std::int64_t per_group = rows_.c / groups_;
    const double elements = static_cast<double>(per_group * rows_.rows);
    const auto* gamma = args_.gamma.ptr<const float>();
    double* beta_sum = memory_.kept(n);
    double* gamma_sum = beta_sum + rows_.c;
    for (std::int64_t g = 0; g < groups_; ++g) {
      const auto scale = static_cast<double>(inv_std(n, g));
      double h = 0, h_xhat = 0;
      for (std::int64_t j = g * per_group; j < (g + 1) * per_group; ++j) {
        beta_sum[j] = m.sums.first_total[j];
        gamma_sum[j] = m.sums.second_total[j] * scale;
        h += beta_sum[j] * static_cast<double>(gamma[j]);
        h_xhat += gamma_sum[j] * static_cast<double>(gamma[j]);
      }
      const auto mean_term = static_cast<float>(scale * h / elements);
      const auto x_term = static_cast<float>(scale * scale * h_xhat / elements);
      std::fill_n(m.coefficient[3] + g * per_group, per_group, mean_term);
      std::fill_n(m.coefficient[4] + g * per_group, per_group, x_term);
    }
  }

  const RowBlocks& rows_;
  std::int64_t groups_;
  const NormBackward& args_;
  const simd::NormBackwardLoop& loop_;
  const Memory& memory_;
};

}  // namespace

void group_norm_fwd(Context& ctx, const GroupNormOptions& options, const Tensor& x,
                    const Tensor& gamma, const Tensor& beta, const Tensor& residual, Tensor& mean,
                    Tensor& inv_std, Tensor& y) {
  const RowBlocks rows = example_blocks(x);
  const Memory memory(ctx, rows, 0);
  const std::int64_t per_group = rows.c / options.groups, per_example = rows.rows * rows.c;
  const Bounds bounds = bounds_of(options.activation);
  const auto* gammas = gamma.ptr<const float>();
  const auto* betas = beta.ptr<const float>();
  const auto example = [&](std::int64_t n, int thread) {
    const ThreadMemory m = memory.of_thread(thread);
    const float* xs = x.ptr<const float>() + n * per_example;
    for (std::int64_t b = 0; b < rows.count; ++b) {
      block_moments(rows, xs, b, m.accumulators, m.sums);
    }
    merge_moments(rows, m.sums, 0, rows.c);
    for (std::int64_t g = 0; g < options.groups; ++g) {
      const auto v = fold_group(rows, m.sums, g * per_group, (g + 1) * per_group);
      const double scale = 1 / std::sqrt(v.var + options.eps);
      const auto rounded = static_cast<float>(v.mean);
      if (!mean.empty()) mean.ptr<float>()[n * options.groups + g] = rounded;
      if (!inv_std.empty()) {
        inv_std.ptr<float>()[n * options.groups + g] = static_cast<float>(scale);
      }
      for (std::int64_t j = g * per_group; j < (g + 1) * per_group; ++j) {
        const double by = scale * static_cast<double>(gammas[j]);
        m.coefficient[0][j] = rounded;
        m.coefficient[1][j] = static_cast<float>(by);
        m.coefficient[2][j] = static_cast<float>(static_cast<double>(betas[j]) +
                                                 (static_cast<double>(rounded) - v.mean) * by);
      }
    }
    for (int i = 0; i < 3; ++i) rows.repeat_columns(m.coefficient[i], 0, rows.c);
    const std::int64_t at = n * per_example;
    const simd::NormForward loop = {
        .x = xs,
        .residual = residual.empty() ? nullptr : residual.ptr<const float>() + at,
        .y = y.ptr<float>() + at,
        .width = rows.width,
        .mean = m.coefficient[0],
        .scale = m.coefficient[1],
        .beta = m.coefficient[2],
        .lo = bounds.lo,
        .hi = bounds.hi};
    simd::norm().normalise(loop, 0, per_example);
  };
  parallel_threads(ctx, x.shape()[0], kGrainElements / per_example, 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     for (std::int64_t n = begin; n < end; ++n) example(n, thread);
                   });
}

void group_norm_bwd(Context& ctx, const GroupNormOptions& options, const NormBackward& args,
                    Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  const RowBlocks rows = example_blocks(args.x);
  const std::int64_t n_examples = args.x.shape()[0];
  const Memory memory(ctx, rows, n_examples);
  auto loop = backward_loop(args, options.activation, dx, dresidual);
  loop.width = rows.width;
  const Backward backward(rows, options.groups, args, loop, memory);
  parallel_threads(ctx, n_examples, kGrainElements / (rows.rows * rows.c), 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     for (std::int64_t n = begin; n < end; ++n) backward.example(n, thread);
                   });
  for (std::int64_t j = 0; j < rows.c; ++j) {
    double beta_sum = 0, gamma_sum = 0;
    for (std::int64_t n = 0; n < n_examples; ++n) {  // in order: any thread count gives these bits
      beta_sum += memory.kept(n)[j];
      gamma_sum += memory.kept(n)[rows.c + j];
    }
    store(args.param_mode, dbeta.ptr<float>(), j, beta_sum);
    store(args.param_mode, dgamma.ptr<float>(), j, gamma_sum);
  }
}

}  // namespace graft::kernels::cpu
