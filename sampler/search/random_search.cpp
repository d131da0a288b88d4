// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/random_search.h"

namespace graft {

std::optional<Trial> RandomSearch::next() const {
  const std::int64_t id = next_id();
  if (id == options().trials) return std::nullopt;
  return Trial{id, blind(id), options().budget};
}

}  // namespace graft
