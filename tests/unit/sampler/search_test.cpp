// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A made-up validation accuracy: quadratic in the four knots, its optimum 1 at a random place.
class Quadratic {
 public:
  explicit Quadratic(std::uint64_t seed) : seed_(seed) {
    Philox rng({.seed = seed});
    for (double& v : optimum_) v = 0.1 + 0.8 * rng.uniform_double();
  }
  [[nodiscard]] double value(const Priority& priority) const {
    double out = 1;
    for (std::size_t i = 0; i < 4; ++i) out -= std::pow(priority.y()[i] - optimum_[i], 2);
    return out;
  }
  [[nodiscard]] double noisy(const Trial& trial) const {
    constexpr double kNoise = 0.002;
    Philox rng({.seed = seed_, .epoch = 1, .id = static_cast<std::uint64_t>(trial.id)});
    return value(trial.priority) + kNoise * rng.normal();
  }

 private:
  std::uint64_t seed_;
  std::array<double, 4> optimum_{};
};

SearchOptions options(std::int64_t trials, std::uint64_t seed = 1) {
  return {.space = {.levels = 0}, .trials = trials, .budget = 900, .seed = seed};
}

/// Runs up to `jobs` trials at a time, oldest first to finish, until nothing is left.
void run_to_the_end(Search& search, const Quadratic& objective, std::size_t jobs = 1) {
  std::vector<Trial> running;
  while (true) {
    while (running.size() < jobs) {
      const auto trial = search.suggest();
      if (!trial) break;
      running.push_back(*trial);
    }
    if (running.empty()) return;
    const Trial done = running.front();
    running.erase(running.begin());
    search.observe(done.id, done.budget, objective.noisy(done));
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

TEST(AdaptSB, A30_GaussianProcessReaches99PercentAndBeatsRandom) {
  constexpr std::uint64_t kSeeds = 20;
  std::vector<double> gp, random, gap;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Quadratic objective(seed);
    const auto reached = [&](const char* name) {
      const auto search = make_search(name, options(60, seed));
      run_to_the_end(*search, objective);
      return objective.value(search->best()->trial.priority);
    };
    gp.push_back(reached("gp"));
    random.push_back(reached("random"));
    gap.push_back(gp.back() - random.back());
    EXPECT_GE(gp.back(), 0.99) << "seed " << seed;
  }
  RecordProperty("gp_median", std::to_string(median(gp)));
  RecordProperty("random_median", std::to_string(median(random)));
  EXPECT_GT(median(gp), median(random));
  EXPECT_GT(median(gap), 0);
  EXPECT_LT(median(random), 0.99) << "the objective is too easy to tell anything";
}

TEST(Search, GaussianProcessReachesItWithFourTrialsAtATime) {
  std::vector<double> reached;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Quadratic objective(seed);
    const auto search = make_search("gp", options(60, seed));
    run_to_the_end(*search, objective, 4);
    reached.push_back(objective.value(search->best()->trial.priority));
  }
  EXPECT_GE(median(reached), 0.99);
}

TEST(Search, GaussianProcessFindsTheBestOfTheQuantisedFunctions) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Quadratic objective(seed);
    SearchOptions o = options(60, seed);
    o.space = {.max_normalised = true};
    const SearchSpace space(o.space);
    double largest = -1;
    for (const Point& point : space.grid()) {
      largest = std::max(largest, objective.value(space.at(point)));
    }
    const auto search = make_search("gp", o);
    run_to_the_end(*search, objective);
    EXPECT_GE(objective.value(search->best()->trial.priority), 0.99 * largest) << "seed " << seed;
  }
}

TEST(Search, ConcurrentSuggestionsDiffer) {
  SearchOptions o = options(30);
  o.space = {.max_normalised = true};
  const auto search = make_search("gp", o);
  const Quadratic objective(3);
  for (int i = 0; i < 12; ++i) {
    const Trial trial = *search->suggest();
    search->observe(trial.id, trial.budget, objective.noisy(trial));
  }
  std::set<std::string> texts;
  for (int i = 0; i < 6; ++i) texts.insert(search->suggest()->priority.text());
  EXPECT_EQ(texts.size(), 6U);
  EXPECT_EQ(search->running(), 6);
}

