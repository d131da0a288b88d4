// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/adapt_options.h"

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::adapt {

SearchOptions AdaptOptions::search_options() const {
  constexpr int kMaxJobs = 1024;
  if (jobs < 1 || jobs > kMaxJobs) {
    fail(Errc::kUsage, "--jobs ", jobs, ": must be between 1 and ", kMaxJobs);
  }
  if (!(trial_cost > 0)) {
    fail(Errc::kUsage, "--trial-cost ", trial_cost,
         ": must be above 0 cost units; an epoch of Traditional takes 3 an example");
  }
  SearchOptions out{.space = {.kind = search_space_kind(space),
                              .levels = levels,
                              .max_normalised = max_normalised},
                    .trials = trials,
                    .budget = trial_cost,
                    .seed = search_seed,
                    .rungs = rungs,
                    .eta = eta};
  if (!first.empty()) {
    for (const std::string& text : split(first, ';')) out.first.push_back(Priority::parse(text));
  }
  out.check();
  return out;
}

Json AdaptOptions::fingerprint() const {
  Json json = Json::object();
  // visit() is written once, for reading and writing; here it only reads.
  const_cast<AdaptOptions&>(*this).visit(
      [&](const char* name, auto& field, Scope scope, const char*) {
        if (scope == Scope::kRun) json[name] = field;
      });
  return json;
}

}  // namespace graft::adapt
