// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace graft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMaxPriceSteps = 60;
// Charges are sums of price * use: beyond this they would hide losses behind rounding errors.
constexpr double kMaxCharge = 1e9, kRounding = 1e-14;

struct State {
  double loss = 0;
  Amounts use{};
  int parent = 0, item = 0;
};

/// Whether `a` is at least as good as `b` in everything but use[0], which the caller compares.
template <class T>
bool no_worse(const T& a, const T& b, std::size_t n_resources) {
  if (a.loss > b.loss) return false;
  for (std::size_t d = 1; d < n_resources; ++d) {
    if (a.use[d] > b.use[d]) return false;
  }
  return true;
}

/// Drops what something with no larger use[0] dominates; sorts by use[0].
template <class T>
void drop_dominated(std::vector<T>& all, std::size_t n_resources) {
  std::sort(all.begin(), all.end(), [](const T& a, const T& b) {
    return a.use[0] != b.use[0] ? a.use[0] < b.use[0] : a.loss < b.loss;
  });
  std::vector<T> kept;
  for (const T& x : all) {
    const bool dominated =
        n_resources == 1 ? !kept.empty() && kept.back().loss <= x.loss
                         : std::any_of(kept.begin(), kept.end(),
                                       [&](const T& k) { return no_worse(k, x, n_resources); });
    if (!dominated) kept.push_back(x);
  }
  all = std::move(kept);
}

class Knapsack {
 public:
  Knapsack(std::vector<KnapsackGroup> groups, std::size_t n_resources, const Amounts& capacity,
           const Amounts& prices, double below)
      : groups_(std::move(groups)),
        n_(n_resources),
        capacity_(capacity),
        prices_(prices),
        below_(below) {}

  std::optional<KnapsackSolution> solve() {
    for (KnapsackGroup& g : groups_) {
      if (g.empty()) return std::nullopt;
      drop_dominated(g, n_);
    }
    set_least_use();
    for (std::size_t d = 0; d < n_; ++d) {
      if (least_use_[0][d] > capacity_[d]) return std::nullopt;
    }
    if (!find_price()) return std::nullopt;
    return run();
  }

 private:
  struct Line {  // the charge of one selection as a function of the first price
    double at_zero = 0, slope = 0;
  };

  [[nodiscard]] double charge(const KnapsackItem& item) const {
    double sum = item.loss;
    for (std::size_t d = 0; d < n_; ++d) sum += prices_[d] * item.use[d];
    return sum;
  }

  /// Whether a selection of this Lagrangian bound, as far as rounding lets it be known, may win.
  [[nodiscard]] bool beats(double bound) const {
    double charged = 1;
    for (std::size_t d = 0; d < n_; ++d) charged += prices_[d] * capacity_[d];
    return bound < below_ + kRounding * charged;
  }

  void set_least_use() {
    least_use_.assign(groups_.size() + 1, Amounts{});
    for (std::size_t g = groups_.size(); g-- > 0;) {
      for (std::size_t d = 0; d < n_; ++d) {
        double least = kInfinity;
        for (const KnapsackItem& item : groups_[g]) least = std::min(least, item.use[d]);
        least_use_[g][d] = least_use_[g + 1][d] + least;
      }
    }
  }

  /// The cheapest selection at the first price `price`.
  Line evaluate(double price) {
    prices_[0] = price;
    Line line{0, -capacity_[0]};
    for (std::size_t d = 1; d < n_; ++d) line.at_zero -= prices_[d] * capacity_[d];
    for (const KnapsackGroup& g : groups_) {
      double best = kInfinity, use = 0;
      for (const KnapsackItem& item : g) {
        if (const double c = charge(item); c < best) best = c, use = item.use[0];
      }
      line.at_zero += best - price * use;
      line.slope += use;
    }
    return line;
  }

