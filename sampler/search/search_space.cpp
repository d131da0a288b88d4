// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/search_space.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft {
namespace {

using Kind = SearchSpace::Kind;

constexpr std::array kKinds = {Kind::kKnots, Kind::kMonotone, Kind::kBeta, Kind::kBetaCdf};
constexpr double kLargestShape = 8;  // p and q of the Beta families
constexpr double kMaxGrid = 200'000;

}  // namespace

void pool_adjacent_violators(std::span<double> values) {
  struct Pool {
    double sum;
    std::size_t size;
    [[nodiscard]] double mean() const { return sum / static_cast<double>(size); }
  };
  std::vector<Pool> pools;
  for (const double value : values) {
    Pool pool{value, 1};
    while (!pools.empty() && pools.back().mean() > pool.mean()) {
      pool = {pools.back().sum + pool.sum, pools.back().size + pool.size};
      pools.pop_back();
    }
    pools.push_back(pool);
  }
  auto out = values.begin();
  for (const Pool& pool : pools) {
    out = std::fill_n(out, pool.size, pool.mean());
  }
}

std::string_view name(SearchSpace::Kind kind) {
  switch (kind) {
    case Kind::kKnots:
      return "knots";
    case Kind::kMonotone:
      return "monotone";
    case Kind::kBeta:
      return "beta";
    case Kind::kBetaCdf:
      return "betacdf";
  }
  return "unknown";
}

SearchSpace::Kind search_space_kind(std::string_view text) {
  std::vector<std::string> known;
  for (const Kind kind : kKinds) {
    if (name(kind) == text) return kind;
    known.emplace_back(name(kind));
  }
  fail(Errc::kUsage, "search space '", text, "': must be one of ", join(known, ", "),
       did_you_mean(text, known));
}

SearchSpace::SearchSpace(const Options& options) : options_(options) {
  constexpr std::int64_t kMaxLevels = 10'000;
  if (options.levels < 0 || options.levels == 1 || options.levels > kMaxLevels) {
    fail(Errc::kUsage, "search space: levels must be 0 (continuous) or in [2, ", kMaxLevels,
         "], got ", options.levels);
  }
  (void)at(Point(dims(), 1.0));  // Priority checks the knots
}

bool SearchSpace::has_knots() const {
  return options_.kind == Kind::kKnots || options_.kind == Kind::kMonotone;
}

std::size_t SearchSpace::dims() const { return has_knots() ? options_.x.size() : 2; }

void SearchSpace::project(Point& point) const {
  if (options_.kind == Kind::kMonotone) pool_adjacent_violators(point);
  if (has_knots() && options_.max_normalised) {
    const double largest = *std::max_element(point.begin(), point.end());
    for (double& y : point) y = largest > 0 ? y / largest : 1;
  }
  if (options_.levels > 0) {
    const auto steps = static_cast<double>(options_.levels - 1);
    for (double& y : point) y = std::round(y * steps) / steps;
  }
}

Priority SearchSpace::at(std::span<const double> point) const {
  GRAFT_CHECK_EQ(point.size(), dims());
  Point p(point.begin(), point.end());
  for (double& v : p) v = std::clamp(v, 0.0, 1.0);
  project(p);
  switch (options_.kind) {
    case Kind::kKnots:
    case Kind::kMonotone:
      return Priority::linear(options_.x, std::move(p));
    case Kind::kBeta:
      return Priority::beta(std::pow(kLargestShape, p[0]), std::pow(kLargestShape, p[1]));
    case Kind::kBetaCdf:
      break;
  }
  return Priority::beta_cdf(std::pow(kLargestShape, 2 * p[0] - 1),
                            std::pow(kLargestShape, 2 * p[1] - 1));
}

Point SearchSpace::coordinates(const Priority& priority) const {
  Point out;
  if (has_knots()) {
    for (const double x : options_.x) out.push_back(priority(x));
    return out;
  }
  const bool density = options_.kind == Kind::kBeta;
  const Priority::Kind wanted = density ? Priority::Kind::kBeta : Priority::Kind::kBetaCdf;
  for (const double shape : priority.x()) {
    const double exponent = std::log(shape) / std::log(kLargestShape);
    out.push_back(density ? exponent : (exponent + 1) / 2);
  }
  if (priority.kind() != wanted ||
      std::any_of(out.begin(), out.end(), [](double v) { return !(v >= 0 && v <= 1); })) {
    fail(Errc::kUsage, "search space ", name(options_.kind), " does not hold '", priority.text(),
         "'");
  }
  return out;
}

std::vector<Point> SearchSpace::grid() const {
  const auto levels = static_cast<double>(options_.levels);
  const double all = std::pow(levels, static_cast<double>(dims()));
  if (options_.levels == 0 || all > kMaxGrid) return {};
  std::vector<Point> out;
  for (auto index = static_cast<std::int64_t>(all); index-- > 0;) {
    Point point;
    for (std::int64_t rest = index; point.size() < dims(); rest /= options_.levels) {
      point.push_back(static_cast<double>(rest % options_.levels) / (levels - 1));
    }
    Point projected = point;
    project(projected);
    if (projected == point) out.push_back(std::move(point));  // members are those that stay
  }
  return out;
}

}  // namespace graft
