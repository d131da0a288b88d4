// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sampler/score/priority.h"
#include "sampler/search/search_space.h"

namespace graft {

/// One training that a search asks for.
struct Trial {
  std::int64_t id = 0;  ///< of the function; one that is trained further keeps its id
  Priority priority = Priority::power(2);
  double budget = 0;  ///< cost units since the trial's beginning, smaller budgets included

  bool operator==(const Trial&) const = default;
};

struct SearchOptions {
  SearchSpace::Options space;
  std::int64_t trials = 60;  ///< functions tried
  double budget = 0;         ///< cost units of a whole trial, above 0
  std::uint64_t seed = 1;
  std::vector<Priority> first =
      {};                  ///< tried before all others, e.g. the best of an earlier search
  std::int64_t rungs = 3;  ///< asha: budgets of a trial, the last of them `budget`
  std::int64_t eta = 3;    ///< asha: ratio of two budgets and of the trials that go on

  /// Throws Error(kUsage) naming the option, its value and its range.
  void check() const;
};

/// Proposes priority functions to try, given the objectives of those tried before; larger is
/// better. What it proposes depends on the options and on the sets of observed and of running
/// trials only, not on the order in which they came or on what ran in between: to take up a search
/// after a kill, adopt() every trial that was suggested and observe() those that have finished.
/// Randomness is keyed by (seed, trial id).
class Search {
 public:
  struct Observation {
    Trial trial;
    double objective = 0;
  };

  virtual ~Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  [[nodiscard]] virtual std::string_view name() const = 0;

  /// The next trial, which counts as running from now on. Nothing if there is none left, or none
  /// before a running one is observed.
  [[nodiscard]] std::optional<Trial> suggest();
  /// Counts `trial`, suggested by an earlier process, as running.
  void adopt(const Trial& trial);
  /// The running trial (id, budget) has finished. Throws Error(kInvalidArgument) if it does not
  /// run or if the objective is not finite.
  void observe(std::int64_t id, double budget, double objective);

  /// The trial with the largest objective among those of the largest budget observed.
  [[nodiscard]] std::optional<Observation> best() const;
  [[nodiscard]] std::int64_t running() const { return running_; }
  /// In the order of their ids and budgets.
  [[nodiscard]] std::vector<Observation> observations() const;

 protected:
  struct Entry {
    Priority priority;
    std::optional<double> objective;  ///< none while it runs
  };
  using Budgets = std::map<double, Entry>;  ///< of one function, by budget

  explicit Search(const SearchOptions& options);

  /// What suggest() returns; must depend on options and entries only.
  [[nodiscard]] virtual std::optional<Trial> next() const = 0;

  [[nodiscard]] const SearchOptions& options() const { return options_; }
  [[nodiscard]] const SearchSpace& space() const { return space_; }
  [[nodiscard]] const std::map<std::int64_t, Budgets>& entries() const { return entries_; }
  /// Id of the next function; options().trials when all have been tried.
  [[nodiscard]] std::int64_t next_id() const;
  /// Function `id` if nothing is known: one of options().first, then uniform over the unit cube,
  /// but for what was tried before: the same trial would give the same objective.
  [[nodiscard]] Priority blind(std::int64_t id) const;

 private:
  [[nodiscard]] bool tried(const Priority& priority) const;

  SearchOptions options_;
  SearchSpace space_;
  std::map<std::int64_t, Budgets> entries_;
  std::int64_t running_ = 0;
};

/// Makes the search called `name`: gp, random or asha. Throws Error(kUsage), with "did you mean".
[[nodiscard]] std::unique_ptr<Search> make_search(std::string_view name,
                                                  const SearchOptions& options);

}  // namespace graft
