// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/pointwise.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kRelu6};

/// One element, a tail behind full vectors, several threads' worth.
const Shape kShapes[] = {{1}, {3, 5, 7, 3}, {8, 11, 16, 33}};

/// Values on both sides of both kinks.
Tensor around_kinks(const Shape& shape, std::uint64_t seed) {
  Tensor t = normal(shape, seed, 4, 3);
  push_away(t, {0, 6});
  return t;
}

TEST(Activation, FwdMatchesReference) {
  for (const Activation act : kActivations) {
    for (const Shape& s : kShapes) {
      expect_matches_reference({
          .in = {around_kinks(s, 1)},
          .out = {{.name = "y", .shape = s},
                  {.name = "in place", .shape = s, .initial = around_kinks(s, 2)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                activation_fwd(ctx, act, in[0], out[0]);
                activation_fwd(ctx, act, out[1], out[1]);
              },
      });
    }
  }
}

TEST(Activation, BwdMatchesReference) {
  for (const Activation act : kActivations) {
    for (const Shape& s : kShapes) {
      Tensor y = f64(s);
      Context ctx(Backend::kRef);
      activation_fwd(ctx, act, normal(s, 1, 4, 3), y);  // holds exact zeros and sixes
      expect_matches_reference({
          .in = {y, normal(s, 2)},
          .out = {{.name = "dx", .shape = s}},
          .run = [&](Context& c, GradMode mode, const Tensors& in,
                     Tensors& out) { activation_bwd(c, act, in[0], in[1], mode, out[0]); },
          .has_mode = true,
      });
      expect_matches_reference({
          .in = {y},
          .out = {{.name = "dx over dy", .shape = s, .initial = normal(s, 2)}},
          .run =
              [&](Context& c, GradMode, const Tensors& in, Tensors& out) {
                activation_bwd(c, act, in[0], out[0], GradMode::kOverwrite, out[0]);
              },
      });
    }
  }
}

TEST(Activation, BackwardMatchesFiniteDifferences) {
  Context ctx(Backend::kRef);
  const Shape s = {3, 5, 7, 3};
  for (const Activation act : kActivations) {
    const auto forward = [&](const Tensors& x) -> Tensors {
      Tensor y = f64(s);
      activation_fwd(ctx, act, x[0], y);
      return {y};
    };
    const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
      Tensor dx = f64(s);
      activation_bwd(ctx, act, forward(x)[0], u[0], GradMode::kOverwrite, dx);
      return {dx};
    };
    EXPECT_LT(vjp_gap(forward, backward, {around_kinks(s, 1)}), 1e-6);
  }
}

TEST(Add, FwdMatchesReference) {
  for (const Activation act : kActivations) {
    for (const Shape& s : kShapes) {
      expect_matches_reference({
          .in = {normal(s, 1, 4, 2), normal(s, 2)},
          .out = {{.name = "y", .shape = s},
                  {.name = "over a", .shape = s, .initial = normal(s, 3, 4, 2)},
                  {.name = "over b", .shape = s, .initial = normal(s, 4)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                add_fwd(ctx, act, in[0], in[1], out[0]);
                add_fwd(ctx, act, out[1], in[1], out[1]);
                add_fwd(ctx, act, in[0], out[2], out[2]);
              },
      });
    }
  }
}

TEST(Add, AccumulateScaleAndCopyMatchReference) {
  for (const Shape& s : kShapes) {
    expect_matches_reference({
        .in = {normal(s, 1)},
        .out = {{.name = "accumulate", .shape = s, .initial = normal(s, 2)},
                {.name = "scale", .shape = s, .initial = normal(s, 3)},
                {.name = "copy", .shape = s}},
        .run =
            [](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
              accumulate(ctx, in[0], out[0]);
              scale(ctx, -1.5, out[1]);
              copy(ctx, in[0], out[2]);
            },
    });
  }
}

/// Concatenates `parts` of these channels.
OpSpec concat_spec(const Shape& pixels, const std::vector<std::int64_t>& channels) {
  OpSpec spec;
  std::int64_t total = 0;
  for (const std::int64_t c : channels) {
    Shape s = pixels;
    s.push_back(c);
    spec.in.push_back(normal(s, static_cast<std::uint64_t>(total += c)));
  }
  Shape y = pixels;
  y.push_back(total);
  spec.out = {{.name = "y", .shape = y}};
  spec.run = [](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
    concat_fwd(ctx, in, out[0]);
  };
  return spec;
}

const std::vector<std::int64_t> kChannels[] = {{4}, {16, 32}, {3, 1, 7}, {24, 12, 12, 12}};

TEST(Concat, FwdMatchesReference) {
  for (const auto& channels : kChannels) {
    expect_matches_reference(concat_spec({3, 5, 4}, channels));
    expect_matches_reference(concat_spec({5}, channels));
  }
}

TEST(Concat, BwdMatchesReference) {
  for (const auto& channels : kChannels) {
    const OpSpec fwd = concat_spec({3, 5, 4}, channels);
    OpSpec spec{.in = {normal(fwd.out[0].shape, 99)},
                .run =
                    [](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
                      const std::vector<GradMode> modes(out.size(), mode);
                      concat_bwd(ctx, in[0], modes, out);
                    },
                .has_mode = true};
    for (const Tensor& x : fwd.in) spec.out.push_back({.name = "dx", .shape = x.shape()});
    expect_matches_reference(spec);
  }
}

TEST(Concat, BackwardUndoesForward) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    const Tensors x = {normal({2, 3, 3, 5}, 1), normal({2, 3, 3, 2}, 2), normal({2, 3, 3, 8}, 3)};
    Tensors parts;
    for (const Tensor& t : x) parts.push_back(converted(t, DType::kF32, host_memory()));
    Tensor y = Tensor::allocate(host_memory(), {2, 3, 3, 15});
    concat_fwd(ctx, parts, y);
    // The middle one is not wanted: it has a shape, but no memory.
    Tensors dx = {Tensor::zeros(host_memory(), x[0].shape()), Tensor::borrow(nullptr, x[1].shape()),
                  parts[2].clone(host_memory())};
    const GradMode modes[] = {GradMode::kOverwrite, GradMode::kSkip, GradMode::kAccumulate};
    concat_bwd(ctx, y, modes, dx);
    EXPECT_TRUE(same_bits(dx[0], parts[0]));
    for (std::int64_t i = 0; i < dx[2].numel(); ++i) {
      ASSERT_EQ(element(dx[2], i), 2 * element(parts[2], i)) << i;
    }
  }
}