TEST(Search, ReplayOfAJournalGivesTheSameNextSuggestion) {
  for (const char* name : {"gp", "random", "asha"}) {
    const Quadratic objective(5);
    const auto live = make_search(name, options(40));
    std::vector<Trial> running;
    for (int step = 0; step < 30; ++step) {
      const auto replayed = make_search(name, options(40));
      const auto observed = live->observations();
      for (auto o = observed.rbegin(); o != observed.rend(); ++o) {  // in another order
        replayed->adopt({o->trial.id, Priority::parse(o->trial.priority.text()), o->trial.budget});
        replayed->observe(o->trial.id, o->trial.budget, o->objective);
      }
      for (const Trial& trial : running) replayed->adopt(trial);
      const auto wanted = live->suggest();
      ASSERT_EQ(replayed->suggest(), wanted) << name << " step " << step;
      if (wanted) running.push_back(*wanted);
      if (running.size() == 3) {
        const Trial done = running[1];
        running.erase(running.begin() + 1);
        live->observe(done.id, done.budget, objective.noisy(done));
      }
    }
  }
}

TEST(Search, SeedsDifferAndFirstComesFirst) {
  SearchOptions o = options(10);
  o.space = {};
  o.first = {Priority::parse("linear:0,1/0,1"), Priority::power(0)};
  const auto a = make_search("gp", o);
  EXPECT_EQ(a->suggest()->priority, Priority::linear({0, 0.5, 0.8, 1}, {0, 5. / 9, 7. / 9, 1}));
  EXPECT_EQ(a->suggest()->priority, Priority::linear({0, 0.5, 0.8, 1}, {1, 1, 1, 1}));
  o.seed = 2;
  const auto b = make_search("gp", o);
  (void)b->suggest();
  (void)b->suggest();
  EXPECT_NE(a->suggest()->priority, b->suggest()->priority);
}

TEST(Search, NothingIsTriedTwiceInASmallSpace) {
  constexpr std::int64_t kFunctions = 15;  // knots of 0 or 1, without 0 everywhere
  for (const char* name : {"random", "gp"}) {
    SearchOptions o = options(kFunctions);
    o.space = {.levels = 2, .max_normalised = true};
    o.first = {Priority::power(0)};
    const auto search = make_search(name, o);
    run_to_the_end(*search, Quadratic(3));
    std::set<std::string> tried;
    for (const auto& seen : search->observations()) tried.insert(seen.trial.priority.text());
    EXPECT_EQ(std::ssize(tried), kFunctions) << name;
  }
}

TEST(Search, AshaHalvesSuccessively) {
  SearchOptions o = options(27);
  const auto search = make_search("asha", o);
  const Quadratic objective(7);
  run_to_the_end(*search, objective);
  std::map<double, std::vector<Search::Observation>> rungs;
  double cost = 0;
  std::map<std::int64_t, double> spent;
  for (const auto& observation : search->observations()) {
    rungs[observation.trial.budget].push_back(observation);
    double& before = spent[observation.trial.id];
    cost += observation.trial.budget - before;
    before = observation.trial.budget;
  }
  ASSERT_EQ(rungs.size(), 3U);
  EXPECT_EQ(rungs[100].size(), 27U);
  // One at a time: a few go on before a better one has come.
  EXPECT_GE(rungs[300].size(), 9U);
  EXPECT_LE(rungs[300].size(), 13U);
  EXPECT_GE(rungs[900].size(), 3U);
  EXPECT_LE(rungs[900].size(), 6U);
  EXPECT_LT(cost, 0.45 * 27 * 900);
  EXPECT_EQ(search->best()->trial.budget, 900);
  EXPECT_EQ(search->suggest(), std::nullopt);
}

TEST(Search, ErrorsNameTheProblem) {
  EXPECT_THAT([] { (void)make_search("gpp", options(3)); },
              ThrowsMessage<Error>(AllOf(HasSubstr("'gpp'"), HasSubstr("gp, random, asha"))));
  for (const double budget : {0.0, -5.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(
        [=] {
          SearchOptions o = options(3);
          o.budget = budget;
          (void)make_search("gp", o);
        },
        ThrowsMessage<Error>(HasSubstr("above 0 cost units")));
  }
  EXPECT_THAT([] { (void)make_search("gp", options(0)); },
              ThrowsMessage<Error>(HasSubstr("trials must be in [1, 100000], got 0")));
  const auto search = make_search("random", options(3));
  EXPECT_THROW(search->observe(0, 900, 1), Error);
  const Trial trial = *search->suggest();
  EXPECT_THROW(search->observe(0, 900, std::nan("")), Error);
  EXPECT_THROW(search->adopt(trial), Error);
  search->observe(0, 900, 1);
  EXPECT_THROW(search->observe(0, 900, 1), Error);
}

}  // namespace
}  // namespace graft
