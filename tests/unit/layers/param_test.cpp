// SPDX-License-Identifier: Apache-2.0
#include "layers/core/param.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "tests/support/tensors.h"

namespace graft {
namespace {

using testing::same_bits;

std::vector<std::pair<std::string, ParamSpec>> declared() {
  std::vector<std::pair<std::string, ParamSpec>> out;
  const auto take = [&](const std::string& node, const Layer& layer) {
    for (const ParamSpec& p : layer.params()) out.emplace_back(node + "." + p.name, p);
  };
  take("conv", Conv2d({.in_channels = 3, .out_channels = 5, .kernel = 3, .bias = true}));
  take("bn", BatchNorm2d(5));
  take("fc", Linear(5, 7));
  return out;
}

struct Moments {
  double mean = 0, stddev = 0, largest = 0;
};

Moments moments(const Tensor& t) {
  Moments m;
  const auto n = static_cast<double>(t.numel());
  for (std::int64_t i = 0; i < t.numel(); ++i) m.mean += testing::element(t, i) / n;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const double v = testing::element(t, i);
    m.stddev += (v - m.mean) * (v - m.mean) / n;
    m.largest = std::max(m.largest, std::abs(v));
  }
  m.stddev = std::sqrt(m.stddev);
  return m;
}

TEST(ParamStore, FindsEntriesByName) {
  Context ctx(Backend::kRef);
  const ParamStore store(ctx, declared(), DType::kF32);
  EXPECT_EQ(store.size(), 8u);
  EXPECT_EQ(store.entry(store.find("bn.running_var")).spec.kind, ParamKind::kBuffer);
  EXPECT_EQ(store.find("bn.weights"), -1);
  EXPECT_EQ(store.trainable_count(), 5 * 27 + 5 + 10 + 35 + 7);
}

TEST(ParamStore, EntriesAreAlignedViewsOfTheFlatBlocks) {
  Context ctx(Backend::kRef);
  ParamStore store(ctx, declared(), DType::kF32);
  for (const auto& e : store.entries()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(e.value.data()) % MemoryResource::kAlignment, 0u);
    const Tensor& block = e.spec.kind == ParamKind::kTrainable ? store.values() : store.buffers();
    EXPECT_GE(e.value.data(), block.data());
    EXPECT_LE(static_cast<std::byte*>(e.value.data()) + e.value.bytes(),
              static_cast<std::byte*>(block.data()) + block.bytes());
    EXPECT_EQ(e.grad.empty(), e.spec.kind == ParamKind::kBuffer);
    if (!e.grad.empty()) {
      EXPECT_EQ(
          static_cast<std::byte*>(e.grad.data()) - static_cast<std::byte*>(store.grads().data()),
          static_cast<std::byte*>(e.value.data()) - static_cast<std::byte*>(store.values().data()));
    }
  }
}

TEST(ParamStore, GapsHoldZeros) {
  Context ctx(Backend::kRef);
  ParamStore store(ctx, declared(), DType::kF32);
  store.initialise(ctx, 3);
  double flat = 0, entries = 0;
  for (std::int64_t i = 0; i < store.values().numel(); ++i) {
    flat += std::abs(testing::element(store.values(), i));
  }
  for (const auto& e : store.entries()) {
    if (e.spec.kind == ParamKind::kBuffer) continue;
    for (std::int64_t i = 0; i < e.value.numel(); ++i)
      entries += std::abs(testing::element(e.value, i));
  }
  EXPECT_NEAR(flat, entries, 1e-9);
}

TEST(ParamStore, RefusesTwoParametersOfOneName) {
  Context ctx(Backend::kRef);
  auto twice = declared();
  twice.push_back(twice[0]);
  EXPECT_THROW(ParamStore(ctx, twice, DType::kF32), Error);
}

TEST(ParamStore, VersionMovesWithEveryChange) {
  Context ctx(Backend::kRef);
  ParamStore store(ctx, declared(), DType::kF32);
  const auto first = store.version();
  EXPECT_NE(first, 0u);
  store.initialise(ctx, 3);
  EXPECT_GT(store.version(), first);
  const auto second = store.version();
  store.bump_version();
  EXPECT_GT(store.version(), second);
}

TEST(ParamStore, WorksWithoutBuffers) {
  Context ctx(Backend::kRef);
  ParamStore store(ctx, {{"w", {.name = "w", .shape = {3}, .init = Init::constant(2)}}},
                   DType::kF64);
  store.initialise(ctx, 1);
  EXPECT_EQ(store.buffers().numel(), 0);
  EXPECT_EQ(store.entry(0).value.ptr<double>()[2], 2);
}

TEST(ParamInit, IsAFunctionOfTheSeedAlone) {
  Context ctx(Backend::kRef);
  ParamStore a(ctx, declared(), DType::kF32), b(ctx, declared(), DType::kF32);
  a.initialise(ctx, 5);
  b.initialise(ctx, 5);
  EXPECT_TRUE(same_bits(a.values(), b.values()));
  b.initialise(ctx, 6);
  EXPECT_FALSE(same_bits(a.values(), b.values()));
}

