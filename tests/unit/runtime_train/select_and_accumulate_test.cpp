// SPDX-License-Identifier: Apache-2.0
// The loop with cached activations.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/api/rows.h"
#include "runtime/train/selective_step.h"
#include "tests/support/fails_with.h"
#include "tests/support/tensors.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft {
namespace {

using testing::bytes_of;
using testing::fails_with;
using testing::SmallRun;
using testing::SmallRunOptions;
using testing::state_of;

const Json kSelectHalf = {{"beta", 1}, {"prime_epochs", 0}};

/// An example as drawn in one epoch.
using Drawn = std::pair<std::int64_t, std::uint32_t>;

/// What passed through a loop.
struct Trace {
  std::vector<std::vector<Drawn>> selected, updates;  // by slice, by update
  std::vector<float> losses;                          // of all candidates
  std::vector<std::int64_t> candidates_at_update;
};

void observe(SmallRun& run, Trace& trace) {
  train::StepObserver observer;
  observer.on_select = [&trace](const train::Network::Rows& slice, std::span<const float> losses,
                                const Selection& selection) {
    auto& chosen = trace.selected.emplace_back();
    for (const auto row : selection.rows) {
      const auto i = static_cast<std::size_t>(row);
      chosen.emplace_back(slice.ids[i], slice.epochs[i]);
    }
    trace.losses.insert(trace.losses.end(), losses.begin(), losses.end());
  };
  observer.on_update = [&trace](const train::Network::Rows& batch, std::span<const float> losses,
                                double, const Counters& counters) {
    ASSERT_EQ(losses.size(), batch.ids.size());
    auto& trained = trace.updates.emplace_back();
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      trained.emplace_back(batch.ids[i], batch.epochs[i]);
    }
    trace.candidates_at_update.push_back(counters.candidates);
  };
  run.step().observe(std::move(observer));
}

Trace traced(SmallRun& run, int epochs) {
  Trace trace;
  observe(run, trace);
  for (int epoch = 0; epoch < epochs; ++epoch) run.run_epoch(epoch);
  run.step().observe({});
  return trace;
}

SmallRunOptions group_norm(CacheMode cache, const std::string& model = "resnet8") {
  return {.model = model,
          .norm = Norm::kGroup,
          .cache = cache,
          .sampler = "sb",
          .sampler_options = kSelectHalf};
}

double relative(const Tensor& a, const Tensor& b) {
  double gap = 0, size = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const auto x = static_cast<double>(a.ptr<const float>()[i]);
    const auto y = static_cast<double>(b.ptr<const float>()[i]);
    gap += (x - y) * (x - y);
    size += y * y;
  }
  return std::sqrt(gap / size);
}

TEST(SelectiveStep, ReuseMatchesMaskedOnRowSeparableNet) {
  for (const char* model : {"resnet8", "wrn-10-1:dropout=0.3"}) {
    SmallRunOptions o = group_norm(CacheMode::kReuse, model);
    o.lr = 0.01;
    SmallRun reuse(o);
    o.cache = CacheMode::kMasked;
    SmallRun masked(o);
    const Tensor start = reuse.network().params().values().clone(host_memory());
    const Trace got = traced(reuse, 1), want = traced(masked, 1);
    EXPECT_GE(want.updates.size(), 3U);
    EXPECT_EQ(got.selected, want.selected) << model;
    EXPECT_EQ(got.updates, want.updates) << model;
    EXPECT_EQ(reuse.counters(), masked.counters());
    const Tensor &a = reuse.network().params().values(), &b = masked.network().params().values();
    EXPECT_LE(relative(a, b), 1e-5) << model;
    EXPECT_GT(relative(start, b), 1e-3) << "nothing was learnt";
  }
}

TEST(SelectiveStep, ReuseRefusesBatchStatistics) {
  SmallRunOptions o = group_norm(CacheMode::kReuse);
  o.norm = Norm::kBatch;
  EXPECT_TRUE(fails_with(Errc::kUsage, {"--cache reuse", "layer3.0.bn2", "--cache-bn"},
                         [&] { SmallRun run(o); }));
  o.cache = CacheMode::kMasked;  // a full backward is exact for any layer
  SmallRun run(o);
  run.run_epoch(0);
  EXPECT_GT(run.counters().updates, 0);
}

