// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "engine/io/json.h"
#include "runtime/train/train_options.h"
#include "sampler/search/search.h"

namespace graft::adapt {

using train::Scope;

/// Everything `graft adapt` can be told beside the options of its trials, which are graft train's.
/// Scope::kRun: must agree between a search and its resume.
struct AdaptOptions {
  std::int64_t trials = 60;
  double trial_cost = 0;
  std::string search = "gp";
  std::string space = "knots";
  std::int64_t levels = 10;
  bool max_normalised = true;
  std::string first;
  std::int64_t rungs = 3;
  std::int64_t eta = 3;
  std::uint64_t search_seed = 1;
  std::string from;
  int jobs = 1;

  /// Calls v(name, field, scope, help) for every option.
  template <class V>
  void visit(V&& v) {
    v("trials", trials, Scope::kLocal, "priority functions to try; a resume may ask for more");
    v("trial_cost", trial_cost, Scope::kRun,
      "cost units of one trial; a unit is one training forward of one example");
    v("search", search, Scope::kRun, "gp (Gaussian process), random or asha (early stopping)");
    v("space", space, Scope::kRun, "knots (at 0, 0.5, 0.8, 1), monotone, beta or betacdf");
    v("levels", levels, Scope::kRun, "values that a coordinate takes; 0: all");
    v("max_normalised", max_normalised, Scope::kRun, "only functions whose maximum is 1");
    v("first", first, Scope::kRun,
      "priority functions tried before all others, ';' between them, e.g. 'power:2;power:0'");
    v("rungs", rungs, Scope::kRun, "asha: budgets of a trial, the last of them trial-cost");
    v("eta", eta, Scope::kRun, "asha: ratio of two budgets and of the trials that go on");
    v("search_seed", search_seed, Scope::kRun, "of the search; --seed is that of the trials");
    v("from", from, Scope::kRun, "run directory whose last weights every trial starts from");
    v("jobs", jobs, Scope::kLocal, "trials at a time, each in a process of its own");
  }

  /// Throws Error(kUsage) naming option, value and range.
  [[nodiscard]] SearchOptions search_options() const;
  /// Options of scope kRun.
  [[nodiscard]] Json fingerprint() const;
};

}  // namespace graft::adapt
