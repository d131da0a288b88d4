// SPDX-License-Identifier: Apache-2.0
// Acceptance tests A37 to A39 of the specification's section 7.6 on whole networks.
#include "graph/exec/activation_cache.h"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/device/memory.h"
#include "graph/plan/fuse.h"
#include "graph/plan/scale_invariant.h"
#include "kernels/api/rows.h"
#include "layers/optim/optimizer.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::Contains;
using testing::difference;
using ::testing::HasSubstr;
using testing::Net;
using testing::NetOptions;
using testing::same_bits;
using testing::zoo_graph;
using Rows = std::vector<std::int32_t>;

const Rows kChosen = {1, 2, 5};

Tensor copy_of(const Tensor& t) { return t.clone(host_memory()); }

/// |a - b| / |b| over all elements.
double relative(const Tensor& a, const Tensor& b) {
  double gap = 0, size = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double d = testing::element(a, i) - testing::element(b, i);
    gap += d * d;
    size += testing::element(b, i) * testing::element(b, i);
  }
  return std::sqrt(gap / size);
}

/// Gradient from a tape of six examples compacted to kChosen.
Tensor compacted(const Graph& g, NetOptions o) {
  o.tape = Tape::kCompactable;
  Net net(g, o);
  net.forward_and_select();
  net.backward_rows(kChosen);
  return copy_of(net.params.grads());
}

/// From a dense backward in which the other losses weigh nothing.
Tensor masked(const Graph& g, const NetOptions& o) {
  Net net(g, o);
  for (std::int64_t n = 0; n < o.batch; ++n) {
    if (::testing::Matches(Contains(n))(kChosen)) continue;
    std::memset(net.weight.rows(n, 1).data(), 0, net.weight.rows(n, 1).bytes());
  }
  net.forward(Phase::kTrain);
  net.backward();
  return copy_of(net.params.grads());
}

/// From a second forward, of the chosen examples alone.
Tensor reforwarded(const Graph& g, const NetOptions& o) {
  Net net(g, o);
  for (std::size_t i = 0; i < kChosen.size(); ++i) {
    const std::int64_t r = kChosen[i], to = static_cast<std::int64_t>(i);
    for (Tensor* t : {&net.image, &net.label, &net.weight}) {
      std::memcpy(t->rows(to, 1).data(), t->rows(r, 1).data(), t->rows(r, 1).bytes());
    }
    net.examples[i] = net.examples[static_cast<std::size_t>(r)];
  }
  net.bind_rows(0, std::ssize(kChosen));
  net.forward(Phase::kTrain);
  net.backward();
  return copy_of(net.params.grads());
}

struct NetCase {
  const char* model;
  Norm norm;
};
void PrintTo(const NetCase& c, std::ostream* out) { *out << c.model; }

class ActivationCacheOf : public ::testing::TestWithParam<NetCase> {};