TEST(ParamInit, SameNumbersInF64) {
  Context ctx(Backend::kRef);
  ParamStore a(ctx, declared(), DType::kF32), b(ctx, declared(), DType::kF64);
  a.initialise(ctx, 5);
  b.initialise(ctx, 5);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto id = static_cast<ParamId>(i);
    for (std::int64_t j = 0; j < a.entry(id).value.numel(); ++j) {
      EXPECT_EQ(testing::element(a.entry(id).value, j), testing::element(b.entry(id).value, j));
    }
  }
}

TEST(ParamInit, DrawsTheDeclaredDistributions) {
  Context ctx(Backend::kRef);
  const Conv2d conv({.in_channels = 16, .out_channels = 64, .kernel = 3});
  const Linear fc(100, 200);
  const BatchNorm2d bn(8);
  ParamStore store(ctx,
                   {{"conv", conv.params()[0]},
                    {"fc", fc.params()[0]},
                    {"gamma", bn.params()[0]},
                    {"beta", bn.params()[1]},
                    {"mean", bn.params()[2]},
                    {"var", bn.params()[3]}},
                   DType::kF64);
  store.initialise(ctx, 9);
  const Moments c = moments(store.entry(0).value), f = moments(store.entry(1).value);
  const double sigma = std::sqrt(2.0 / (64 * 9));  // fan out
  EXPECT_NEAR(c.mean, 0, 5 * sigma / std::sqrt(9216.0));
  EXPECT_NEAR(c.stddev, sigma, 0.04 * sigma);
  const double bound = 1 / std::sqrt(100.0);
  EXPECT_NEAR(f.stddev, bound / std::sqrt(3.0), 0.03 * bound);
  EXPECT_LE(f.largest, bound);
  EXPECT_GT(f.largest, 0.99 * bound);
  for (const auto& [id, value] : {std::pair{2, 1.0}, {3, 0.0}, {4, 0.0}, {5, 1.0}}) {
    EXPECT_EQ(moments(store.entry(id).value).mean, value);
    EXPECT_EQ(moments(store.entry(id).value).stddev, 0);
  }
}

TEST(ParamArchive, FiltersAreKCRSInTheArchive) {
  Context ctx(Backend::kRef);
  // Memory order (K,R,S,C): element = 1000 k + 100 r + 10 s + c.
  const ParamSpec spec{
      .name = "weight", .shape = {2, 3, 2, 4}, .init = {}, .order = ParamOrder::kFilterOhwi};
  Tensor w = Tensor::allocate(host_memory(), spec.shape);
  std::int64_t at = 0;
  for (int k = 0; k < 2; ++k)
    for (int r = 0; r < 3; ++r)
      for (int s = 0; s < 2; ++s)
        for (int c = 0; c < 4; ++c) {
          w.ptr<float>()[at++] = static_cast<float>(1000 * k + 100 * r + 10 * s + c);
        }
  Shape shape;
  const std::vector<float> archive = to_archive_order(ctx, spec, w, shape);
  EXPECT_EQ(shape, (Shape{2, 4, 3, 2}));
  at = 0;
  for (int k = 0; k < 2; ++k)
    for (int c = 0; c < 4; ++c)
      for (int r = 0; r < 3; ++r)
        for (int s = 0; s < 2; ++s) {
          EXPECT_EQ(archive[static_cast<std::size_t>(at++)],
                    static_cast<float>(1000 * k + 100 * r + 10 * s + c));
        }
}

TEST(ParamArchive, RoundTripChangesNoBit) {
  Context ctx(Backend::kRef);
  ParamStore a(ctx, declared(), DType::kF32), b(ctx, declared(), DType::kF32);
  a.initialise(ctx, 5);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto id = static_cast<ParamId>(i);
    Shape shape;
    const auto elements = to_archive_order(ctx, a.entry(id).spec, a.entry(id).value, shape);
    EXPECT_EQ(shape, archive_shape(a.entry(id).spec));
    Tensor to = b.entry(id).value;
    from_archive_order(ctx, b.entry(id).spec, elements.data(), to);
  }
  EXPECT_TRUE(same_bits(a.values(), b.values()));
  EXPECT_TRUE(same_bits(a.buffers(), b.buffers()));
}

TEST(ParamStore, WithoutGradientsHasHalfTheBytesOfTrainables) {
  Context ctx(Backend::kRef);
  ParamStore with(ctx, declared(), DType::kF32);
  ParamStore without(ctx, declared(), DType::kF32, Gradients::kNone);
  EXPECT_EQ(with.bytes() - without.bytes(), with.values().bytes());
  EXPECT_TRUE(without.entry(0).grad.empty());
  without.initialise(ctx, 3);
  with.initialise(ctx, 3);
  EXPECT_TRUE(same_bits(with.values(), without.values()));
}

}  // namespace
}  // namespace graft
