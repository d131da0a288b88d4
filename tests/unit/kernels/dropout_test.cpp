// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/api/pointwise.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

/// Epochs and example ids of a batch.
struct Rows {
  std::vector<std::uint32_t> epoch;
  std::vector<std::int64_t> example;

  [[nodiscard]] DropoutKeys keys(std::uint32_t layer = 3, std::uint64_t seed = 11) const {
    return {.seed = seed, .layer = layer, .epoch = epoch, .example = example};
  }
};

/// Which elements of ones of this shape are kept.
std::vector<bool> kept(Backend backend, int threads, double p, const DropoutKeys& keys,
                       const Shape& shape) {
  Context ctx(backend, threads);
  const Tensor x = converted(full(shape, 1), DType::kF32, host_memory());
  Tensor y = Tensor::allocate(host_memory(), shape);
  dropout(ctx, p, keys, x, y);
  std::vector<bool> out;
  for (std::int64_t i = 0; i < y.numel(); ++i) out.push_back(y.ptr<float>()[i] != 0);
  return out;
}

TEST(Dropout, MatchesReference) {
  const Rows rows{{0, 1, 7}, {12, std::int64_t{1} << 40, 0}};
  for (const double p : {0.0, 0.1, 0.5, 0.9}) {
    for (const Shape& s : {Shape{3, 1}, Shape{3, 10}, Shape{3, 8, 8, 33}}) {
      expect_matches_reference({
          .in = {normal(s, 1)},
          .out = {{.name = "y", .shape = s},
                  {.name = "in place", .shape = s, .initial = normal(s, 2)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                dropout(ctx, p, rows.keys(), in[0], out[0]);
                dropout(ctx, p, rows.keys(), out[1], out[1]);
              },
      });
    }
  }
}

// The documented addressing, word for word: checkpoints and other backends rely on it.
TEST(Dropout, ReadsItsDocumentedWords) {
  const Rows rows{{5}, {77}};
  const auto got = kept(Backend::kCpu, 1, 0.3, rows.keys(/*layer=*/9, /*seed=*/123), {1, 10});
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto block = philox_block(
        {.seed = 123, .purpose = RngPurpose::kDropout, .epoch = 5, .id = 77}, 9u << 20 | i / 4);
    EXPECT_EQ(got[i], to_unit_float(block[i % 4]) >= 0.3) << i;
  }
}

TEST(Dropout, KeepsTheRightFractionAndScales) {
  const Rows rows{{0}, {1}};
  constexpr double kP = 0.25;
  constexpr std::int64_t kCount = 1 << 16;
  const auto mask = kept(Backend::kCpu, 2, kP, rows.keys(), {1, kCount});
  const auto fraction = static_cast<double>(std::count(mask.begin(), mask.end(), true)) / kCount;
  const double sd = std::sqrt(kP * (1 - kP) / kCount);
  EXPECT_NEAR(fraction, 1 - kP, 5 * sd);

  Context ctx(Backend::kRef);
  const Tensor x = full({1, 64}, 3);
  Tensor y = x.clone(host_memory());
  dropout(ctx, kP, rows.keys(), x, y);
  for (std::int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(y.ptr<double>()[i], mask[static_cast<std::size_t>(i)] ? 4 : 0) << i;
  }
}

TEST(Dropout, DoesNotDependOnBatchOrThreads) {
  const Rows both{{3, 4}, {100, 200}}, swapped{{4, 3}, {200, 100}}, second{{4}, {200}};
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    const auto a = kept(backend, 1, 0.5, both.keys(), {2, 37});
    const auto b = kept(backend, 2, 0.5, swapped.keys(), {2, 37});
    const auto c = kept(backend, 1, 0.5, second.keys(), {1, 37});
    EXPECT_TRUE(std::equal(a.begin(), a.begin() + 37, b.begin() + 37));
    EXPECT_TRUE(std::equal(a.begin() + 37, a.end(), b.begin()));
    EXPECT_TRUE(std::equal(a.begin() + 37, a.end(), c.begin()));
  }
}

TEST(Dropout, ChangesWithEveryPartOfItsKey) {
  const Shape s = {1, 64};
  const auto mask = [&](std::uint64_t seed, std::uint32_t layer, std::uint32_t epoch,
                        std::int64_t id) {
    const Rows rows{{epoch}, {id}};
    return kept(Backend::kRef, 1, 0.5, rows.keys(layer, seed), s);
  };
  const auto base = mask(1, 2, 3, 4);
  EXPECT_EQ(base, mask(1, 2, 3, 4));
  EXPECT_NE(base, mask(9, 2, 3, 4));
  EXPECT_NE(base, mask(1, 9, 3, 4));
  EXPECT_NE(base, mask(1, 2, 9, 4));
  EXPECT_NE(base, mask(1, 2, 3, 9));
  EXPECT_NE(base, mask(1, 2, 3, 4 + (std::int64_t{1} << 32)));
}

TEST(Dropout, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Rows rows{{0, 0}, {1, 2}}, one{{0}, {1}};
  const Tensor x = normal({2, 4}, 1);
  Tensor y = x.clone(host_memory()), wrong = normal({2, 5}, 1);
  EXPECT_TRUE(refused("dropout", "p must be in", [&] { dropout(ctx, 1.0, rows.keys(), x, y); }));
  EXPECT_TRUE(refused("dropout", "p must be in", [&] { dropout(ctx, -0.1, rows.keys(), x, y); }));
  EXPECT_TRUE(refused("dropout", "4096", [&] { dropout(ctx, 0.5, rows.keys(4096), x, y); }));
  EXPECT_TRUE(refused("dropout", "2 epochs", [&] { dropout(ctx, 0.5, one.keys(), x, y); }));
  EXPECT_TRUE(refused("dropout", "(2, 5)", [&] { dropout(ctx, 0.5, rows.keys(), x, wrong); }));
}

}  // namespace
}  // namespace graft::kernels
