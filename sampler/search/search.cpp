// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "engine/core/text.h"
#include "sampler/search/asha_search.h"
#include "sampler/search/gp_search.h"
#include "sampler/search/random_search.h"

namespace graft {
namespace {

struct Maker {
  std::string_view name;
  std::unique_ptr<Search> (*make)(const SearchOptions& options);
};

template <class S>
std::unique_ptr<Search> make(const SearchOptions& options) {
  return std::make_unique<S>(options);
}

constexpr std::array kSearches = {
    Maker{"gp", make<GpSearch>},
    Maker{"random", make<RandomSearch>},
    Maker{"asha", make<AshaSearch>},
};

}  // namespace

void SearchOptions::check() const {
  constexpr std::int64_t kMaxTrials = 100'000, kMaxRungs = 20;
  const auto whole = [](const char* what, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value >= low && value <= high) return;
    fail(Errc::kUsage, "search: ", what, " must be in [", low, ", ", high, "], got ", value);
  };
  whole("trials", trials, 1, kMaxTrials);
  whole("rungs", rungs, 1, kMaxRungs);
  whole("eta", eta, 2, kMaxRungs);
  if (!(std::isfinite(budget) && budget > 0)) {
    fail(Errc::kUsage, "search: a trial's budget must be above 0 cost units, got ", budget);
  }
}

Search::Search(const SearchOptions& options) : options_(options), space_(options.space) {
  options.check();
  // What the space does not hold becomes the nearest that it does.
  for (Priority& priority : options_.first) priority = space_.at(space_.coordinates(priority));
}

std::optional<Trial> Search::suggest() {
  std::optional<Trial> trial = next();
  if (trial) adopt(*trial);
  return trial;
}

void Search::adopt(const Trial& trial) {
  const bool added =
      entries_[trial.id].try_emplace(trial.budget, Entry{trial.priority, std::nullopt}).second;
  GRAFT_CHECK(added, "trial ", trial.id, " with ", trial.budget, " cost units is there already");
  ++running_;
}

void Search::observe(std::int64_t id, double budget, double objective) {
  GRAFT_CHECK(std::isfinite(objective), "objective of trial ", id);
  const auto budgets = entries_.find(id);
  GRAFT_CHECK(budgets != entries_.end(), "no trial ", id);
  const auto entry = budgets->second.find(budget);
  GRAFT_CHECK(entry != budgets->second.end() && !entry->second.objective, "trial ", id, " with ",
              budget, " cost units does not run");
  entry->second.objective = objective;
  --running_;
}

std::vector<Search::Observation> Search::observations() const {
  std::vector<Observation> out;
  for (const auto& [id, budgets] : entries_) {
    for (const auto& [budget, entry] : budgets) {
      if (entry.objective) out.push_back({{id, entry.priority, budget}, *entry.objective});
    }
  }
  return out;
}

std::optional<Search::Observation> Search::best() const {
  std::optional<Observation> best;
  for (const Observation& o : observations()) {
    if (!best ||
        std::pair(o.trial.budget, o.objective) > std::pair(best->trial.budget, best->objective)) {
      best = o;
    }
  }
  return best;
}

std::int64_t Search::next_id() const {
  return entries_.empty() ? 0 : std::min(entries_.rbegin()->first + 1, options_.trials);
}

Priority Search::blind(std::int64_t id) const {
  if (id < std::ssize(options_.first)) return options_.first[static_cast<std::size_t>(id)];
  Philox rng({.seed = options_.seed,
              .purpose = RngPurpose::kSearch,
              .id = static_cast<std::uint64_t>(id)});
  constexpr int kDraws = 100;  // of a small space, whose functions may all have been tried
  Priority priority = Priority::power(0);
  for (int draw = 0; draw < kDraws; ++draw) {
    Point point(space_.dims());
    for (double& v : point) v = rng.uniform_double();
    priority = space_.at(point);
    if (!tried(priority)) break;
  }
  return priority;
}

bool Search::tried(const Priority& priority) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& function) {
    return function.second.begin()->second.priority == priority;
  });
}

std::unique_ptr<Search> make_search(std::string_view name, const SearchOptions& options) {
  std::vector<std::string> known;
  for (const Maker& maker : kSearches) {
    if (maker.name == name) return maker.make(options);
    known.emplace_back(maker.name);
  }
  fail(Errc::kUsage, "unknown search '", name, "', expects one of ", join(known, ", "),
       did_you_mean(name, known));
}

}  // namespace graft