TEST(SelectiveStep, ReuseTrainsThroughBatchNormWhenToldHow) {
  std::vector<std::string> ends;
  for (const RowSparseNorm norm :
       {RowSparseNorm::kB1p, RowSparseNorm::kB2, RowSparseNorm::kB2Prime}) {
    SmallRunOptions o = group_norm(CacheMode::kReuse);
    o.norm = Norm::kBatch;
    o.row_sparse_norm = norm;
    SmallRun run(o);
    (void)traced(run, 1);
    EXPECT_GT(run.counters().updates, 3);
    for (const auto& e : run.network().params().entries()) {
      for (std::int64_t i = 0; i < e.value.numel(); ++i) {
        ASSERT_TRUE(std::isfinite(e.value.ptr<float>()[i])) << name(norm) << " " << e.name;
      }
    }
    ends.push_back(state_of(run.network()));
  }
  EXPECT_FALSE(ends[0] == ends[1] || ends[1] == ends[2] || ends[0] == ends[2]);
}

TEST(SelectiveBackprop, A11_ReusingEverythingIsTraditionalBitForBit) {
  // 32 is a power of two: dividing the sum by it is exact.
  const Json everything = {{"beta", 0}, {"p_min", 0}, {"prime_epochs", 0}};
  struct Case {
    Norm norm;
    CacheMode cache;
    RowSparseNorm row_sparse_norm;
  };
  for (const Case& c : {Case{Norm::kGroup, CacheMode::kReuse, RowSparseNorm::kRefuse},
                        {Norm::kGroup, CacheMode::kMasked, RowSparseNorm::kRefuse},
                        {Norm::kBatch, CacheMode::kMasked, RowSparseNorm::kRefuse},
                        {Norm::kBatch, CacheMode::kReuse, RowSparseNorm::kB2}}) {
    SmallRun plain({.model = "resnet8", .norm = c.norm, .examples = 128});
    SmallRun cached({.model = "resnet8",
                     .norm = c.norm,
                     .cache = c.cache,
                     .row_sparse_norm = c.row_sparse_norm,
                     .sampler = "sb",
                     .sampler_options = everything,
                     .examples = 128});
    plain.run_epoch(0);
    cached.run_epoch(0);
    EXPECT_EQ(cached.counters().updates, 4);
    EXPECT_TRUE(state_of(cached.network()) == state_of(plain.network())) << name(c.cache);
  }
}

TEST(SelectAndAccumulate, UpdatesAtTheSliceThatFillsTheBatch) {
  SmallRunOptions o = group_norm(CacheMode::kReuse);
  o.select_batch = 20;
  SmallRun run(o);
  const Trace trace = traced(run, 2);
  std::vector<std::vector<Drawn>> want;
  std::vector<std::int64_t> candidates;
  std::vector<Drawn> pending;
  constexpr std::size_t kSlices = 15;  // of 20 in 300
  for (std::size_t s = 0; s < trace.selected.size(); ++s) {
    pending.insert(pending.end(), trace.selected[s].begin(), trace.selected[s].end());
    const bool last = s % kSlices == kSlices - 1;
    if (pending.size() >= 32 || (last && !pending.empty())) {
      want.push_back(std::exchange(pending, {}));
      candidates.push_back(static_cast<std::int64_t>(s + 1) * 20);
    }
  }
  ASSERT_EQ(trace.selected.size(), 2 * kSlices);
  EXPECT_EQ(trace.updates, want);
  EXPECT_EQ(trace.candidates_at_update, candidates);
  EXPECT_EQ(run.step().pending().examples, 0);
}

