// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/traditional.h"

#include <algorithm>
#include <numeric>

#include "engine/core/error.h"

namespace graft {

Json Traditional::describe() const { return {{"name", name()}}; }

void Traditional::needs_selection_forward(const Candidates& candidates,
                                          std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), std::uint8_t{0});
}

Selection Traditional::select(const Candidates& candidates) {
  Selection out;
  out.rows.resize(candidates.ids.size());
  std::iota(out.rows.begin(), out.rows.end(), 0);
  out.weights.assign(candidates.ids.size(), 1.0F);
  return out;
}

}  // namespace graft
