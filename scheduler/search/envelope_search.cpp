// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/envelope_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace graft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTie = 1e-12;

void take_minimum(std::vector<double>& row, const std::vector<double>& other) {
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = std::min(row[i], other[i]);
}

}  // namespace

EnvelopeSearch::EnvelopeSearch(const Problem& problem, std::vector<Resource> resources)
    : problem_(problem), resources_(std::move(resources)), rates_(problem.settings.rates) {
  for (const AppOptions& app : problem.apps) {
    for (const Option& o : app.options) {
      if (o.place.frozen > 0) levels_.push_back(o.place.frozen);
    }
  }
  std::sort(levels_.begin(), levels_.end());
  levels_.erase(std::unique(levels_.begin(), levels_.end()), levels_.end());
  const std::size_t cells = (levels_.size() + 1) * (rates_.size() + 1);
  stem_price_.resize(cells);
  exact_.resize(cells);
  within_.resize(cells);
  deeper_.resize(cells);
  current_.resize(levels_.size() + 1);
  path_.resize(levels_.size());
}

int EnvelopeSearch::level(int frozen) const {
  if (frozen == 0) return -1;
  return static_cast<int>(std::lower_bound(levels_.begin(), levels_.end(), frozen) -
                          levels_.begin());
}

int EnvelopeSearch::cap(double fps) const {
  return static_cast<int>(std::upper_bound(rates_.begin(), rates_.end(), fps) - rates_.begin());
}

Amounts EnvelopeSearch::stem_use(const Envelope& envelope) const {
  Amounts use{};
  int from = 0;
  for (std::size_t j = 0; j < envelope.size() && envelope[j] > 0; ++j) {
    for (std::size_t d = 0; d < resources_.size(); ++d) {
      use[d] += resources_[d].segment(from, levels_[j],
                                      rates_[static_cast<std::size_t>(envelope[j]) - 1]);
    }
    from = levels_[j];
  }
  return use;
}

void EnvelopeSearch::price_options() {
  const Row none(problem_.apps.size(), kInfinity);
  std::fill(exact_.begin(), exact_.end(), none);
  apart_ = none;
  for (std::size_t i = 0; i < problem_.apps.size(); ++i) {
    for (const Option& o : problem_.apps[i].options) {
      double charge = prices_.loss * o.loss;
      for (std::size_t d = 0; d < resources_.size(); ++d) {
        charge += prices_.resource[d] * resources_[d].branch(o.place);
      }
      const int at_level = level(o.place.frozen);
      double& cell = at_level < 0 ? apart_[i] : exact_[at(at_level, cap(o.place.fps))][i];
      cell = std::min(cell, charge);
    }
  }
}

void EnvelopeSearch::set_prices(const Prices& prices) {
  prices_ = prices;
  price_options();
  const Row none(problem_.apps.size(), kInfinity);
  const int n_levels = static_cast<int>(levels_.size()), n_caps = static_cast<int>(rates_.size());
  for (int c = 0; c <= n_caps; ++c) deeper_[at(n_levels, c)] = none;
  for (int j = n_levels - 1; j >= 0; --j) {
    const int from = j == 0 ? 0 : levels_[static_cast<std::size_t>(j) - 1];
    for (int c = 0; c <= n_caps; ++c) {
      Row& within = within_[at(j, c)];
      within = exact_[at(j, c)];
      if (c > 0) take_minimum(within, within_[at(j, c - 1)]);
      deeper_[at(j, c)] = within;
      take_minimum(deeper_[at(j, c)], deeper_[at(j + 1, c)]);
      double price = 0;
      for (std::size_t d = 0; c > 0 && d < resources_.size(); ++d) {
        price +=
            prices.resource[d] * resources_[d].segment(from, levels_[static_cast<std::size_t>(j)],
                                                       rates_[static_cast<std::size_t>(c) - 1]);
      }
      stem_price_[at(j, c)] = price;
    }
  }
}

double EnvelopeSearch::charge_on(const Envelope& envelope) const {
  Row lowest = apart_;
  double sum = 0;
  for (int j = 0; j < static_cast<int>(envelope.size()); ++j) {
    const int c = envelope[static_cast<std::size_t>(j)];
    if (c == 0) break;
    sum += stem_price_[at(j, c)];
    take_minimum(lowest, within_[at(j, c)]);
  }
  for (const double v : lowest) sum += v;
  return sum;
}

