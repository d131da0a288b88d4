// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/package_json.h"

#include <algorithm>
#include <set>

#include "models/spec/graph_json.h"
#include "runtime/model/model.h"
#include "runtime/package/layers.h"
#include "scheduler/model/json_field.h"

namespace graft {
namespace {

constexpr std::size_t kMaxCandidates = 1024, kMaxLabels = 65536;
constexpr std::size_t kMaxLayers = 4096;  // fusing takes the square of it
constexpr std::size_t kMaxNameBytes = 128, kHashDigits = 64;
constexpr double kMaxEventMs = 1e9;

std::string read_hash(const JsonField& field) {
  std::string text = field.text();
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (text.size() != kHashDigits || !digits) field.reject("must be 64 hexadecimal digits");
  return text;
}

EventSource read_event_source(const JsonField& field) {
  const std::string text = field.text();
  for (const auto source : {EventSource::kAssumed, EventSource::kGiven, EventSource::kMeasured}) {
    if (text == name(source)) return source;
  }
  field.reject("must be assumed, given or measured");
}

PackagedCandidate read_candidate(const JsonField& field, int n_layers) {
  PackagedCandidate c;
  c.frozen = field.at("frozen").integer(0, n_layers - 1);
  c.branch = field.at("branch").text();
  c.accuracy = field.at("accuracy").number(0, 1);
  c.accuracy_low = field.at("accuracy_low").number(0, 1);
  c.accuracy_high = field.at("accuracy_high").number(0, 1);
  c.tpr = field.at("tpr").number(0, 1);
  c.fpr = field.at("fpr").number(0, 1);
  c.pareto = field.at("pareto").integer(0, 1) == 1;
  c.sha256 = read_hash(field.at("sha256"));
  return c;
}

void read_labels(const JsonField& root, PackageHeader& h) {
  std::set<std::string> seen;
  const JsonField labels = root.at("labels");
  for (const JsonField& field : labels.elements(kMaxLabels)) {
    h.labels.push_back(field.text());
    if (!seen.insert(h.labels.back()).second) field.reject("is there twice");
  }
  const Shape& y = h.graph.node(h.graph.outputs().front().value).shape;
  if (y[1] != static_cast<std::int64_t>(h.labels.size())) {
    labels.reject(detail::cat("has ", h.labels.size(), " entries, the network ", y[1], " classes"));
  }
  const JsonField positive = root.at("positive");
  for (const JsonField& field : positive.elements(kMaxLabels)) {
    const int index = field.integer(0, static_cast<int>(h.labels.size()) - 1);
    if (!h.positive.empty() && index <= h.positive.back()) field.reject("must be ascending");
    h.positive.push_back(index);
  }
  if (h.positive.empty()) positive.reject("is empty; no label would mean an event");
}

void read_events(const JsonField& field, PackageHeader& h) {
  h.events.length_ms = field.at("length_ms").positive(kMaxEventMs);
  h.events.frequency = field.at("frequency").number(0, 1);
  h.events.correlation = field.at("correlation").number(0, 1);
  h.event_source = read_event_source(field.at("source"));
}

void check_graph(const PackageHeader& h, const JsonField& field) {
  const Graph& graph = h.graph;
  if (graph.nodes().size() > kMaxLayers) {
    field.reject(
        detail::cat("has ", graph.nodes().size(), " nodes; at most ", kMaxLayers, " are read"));
  }
  if (graph.outputs().size() != 1 || graph.outputs().front().name != kLogits) {
    field.reject(detail::cat("must have one output, called ", kLogits));
  }
  if (graph.node(graph.outputs().front().value).shape.rank() != 2) {
    field.reject("has logits that are no list");
  }
  const Shape want = {1, h.preprocess.height, h.preprocess.width, ImageU8::kChannels};
  int inputs = 0;
  for (const Node& n : graph.nodes()) {
    if (n.kind != NodeKind::kInput) continue;
    ++inputs;
    if (n.name != kImageInput || n.shape != want) {
      field.reject(detail::cat("has an input ", n.name, " of ", n.shape, ", expected ", kImageInput,
                               " of ", want));
    }
  }
  if (inputs != 1) field.reject("must have one input");
}

void read_candidates(const JsonField& root, PackageHeader& h) {
  const std::vector<ValueId> layers = layers_of(h.graph);
  const std::vector<bool> cuts = deployable_cuts(h.graph);
  const JsonField list = root.at("candidates");
  for (const JsonField& field : list.elements(kMaxCandidates)) {
    PackagedCandidate c = read_candidate(field, static_cast<int>(layers.size()));
    const auto k = static_cast<std::size_t>(c.frozen);
    if (!h.candidates.empty() && c.frozen <= h.candidates.back().frozen) {
      field.at("frozen").reject("must be above that of the candidate before");
    }
    if (!cuts[k]) {
      field.at("frozen").reject("is no place to divide the network");
    }
    const std::string& branch = k == 0 ? kImageInput : h.graph.node(layers[k - 1]).name;
    if (c.branch != branch) field.at("branch").reject("must be " + branch);
    h.candidates.push_back(std::move(c));
  }
  if (h.candidates.empty()) list.reject("is empty");
}

void read_base(const JsonField& field, PackageHeader& h) {
  h.base_sha256 = read_hash(field.at("sha256"));
  const JsonField layers = field.at("layers");
  for (const JsonField& layer : layers.elements(kMaxLayers)) {
    h.base_layers.push_back(read_hash(layer));
  }
  const int deepest = h.candidates.back().frozen;
  if (h.base_layers.size() != static_cast<std::size_t>(deepest)) {
    layers.reject(detail::cat("has ", h.base_layers.size(),
                              " hashes, the deepest candidate shares ", deepest, " layers"));
  }
}

}  // namespace

const char* name(EventSource source) {
  switch (source) {
    case EventSource::kAssumed:
      return "assumed";
    case EventSource::kGiven:
      return "given";
    case EventSource::kMeasured:
      return "measured";
  }
  return "?";
}

void check_plain_name(const std::string& name, std::string_view source, std::string_view what) {
  const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/' || c == '\\';
  });
  if (plain && !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != "..") return;
  fail(Errc::kModel, source, ": ", what, " must be 1 to ", kMaxNameBytes,
       " bytes of text and no path, it is ",
       Json(name).dump(-1, ' ', true, Json::error_handler_t::replace));
}

