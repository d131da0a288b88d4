// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/pareto.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace graft::report {

std::vector<ParetoPoint> pareto_front(std::span<const Group> groups) {
  std::vector<ParetoPoint> all;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const RunRecord& run : groups[g].runs) {
      for (const EpochRecord& e : run.epochs) {
        if (std::isfinite(e.test_error)) all.push_back({e.training_seconds(), e.test_error, g});
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const ParetoPoint& a, const ParetoPoint& b) {
    return std::tie(a.seconds, a.error) < std::tie(b.seconds, b.error);
  });
  std::vector<ParetoPoint> front;
  for (const ParetoPoint& p : all) {
    if (front.empty() || p.error < front.back().error) front.push_back(p);
  }
  return front;
}

std::vector<double> pareto_shares(std::span<const ParetoPoint> front, std::size_t groups) {
  std::vector<double> shares(groups);
  for (const ParetoPoint& p : front) shares[p.group] += 1.0 / static_cast<double>(front.size());
  return shares;
}

}  // namespace graft::report
