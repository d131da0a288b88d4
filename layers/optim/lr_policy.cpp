// SPDX-License-Identifier: Apache-2.0
#include "layers/optim/lr_policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 4> kClockNames = {"candidates", "backprops", "updates",
                                                         "epochs"};

constexpr double kPi = std::numbers::pi;

/// 1 at t = 0, 0 at t = l, period 2 l.
double falling_triangle(double t, double l) { return std::fabs(std::fmod(t, 2 * l) / l - 1); }

/// Where a saw tooth stands: 1 just after each multiple of l, falling to 0 before the next.
double saw(double t, double l, bool compat) {
  const double x = t / l;
  const double frac = x - std::floor(x);
  return compat && frac == 0 ? 0.0 : 1.0 - frac;
}

/// g and the number of cycles finished, for the families between k0 and k1.
std::pair<double, double> cycle(const LrFunction& f, double t, bool compat) {
  const double l = f.l[0].value;
  const double from_low = std::floor(t / (2 * l));
  const double from_high = std::floor((t + l) / (2 * l));
  switch (f.shape) {
    case LrShape::kTri:
      return {1 - falling_triangle(t, l), from_low};
    case LrShape::kDtri:
      return {falling_triangle(t, l), from_high};
    case LrShape::kSin:
      return {std::fabs(std::sin(kPi * t / (2 * l))), from_low};
    case LrShape::kDsin:
      return {std::fabs(std::sin(kPi * (t + l) / (2 * l))), from_high};
    case LrShape::kCos:
      return {0.5 * (1 + std::cos(kPi * t / l)), from_high};
    case LrShape::kUpcos:
      return {0.5 * (1 - std::cos(kPi * t / l)), from_low};
    default:
      break;
  }
  const double y = saw(t, l, compat);
  const double teeth = std::floor(t / l);
  if (f.shape == LrShape::kSinrsw) return {std::sin(kPi / 2 * y), teeth};
  if (f.shape == LrShape::kCosrsw) return {0.5 * (1 - std::cos(kPi * y)), teeth};
  return {y, teeth};
}

double cyclic_rate(const LrFunction& f, double t, bool compat) {
  auto [g, cycles] = cycle(f, t, compat);
  if (f.decay == LrDecay::kHalve) g *= std::exp2(-cycles);
  if (f.decay == LrDecay::kExp) g *= std::pow(f.gamma, t);
  if (compat) return f.k0 + (f.k1 - f.k0) * g;
  return std::min(f.k0, f.k1) + std::fabs(f.k1 - f.k0) * g;
}

double poly_rate(const LrFunction& f, double t, bool compat) {
  const double left = 1 - t / f.l[0].value;
  // A power of a negative base exists for whole exponents only.
  const bool defined = left >= 0 || f.p == std::floor(f.p);
  if (left < 0 && !(compat && defined)) return f.k0;
  return f.k0 + (f.k1 - f.k0) * std::pow(left, f.p);
}

double rate(const LrFunction& f, double t, bool compat) {
  switch (f.shape) {
    case LrShape::kFix:
      return f.k0;
    case LrShape::kStep:
      return f.k0 * std::pow(f.gamma, std::floor(t / f.l[0].value));
    case LrShape::kNstep: {
      const auto passed = std::count_if(f.l.begin(), f.l.end(),
                                        [t](const LrSpan& span) { return span.value <= t; });
      return f.k0 * std::pow(f.gamma, static_cast<double>(passed));
    }
    case LrShape::kExp:
      return f.k0 * std::pow(f.gamma, t);
    case LrShape::kInv:
      return f.k0 * std::pow(1 + f.gamma * t, -f.p);
    case LrShape::kSig:
      return f.k0 / (1 + std::exp(-f.gamma * (t - f.l[0].value)));
    case LrShape::kPoly:
      return poly_rate(f, t, compat);
    default:
      return cyclic_rate(f, t, compat);
  }
}