TEST_P(ActivationCacheOf, A37_CompactedTapeIsReforwardIsMaskedBackward) {
  const Graph small = zoo_graph(GetParam().model, 8, GetParam().norm);
  const Graph plain = zoo_graph(GetParam().model, 16, GetParam().norm);
  const NetOptions exact{.batch = 6};
  const Tensor want = reforwarded(small, exact);
  EXPECT_LE(relative(compacted(small, exact), want), 1e-12);
  EXPECT_LE(relative(masked(small, exact), want), 1e-12);
  for (const Graph& g : {plain, fuse(plain)}) {
    for (const int threads : {1, 2}) {
      const NetOptions fast{
          .backend = Backend::kCpu, .threads = threads, .dtype = DType::kF32, .batch = 6};
      const Tensor again = reforwarded(g, fast);
      EXPECT_LE(relative(compacted(g, fast), again), 1e-5);
      EXPECT_LE(relative(masked(g, fast), again), 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(RowSeparable, ActivationCacheOf,
                         ::testing::Values(NetCase{"resnet8", Norm::kGroup},
                                           NetCase{"resnet8:shortcut=B", Norm::kGroup},
                                           NetCase{"small_cnn", Norm::kGroup},
                                           NetCase{"wrn-10-1:dropout=0.4", Norm::kGroup},
                                           NetCase{"densenet-bc-10-4", Norm::kGroup},
                                           NetCase{"mobilenet_v2:width=0.25", Norm::kGroup}),
                         [](const auto& test) {
                           return testing::test_name(test.param.model, test.param.norm);
                         });

TEST(ActivationCache, CompactedOutputsAreTheRowsOfAll) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Net net(fuse(zoo_graph("resnet8", 16, Norm::kGroup)),
            {.backend = backend, .dtype = DType::kF32, .batch = 6, .tape = Tape::kCompactable});
    net.forward(Phase::kTrain);
    const Tensor logits = net.output("logits");
    const ValueId loss = net.executor.graph().output("loss");
    const Tensor correct = copy_of(net.executor.saved(loss, "correct"));
    const Tensor image = copy_of(net.image);
    net.executor.compact(kChosen);
    ASSERT_EQ(net.output("logits").shape()[0], 3);
    for (std::size_t i = 0; i < kChosen.size(); ++i) {
      const auto to = static_cast<std::int64_t>(i);
      EXPECT_TRUE(same_bits(net.output("logits").rows(to, 1), logits.rows(kChosen[i], 1)));
      EXPECT_TRUE(
          same_bits(net.executor.saved(loss, "correct").rows(to, 1), correct.rows(kChosen[i], 1)));
      const Tensor kept = net.executor.value(net.executor.graph().find("image"));
      EXPECT_TRUE(same_bits(kept.rows(to, 1), image.rows(kChosen[i], 1)));
    }
    EXPECT_TRUE(same_bits(net.image, image)) << "the caller's memory was written";
  }
}

TEST(ActivationCache, CallersInputsMayChangeAfterwards) {
  const Graph g = fuse(zoo_graph("resnet8", 8, Norm::kGroup));
  const NetOptions o{.batch = 6, .tape = Tape::kCompactable};
  const Tensor want = compacted(g, o);
  Net net(g, o);
  net.forward_and_select();
  net.executor.compact(kChosen);
  testing::poison(net.image);
  Tensor chosen = Tensor::allocate(host_memory(), {3}, DType::kF64);
  kernels::gather_rows(net.ctx, net.weight, kChosen, chosen);
  net.executor.backward(chosen);
  EXPECT_TRUE(same_bits(net.params.grads(), want));
}

TEST(ActivationCache, AllRowsAreTheOrdinaryBackward) {
  // Also through batch norm, and whatever stands in for its statistics otherwise.
  const Graph g = fuse(zoo_graph("resnet8", 8));
  Net net(g, {.tape = Tape::kCompactable, .row_sparse_norm = RowSparseNorm::kB1p}), plain(g);
  net.forward_and_select();
  net.backward_rows({0, 1, 2, 3});
  plain.forward(Phase::kTrain);
  plain.backward();
  EXPECT_TRUE(same_bits(net.params.grads(), plain.params.grads()));
}

TEST(ActivationCache, SelectsFromTheTrainingForward) {
  Net net(zoo_graph("wrn-10-1:dropout=0.5", 8, Norm::kGroup));
  std::vector<float> seen;
  net.executor.set_policy("sampler", [&](std::span<const float> losses) {
    seen.assign(losses.begin(), losses.end());
    return RowSelection{{2}, {1}};
  });
  net.forward_and_select();
  const Tensor loss = net.output("loss");
  ASSERT_EQ(seen.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(seen[i], static_cast<float>(loss.ptr<double>()[i]));
  }
  net.forward(Phase::kEval);
  EXPECT_FALSE(same_bits(net.output("loss"), loss)) << "dropout was off";
}

template <class F>
std::string failure(Errc code, F&& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code);
    return e.what();
  }
  return "accepted";
}

TEST(ActivationCache, A39_TapeIsRefusedAfterAnUpdate) {
  Net net(zoo_graph("resnet8", 8, Norm::kGroup), {.tape = Tape::kCompactable});
  Optimizer optimizer(net.ctx, {}, net.params);
  net.forward_and_select();
  optimizer.step(net.ctx, 0.1, 1);
  const Tensor grads = copy_of(net.params.grads());
  EXPECT_THAT(failure(Errc::kInternal,
                      [&] {
                        net.executor.compact(Rows{0, 2});
                      }),
              HasSubstr("parameter version"));
  EXPECT_THAT(failure(Errc::kInternal, [&] { net.backward(); }), HasSubstr("parameter version"));
  EXPECT_TRUE(same_bits(net.params.grads(), grads));

  net.forward_and_select();  // also when the update comes between the two
  net.executor.compact(Rows{0, 2, 3});
  optimizer.step(net.ctx, 0.1, 2);
  EXPECT_THAT(failure(Errc::kInternal, [&] { net.executor.backward(net.weight.rows(0, 3)); }),
              HasSubstr("parameter version"));
}

