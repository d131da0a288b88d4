// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sampler/score/priority.h"

namespace graft {

/// Coordinates in the unit cube of a search space.
using Point = std::vector<double>;

/// The nondecreasing sequence nearest to `values` in the least-squares sense, in place.
/// Source: pool adjacent violators (Barlow et al. 1972).
void pool_adjacent_violators(std::span<double> values);

/// A family of priority functions, addressed by points of the unit cube. Source: spec 3.1, 3.5.
class SearchSpace {
 public:
  enum class Kind : std::uint8_t {
    kKnots,     ///< linear between knots at fixed x; coordinates are their y
    kMonotone,  ///< the nondecreasing ones of kKnots, by projection
    kBeta,      ///< Beta densities; p and q from 1 to 8 on a logarithmic scale
    kBetaCdf,   ///< Beta distribution functions; p and q from 1/8 to 8, likewise
  };
  struct Options {
    Kind kind = Kind::kKnots;
    std::vector<double> x = {0, 0.5, 0.8, 1};  ///< abscissae of the knots
    std::int64_t levels = 10;     ///< values that a coordinate takes, k / (levels - 1); 0: all
    bool max_normalised = false;  ///< only functions whose maximum is 1
  };

  /// Throws Error(kUsage) for one level, more than 10,000 or bad knots.
  explicit SearchSpace(const Options& options);

  [[nodiscard]] std::size_t dims() const;
  /// The function at `point`, or the member of the space nearest to it by projection, scaling to
  /// maximum 1 and rounding, in this order. A function that is 0 everywhere has no scale: with
  /// max_normalised it becomes 1 everywhere.
  [[nodiscard]] Priority at(std::span<const double> point) const;
  /// The point of a member; of any function in the knot spaces (its values at the knots). Throws
  /// Error(kUsage) if a Beta space has no such function.
  [[nodiscard]] Point coordinates(const Priority& priority) const;
  /// The point of every member, or none if the space is continuous or has more than 200,000.
  [[nodiscard]] std::vector<Point> grid() const;
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  [[nodiscard]] bool has_knots() const;
  void project(Point& point) const;

  Options options_;
};

/// "knots", "monotone", "beta", "betacdf".
[[nodiscard]] std::string_view name(SearchSpace::Kind kind);
/// The kind of that name. Throws Error(kUsage), with "did you mean", if there is none.
[[nodiscard]] SearchSpace::Kind search_space_kind(std::string_view name);

}  // namespace graft
