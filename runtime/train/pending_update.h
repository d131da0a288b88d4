// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "engine/io/json.h"

namespace graft::train {

/// What was back-propagated since the last update; the gradient is in the network's gradient block.
struct PendingUpdate {
  std::int64_t examples = 0;    ///< selected: what the gradient is divided by
  std::int64_t candidates = 0;  ///< that passed since the last update

  // Of the rows that were back-propagated, each once.
  std::vector<std::int64_t> ids;
  std::vector<std::uint32_t> epochs;
  std::vector<float> losses;

  /// Keeps the memory.
  void clear();
  [[nodiscard]] Json to_json() const;
  /// Throws Json::exception if a field is missing or of the wrong type.
  static PendingUpdate from_json(const Json& json);
};

}  // namespace graft::train
