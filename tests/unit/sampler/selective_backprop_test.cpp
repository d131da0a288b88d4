// SPDX-License-Identifier: Apache-2.0
// Invariances, determinism, priming, state and costs of the policies.
#include "sampler/select/selective_backprop.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "sampler/score/cost.h"
#include "sampler/select/random.h"
#include "sampler/select/registry.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::binomial_sd;
using testing::kSigmas;
using testing::make_slice;
using testing::run_epoch;
using testing::Slice;

constexpr std::int64_t kSlice = 128;

SelectiveBackpropOptions options(double beta, std::int64_t prime_epochs) {
  SelectiveBackpropOptions o = SelectiveBackpropOptions::standard();
  o.priority = Priority::power(beta);
  o.p_min = 0;
  o.prime_epochs = prime_epochs;
  return o;
}

/// Ids selected in one epoch.
std::vector<std::int64_t> selected_ids(Sampler& sampler, std::uint64_t seed, std::uint32_t epoch,
                                       std::int64_t n, std::int64_t slice_size) {
  std::vector<std::int64_t> out;
  run_epoch(sampler, seed, epoch, n, slice_size, [&](const Slice& slice, const Selection& s) {
    for (const std::int32_t row : s.rows) out.push_back(slice.ids[static_cast<std::size_t>(row)]);
  });
  return out;
}

TEST(SelectiveBackprop, A07_DecisionsDependOnRanksOnly) {
  const std::int64_t n = 20 * kSlice;
  const auto run = [&](float (*transform)(float)) {
    SelectiveBackprop sb(options(2, 0));
    std::vector<Selection> out;
    for (std::int64_t first = 0; first < n; first += kSlice) {
      Slice slice = make_slice(1, 0, first, kSlice);
      for (std::size_t i = 0; i < slice.ids.size(); ++i) {
        // Distinct whole numbers in a scrambled order: every transform below keeps them distinct.
        slice.losses[i] = transform(static_cast<float>(slice.ids[i] * 1117 % n));
      }
      out.push_back(sb.select(slice.view()));
    }
    return out;
  };
  const auto plain = run([](float x) { return x; });
  for (const auto& other :
       {run([](float x) { return std::exp(x / 500); }), run([](float x) { return 8 * x - 1000; }),
        run([](float x) { return std::log1p(x) - 3; })}) {
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_EQ(other[i].rows, plain[i].rows);
      EXPECT_EQ(other[i].probability, plain[i].probability);
    }
  }
}

TEST(SelectiveBackprop, A18_SameSeedSameSequence) {
  for (const char* sampler : {"sb", "random", "traditional"}) {
    const auto a = make_sampler(sampler), b = make_sampler(sampler);
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
      EXPECT_EQ(selected_ids(*a, 5, epoch, 5000, kSlice), selected_ids(*b, 5, epoch, 5000, kSlice));
    }
  }
}

TEST(SelectiveBackprop, A18_DrawsDoNotDependOnTheSliceSize) {
  RandomSelection a(options(2, 0)), b(options(2, 0));  // no history: the draws are all there is
  EXPECT_EQ(selected_ids(a, 5, 0, 5000, 128), selected_ids(b, 5, 0, 5000, 300));
}

TEST(SelectiveBackprop, A18_SeedsOverlapAsIndependentDraws) {
  const std::int64_t n = 100000;
  for (const auto& [beta, want] : {std::pair{1., 2. / 3}, {2., 3. / 5}, {3., 4. / 7}}) {
    SelectiveBackprop a(options(beta, 0)), b(options(beta, 0));
    const auto first = selected_ids(a, 1, 0, n, kSlice), second = selected_ids(b, 2, 0, n, kSlice);
    std::vector<std::int64_t> both;
    std::set_intersection(first.begin(), first.end(), second.begin(), second.end(),
                          std::back_inserter(both));
    const auto of = static_cast<double>(first.size());
    // Ratio of two counts that share their noise: the binomial sd bounds it.
    EXPECT_NEAR(static_cast<double>(both.size()) / of, want, kSigmas * binomial_sd(want, of));
  }
}

