// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/priority.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft {
namespace {

using Kind = Priority::Kind;

constexpr std::array kKinds = {Kind::kPower, Kind::kLinear, Kind::kQuadratic, Kind::kBeta,
                               Kind::kBetaCdf};

bool has_knots(Kind kind) { return kind == Kind::kLinear || kind == Kind::kQuadratic; }

std::string number_text(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

std::string list_text(const std::vector<double>& values) {
  std::vector<std::string> pieces;
  for (const double value : values) pieces.push_back(number_text(value));
  return join(pieces, ",");
}

/// c^(p-1) (1-c)^(q-1) over its value at the mode (p-1) / (p+q-2); p, q >= 1.
double beta_density(double c, double p, double q) {
  if (q == 1) return std::pow(c, p - 1);
  if (p == 1) return std::pow(1 - c, q - 1);
  const double mode = (p - 1) / (p + q - 2);
  return std::exp((p - 1) * std::log(c / mode) + (q - 1) * std::log((1 - c) / (1 - mode)));
}

double log_beta(double p, double q) { return std::lgamma(p) + std::lgamma(q) - std::lgamma(p + q); }

double beta_density_mean(double p, double q) {
  if (q == 1) return 1 / p;
  if (p == 1) return 1 / q;
  const double mode = (p - 1) / (p + q - 2);
  return std::exp(log_beta(p, q) - (p - 1) * std::log(mode) - (q - 1) * std::log1p(-mode));
}

/// The continued fraction of the incomplete beta function by Lentz's method; converges fast for
/// c < (p+1) / (p+q+2). Source: DLMF 8.17.22.
double beta_fraction(double c, double p, double q) {
  constexpr int kMaxTerms = 10'000;
  constexpr double kTiny = 1e-300, kEnough = 1e-15;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double numerator = 1, denominator = 1 / away_from_zero(1 - (p + q) * c / (p + 1));
  double value = denominator;
  for (int m = 1; m <= kMaxTerms; ++m) {
    const std::array terms = {m * (q - m) * c / ((p + 2 * m - 1) * (p + 2 * m)),
                              -(p + m) * (p + q + m) * c / ((p + 2 * m) * (p + 2 * m + 1))};
    double factor = 1;
    for (const double term : terms) {
      denominator = 1 / away_from_zero(1 + term * denominator);
      numerator = away_from_zero(1 + term / numerator);
      factor = numerator * denominator;
      value *= factor;
    }
    if (std::abs(factor - 1) < kEnough) break;
  }
  return value;
}

double beta_distribution(double c, double p, double q) {
  if (c <= 0 || c >= 1) return c;
  const double front = std::exp(p * std::log(c) + q * std::log1p(-c) - log_beta(p, q));
  if (c < (p + 1) / (p + q + 2)) return front * beta_fraction(c, p, q) / p;
  return 1 - front * beta_fraction(1 - c, q, p) / q;
}

double linear_value(const std::vector<double>& x, const std::vector<double>& y, double c) {
  const auto above = std::upper_bound(x.begin() + 1, x.end() - 1, c);
  const auto i = static_cast<std::size_t>(above - x.begin());
  const double t = (c - x[i - 1]) / (x[i] - x[i - 1]);
  return (1 - t) * y[i - 1] + t * y[i];  // this form stays between its two ends
}

/// Coefficients {a, b, c} of a x^2 + b x + c through three points, by divided differences.
std::array<double, 3> parabola(const std::vector<double>& x, const std::vector<double>& y) {
  const double slope01 = (y[1] - y[0]) / (x[1] - x[0]), slope12 = (y[2] - y[1]) / (x[2] - x[1]);
  const double a = (slope12 - slope01) / (x[2] - x[0]);
  return {a, slope01 - a * (x[0] + x[1]), y[0] - x[0] * (slope01 - a * x[1])};
}

/// Where a list of numbers stands in the text being read, for messages.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] Kind kind() {
    const std::string_view word = text_.substr(0, text_.find(':'));
    std::vector<std::string> known;
    for (const Kind kind : kKinds) {
      known.emplace_back(name(kind));
      if (known.back() != word) continue;
      if (word.size() == text_.size()) stop(word.size(), "expects ':' and numbers");
      at_ = word.size() + 1;
      return kind;
    }
    stop(0, "expects one of " + join(known, ", ") + did_you_mean(word, known));
  }