  /// Sets the price that maximises the Lagrangian bound; false if no selection can beat below_.
  bool find_price() {
    Line low = evaluate(0);
    if (low.slope <= 0) return beats(low.at_zero);
    Line high{0, 1};
    double price = 1 / std::max(capacity_[0], 1e-9);
    for (; high.slope > 0; price *= 8) {
      high = evaluate(price);
      if (!beats(high.at_zero + price * high.slope)) return false;
      if (price * std::max(capacity_[0], least_use_[0][0]) > kMaxCharge) {
        prices_[0] = 0;
        return true;
      }
      if (high.slope > 0) low = high;
    }
    double bound = -kInfinity, best_price = 0;
    for (int step = 0; step < kMaxPriceSteps; ++step) {
      price = (low.at_zero - high.at_zero) / (high.slope - low.slope);
      const double limit = low.at_zero + price * low.slope;
      const Line line = evaluate(price);
      const double value = line.at_zero + price * line.slope;
      if (value > bound) bound = value, best_price = price;
      if (!beats(value)) return false;
      if (value >= limit - 1e-12) break;
      (line.slope > 0 ? low : high) = line;
    }
    prices_[0] = best_price;
    return true;
  }

  /// Least charge of groups g, g+1, ..., less the price of all capacities.
  [[nodiscard]] std::vector<double> completions() const {
    std::vector<double> out(groups_.size() + 1, 0.0);
    for (std::size_t d = 0; d < n_; ++d) out.back() -= prices_[d] * capacity_[d];
    for (std::size_t g = groups_.size(); g-- > 0;) {
      double best = kInfinity;
      for (const KnapsackItem& item : groups_[g]) best = std::min(best, charge(item));
      out[g] = out[g + 1] + best;
    }
    return out;
  }

  [[nodiscard]] bool may_win(const State& s, std::size_t next, double completion) const {
    double lower = s.loss + completion;
    for (std::size_t d = 0; d < n_; ++d) {
      if (s.use[d] + least_use_[next][d] > capacity_[d]) return false;
      lower += prices_[d] * s.use[d];
    }
    return beats(lower);
  }

  std::optional<KnapsackSolution> run() {
    const std::vector<double> completion = completions();
    std::vector<std::vector<State>> layers{{State{}}};
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      std::vector<State> next;
      for (std::size_t p = 0; p < layers[g].size(); ++p) {
        for (std::size_t i = 0; i < groups_[g].size(); ++i) {
          State s = layers[g][p];
          s.loss += groups_[g][i].loss;
          for (std::size_t d = 0; d < n_; ++d) s.use[d] += groups_[g][i].use[d];
          s.parent = static_cast<int>(p);
          s.item = static_cast<int>(i);
          if (may_win(s, g + 1, completion[g + 1])) next.push_back(s);
        }
      }
      if (next.empty()) return std::nullopt;
      drop_dominated(next, n_);
      layers.push_back(std::move(next));
    }
    return trace(layers);
  }

  [[nodiscard]] std::optional<KnapsackSolution> trace(
      const std::vector<std::vector<State>>& layers) const {
    const auto& last = layers.back();
    std::size_t at = 0;
    for (std::size_t i = 1; i < last.size(); ++i) {
      if (last[i].loss < last[at].loss) at = i;
    }
    KnapsackSolution out{.loss = last[at].loss, .tags = std::vector<int>(groups_.size())};
    if (out.loss >= below_) return std::nullopt;
    for (std::size_t g = groups_.size(); g-- > 0;) {
      const State& s = layers[g + 1][at];
      out.tags[g] = groups_[g][static_cast<std::size_t>(s.item)].tag;
      at = static_cast<std::size_t>(s.parent);
    }
    return out;
  }

  std::vector<KnapsackGroup> groups_;
  std::size_t n_;
  Amounts capacity_, prices_;
  double below_;
  std::vector<Amounts> least_use_;  // [group]: the sum over that group and all later ones
};

}  // namespace

std::optional<KnapsackSolution> solve_knapsack(std::vector<KnapsackGroup> groups,
                                               std::size_t n_resources, const Amounts& capacity,
                                               const Amounts& prices, double below) {
  return Knapsack(std::move(groups), n_resources, capacity, prices, below).solve();
}

}  // namespace graft
