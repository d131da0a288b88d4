// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/random.h"

#include "engine/core/error.h"
#include "sampler/select/options.h"

namespace graft {

RandomSelection::RandomSelection(const PowerOptions& options)
    : PowerSampler(options), options_(options) {}

Json RandomSelection::describe() const { return describe_options(name(), options_); }

double RandomSelection::score(const Candidates& candidates, std::size_t i) const {
  GRAFT_CHECK_EQ(candidates.u_score.size(), candidates.ids.size());
  return static_cast<double>(candidates.u_score[i]);
}

}  // namespace graft
