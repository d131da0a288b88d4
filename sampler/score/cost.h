// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/io/json.h"

namespace graft {

/// What a run has done, counted by the engine in examples (updates: optimizer steps).
struct Counters {
  std::int64_t candidates = 0;      ///< passed through selection
  std::int64_t forward_select = 0;  ///< forwarded to be scored only
  std::int64_t forward_train = 0;   ///< forwarded in training mode
  std::int64_t backprops = 0;
  std::int64_t updates = 0;

  bool operator==(const Counters&) const = default;
  Counters& operator+=(const Counters& other);
};

/// Relative speeds; the unit of cost is one training forward of one example.
struct CostWeights {
  double select_speedup = 1;  ///< a: how much faster the selection forward is
  double backward = 2;        ///< b: cost of a backward
};

/// forward_select / a + forward_train + b * backprops.
[[nodiscard]] double cost_units(const Counters& counters, const CostWeights& model = {});

void to_json(Json& json, const Counters& counters);
/// Throws Json::exception if a field is missing or not a number.
void from_json(const Json& json, Counters& counters);

}  // namespace graft