void to_units(std::vector<LrSpan>& spans, double units_per_epoch) {
  for (LrSpan& span : spans) {
    if (span.in_epochs) span = {span.value * units_per_epoch, false};
  }
}

bool needs_span(LrShape shape) {
  return shape != LrShape::kFix && shape != LrShape::kExp && shape != LrShape::kInv;
}

void check_ascending(const std::vector<LrSpan>& spans, std::string_view what) {
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (!(spans[i].value > 0) || !std::isfinite(spans[i].value)) {
      fail(Errc::kUsage, "learning-rate policy: ", what, " must be above 0, got ", spans[i].value);
    }
    // Spans in epochs and in units have no order before the policy knows its clock.
    if (i > 0 && spans[i].in_epochs == spans[i - 1].in_epochs &&
        !(spans[i - 1].value < spans[i].value)) {
      fail(Errc::kUsage, "learning-rate policy: ", what, " must ascend, got ", spans[i - 1].value,
           " then ", spans[i].value);
    }
  }
}

void check_function(const LrFunction& f) {
  for (const auto& [key, value] :
       {std::pair{"k0", f.k0}, {"k1", f.k1}, {"gamma", f.gamma}, {"p", f.p}}) {
    if (!std::isfinite(value) || value < 0) {
      fail(Errc::kUsage, "learning-rate policy: ", key, " must be finite and not negative, got ",
           value);
    }
  }
  if (!needs_span(f.shape)) return;
  if (f.l.empty() || (f.shape != LrShape::kNstep && f.l.size() != 1)) {
    fail(Errc::kUsage, "learning-rate policy: expects ",
         f.shape == LrShape::kNstep ? "at least one boundary" : "exactly one span", " l, got ",
         f.l.size());
  }
  check_ascending(f.l, "l");
}

}  // namespace

std::string_view name(LrClock clock) { return kClockNames[static_cast<std::size_t>(clock)]; }

LrClock parse_lr_clock(std::string_view text) {
  const auto* found = std::find(kClockNames.begin(), kClockNames.end(), text);
  if (found == kClockNames.end()) {
    fail(Errc::kUsage, "unknown learning-rate clock '", text,
         "': expects candidates, backprops, updates or epochs");
  }
  return static_cast<LrClock>(found - kClockNames.begin());
}

double clock_value(const Progress& progress, LrClock clock) {
  switch (clock) {
    case LrClock::kCandidates:
      return static_cast<double>(progress.forwarded);
    case LrClock::kBackprops:
      return static_cast<double>(progress.backpropped);
    case LrClock::kUpdates:
      return static_cast<double>(progress.step);
    case LrClock::kEpochs:
      return progress.epoch;
  }
  return 0;
}

void check(const LrSpec& spec) {
  if (spec.segments.empty() || spec.boundaries.size() + 1 != spec.segments.size()) {
    fail(Errc::kUsage, "learning-rate policy: ", spec.segments.size(),
         " segments need one boundary fewer after -AT-, got ", spec.boundaries.size());
  }
  for (const LrFunction& f : spec.segments) check_function(f);
  check_ascending(spec.boundaries, "boundaries");
}

LrPolicy::LrPolicy(LrSpec spec, LrClock clock, double units_per_epoch)
    : spec_(std::move(spec)), clock_(clock) {
  GRAFT_CHECK(units_per_epoch > 0 && std::isfinite(units_per_epoch), "units_per_epoch is ",
              units_per_epoch);
  to_units(spec_.boundaries, units_per_epoch);
  for (LrFunction& f : spec_.segments) to_units(f.l, units_per_epoch);
  check(spec_);
}

double LrPolicy::at(double t) const {
  std::size_t segment = 0;
  double start = 0;
  while (segment < spec_.boundaries.size() && t >= spec_.boundaries[segment].value) {
    start = spec_.boundaries[segment++].value;
  }
  return rate(spec_.segments[segment], t - start, spec_.lrbench_compat);
}

}  // namespace graft
