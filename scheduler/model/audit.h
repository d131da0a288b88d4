// SPDX-License-Identifier: Apache-2.0
// A guard against applications that claim more for their candidates than is true, to be given more
// of the machine (the thesis' threat model). No labels are needed: two candidates that run on the
// same frames can differ in accuracy by no more than the share of frames on which they disagree,
// and can disagree on no more frames than on which at least one of them errs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "scheduler/model/application.h"

namespace graft {

/// Two candidates of an application run on the same sampled frames.
struct Agreement {
  std::string app;
  int frozen_a = 0, frozen_b = 0;
  std::int64_t frames = 0, disagreements = 0;
};

enum class AuditVerdict : std::uint8_t {
  kConsistent,
  kTooAlike,      ///< claimed accuracies differ by more than the candidates ever disagree
  kTooDifferent,  ///< they disagree on more frames than the claimed error rates allow
};

struct AuditFinding {
  Agreement agreement;
  AuditVerdict verdict = AuditVerdict::kConsistent;
  double claimed_a = 0, claimed_b = 0;                 ///< accuracies
  double disagreement_low = 0, disagreement_high = 1;  ///< Clopper-Pearson interval of the rate
};

/// Smallest and largest rate that is compatible with `hits` of `n` > 0 trials at two-sided
/// `confidence` (Clopper and Pearson 1934).
struct RateInterval {
  double low = 0, high = 1;
};
[[nodiscard]] RateInterval rate_interval(std::int64_t hits, std::int64_t n, double confidence);

/// One finding for each agreement. An honest application is accused with a probability of at most
/// 1 - confidence. Throws Error(kModel) for an application or candidate that the workload does not
/// have.
[[nodiscard]] std::vector<AuditFinding> audit(const Workload& workload,
                                              const std::vector<Agreement>& agreements,
                                              double confidence);

/// Reads {"agreements": [{"app", "frozen": [a, b], "frames", "disagreements"}, ...]}. Throws
/// Error(kModel) naming `source` and the field.
[[nodiscard]] std::vector<Agreement> parse_agreements(const Json& json, std::string_view source);

/// In words, numbers included.
[[nodiscard]] std::string describe(const AuditFinding& finding);

}  // namespace graft