TEST(SelectiveBackprop, PrimingSelectsEverything) {
  for (const bool feeds : {false, true}) {
    SelectiveBackpropOptions o = options(2, 1);
    o.prime_feeds_history = feeds;
    o.prime_forward = true;
    SelectiveBackprop sb(o);
    EXPECT_EQ(std::ssize(selected_ids(sb, 1, 0, 5000, kSlice)), 5000);
    EXPECT_EQ(sb.history().size(), feeds ? 1024 : 0);
    EXPECT_LT(std::ssize(selected_ids(sb, 1, 1, 5000, kSlice)), 2500);
  }
}

TEST(SelectiveBackprop, PrimingWithoutForwardsLearnsFromTrainingLosses) {
  SelectiveBackprop sb(options(2, 1));
  (void)sb.before_epoch({.epoch = 0, .examples = 3});
  const std::vector<std::int64_t> ids = {0, 1, 2};
  const std::vector<float> u = {0.1F, 0.5F, 0.999F}, losses = {3, 1, 2};
  EXPECT_EQ(sb.select({.ids = ids, .u_select = u}).rows, (std::vector<std::int32_t>{0, 1, 2}));
  sb.on_training_scores(ids, {.losses = losses});
  EXPECT_EQ(sb.history().values(), losses);
  (void)sb.before_epoch({.epoch = 1, .examples = 3});
  sb.on_training_scores(ids, {.losses = losses});
  EXPECT_EQ(sb.history().size(), 3);  // from now on the selection forwards feed it
}

TEST(SelectiveBackprop, AsksForTheForwardsItNeeds) {
  const std::vector<std::int64_t> ids = {4, 7, 1};
  std::vector<std::uint8_t> out(3, 2);
  make_sampler("traditional")->needs_selection_forward({.ids = ids}, out);
  EXPECT_EQ(out, (std::vector<std::uint8_t>{0, 0, 0}));
  for (const char* name : {"sb", "random"}) {
    const auto sampler = make_sampler(name);
    sampler->needs_selection_forward({.ids = ids}, out);
    EXPECT_EQ(out, (std::vector<std::uint8_t>{0, 0, 0})) << name << " primes";
    (void)sampler->before_epoch({.epoch = 1, .examples = 8});
    sampler->needs_selection_forward({.ids = ids}, out);
    EXPECT_EQ(out, (std::vector<std::uint8_t>{1, 1, 1})) << name;
    make_sampler(name, {{"preset", "paper"}})->needs_selection_forward({.ids = ids}, out);
    EXPECT_EQ(out, (std::vector<std::uint8_t>{1, 1, 1})) << name;
  }
}

TEST(SelectiveBackprop, NonFiniteLossIsNamed) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    SelectiveBackprop sb(options(2, 0));
    Slice slice = make_slice(1, 0, 700, kSlice);
    slice.losses[5] = bad;
    try {
      (void)sb.select(slice.view());
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::kNumerical);
      EXPECT_NE(std::string(error.what()).find("example 705"), std::string::npos) << error.what();
    }
    EXPECT_EQ(sb.history().size(), 0) << "a bad slice must leave no trace";
  }
}

TEST(SelectiveBackprop, SliceLongerThanTheWindowIsRefused) {
  SelectiveBackpropOptions o = options(2, 0);
  o.history = 100;
  SelectiveBackprop sb(o);
  EXPECT_THROW((void)sb.select(make_slice(1, 0, 0, kSlice).view()), Error);
}

TEST(SelectiveBackprop, RestoredStateGoesOnIdentically) {
  for (const char* sampler :
       {"sb", "random", "traditional", "stale", "predicted", "batchsb", "topk"}) {
    const auto original = make_sampler(sampler);
    (void)selected_ids(*original, 1, 0, 3000, kSlice);
    (void)selected_ids(*original, 1, 1, 1000, kSlice);
    const SamplerState saved = original->state();
    const auto copy = make_sampler(sampler);
    copy->restore({Json::parse(saved.meta.dump()), saved.arrays});
    // Mid-epoch: no before_epoch between saving and going on.
    const Slice next = make_slice(1, 1, 1000, kSlice);
    const Selection want = original->select(next.view()), got = copy->select(next.view());
    EXPECT_EQ(got.rows, want.rows) << sampler;
    EXPECT_EQ(got.probability, want.probability) << sampler;
  }
}

