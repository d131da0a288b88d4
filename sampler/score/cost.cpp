// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/cost.h"

namespace graft {

Counters& Counters::operator+=(const Counters& other) {
  candidates += other.candidates;
  forward_select += other.forward_select;
  forward_train += other.forward_train;
  backprops += other.backprops;
  updates += other.updates;
  return *this;
}

double cost_units(const Counters& counters, const CostWeights& model) {
  return static_cast<double>(counters.forward_select) / model.select_speedup +
         static_cast<double>(counters.forward_train) +
         model.backward * static_cast<double>(counters.backprops);
}

void to_json(Json& json, const Counters& counters) {
  json = {{"candidates", counters.candidates},
          {"forward_select", counters.forward_select},
          {"forward_train", counters.forward_train},
          {"backprops", counters.backprops},
          {"updates", counters.updates}};
}

void from_json(const Json& json, Counters& counters) {
  json.at("candidates").get_to(counters.candidates);
  json.at("forward_select").get_to(counters.forward_select);
  json.at("forward_train").get_to(counters.forward_train);
  json.at("backprops").get_to(counters.backprops);
  json.at("updates").get_to(counters.updates);
}

}  // namespace graft