Json to_json(const PackageHeader& h) {
  Json candidates = Json::array();
  for (const PackagedCandidate& c : h.candidates) {
    candidates.push_back({{"frozen", c.frozen},
                          {"branch", c.branch},
                          {"accuracy", c.accuracy},
                          {"accuracy_low", c.accuracy_low},
                          {"accuracy_high", c.accuracy_high},
                          {"tpr", c.tpr},
                          {"fpr", c.fpr},
                          {"pareto", c.pareto ? 1 : 0},
                          {"sha256", c.sha256}});
  }
  return {{"task", h.task},
          {"made_by", h.made_by},
          {"labels", h.labels},
          {"positive", h.positive},
          {"events",
           {{"length_ms", h.events.length_ms},
            {"frequency", h.events.frequency},
            {"correlation", h.events.correlation},
            {"source", name(h.event_source)}}},
          {"preprocess", data::to_json(h.preprocess)},
          {"candidates", candidates},
          {"base", {{"sha256", h.base_sha256}, {"layers", h.base_layers}}},
          {"graph", to_json(h.graph)}};
}

PackageHeader package_header_from_json(const Json& json, const std::string& source) {
  const JsonField root(json, source);
  PackageHeader h;
  h.task = root.at("task").text();
  check_plain_name(h.task, source, "task");
  h.made_by = root.at("made_by").text();
  const JsonField graph = root.at("graph");
  static_cast<void>(root.at("preprocess"));
  h.preprocess = data::preprocess_from_json(json.at("preprocess"), source);
  h.graph = graph_from_json(json.at("graph"), source);
  check_graph(h, graph);
  read_labels(root, h);
  read_events(root.at("events"), h);
  read_candidates(root, h);
  read_base(root.at("base"), h);
  return h;
}

}  // namespace graft
