// SPDX-License-Identifier: Apache-2.0
// Run records made in memory.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "runtime/report/comparison.h"

namespace graft::testing {

/// What one epoch added, and the error at its end.
struct EpochOf {
  double training = 0;  ///< seconds, a third of them forward, the rest backward
  double error = 0;
  std::int64_t backprops = 0;
  double cost_units = 0;
  double flip_rate = std::numeric_limits<double>::quiet_NaN();
};

/// A run of 1000 examples an epoch; every epoch also spends 1 s on evaluation and 10 s on the rest.
inline report::RunRecord run_of(const std::vector<EpochOf>& epochs) {
  report::RunRecord run;
  run.settings = Json::object();
  run.sampler = Json::object();
  run.examples = 1000;
  report::EpochRecord e{};
  for (const EpochOf& added : epochs) {
    e.epoch += 1;
    e.counters.candidates += 1000;
    e.counters.backprops += added.backprops;
    e.counters.updates += added.backprops / 100;
    e.cost_units += added.cost_units;
    e.seconds[2] += added.training / 3;
    e.seconds[3] += added.training * 2 / 3;
    e.seconds[report::kEvalShare] += 1;
    e.seconds[report::kOtherShare] += 10;
    e.test_error = added.error;
    e.flip_rate = added.flip_rate;
    run.epochs.push_back(e);
  }
  return run;
}

}  // namespace graft::testing
