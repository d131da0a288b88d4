// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/application.h"

#include "engine/core/error.h"
#include "scheduler/model/json_field.h"

namespace graft {
namespace {

constexpr std::size_t kMaxApps = 1000, kMaxCandidates = 1024;
constexpr double kMaxStreamFps = 1000, kMaxEventFrames = 1e6;
// The end point of numpy's arange(1.0, 1.1, 0.1) in the recorded fully correlated workloads.
constexpr double kMaxRecordedCorrelation = 1.1 + 1e-9;

Candidate parse_candidate(const JsonField& field, int n_layers) {
  Candidate c;
  c.frozen = field.at("frozen").integer(0, n_layers);
  c.detector.hit_rate = field.at("accuracy").number(0, 1);
  c.detector.false_alarm_rate = field.at("fpr").number(0, 1);
  return c;
}

Application parse_application(const JsonField& field, double stream_fps, int n_layers,
                              EventModel model) {
  Application app;
  app.name = field.at("name").text();
  const JsonField length = field.at("event_length_ms");
  app.events.length_ms = length.positive(1000 * kMaxEventFrames / stream_fps);
  app.events.frequency = field.at("event_frequency").number(0, 1);
  app.events.correlation =
      field.at("correlation").number(0, model == EventModel::kCode ? kMaxRecordedCorrelation : 1);
  if (const auto weight = field.find("weight")) app.weight = weight->number(1e-6, 1e6);
  if (const auto least = field.find("min_f1")) app.min_f1 = least->number(0, 1);
  const JsonField candidates = field.at("candidates");
  for (const JsonField& c : candidates.elements(kMaxCandidates)) {
    app.candidates.push_back(parse_candidate(c, n_layers));
  }
  if (app.candidates.empty()) candidates.reject("is empty; an application needs a candidate");
  return app;
}

}  // namespace

Workload parse_workload(const Json& json, std::string_view source, int n_layers, EventModel model) {
  const JsonField root(json, std::string(source));
  Workload out;
  if (const auto id = root.find("id")) out.id = id->text();
  out.stream_fps = root.at("stream_fps").positive(kMaxStreamFps);
  if (const auto budget = root.find("budget")) out.budget = budget->number(0);
  for (const JsonField& app : root.at("apps").elements(kMaxApps)) {
    out.apps.push_back(parse_application(app, out.stream_fps, n_layers, model));
  }
  return out;
}

Workload read_workload(std::string_view text, std::string_view source, int n_layers,
                       EventModel model) {
  const JsonLimits limits{.max_depth = 8, .max_elements = 4096};
  return parse_workload(parse_json(text, source, Errc::kModel, limits), source, n_layers, model);
}

}  // namespace graft