TEST(ActivationCache, A39_TapeServesOneBackward) {
  Net net(zoo_graph("resnet8", 8, Norm::kGroup), {.tape = Tape::kCompactable});
  net.forward_and_select();
  net.backward_rows({0, 2});
  EXPECT_THAT(failure(Errc::kInternal, [&] { net.executor.backward(net.weight.rows(0, 2)); }),
              HasSubstr("consumed"));
  EXPECT_THAT(failure(Errc::kInternal, [&] { net.executor.compact(Rows{0}); }),
              HasSubstr("consumed"));
  net.forward(Phase::kEval);
  EXPECT_THAT(failure(Errc::kInvalidArgument, [&] { net.executor.compact(Rows{0}); }),
              HasSubstr("training forward first"));
}

TEST(ActivationCache, RefusesBatchStatisticsByName) {
  Net net(fuse(zoo_graph("resnet8", 8)), {.tape = Tape::kCompactable});
  net.forward_and_select();
  EXPECT_THAT(failure(Errc::kInvalidArgument, [&] { net.executor.compact(Rows{0}); }),
              HasSubstr("layer3.0.bn2"));
}

TEST(ActivationCache, RefusesRowsThatCannotBe) {
  Net net(zoo_graph("small_cnn", 8, Norm::kGroup), {.tape = Tape::kCompactable});
  net.forward_and_select();
  for (const Rows& rows : {Rows{}, Rows{2, 1}, Rows{1, 1}, Rows{3, 4}}) {
    EXPECT_NE(failure(Errc::kInvalidArgument, [&] { net.executor.compact(rows); }), "accepted");
  }
  Net whole(zoo_graph("small_cnn", 8));
  whole.forward_and_select();
  EXPECT_THAT(failure(Errc::kInvalidArgument, [&] { whole.executor.compact(Rows{1}); }),
              HasSubstr("not planned"));
}

TEST(ActivationCache, FrozenBatchNormDoesNotCoupleRows) {
  // Spec 4.3: constant statistics are row separable.
  Graph g = zoo_graph("resnet8", 8);
  g.freeze(g.find("avgpool"));
  const NetOptions o{.batch = 6};
  EXPECT_LE(relative(compacted(g, o), reforwarded(g, o)), 1e-12);
}

TEST(ActivationCache, WarmStepsAllocateNothing) {
  StatsResource stats(host_memory());
  Net net(fuse(zoo_graph("resnet8", 16, Norm::kGroup)), {.backend = Backend::kCpu,
                                                         .dtype = DType::kF32,
                                                         .tape = Tape::kCompactable,
                                                         .memory = &stats});
  const auto step = [&](std::span<const std::int32_t> rows) {
    net.forward_and_select();
    net.executor.compact(rows);
    net.executor.backward(net.weight.rows(0, std::ssize(rows)));
  };
  const Rows two = {0, 2}, three = {1, 2, 3};
  step(two), step(three);
  const std::int64_t before = stats.allocations();
  step(two), step(three);
  EXPECT_EQ(stats.allocations(), before);
}

TEST(ActivationCache, WritesOnlyWhereItMay) {
  GuardResource guard(host_memory());
  {
    Net net(fuse(zoo_graph("resnet8", 16, Norm::kGroup)), {.backend = Backend::kCpu,
                                                           .dtype = DType::kF32,
                                                           .tape = Tape::kCompactable,
                                                           .memory = &guard});
    net.forward_and_select();
    net.backward_rows({0, 2, 3});
  }
  EXPECT_TRUE(guard.intact());
}

TEST(TapeBytes, AreOfWhatBackwardReads) {
  const Graph g = zoo_graph("small_cnn", 8);
  const auto whole = plan_training(g, g.output("loss"), 4, DType::kF32);
  const auto kept = plan_training(g, g.output("loss"), 4, DType::kF32, Tape::kCompactable);
  // Rows of the two inputs: 8*8*3 floats and a label.
  EXPECT_EQ(tape_bytes(kept), tape_bytes(whole) + 4 * (8 * 8 * 3 * 4 + 4));
  EXPECT_LE(tape_bytes(kept), kept.memory.bytes);
  EXPECT_EQ(tape_bytes(plan_forward(g, 4, DType::kF32)), 4 * (5 * 4 + 4 + 1));  // the outputs
}

