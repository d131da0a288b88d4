// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/pending_update.h"

namespace graft::train {

void PendingUpdate::clear() {
  examples = candidates = 0;
  ids.clear();
  epochs.clear();
  losses.clear();
}

Json PendingUpdate::to_json() const {
  return {{"examples", examples},
          {"candidates", candidates},
          {"ids", ids},
          {"epochs", epochs},
          {"losses", losses}};
}

PendingUpdate PendingUpdate::from_json(const Json& json) {
  return {.examples = json.at("examples"),
          .candidates = json.at("candidates"),
          .ids = json.at("ids"),
          .epochs = json.at("epochs"),
          .losses = json.at("losses")};
}

}  // namespace graft::train