  /// Numbers with commas between them, up to `end` or the end of the text.
  [[nodiscard]] std::vector<double> numbers(char end) {
    std::vector<double> out;
    const std::size_t last = std::min(text_.find(end, at_), text_.size());
    for (const std::string& piece : split(text_.substr(at_, last - at_), ',')) {
      const std::optional<double> value = parse_double(piece);
      if (!value) stop(at_, "expects a number, got '" + piece + "'");
      out.push_back(*value);
      at_ += piece.size() + 1;
    }
    at_ = last + 1;
    return out;
  }

  [[nodiscard]] bool at_end() const { return at_ > text_.size(); }

  [[noreturn]] void stop(std::size_t offset, const std::string& problem) const {
    fail(Errc::kUsage, "priority '", text_, "': ", problem, " at character ", offset + 1);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view name(Priority::Kind kind) {
  switch (kind) {
    case Kind::kPower:
      return "power";
    case Kind::kLinear:
      return "linear";
    case Kind::kQuadratic:
      return "quadratic";
    case Kind::kBeta:
      return "beta";
    case Kind::kBetaCdf:
      return "betacdf";
  }
  return "unknown";
}

Priority::Priority(Kind kind, std::vector<double> x, std::vector<double> y)
    : kind_(kind), x_(std::move(x)), y_(std::move(y)) {
  check();
}

Priority Priority::power(double beta) { return {Kind::kPower, {beta}}; }
Priority Priority::linear(std::vector<double> x, std::vector<double> y) {
  return {Kind::kLinear, std::move(x), std::move(y)};
}
Priority Priority::quadratic(std::vector<double> x, std::vector<double> y) {
  return {Kind::kQuadratic, std::move(x), std::move(y)};
}
Priority Priority::beta(double p, double q) { return {Kind::kBeta, {p, q}}; }
Priority Priority::beta_cdf(double p, double q) { return {Kind::kBetaCdf, {p, q}}; }

void Priority::check() const {
  const auto require = [this](bool holds, const char* what) {
    if (!holds) fail(Errc::kUsage, "priority '", text(), "': ", what);
  };
  const auto all = [](const std::vector<double>& values, double low, double high) {
    return std::all_of(values.begin(), values.end(),
                       [=](double v) { return v >= low && v <= high; });
  };
  constexpr double kMax = 1e6;  // of a shape parameter
  if (has_knots(kind_)) {
    require(x_.size() == y_.size(), "needs as many x as y");
    require(kind_ != Kind::kQuadratic || x_.size() == 3, "needs exactly three knots");
    require(x_.size() >= 2 && x_.front() == 0 && x_.back() == 1,
            "needs knots at x = 0 and at x = 1");
    require(std::adjacent_find(x_.begin(), x_.end(), [](double a, double b) { return !(a < b); }) ==
                x_.end(),
            "needs strictly ascending x");
    require(all(y_, 0, 1), "needs every y in [0, 1]");
  } else if (kind_ == Kind::kPower) {
    require(x_.size() == 1 && all(x_, 0, kMax), "needs one exponent in [0, 1e6]");
  } else if (kind_ == Kind::kBeta) {
    require(x_.size() == 2 && all(x_, 1, kMax), "needs two parameters p,q in [1, 1e6]");
  } else {
    require(x_.size() == 2 && all(x_, 1e-6, kMax), "needs two parameters p,q in [1e-6, 1e6]");
  }
}

Priority Priority::parse(std::string_view text) {
  Reader reader(text);
  const Kind kind = reader.kind();
  std::vector<double> x = reader.numbers(has_knots(kind) ? '/' : '\0');
  std::vector<double> y;
  if (has_knots(kind)) {
    if (reader.at_end()) reader.stop(text.size(), "expects '/' and the y of the knots");
    y = reader.numbers('\0');
  }
  return {kind, std::move(x), std::move(y)};
}

std::string Priority::text() const {
  std::string out = std::string(name(kind_)) + ":" + list_text(x_);
  if (has_knots(kind_)) out += "/" + list_text(y_);
  return out;
}

double Priority::unclamped(double percentile) const {
  switch (kind_) {
    case Kind::kPower:
      return std::pow(percentile, x_[0]);
    case Kind::kLinear:
      return linear_value(x_, y_, percentile);
    case Kind::kQuadratic: {
      const auto [a, b, c] = parabola(x_, y_);
      return (a * percentile + b) * percentile + c;
    }
    case Kind::kBeta:
      return std::min(1.0, beta_density(percentile, x_[0], x_[1]));
    case Kind::kBetaCdf:
      return std::clamp(beta_distribution(percentile, x_[0], x_[1]), 0.0, 1.0);
  }
  return 0;
}

double Priority::operator()(double percentile) const {
  std::int64_t ignored = 0;
  return (*this)(percentile, ignored);
}

double Priority::operator()(double percentile, std::int64_t& clamps) const {
  GRAFT_CHECK(percentile >= 0 && percentile <= 1, "percentile ", percentile);
  const double value = unclamped(percentile);
  const double clamped = std::clamp(value, 0.0, 1.0);
  constexpr double kRounding = 1e-12;  // a knot at 0 or 1 is met up to this
  if (std::abs(value - clamped) > kRounding) ++clamps;
  return clamped;
}

/// 0, 1 and, between them, where the clamped parabola has its vertex or starts to be clamped.
std::vector<double> Priority::quadratic_pieces() const {
  const auto [a, b, c] = parabola(x_, y_);
  std::vector<double> at = {0, 1};
  const auto add = [&at](double x) {
    if (x > 0 && x < 1) at.push_back(x);
  };
  if (a != 0) add(-b / (2 * a));
  for (const double level : {0.0, 1.0}) {
    const double discriminant = b * b - 4 * a * (c - level);
    if (discriminant < 0) continue;
    const double q = -(b + std::copysign(std::sqrt(discriminant), b)) / 2;
    if (a != 0) add(q / a);
    if (q != 0) add((c - level) / q);
  }
  std::sort(at.begin(), at.end());
  return at;
}

double Priority::mean() const {
  switch (kind_) {
    case Kind::kPower:
      return 1 / (x_[0] + 1);
    case Kind::kBeta:
      return beta_density_mean(x_[0], x_[1]);
    case Kind::kBetaCdf:
      return x_[1] / (x_[0] + x_[1]);
    case Kind::kLinear:
    case Kind::kQuadratic:
      break;
  }
  const std::vector<double> at = kind_ == Kind::kLinear ? x_ : quadratic_pieces();
  double sum = 0;
  for (std::size_t i = 1; i < at.size(); ++i) {
    const double low = at[i - 1], high = at[i], middle = (low + high) / 2;  // Simpson: exact
    sum += (high - low) / 6 * ((*this)(low) + 4 * (*this)(middle) + (*this)(high));
  }
  return sum;
}

Priority Priority::max_normalised() const {
  if (!has_knots(kind_)) return *this;  // their largest value is 1
  double largest = 0;
  for (const double x : kind_ == Kind::kLinear ? x_ : quadratic_pieces()) {
    largest = std::max(largest, (*this)(x));
  }
  if (largest == 0) fail(Errc::kUsage, "priority '", text(), "' selects nothing");
  std::vector<double> y = y_;
  for (double& value : y) value = std::min(1.0, value / largest);
  return {kind_, x_, std::move(y)};
}

bool Priority::is_monotone() const {
  switch (kind_) {
    case Kind::kPower:
    case Kind::kBetaCdf:
      return true;
    case Kind::kBeta:
      return x_[1] == 1;
    case Kind::kLinear:
      return std::is_sorted(y_.begin(), y_.end());
    case Kind::kQuadratic:
      break;
  }
  const std::vector<double> at = quadratic_pieces();
  return std::is_sorted(at.begin(), at.end(),
                        [this](double a, double b) { return (*this)(a) < (*this)(b); });
}

}  // namespace graft
