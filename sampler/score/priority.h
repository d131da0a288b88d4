// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

/// Selection probability max(p_min, percentile^beta); 0^0 is 1, so beta 0 selects everything.
/// percentile, p_min in [0, 1]; beta >= 0. For a stationary stream the mean is 1 / (beta + 1).
[[nodiscard]] inline double selection_probability(double percentile, double beta, double p_min) {
  return std::max(p_min, std::pow(percentile, beta));
}

/// The function F from a loss percentile to a selection probability, both in [0, 1]. A value.
/// Source: power, thesis section 3.3; linear, section 4.2; the Beta families, spec 3.5 item 4.
class Priority {
 public:
  enum class Kind : std::uint8_t {
    kPower,      ///< c^beta; 0^0 is 1
    kLinear,     ///< linear between knots (x, y)
    kQuadratic,  ///< the parabola through three knots, clamped to [0, 1]; the authors' first search
    kBeta,       ///< c^(p-1) (1-c)^(q-1), divided by its maximum
    kBetaCdf,    ///< distribution function of Beta(p, q)
  };

  /// beta >= 0.
  [[nodiscard]] static Priority power(double beta);
  /// At least two knots; x strictly ascending from 0 to 1, y in [0, 1].
  [[nodiscard]] static Priority linear(std::vector<double> x, std::vector<double> y);
  /// As linear(), with exactly three knots.
  [[nodiscard]] static Priority quadratic(std::vector<double> x, std::vector<double> y);
  /// p, q >= 1.
  [[nodiscard]] static Priority beta(double p, double q);
  /// p, q > 0.
  [[nodiscard]] static Priority beta_cdf(double p, double q);

  /// Reads what text() writes: `power:2`, `linear:0,0.5,0.8,1/0.1,0.3,0.9,1` (x / y), `quadratic:`
  /// likewise, `beta:2,1` and `betacdf:2,1`. Throws Error(kUsage) naming the text and the position,
  /// as do the functions above, without a position.
  [[nodiscard]] static Priority parse(std::string_view text);
  /// Shortest text that parse() reads back as an equal value.
  [[nodiscard]] std::string text() const;

  /// F(percentile), always in [0, 1]. Throws Error(kInvalidArgument) outside [0, 1].
  [[nodiscard]] double operator()(double percentile) const;
  /// As above, and adds 1 to `clamps` if the value had to be clamped (only kQuadratic ever is).
  [[nodiscard]] double operator()(double percentile, std::int64_t& clamps) const;

  /// Integral of F over [0, 1]: the share that is selected of a stationary stream of losses.
  [[nodiscard]] double mean() const;
  /// F scaled so that its largest value is 1: the same relative sample distribution at the fewest
  /// selection forwards for each selected example. Throws Error(kUsage) if F is 0 everywhere.
  [[nodiscard]] Priority max_normalised() const;
  /// True if F never falls.
  [[nodiscard]] bool is_monotone() const;

  [[nodiscard]] Kind kind() const { return kind_; }
  /// Abscissae of the knots, or the parameters of a kind without knots.
  [[nodiscard]] const std::vector<double>& x() const { return x_; }
  /// Ordinates of the knots; empty for a kind without knots.
  [[nodiscard]] const std::vector<double>& y() const { return y_; }

  bool operator==(const Priority&) const = default;

 private:
  Priority(Kind kind, std::vector<double> x, std::vector<double> y = {});
  void check() const;
  [[nodiscard]] double unclamped(double percentile) const;
  [[nodiscard]] std::vector<double> quadratic_pieces() const;

  Kind kind_;
  std::vector<double> x_, y_;
};

/// "power", "linear", ...: what stands before the colon in text().
[[nodiscard]] std::string_view name(Priority::Kind kind);

}  // namespace graft