TEST(SelectiveBackprop, ForeignOrDamagedStateIsRefused) {
  const auto sb = make_sampler("sb");
  EXPECT_THROW(sb->restore(make_sampler("random")->state()), Error);
  SamplerState state = sb->state();
  state.arrays.clear();
  EXPECT_THROW(sb->restore(state), Error);
  state = sb->state();
  state.meta.erase("epoch");
  EXPECT_THROW(sb->restore(state), Error);
  state = sb->state();
  state.arrays["history"] = std::vector<float>(1025, 1.F);
  EXPECT_THROW(sb->restore(state), Error);
}

/// What a trainer would count over some epochs of n examples with batches of kSlice.
Counters count_run(Sampler& sampler, std::uint32_t epochs, std::int64_t n) {
  Counters counters;
  TrainQueue queue(sampler.queue_options(), kSlice);
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    run_epoch(sampler, 1, epoch, n, kSlice, [&](const Slice& slice, const Selection& s) {
      std::vector<std::uint8_t> forward(slice.ids.size());
      sampler.needs_selection_forward({.ids = slice.ids}, forward);
      counters.candidates += std::ssize(slice.ids);
      counters.forward_select += std::count(forward.begin(), forward.end(), 1);
      std::vector<QueuedExample> selected, batch;
      for (const std::int32_t row : s.rows) {
        selected.push_back({.id = slice.ids[static_cast<std::size_t>(row)], .epoch = epoch});
      }
      queue.push_slice(std::ssize(slice.ids), selected, slice.ids.back() == n - 1);
      while (queue.next(batch)) {
        counters.forward_train += std::ssize(batch);
        counters.backprops += std::ssize(batch);
        ++counters.updates;
      }
    });
  }
  return counters;
}

TEST(SelectiveBackprop, A19_CostUnitsFollowTheFormula) {
  const std::int64_t n = 5000, epochs = 4;
  const double a = 4, b = 2;
  const auto traditional = make_sampler("traditional");
  const Counters t = count_run(*traditional, epochs, n);
  EXPECT_EQ(
      t,
      (Counters{.candidates = 20000, .forward_train = 20000, .backprops = 20000, .updates = 160}));
  EXPECT_EQ(cost_units(t), 20000 * (1 + b));

  for (const char* preset : {"paper", "default"}) {
    const bool wasteful = std::string_view(preset) == "paper";  // scores what it takes anyway
    const auto policy = make_sampler("sb", {{"preset", preset}});
    const Counters c = count_run(*policy, epochs, n);
    EXPECT_EQ(c.candidates, n * epochs);
    EXPECT_EQ(c.forward_select, c.candidates - (wasteful ? 0 : n));
    EXPECT_EQ(c.forward_train, c.backprops);
    EXPECT_GT(c.backprops, n);  // primed epoch and a third of the others
    EXPECT_LT(c.backprops, n + (epochs - 1) * n / 2);
    // forwards / a + backprops (1 + b), in whole numbers.
    EXPECT_EQ(cost_units(c), static_cast<double>(c.forward_select + 3 * c.backprops));
    EXPECT_EQ(cost_units(c, {.select_speedup = a, .backward = b}),
              static_cast<double>(c.forward_select) / a + 3 * static_cast<double>(c.backprops));
  }
}

TEST(Counters, AddAndRoundTrip) {
  Counters c{
      .candidates = 1, .forward_select = 2, .forward_train = 3, .backprops = 4, .updates = 5};
  EXPECT_EQ(Json::parse(Json(c).dump()).get<Counters>(), c);
  c += c;
  EXPECT_EQ(c, (Counters{2, 4, 6, 8, 10}));
  EXPECT_THROW((void)Json({{"candidates", 1}}).get<Counters>(), Json::exception);
}

}  // namespace
}  // namespace graft
