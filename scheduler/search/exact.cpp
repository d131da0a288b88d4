// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/exact.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "scheduler/search/envelope_search.h"
#include "scheduler/search/knapsack.h"

namespace graft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kImprovement = 1e-10;  // of the total loss, that is worth another search
constexpr double kRounding = 1e-14;     // of what is charged
constexpr double kMaxCharge = 1e9;      // beyond it losses drown in rounding errors
constexpr double kFirstRound = 0.1,
                 kNextRounds = 3;  // shares of the gap that are listed first, then
constexpr double kMargin = 1e-6;   // share of a bound that such prices cannot resolve
constexpr int kMaxPriceSteps = 40;

class ExactSearch {
 public:
  explicit ExactSearch(const Problem& problem)
      : problem_(problem), search_(problem, resources_of(problem)) {
    for (const AppOptions& app : problem.apps) {
      double worst = 0;
      KnapsackGroup group;
      for (std::size_t o = 0; o < app.options.size(); ++o) {
        const Option& option = app.options[o];
        worst = std::max(worst, option.loss);
        KnapsackItem item{.loss = option.loss, .use = {}, .tag = static_cast<int>(o)};
        for (std::size_t d = 0; d < n_resources(); ++d) {
          item.use[d] = search_.resources()[d].branch(option.place);
        }
        group.push_back(item);
      }
      std::sort(group.begin(), group.end(), [](const KnapsackItem& a, const KnapsackItem& b) {
        return a.use[0] != b.use[0] ? a.use[0] < b.use[0] : a.loss < b.loss;
      });
      items_.push_back(std::move(group));
      worst_loss_ += worst;
    }
  }