TEST(ScaleInvariantFilters, AreThoseBeforeBatchNorms) {
  const auto names = scale_invariant_filters(fuse(zoo_graph("resnet8", 8)));
  EXPECT_EQ(names.size(), 7U);
  EXPECT_THAT(names, Contains("conv1.weight"));
  EXPECT_THAT(names, Contains("layer2.0.conv1.weight"));
  EXPECT_TRUE(scale_invariant_filters(zoo_graph("resnet8", 8, Norm::kGroup)).empty());
  // Pre-activation: the sums that the norms read are no convolution's output.
  EXPECT_THAT(scale_invariant_filters(fuse(zoo_graph("wrn-10-1", 8))),
              ::testing::Not(Contains("conv1.weight")));
}

/// Largest |<w, g>| / (|w| |g|) of a filter before a batch norm.
double radial(Net& net) {
  double worst = 0;
  for (const std::string& name : scale_invariant_filters(net.executor.graph())) {
    const Tensor w = net.value(name), g = net.grad(name);
    for (std::int64_t k = 0; k < w.shape()[0]; ++k) {
      double wg = 0, ww = 0, gg = 0;
      for (std::int64_t i = 0; i < w.shape().row_numel(); ++i) {
        const double a = testing::element(w.rows(k, 1), i), b = testing::element(g.rows(k, 1), i);
        wg += a * b, ww += a * a, gg += b * b;
      }
      worst = std::max(worst, std::abs(wg) / std::sqrt(ww * gg));
    }
  }
  return worst;
}

TEST(ActivationCache, A38_RegressionKeepsGradientsOrthogonalToTheirFilters) {
  const Graph g = fuse(zoo_graph("resnet8", 16));
  const auto run = [&](RowSparseNorm norm, DType dtype) {
    auto net = std::make_unique<Net>(
        g, NetOptions{.backend = dtype == DType::kF64 ? Backend::kRef : Backend::kCpu,
                      .dtype = dtype,
                      .batch = 12,
                      .tape = Tape::kCompactable,
                      .row_sparse_norm = norm});
    net->forward_and_select();
    net->backward_rows({0, 3, 4, 7, 11});
    return net;
  };
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    EXPECT_LT(radial(*run(RowSparseNorm::kB2, dtype)), 1e-5);
    EXPECT_GT(radial(*run(RowSparseNorm::kB2Prime, dtype)), 1e-4);
    const auto b1 = run(RowSparseNorm::kB1p, dtype);
    EXPECT_GT(radial(*b1), 1e-2);
    for (const std::string& name : scale_invariant_filters(g)) {
      Tensor grad = b1->grad(name);
      kernels::project_out_rows(b1->ctx, b1->value(name), grad);
    }
    EXPECT_LT(radial(*b1), 1e-5);
  }
}

TEST(ActivationCache, A38_VariantsAreCloseToTheExactGradientAndNotIt) {
  const Graph g = fuse(zoo_graph("resnet8", 8));
  const Tensor exact = masked(g, {.batch = 6});
  for (const RowSparseNorm norm :
       {RowSparseNorm::kB1p, RowSparseNorm::kB2, RowSparseNorm::kB2Prime}) {
    const double gap = relative(compacted(g, {.batch = 6, .row_sparse_norm = norm}), exact);
    EXPECT_GT(gap, 1e-3) << name(norm);
    EXPECT_LT(gap, 1.5) << name(norm);
  }
}

TEST(CacheMode, NamesAreParsedAndListed) {
  for (const CacheMode m : {CacheMode::kRecompute, CacheMode::kReuse, CacheMode::kMasked}) {
    EXPECT_EQ(parse_cache_mode(std::string(name(m))), m);
  }
  for (const RowSparseNorm n :
       {RowSparseNorm::kRefuse, RowSparseNorm::kB1p, RowSparseNorm::kB2, RowSparseNorm::kB2Prime}) {
    EXPECT_EQ(parse_row_sparse_norm(std::string(name(n))), n);
  }
  EXPECT_THAT(failure(Errc::kUsage, [] { (void)parse_cache_mode("keep"); }),
              HasSubstr("recompute, reuse, masked"));
}

}  // namespace
}  // namespace graft
