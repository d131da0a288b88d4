// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/time_split.h"

namespace graft::train {

Json TimeSplit::to_json() const {
  return {{"select", select},     {"policy", policy},       {"forward", forward},
          {"backward", backward}, {"optimizer", optimizer}, {"data", data},
          {"eval", eval},         {"other", other}};
}

TimeSplit TimeSplit::from_json(const Json& json) {
  return {.select = json.at("select"),
          .policy = json.at("policy"),
          .forward = json.at("forward"),
          .backward = json.at("backward"),
          .optimizer = json.at("optimizer"),
          .data = json.at("data"),
          .eval = json.at("eval"),
          .other = json.at("other")};
}

}  // namespace graft::train