TEST(SelectiveBackprop, A19_CountersOfACachedRunFollowTheCostFormula) {
  for (const CacheMode cache : {CacheMode::kReuse, CacheMode::kMasked}) {
    SmallRunOptions o = group_norm(cache, "small_cnn");
    o.sampler_options = {{"beta", 2}};  // with a priming epoch
    SmallRun run(o);
    const Trace trace = traced(run, 3);
    std::int64_t trained = 0;
    for (const auto& update : trace.updates) trained += std::ssize(update);
    const Counters& c = run.counters();
    EXPECT_EQ(c.candidates, 900);
    EXPECT_EQ(c.forward_select, 600);
    EXPECT_EQ(c.forward_train, 300);  // priming takes everything without scoring it
    EXPECT_EQ(c.backprops, trained);
    EXPECT_EQ(c.updates, std::ssize(trace.updates));
    EXPECT_LT(trained, 900);
    EXPECT_EQ(cost_units(c), static_cast<double>(600 + 300 + 2 * trained));
  }
}

TEST(SelectAndAccumulate, EpochEndsAsTheSamplerSays) {
  const auto pending_after = [](const char* end, std::int64_t& selected, std::int64_t& trained) {
    SmallRunOptions o = group_norm(CacheMode::kReuse, "small_cnn");
    o.sampler_options["epoch_end"] = end;
    SmallRun run(o);
    const Trace trace = traced(run, 1);
    selected = trained = 0;
    for (const auto& s : trace.selected) selected += std::ssize(s);
    for (const auto& u : trace.updates) trained += std::ssize(u);
    return run.step().pending().examples;
  };
  std::int64_t selected = 0, trained = 0;
  for (const char* end : {"flush", "authors"}) {
    EXPECT_EQ(pending_after(end, selected, trained), 0) << end;
    EXPECT_EQ(trained, selected) << end;
  }
  const std::int64_t carried = pending_after("carry", selected, trained);
  EXPECT_GT(carried, 0);
  EXPECT_EQ(trained + carried, selected);
  EXPECT_EQ(pending_after("discard", selected, trained), 0);
  EXPECT_EQ(trained + carried, selected);
}

TEST(SelectiveBackprop, A18_CachedAndRecomputedDecideTheSame) {
  // At equal weights (rate 0), where training and evaluation mode are one function.
  std::vector<Trace> traces;
  for (const CacheMode cache : {CacheMode::kRecompute, CacheMode::kReuse, CacheMode::kMasked}) {
    SmallRunOptions o = group_norm(cache);
    o.lr = 0;
    SmallRun run(o);
    traces.push_back(traced(run, 1));
  }
  EXPECT_EQ(traces[0].selected.size(), 10U);
  for (std::size_t i = 1; i < traces.size(); ++i) {
    EXPECT_EQ(traces[i].selected, traces[0].selected);
    EXPECT_EQ(traces[i].losses, traces[0].losses);
  }
}

TEST(SelectiveBackprop, A18_CachedLoopIsDeterministic) {
  const auto run = [](int threads, int loader_threads) {
    SmallRunOptions o = group_norm(CacheMode::kReuse, "small_cnn");
    o.threads = threads;
    o.loader_threads = loader_threads;
    SmallRun small(o);
    const Trace trace = traced(small, 1);
    return std::pair(trace.selected, state_of(small.network()));
  };
  const auto one = run(1, 1);
  EXPECT_TRUE(run(1, 2) == one);
  EXPECT_EQ(run(2, 1).first, one.first);
}

TEST(SelectiveBackprop, A20_CachedForwardMovesTheStatisticsOnceASlice) {
  SmallRunOptions o = group_norm(CacheMode::kReuse);
  o.norm = Norm::kBatch;
  o.row_sparse_norm = RowSparseNorm::kB2;
  SmallRun run(o);
  run.start_epoch(0);
  std::string inside, before = bytes_of(run.network().params().buffers());
  train::StepObserver observer;
  observer.on_select = [&](const train::Network::Rows&, std::span<const float>, const Selection&) {
    inside = bytes_of(run.network().params().buffers());
  };
  run.step().observe(std::move(observer));
  int slices = 0;
  while (run.run_slice()) {
    EXPECT_FALSE(inside == before);  // the forward moved them
    before = bytes_of(run.network().params().buffers());
    EXPECT_TRUE(inside == before);  // backward and update did not
    ++slices;
  }
  EXPECT_EQ(slices, 10);
}