  /// The best Lagrangian bound of the total loss; infinite if no schedule fits.
  double maximise_bound() {
    const int rounds = n_resources() == 1 ? 1 : 3;
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t d = 0; d < n_resources(); ++d) {
        if (!maximise_along(d)) return kInfinity;
      }
    }
    return bound_;
  }

  std::optional<Choice> solve() {
    if (maximise_bound() == kInfinity) return std::nullopt;
    prices_ = best_prices_;
    search_.set_prices(prices_);
    double from = -kInfinity;
    double to = bound_ + std::max(kImprovement, kFirstRound * (limit() - bound_));
    for (;;) {
      std::vector<PricedEnvelope> listed;
      const double below = std::min(to, limit() + rounding());
      search_.list(from - constant(), below - constant(), listed);
      std::sort(listed.begin(), listed.end(),
                [](const auto& a, const auto& b) { return a.value < b.value; });
      for (const PricedEnvelope& e : listed) {
        if (e.value + constant() >= limit() + rounding()) break;
        fill(e.envelope);
      }
      if (to >= limit() + rounding()) break;
      from = to;
      to = bound_ + kNextRounds * (to - bound_);
    }
    if (best_loss_ == kInfinity) return std::nullopt;
    return best_;
  }

 private:
  struct Line {  // the charge of one schedule as a function of one price
    double value = 0, slope = 0;
  };

  [[nodiscard]] std::size_t n_resources() const { return search_.resources().size(); }
  /// What a schedule must lose less than to be worth looking for.
  [[nodiscard]] double limit() const {
    return best_loss_ < kInfinity ? best_loss_ - kImprovement : worst_loss_ + 1;
  }
  /// Minus the price of all bounds: what the search does not add.
  [[nodiscard]] double constant() const {
    double sum = 0;
    for (std::size_t d = 0; d < n_resources(); ++d) {
      sum -= prices_.resource[d] * search_.resources()[d].bound;
    }
    return sum;
  }
  [[nodiscard]] double rounding() const { return kRounding * (1 - constant()); }

  /// The Lagrangian bound at the current prices; looks for a schedule on the envelope that it
  /// finds.
  PricedEnvelope evaluate() {
    search_.set_prices(prices_);
    PricedEnvelope found = search_.minimum(seen_);
    found.value += constant();
    if (found.value - rounding() > bound_) {
      bound_ = found.value - rounding();
      best_prices_ = prices_;
    }
    if (found.value < kInfinity) {
      seen_.push_back(found.envelope);
      fill(found.envelope);
    }
    return found;
  }

  /// As evaluate() at `price` of resource d, with the slope there.
  Line evaluate_along(std::size_t d, double price) {
    prices_.resource[d] = price;
    const PricedEnvelope found = evaluate();
    Line line{.value = found.value, .slope = 0};
    if (found.value == kInfinity) return line;
    line.slope = search_.stem_use(found.envelope)[d] - search_.resources()[d].bound;
    for (const KnapsackGroup& group : items_on(found.envelope)) {
      double best = kInfinity, use = 0;
      for (const KnapsackItem& item : group) {
        double charge = item.loss;
        for (std::size_t r = 0; r < n_resources(); ++r) {
          charge += prices_.resource[r] * item.use[r];
        }
        if (charge < best) best = charge, use = item.use[d];
      }
      line.slope += use;
    }
    return line;
  }

  /// Moves the price of resource d to where the bound is largest; false if it grows for ever.
  bool maximise_along(std::size_t d) {
    double at_low = 0, at_high = prices_.resource[d];
    const double capacity = search_.resources()[d].bound;
    Line low = evaluate_along(d, 0);
    if (low.slope <= 0) return low.value < kInfinity;
    if (at_high == 0) at_high = worst_loss_ / std::max(capacity, low.slope) + 1e-9;
    Line high = evaluate_along(d, at_high);
    while (high.slope > 0) {
      low = high;
      at_low = at_high;
      if (high.value > worst_loss_ + 1e-6) return false;
      if (at_high * (capacity + high.slope) > kMaxCharge) return high.slope <= kMargin * capacity;
      at_high *= 8;
      high = evaluate_along(d, at_high);
    }
    for (int step = 0; step < kMaxPriceSteps; ++step) {
      const double zero_low = low.value - at_low * low.slope;
      const double zero_high = high.value - at_high * high.slope;
      const double price = (zero_low - zero_high) / (high.slope - low.slope);
      const double most = zero_low + price * low.slope;
      const Line line = evaluate_along(d, price);
      if (line.value >= most - kImprovement - rounding() || best_loss_ - bound_ < kImprovement)
        break;
      (line.slope > 0 ? low : high) = line;
      (line.slope > 0 ? at_low : at_high) = price;
    }
    return true;
  }

  /// What each application may choose under the envelope.
  [[nodiscard]] std::vector<KnapsackGroup> items_on(const Envelope& envelope) const {
    std::vector<KnapsackGroup> groups(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      for (const KnapsackItem& item : items_[i]) {
        const Placement& p = problem_.apps[i].options[static_cast<std::size_t>(item.tag)].place;
        const int level = search_.level(p.frozen);
        if (level < 0 || search_.cap(p.fps) <= envelope[static_cast<std::size_t>(level)]) {
          groups[i].push_back(item);
        }
      }
    }
    return groups;
  }

  /// Keeps the best schedule on the envelope if it beats what is known.
  void fill(const Envelope& envelope) {
    Amounts capacity = search_.stem_use(envelope);
    for (std::size_t d = 0; d < n_resources(); ++d) {
      capacity[d] = search_.resources()[d].bound - capacity[d];
    }
    const auto found =
        solve_knapsack(items_on(envelope), n_resources(), capacity, prices_.resource, limit());
    if (!found) return;
    best_loss_ = found->loss;
    best_.clear();
    for (std::size_t i = 0; i < items_.size(); ++i) {
      best_.push_back(problem_.apps[i].options[static_cast<std::size_t>(found->tags[i])]);
    }
  }

  const Problem& problem_;
  EnvelopeSearch search_;
  std::vector<KnapsackGroup> items_;  // [application]: all its options
  double worst_loss_ = 0;
  Prices prices_, best_prices_;
  double bound_ = -kInfinity;
  std::vector<Envelope> seen_;
  Choice best_;
  double best_loss_ = kInfinity;
};

}  // namespace

std::optional<Choice> solve_exact(const Problem& problem) { return ExactSearch(problem).solve(); }

double loss_bound(const Problem& problem) { return ExactSearch(problem).maximise_bound(); }

Choice cheapest(const Problem& problem, std::size_t resource) {
  EnvelopeSearch search(problem, resources_of(problem));
  Prices prices{.loss = 0, .resource = {}};
  prices.resource[resource] = 1;
  search.set_prices(prices);
  const Envelope envelope = search.minimum({}).envelope;
  const Resource& r = search.resources()[resource];
  Choice out;
  for (const AppOptions& app : problem.apps) {
    const Option* best = nullptr;
    for (const Option& o : app.options) {
      const int level = search.level(o.place.frozen);
      if (level >= 0 && search.cap(o.place.fps) > envelope[static_cast<std::size_t>(level)])
        continue;
      if (best == nullptr || r.branch(o.place) < r.branch(best->place)) best = &o;
    }
    out.push_back(*best);
  }
  return out;
}

}  // namespace graft
