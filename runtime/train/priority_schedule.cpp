// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/priority_schedule.h"

namespace graft::train {

Json PrioritySwap::record() const {
  return {{"event", "swap"},
          {"stage", stage},
          {"snapshot_epoch", snapshot_epoch},
          {"swap_epoch", swap_epoch},
          {"priority", priority.text()},
          {"search_cost_units", search_cost_units}};
}

}  // namespace graft::train
