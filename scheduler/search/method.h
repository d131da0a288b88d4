// SPDX-License-Identifier: Apache-2.0
// The search methods by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/search/problem.h"

namespace graft {

enum class MethodKind : std::uint8_t {
  kExact,
  kGreedy,
  kGreedyCode,
  kStems,
  kExhaustive,
  kNoSharing,    ///< greedy-code on each application's candidate with fewest frozen layers;
                 ///< make_schedule() lets each pay for its whole network
  kMaxSharing,   ///< greedy-code on each application's candidate with most frozen layers (MCDNN)
  kStatic,       ///< exact, all applications at the same number of frozen layers
  kIndependent,  ///< application by application (VideoStorm)
};

struct Method {
  MethodKind kind = MethodKind::kExact;
  int frozen = 0;  ///< of kStatic
};

/// "exact", ..., "static:K". Throws Error(kUsage), with "did you mean".
[[nodiscard]] Method parse_method(std::string_view text);
/// In the order in which help shows them.
[[nodiscard]] std::vector<std::string> method_names();

/// The rates that `method` tries unless told otherwise: default_rates(), and for kNoSharing also
/// 0.1, 0.2, ..., 0.9.
[[nodiscard]] std::vector<double> default_rates(const Method& method, double stream_fps);

/// The options that `method` chooses from. Throws Error(kConfig) if kStatic meets an application
/// without such a candidate.
[[nodiscard]] Problem restricted(const Problem& problem, const Method& method);

/// The schedule that `method` finds, or nothing if it finds none within the bounds.
[[nodiscard]] std::optional<Choice> solve(const Problem& problem, const Method& method);

/// No schedule has a larger objective (mean, weighted mean or smallest F1) than this.
[[nodiscard]] double objective_bound(const Problem& problem);

}  // namespace graft
