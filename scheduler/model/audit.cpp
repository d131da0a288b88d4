// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/audit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "scheduler/model/json_field.h"

namespace graft {
namespace {

constexpr std::size_t kMaxAgreements = 4096;
constexpr int kMaxFrames = 1'000'000;
constexpr int kBisections = 60;

/// P(at most `hits` of n trials) at `rate` in (0, 1).
double binomial_cdf(std::int64_t hits, std::int64_t n, double rate) {
  const auto total = static_cast<double>(n);
  double sum = 0;
  for (std::int64_t k = 0; k <= hits; ++k) {
    const auto x = static_cast<double>(k);
    sum += std::exp(std::lgamma(total + 1) - std::lgamma(x + 1) - std::lgamma(total - x + 1) +
                    x * std::log(rate) + (total - x) * std::log1p(-rate));
  }
  return std::min(sum, 1.0);
}

/// The rate at which P(at most `hits`), which falls with the rate, is `probability`.
double rate_at(std::int64_t hits, std::int64_t n, double probability) {
  double low = 0, high = 1;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + high) / 2;
    (binomial_cdf(hits, n, middle) > probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

const Application& find_app(const Workload& workload, const std::string& name) {
  for (const Application& a : workload.apps) {
    if (a.name == name) return a;
  }
  fail(Errc::kModel, "audit: there is no application ", name);
}

double claimed_accuracy(const Application& app, int frozen) {
  for (const Candidate& c : app.candidates) {
    if (c.frozen == frozen) return c.detector.hit_rate;
  }
  fail(Errc::kModel, "audit: application ", app.name, " has no candidate with ", frozen,
       " frozen layers");
}

}  // namespace

RateInterval rate_interval(std::int64_t hits, std::int64_t n, double confidence) {
  GRAFT_CHECK(n > 0 && hits >= 0 && hits <= n, hits, " of ", n);
  GRAFT_CHECK(confidence > 0 && confidence < 1, "confidence ", confidence);
  const double tail = (1 - confidence) / 2;
  return {.low = hits == 0 ? 0 : rate_at(hits - 1, n, 1 - tail),
          .high = hits == n ? 1 : rate_at(hits, n, tail)};
}

std::vector<AuditFinding> audit(const Workload& workload, const std::vector<Agreement>& agreements,
                                double confidence) {
  std::vector<AuditFinding> out;
  for (const Agreement& a : agreements) {
    const Application& app = find_app(workload, a.app);
    const RateInterval rate = rate_interval(a.disagreements, a.frames, confidence);
    AuditFinding f{.agreement = a,
                   .verdict = AuditVerdict::kConsistent,
                   .claimed_a = claimed_accuracy(app, a.frozen_a),
                   .claimed_b = claimed_accuracy(app, a.frozen_b),
                   .disagreement_low = rate.low,
                   .disagreement_high = rate.high};
    if (rate.high < std::fabs(f.claimed_a - f.claimed_b)) {
      f.verdict = AuditVerdict::kTooAlike;
    } else if (rate.low > 2 - f.claimed_a - f.claimed_b) {
      f.verdict = AuditVerdict::kTooDifferent;
    }
    out.push_back(std::move(f));
  }
  return out;
}

std::vector<Agreement> parse_agreements(const Json& json, std::string_view source) {
  constexpr int kMost = std::numeric_limits<int>::max();
  std::vector<Agreement> out;
  for (const JsonField& f :
       JsonField(json, std::string(source)).at("agreements").elements(kMaxAgreements)) {
    const auto frozen = f.at("frozen").elements(2);
    if (frozen.size() != 2) f.at("frozen").reject("must be two numbers of layers");
    const int frames = f.at("frames").integer(1, kMaxFrames);
    out.push_back({.app = f.at("app").text(),
                   .frozen_a = frozen[0].integer(0, kMost),
                   .frozen_b = frozen[1].integer(0, kMost),
                   .frames = frames,
                   .disagreements = f.at("disagreements").integer(0, frames)});
  }
  return out;
}

std::string describe(const AuditFinding& f) {
  const Agreement& a = f.agreement;
  const std::string seen = fmt::format(
      "{}: candidates with {} and {} frozen layers disagree on {} of {} frames ({:.4f} to {:.4f})",
      a.app, a.frozen_a, a.frozen_b, a.disagreements, a.frames, f.disagreement_low,
      f.disagreement_high);
  const std::string claim =
      fmt::format("; the claimed accuracies {:.4f} and {:.4f} ", f.claimed_a, f.claimed_b);
  switch (f.verdict) {
    case AuditVerdict::kTooAlike:
      return seen + claim +
             fmt::format("would need at least {:.4f}", std::fabs(f.claimed_a - f.claimed_b));
    case AuditVerdict::kTooDifferent:
      return seen + claim + fmt::format("allow at most {:.4f}", 2 - f.claimed_a - f.claimed_b);
    case AuditVerdict::kConsistent:
      break;
  }
  return seen + claim + "are consistent with that";
}

}  // namespace graft
