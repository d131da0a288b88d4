// SPDX-License-Identifier: Apache-2.0
#include "tests/support/op_check.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include <gtest/gtest.h>

#include "engine/device/cuda_device.h"
#include "tests/support/compare.h"

namespace graft::testing {
namespace {

using kernels::GradMode;

/// How one run is set up.
struct Setup {
  Backend backend;
  int threads;
  DType dtype;
  bool unaligned = false;  // tensors start one element after an aligned address

  [[nodiscard]] std::string text(GradMode mode) const {
    const char* modes[] = {"skip", "overwrite", "accumulate"};
    return detail::cat(name(backend), " ", name(dtype), " threads=", threads,
                       unaligned ? " unaligned" : "", " mode=", modes[static_cast<int>(mode)]);
  }
};

/// GRAFT_TEST_DEVICE=cuda: the tests labelled gpu.
bool on_gpu() {
  const char* device = std::getenv("GRAFT_TEST_DEVICE");
  return device != nullptr && std::string_view(device) == "cuda";
}

/// Tensors of one run, each between guards. Unaligned ones are views of a block that this keeps.
class Arena {
 public:
  explicit Arena(const Setup& setup) : unaligned_(setup.unaligned) {
    if (setup.backend != Backend::kCuda) {
      ctx_.emplace(setup.backend, setup.threads, guard_);
    } else if (on_gpu()) {
      ctx_.emplace(Backend::kCuda);
    } else {
      ctx_.emplace(CudaOnHost{}, guard_);
    }
  }
  [[nodiscard]] Context& ctx() { return *ctx_; }

  Tensor make(const Shape& shape, DType dtype) {
    if (on_device()) return Tensor::allocate(ctx_->memory(), shape, dtype);
    if (!unaligned_) return Tensor::allocate(guard_, shape, dtype);
    blocks_.push_back(Tensor::allocate(guard_, {shape.numel() + 1}, dtype));
    poison(blocks_.back());
    return blocks_.back().rows(1, shape.numel()).reshape(shape);
  }
  Tensor copy_of(const Tensor& t, DType dtype) {
    if (t.empty()) return {};
    const Tensor from = converted(t, dtype, host_memory());
    Tensor to = make(from.shape(), from.dtype());
    copy_from_host(*ctx_, from.data(), to);
    return to;
  }
  /// A copy in host memory.
  Tensor fetched(const Tensor& t) {
    if (t.empty()) return {};
    Tensor to = Tensor::allocate(host_memory(), t.shape(), t.dtype());
    copy_to_host(*ctx_, t, to.data());
    return to;
  }
  /// Ends the context. Nothing was written around its workspace.
  bool close() {
    ctx_.reset();
    return guard_.intact();
  }
  /// Nothing was written outside any tensor.
  [[nodiscard]] bool intact() const {
    return guard_.intact() && std::all_of(blocks_.begin(), blocks_.end(), [](const Tensor& b) {
             const auto* first = static_cast<const unsigned char*>(b.data());
             return std::all_of(first, first + size_of(b.dtype()),
                                [](unsigned char byte) { return byte == 0xFF; });
           });
  }

 private:
  [[nodiscard]] bool on_device() { return ctx_->queue() != nullptr; }