TEST(SelectAndAccumulate, StarvationIsAnError) {
  SmallRunOptions o = group_norm(CacheMode::kReuse, "small_cnn");
  o.sampler_options = {{"beta", 60}, {"p_min", 0}, {"prime_epochs", 0}, {"watchdog_batches", 2}};
  SmallRun run(o);
  EXPECT_TRUE(fails_with(Errc::kConfig, {"starved", "limit 64"}, [&] { run.run_epoch(0); }));
}

/// Scores even rows only, and takes fixed rows, one of them twice, with weights.
class FixedRows final : public Sampler {
 public:
  [[nodiscard]] std::string_view name() const override { return "fixed"; }
  [[nodiscard]] Json describe() const override { return {}; }
  void needs_selection_forward(const Candidates&, std::span<std::uint8_t> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % 2 == 0 ? 1 : 0;
  }
  Selection select(const Candidates& c) override {
    for (std::size_t i = 0; i < c.losses.size(); ++i) {
      EXPECT_EQ(std::isnan(c.losses[i]), i % 2 == 1) << i;
    }
    return {{0, 2, 2, 3, 5}, {1, 0.5F, 1.5F, 1, 2}, {}};
  }
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& s) override {
    EXPECT_EQ(s.losses.size(), ids.size());
    trained.insert(trained.end(), ids.begin(), ids.end());
  }
  std::vector<std::int64_t> trained;
};

TEST(SelectAndAccumulate, ForwardsOnlyWhatWasNotScoredAndKeepsWeights) {
  const SmallRunOptions o{.model = "resnet8", .norm = Norm::kGroup, .cache = CacheMode::kReuse};
  const LrPolicy lr(parse_lr_spec("fixed", {.base_lr = 0.1, .epochs = 1}), LrClock::kCandidates, 8);
  const Tensor x =
      testing::converted(testing::normal({8, 32, 32, 3}, 7), DType::kF32, host_memory());
  const Tensor y = testing::labels(8, 10, 8);
  const std::vector<std::int64_t> ids = {10, 11, 12, 13, 14, 15, 16, 17};
  const std::vector<std::uint32_t> epochs(8, 0);
  Context ctx(Backend::kCpu);
  const auto cached = testing::small_network(ctx, o), plain = testing::small_network(ctx, o);
  FixedRows sampler;
  train::SelectiveStep step(*cached, sampler, lr,
                            {.batch = 5, .select_batch = 8, .image = {1, 32, 32, 3}});
  step.run({x, y, ids, epochs}, false, 0);
  EXPECT_EQ(step.counters(), (Counters{8, 4, 2, 4, 1}));
  EXPECT_EQ(sampler.trained, (std::vector<std::int64_t>{10, 12, 13, 15}));

  const std::vector<std::int32_t> rows = {0, 2, 3, 5};
  Tensor some_x = Tensor::allocate(host_memory(), {4, 32, 32, 3});
  Tensor some_y = Tensor::allocate(host_memory(), {4}, DType::kI32);
  kernels::gather_rows(ctx, x, rows, some_x);
  kernels::gather_rows(ctx, y, rows, some_y);
  std::vector<float> losses(4);
  const std::vector<float> weights = {1.0F / 5, 2.0F / 5, 1.0F / 5, 2.0F / 5};
  train::TimeSplit time;
  (void)plain->step({some_x, some_y, std::span(ids).first(4), std::span(epochs).first(4)}, weights,
                    0.1, 1, {.losses = losses}, time);
  EXPECT_LE(relative(cached->params().grads(), plain->params().grads()), 1e-5);
  EXPECT_LE(relative(cached->params().values(), plain->params().values()), 1e-6);
}

}  // namespace
}  // namespace graft
