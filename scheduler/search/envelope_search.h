// SPDX-License-Identifier: Apache-2.0
// Branch and bound over the rates of the shared stem. The rate at which a layer of the stem runs
// does not rise with its depth; once these rates are given, the applications are independent but
// for the bounds, and with a price on each bounded resource they are independent altogether.
// Source: spec/mainstream.md section 3.6.
#pragma once

#include <limits>
#include <vector>

#include "scheduler/search/problem.h"
#include "scheduler/search/resources.h"

namespace graft {

/// For each branch point above 0 in ascending order: how many of the problem's rates the stem that
/// leads to it allows, 0 if it is not built. Non-increasing.
using Envelope = std::vector<int>;

/// What a schedule is charged: `loss` times its loss, and a price for each resource.
struct Prices {
  double loss = 1;
  Amounts resource{};
};

struct PricedEnvelope {
  Envelope envelope;
  double value = std::numeric_limits<double>::infinity();
};

/// Searches the envelopes whose every step down is at a branch point and rate that some application
/// uses exactly: any schedule has such an envelope. Not thread-safe.
class EnvelopeSearch {
 public:
  EnvelopeSearch(const Problem& problem, std::vector<Resource> resources);

  [[nodiscard]] const std::vector<Resource>& resources() const { return resources_; }
  /// Position of a branch point among those above 0, or -1 for 0.
  [[nodiscard]] int level(int frozen) const;
  /// How many of the problem's rates are at most `fps`.
  [[nodiscard]] int cap(double fps) const;
  /// What the stem takes of each resource.
  [[nodiscard]] Amounts stem_use(const Envelope& envelope) const;

  void set_prices(const Prices& prices);
  /// Smallest charge of any schedule, and its envelope; infinite if an application has no option.
  /// `known` are envelopes to start from.
  [[nodiscard]] PricedEnvelope minimum(const std::vector<Envelope>& known);
  /// Appends all envelopes on which the smallest charge may be in [from, below).
  void list(double from, double below, std::vector<PricedEnvelope>& out);

 private:
  struct Step {
    int level, cap;
  };
  using Row = std::vector<double>;  // one value for each application

  [[nodiscard]] std::size_t at(int level, int cap) const {
    return static_cast<std::size_t>(level) * (rates_.size() + 1) + static_cast<std::size_t>(cap);
  }
  void descend(int level, int cap, double stem);
  void consider(int level, int cap, double stem);
  [[nodiscard]] double bound(int level, int cap, double stem, const Row& current);
  [[nodiscard]] double least_regret(int level, int cap, const Row& lowest) const;
  [[nodiscard]] double step_regrets(const Row& lowest) const;
  [[nodiscard]] double charge_on(const Envelope& envelope) const;
  void price_options();

  const Problem& problem_;
  std::vector<Resource> resources_;
  std::vector<int> levels_;    // branch points above 0
  std::vector<double> rates_;  // ascending
  Prices prices_;
  std::vector<double> stem_price_;  // [level][cap]: of the segment that ends at the level
  std::vector<Row> exact_;          // [level][cap]: options at that branch point and rate
  std::vector<Row> within_;         // [level][cap]: the cheapest there at that rate or a lower one
  std::vector<Row> deeper_;         // [level][cap]: the cheapest of within_ there or deeper
  Row apart_;                       // options that share nothing

  std::vector<Row> current_;  // [level]: the cheapest option above it
  Row lowest_;
  std::vector<Step> steps_;
  Envelope path_;
  double from_ = 0, below_ = 0;
  bool keep_best_ = false;
  PricedEnvelope best_;
  std::vector<PricedEnvelope>* out_ = nullptr;
};

}  // namespace graft