/// How much the application that uses exactly (level, cap) pays above its lowest charge, at least.
double EnvelopeSearch::least_regret(int level, int cap, const Row& lowest) const {
  const Row& exact = exact_[at(level, cap)];
  double least = kInfinity;
  for (std::size_t i = 0; i < lowest.size(); ++i) {
    if (exact[i] < kInfinity) least = std::min(least, exact[i] - lowest[i]);
  }
  return least;
}

double EnvelopeSearch::step_regrets(const Row& lowest) const {
  double sum = 0;
  for (const Step& s : steps_) sum += least_regret(s.level, s.cap, lowest);
  return sum;
}

/// Lower bound of every envelope that has `cap` > 0 at `level`, given what is above; `current` are
/// the cheapest options down to that level. Each step has a user of its own, so their regrets add
/// up; the step that ends `cap` is at this level or deeper.
double EnvelopeSearch::bound(int level, int cap, double stem, const Row& current) {
  lowest_ = current;
  take_minimum(lowest_, deeper_[at(level + 1, cap)]);
  double sum = stem;
  for (const double v : lowest_) sum += v;
  if (sum >= below_) return sum;
  sum += step_regrets(lowest_);
  if (sum >= below_) return sum;
  double open = kInfinity, stem_to_step = 0;
  for (int j = level; j < static_cast<int>(levels_.size()) && stem_to_step < open; ++j) {
    if (j > level) stem_to_step += stem_price_[at(j, cap)];
    open = std::min(open, stem_to_step + least_regret(j, cap, lowest_));
  }
  return sum + open;
}

/// The envelope that ends above `level`, the last cap being `cap` (0 if there is no stem).
void EnvelopeSearch::consider(int level, int cap, double stem) {
  const Row& current = current_[static_cast<std::size_t>(level)];
  double value = stem;
  for (const double v : current) value += v;
  if (value >= below_) return;
  if (cap > 0) value += least_regret(level - 1, cap, current);
  value += step_regrets(current);
  if (value >= below_ || value < from_) return;
  Envelope envelope = path_;
  std::fill(envelope.begin() + level, envelope.end(), 0);
  if (keep_best_) {
    best_ = {std::move(envelope), value};
    below_ = value - kTie;
  } else {
    out_->push_back({std::move(envelope), value});
  }
}

/// Levels above `level` are chosen, the last of them with `cap` (at the top: all rates).
void EnvelopeSearch::descend(int level, int cap, double stem) {
  consider(level, level == 0 ? 0 : cap, stem);
  if (level == static_cast<int>(levels_.size())) return;
  std::vector<std::pair<double, int>> children;  // bound, cap
  Row& next = current_[static_cast<std::size_t>(level) + 1];
  const auto choose = [&](int c) {
    next = current_[static_cast<std::size_t>(level)];
    take_minimum(next, within_[at(level, c)]);
    return stem + stem_price_[at(level, c)];
  };
  for (int c = cap; c >= 1; --c) {
    const bool step = level > 0 && c < cap;
    if (step) steps_.push_back({level - 1, cap});
    const double with_level = choose(c);
    const double lower = bound(level, c, with_level, next);
    if (lower < below_) children.emplace_back(lower, c);
    if (step) steps_.pop_back();
  }
  std::sort(children.begin(), children.end());
  for (const auto& [lower, c] : children) {
    if (lower >= below_) break;
    const bool step = level > 0 && c < cap;
    if (step) steps_.push_back({level - 1, cap});
    path_[static_cast<std::size_t>(level)] = c;
    descend(level + 1, c, choose(c));
    if (step) steps_.pop_back();
  }
}

PricedEnvelope EnvelopeSearch::minimum(const std::vector<Envelope>& known) {
  best_ = {};
  for (const Envelope& e : known) {
    if (const double value = charge_on(e); value < best_.value) best_ = {e, value};
  }
  from_ = -kInfinity;
  below_ = best_.value - kTie;
  keep_best_ = true;
  current_[0] = apart_;
  descend(0, static_cast<int>(rates_.size()), 0);
  return best_;
}

void EnvelopeSearch::list(double from, double below, std::vector<PricedEnvelope>& out) {
  from_ = from;
  below_ = below;
  keep_best_ = false;
  out_ = &out;
  current_[0] = apart_;
  descend(0, static_cast<int>(rates_.size()), 0);
}

}  // namespace graft
