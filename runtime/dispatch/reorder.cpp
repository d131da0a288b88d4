// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/reorder.h"

#include <algorithm>
#include <utility>

namespace graft::dispatch {

std::vector<Outcome> Reorder::push(Outcome outcome) {
  if (order_ == OutputOrder::kInOrder) return push_in_order(std::move(outcome));
  std::vector<Outcome> out;
  if (outcome.engine >= 0 && outcome.frame < next_) {
    ++late_;
    outcome.engine = -1;
    outcome.output = {};
  }
  if (outcome.engine >= 0) next_ = outcome.frame + 1;
  out.push_back(std::move(outcome));
  return out;
}

std::vector<Outcome> Reorder::push_in_order(Outcome outcome) {
  std::vector<Outcome> out;
  waiting_.emplace(outcome.frame, std::move(outcome));
  while (!waiting_.empty() && waiting_.begin()->first == next_) {
    out.push_back(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
    ++next_;
  }
  most_waiting_ = std::max(most_waiting_, waiting_.size());
  return out;
}

}  // namespace graft::dispatch