struct Subsample {
  Shape x;
  int stride;
  std::int64_t k;
  [[nodiscard]] Shape y() const {
    return {x[0], (x[1] + stride - 1) / stride, (x[2] + stride - 1) / stride, k};
  }
};
const Subsample kSubsamples[] = {
    {{2, 8, 8, 16}, 2, 32}, {{3, 5, 7, 3}, 2, 8}, {{1, 4, 4, 5}, 1, 5}, {{2, 7, 5, 6}, 3, 9}};

TEST(SubsamplePad, FwdMatchesReference) {
  for (const Subsample& s : kSubsamples) {
    expect_matches_reference({
        .in = {normal(s.x, 1)},
        .out = {{.name = "y", .shape = s.y()}},
        .run = [&](Context& ctx, GradMode, const Tensors& in,
                   Tensors& out) { subsample_pad_fwd(ctx, s.stride, in[0], out[0]); },
    });
  }
}

TEST(SubsamplePad, BwdMatchesReference) {
  for (const Subsample& s : kSubsamples) {
    expect_matches_reference({
        .in = {normal(s.y(), 1)},
        .out = {{.name = "dx", .shape = s.x}},
        .run = [&](Context& ctx, GradMode mode, const Tensors& in,
                   Tensors& out) { subsample_pad_bwd(ctx, s.stride, in[0], mode, out[0]); },
        .has_mode = true,
    });
  }
}

TEST(SubsamplePad, BackwardMatchesFiniteDifferences) {
  Context ctx(Backend::kRef);
  for (const Subsample& s : kSubsamples) {
    const auto forward = [&](const Tensors& x) -> Tensors {
      Tensor y = f64(s.y());
      subsample_pad_fwd(ctx, s.stride, x[0], y);
      return {y};
    };
    const auto backward = [&](const Tensors&, const Tensors& u) -> Tensors {
      Tensor dx = f64(s.x);
      subsample_pad_bwd(ctx, s.stride, u[0], GradMode::kOverwrite, dx);
      return {dx};
    };
    EXPECT_LT(vjp_gap(forward, backward, {normal(s.x, 1)}), 1e-6) << s.x;
  }
}

TEST(SubsamplePad, PutsChannelsInTheMiddle) {
  Context ctx(Backend::kRef);
  Tensor x = f64({1, 2, 2, 2}), y = f64({1, 1, 1, 6});
  for (int i = 0; i < 8; ++i) x.ptr<double>()[i] = i + 1;
  subsample_pad_fwd(ctx, 2, x, y);
  const double want[] = {0, 0, 1, 2, 0, 0};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(y.ptr<double>()[i], want[i]) << i;
}

TEST(Pointwise, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor a = normal({2, 3}, 1), b = normal({3, 2}, 2), image = normal({1, 4, 4, 4}, 3);
  Tensor y = f64({2, 3}), wrong = f64({2, 2}), f32 = Tensor::zeros(host_memory(), {2, 3});
  Tensor narrow = f64({1, 2, 2, 3}), bytes = pixels({2, 3}, 4);
  constexpr auto kRelu = Activation::kRelu;
  EXPECT_TRUE(refused("activation_fwd", "(2, 2)", [&] { activation_fwd(ctx, kRelu, a, wrong); }));
  EXPECT_TRUE(refused("activation_fwd", "u8", [&] { activation_fwd(ctx, kRelu, bytes, bytes); }));
  EXPECT_TRUE(refused("activation_bwd", "dy",
                      [&] { activation_bwd(ctx, kRelu, a, b, GradMode::kOverwrite, y); }));
  EXPECT_TRUE(refused("add_fwd", "b expects", [&] { add_fwd(ctx, kRelu, a, b, y); }));
  EXPECT_TRUE(refused("accumulate", "f64, got f32", [&] { accumulate(ctx, a, f32); }));
  EXPECT_TRUE(refused("copy", "y", [&] { copy(ctx, a, wrong); }));
  const Tensor parts[] = {a, b};
  EXPECT_TRUE(refused("concat_fwd", "x[1]", [&] { concat_fwd(ctx, parts, y); }));
  EXPECT_TRUE(refused("concat_fwd", "6 channels", [&] {
    const Tensor twice[] = {a, a};
    concat_fwd(ctx, twice, y);
  }));
  EXPECT_TRUE(refused("concat_bwd", "mode", [&] { concat_bwd(ctx, a, {}, {&y, 1}); }));
  EXPECT_TRUE(
      refused("subsample_pad_fwd", "K >= 4", [&] { subsample_pad_fwd(ctx, 2, image, narrow); }));
  EXPECT_TRUE(refused("subsample_pad_bwd", "stride", [&] {
    Tensor dx = f64({1, 4, 4, 4});
    subsample_pad_bwd(ctx, 0, image, GradMode::kOverwrite, dx);
  }));
}

}  // namespace
}  // namespace graft::kernels
