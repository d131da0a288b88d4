// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/rows.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;
using Ids = std::vector<std::int32_t>;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

const Ids kIds[] = {{0}, {5, 2, 2, 0}, {0, 1, 2, 3, 4, 5}, {}};

TEST(GatherRows, MatchesReference) {
  for (const Ids& ids : kIds) {
    for (const Shape& row : {Shape{6}, Shape{6, 3}, Shape{6, 5, 7, 33}}) {
      const auto count = static_cast<std::int64_t>(ids.size());
      // Two rows more than asked for: they keep what they hold.
      const Shape out = row.with_batch(count + 2);
      expect_matches_reference({
          .in = {normal(row, 1), pixels(row, 2)},
          .out = {{.name = "floating", .shape = out, .initial = normal(out, 3)},
                  {.name = "bytes", .shape = out, .dtype = DType::kU8, .initial = pixels(out, 4)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& to) {
                gather_rows(ctx, in[0], ids, to[0]);
                gather_rows(ctx, in[1], ids, to[1]);
              },
      });
    }
  }
}

TEST(GatherRows, CopiesWholeRowsOfAnyType) {
  const Ids ids = {2, 0};
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    for (const DType dtype :
         {DType::kF32, DType::kF64, DType::kBF16, DType::kI32, DType::kI64, DType::kI8}) {
      Tensor x = Tensor::allocate(host_memory(), {3, 4}, dtype);
      auto* bytes = static_cast<unsigned char*>(x.data());
      for (std::size_t i = 0; i < x.bytes(); ++i) bytes[i] = static_cast<unsigned char>(i);
      Tensor out = Tensor::zeros(host_memory(), {2, 4}, dtype);
      gather_rows(ctx, x, ids, out);
      EXPECT_TRUE(same_bits(out.rows(0, 1), x.rows(2, 1))) << name(dtype);
      EXPECT_TRUE(same_bits(out.rows(1, 1), x.rows(0, 1))) << name(dtype);
    }
  }
}

TEST(CompactRows, MovesRowsToTheFrontAndLeavesTheRest) {
  const Ids cases[] = {{}, {0}, {5}, {0, 2, 3}, {1, 2, 4, 5}, {0, 1, 2, 3, 4, 5}};
  for (const Ids& ids : cases) {
    for (const Shape& shape : {Shape{6}, Shape{6, 3}, Shape{6, 40, 40, 33}}) {
      for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
        Context ctx(backend, 2);
        const Tensor before = converted(normal(shape, 1), DType::kF32, host_memory());
        Tensor x = before.clone(host_memory());
        compact_rows(ctx, x, ids);
        for (std::int64_t n = 0; n < 6; ++n) {
          const auto i = static_cast<std::size_t>(n);
          const std::int64_t from = i < ids.size() ? ids[i] : n;
          EXPECT_TRUE(same_bits(x.rows(n, 1), before.rows(from, 1))) << name(backend) << n;
        }
      }
    }
  }
}

TEST(CompactRows, RefusesRowsThatAreNotAscending) {
  Context ctx(Backend::kCpu);
  Tensor x = normal({3, 4}, 1);
  const Ids twice = {1, 1}, down = {2, 0}, beyond = {3};
  EXPECT_TRUE(refused("compact_rows", "ascending", [&] { compact_rows(ctx, x, twice); }));
  EXPECT_TRUE(refused("compact_rows", "row[1]=0", [&] { compact_rows(ctx, x, down); }));
  EXPECT_TRUE(refused("compact_rows", "row[0]=3", [&] { compact_rows(ctx, x, beyond); }));
}

TEST(ProjectOutRows, LeavesWhatIsOrthogonal) {
  Context ctx(Backend::kRef);
  const Tensor w = normal({5, 3, 7}, 1);
  std::fill_n(w.rows(2, 1).ptr<double>(), 21, 0.0);
  const Tensor before = normal({5, 3, 7}, 2);
  Tensor g = before.clone(host_memory());
  project_out_rows(ctx, w, g);
  for (std::int64_t k = 0; k < 5; ++k) {
    double along = 0, length = 0, was = 0;
    for (std::int64_t j = 0; j < 21; ++j) {
      const double v = element(w, 21 * k + j);
      along += v * element(g, 21 * k + j);
      was += v * element(before, 21 * k + j);
      length += v * v;
    }
    EXPECT_NEAR(along, 0, 1e-12);
    for (std::int64_t j = 0; j < 21; ++j) {
      const double away = length > 0 ? was / length * element(w, 21 * k + j) : 0;
      EXPECT_NEAR(element(g, 21 * k + j), element(before, 21 * k + j) - away, 1e-12);
    }
  }
}

TEST(ScatterAddRows, MatchesReference) {
  for (const Ids& ids : kIds) {
    for (const Shape& row : {Shape{6}, Shape{6, 3}, Shape{6, 5, 7, 33}}) {
      const Shape in = row.with_batch(static_cast<std::int64_t>(ids.size()) + 1);
      expect_matches_reference({
          .in = {normal(in, 1)},
          .out = {{.name = "out", .shape = row, .terms = 2, .initial = normal(row, 2)}},
          .run = [&](Context& ctx, GradMode, const Tensors& x,
                     Tensors& out) { scatter_add_rows(ctx, x[0], ids, out[0]); },
      });
    }
  }
}

// Scatter-add is the backward of gather.
TEST(GatherRows, BackwardMatchesFiniteDifferences) {
  Context ctx(Backend::kRef);
  const Ids ids = {5, 2, 2, 0};
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = f64({4, 3});
    gather_rows(ctx, x[0], ids, y);
    return {y};
  };
  const auto backward = [&](const Tensors&, const Tensors& u) -> Tensors {
    Tensor dx = Tensor::zeros(host_memory(), {6, 3}, DType::kF64);
    scatter_add_rows(ctx, u[0], ids, dx);
    return {dx};
  };
  EXPECT_LT(vjp_gap(forward, backward, {normal({6, 3}, 1)}), 1e-6);
}

TEST(Rows, RefuseWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({3, 4}, 1), narrow = normal({3, 5}, 2);
  Tensor out = f64({2, 4});
  const Ids high = {0, 3}, low = {-1}, many = {0, 1, 2}, fine = {1, 0};
  EXPECT_TRUE(refused("gather_rows", "row[1]=3", [&] { gather_rows(ctx, x, high, out); }));
  EXPECT_TRUE(refused("gather_rows", "row[0]=-1", [&] { gather_rows(ctx, x, low, out); }));
  EXPECT_TRUE(
      refused("gather_rows", "at least 3 rows, got 2", [&] { gather_rows(ctx, x, many, out); }));
  EXPECT_TRUE(refused("gather_rows", "out", [&] { gather_rows(ctx, narrow, fine, out); }));
  EXPECT_TRUE(
      refused("scatter_add_rows", "row[1]=3", [&] { scatter_add_rows(ctx, x, high, out); }));
  Tensor bytes = pixels({2, 4}, 3);
  EXPECT_TRUE(
      refused("scatter_add_rows", "u8", [&] { scatter_add_rows(ctx, bytes, fine, bytes); }));
}

}  // namespace
}  // namespace graft::kernels