  GuardResource guard_{host_memory()};
  bool unaligned_;
  Tensors blocks_;
  std::optional<Context> ctx_;
};

DType dtype_in(const Setup& setup, DType dtype) {
  return dtype == DType::kF64 ? setup.dtype : dtype;
}

/// `base` is what by-mode outputs hold before the call; may be empty.
Tensors outputs(const OpSpec& spec, const Setup& setup, const Tensors& base, Arena& arena) {
  Tensors out;
  for (std::size_t i = 0; i < spec.out.size(); ++i) {
    const OpOutput& o = spec.out[i];
    const Tensor& initial = base.empty() ? o.initial : base[i];
    const DType dtype = dtype_in(setup, o.dtype);
    Tensor start = Tensor::allocate(host_memory(), o.shape, dtype);
    poison(start);
    if (!initial.empty()) start = converted(initial, dtype, host_memory());
    out.push_back(arena.copy_of(start, dtype));
  }
  return out;
}

/// Runs twice in one context and checks everything but the numbers. Returns host copies.
Tensors run(const OpSpec& spec, const Setup& setup, GradMode mode, const Tensors& base) {
  SCOPED_TRACE(setup.text(mode));
  Arena arena(setup);
  Tensors result;
  {
    Context& ctx = arena.ctx();
    Tensors in;
    for (const Tensor& t : spec.in) in.push_back(arena.copy_of(t, setup.dtype));
    Tensors out = outputs(spec, setup, base, arena);
    Tensors again = outputs(spec, setup, base, arena);
    spec.run(ctx, mode, in, out);
    spec.run(ctx, mode, in, again);
    ctx.synchronize();
    for (std::size_t i = 0; i < out.size(); ++i) {
      result.push_back(arena.fetched(out[i]));
      EXPECT_TRUE(same_bits(result[i], arena.fetched(again[i])))
          << spec.out[i].name << ": not repeatable";
    }
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Tensor before = converted(spec.in[i], setup.dtype, host_memory());
      EXPECT_TRUE(same_bits(arena.fetched(in[i]), before)) << "input " << i << " was changed";
    }
    EXPECT_TRUE(arena.intact()) << "wrote outside a tensor";
  }
  EXPECT_TRUE(arena.close()) << "wrote outside the workspace";
  return result;
}

/// Expects one run to agree with `want`; returns the worst error as a share of its tolerance.
double expect_close(const OpSpec& spec, const Setup& setup, GradMode mode, const Tensors& base,
                    const Tensors& want) {
  const Tensors got = run(spec, setup, mode, base);
  double share = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const OpOutput& o = spec.out[i];
    // The reference sums in f64: only the rounding of the result remains.
    const double terms = setup.backend == Backend::kRef ? 1 : o.terms;
    const double rel = o.rel > 0 ? o.rel : tolerance(DType::kF32, terms);
    EXPECT_TRUE(within(got[i], want[i], rel)) << o.name << ", " << setup.text(mode);
    share = std::max(share, compare(got[i], want[i], rel).share);
  }
  return share;
}

Tensors sums(const Tensors& a, const Tensors& b) {
  Tensors out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    Tensor t = a[i].clone(host_memory());
    for (std::int64_t j = 0; j < t.numel(); ++j) t.ptr<double>()[j] += b[i].ptr<double>()[j];
    out.push_back(t);
  }
  return out;
}

void expect_modes(const OpSpec& spec, const std::vector<Setup>& setups, const Tensors& gradient) {
  constexpr std::uint64_t kBaseSeed = 0xBA5E;
  Tensors base;
  for (const Tensor& g : gradient) base.push_back(normal(g.shape(), kBaseSeed + base.size()));
  const Tensors added = sums(base, gradient);
  for (const Setup& setup : setups) {
    expect_close(spec, setup, GradMode::kAccumulate, base, added);
    const Tensors skipped = run(spec, setup, GradMode::kSkip, base);
    for (std::size_t i = 0; i < base.size(); ++i) {
      EXPECT_TRUE(same_bits(skipped[i], converted(base[i], setup.dtype, host_memory())))
          << spec.out[i].name << ": touched, " << setup.text(GradMode::kSkip);
    }
  }
}

}  // namespace

void expect_matches_reference(const OpSpec& spec) {
  if (on_gpu() && !probe_cuda().reason.empty()) GTEST_SKIP() << probe_cuda().reason;
  const Setup oracle{Backend::kRef, 1, DType::kF64};
  std::vector<Setup> setups;
  if (!on_gpu()) {
    setups = {
        {Backend::kRef, 1, DType::kF32},
        {Backend::kCpu, 1, DType::kF32},
        {Backend::kCpu, 2, DType::kF32},
        {Backend::kCpu, 1, DType::kF32, /*unaligned=*/true},
    };
  }
  // Without CUDA in the build, its kernels run as loops on the host.
  if (spec.on_cuda && (on_gpu() || !probe_cuda().built)) {
    setups.push_back({Backend::kCuda, 1, DType::kF32});
    if (!on_gpu()) setups.push_back({Backend::kCuda, 1, DType::kF32, /*unaligned=*/true});
  }
  const Tensors want = run(spec, oracle, GradMode::kOverwrite, {});
  double share = 0;
  for (const Setup& setup : setups) {
    const double now = expect_close(spec, setup, GradMode::kOverwrite, {}, want);
    if (setup.backend != Backend::kRef) share = std::max(share, now);
  }
  // In the XML of --gtest_output: far below 1 says that the tolerance is too loose for this case.
  ::testing::Test::RecordProperty("share_of_tolerance", graft::detail::cat(share));
  if (spec.has_mode) expect_modes(spec, setups, want);
}

}  // namespace graft::testing
