// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/family.h"

#include <algorithm>
#include <string_view>

#include "engine/io/file.h"
#include "graph/ir/branch_points.h"
#include "graph/ir/cut.h"
#include "models/spec/graph_json.h"
#include "runtime/model/model.h"
#include "scheduler/model/json_field.h"

namespace graft::finetune {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxLabels = 65536, kMaxCandidates = 4096;
constexpr int kMaxFrozen = 65536, kMaxEpochs = 1'000'000;
constexpr double kMaxSeconds = 1e9;
constexpr std::size_t kHashDigits = 64;

Json candidate_json(const Candidate& c) {
  return {{"frozen", c.frozen},
          {"branch", c.branch},
          {"weights", c.weights},
          {"sha256", c.sha256},
          {"accuracy", c.accuracy},
          {"accuracy_low", c.accuracy_low},
          {"accuracy_high", c.accuracy_high},
          {"tpr", c.tpr},
          {"fpr", c.fpr},
          {"pareto", c.pareto},
          {"epochs", c.epochs},
          {"seconds", c.seconds}};
}

/// What `f.at(key)` is in the document `json` of `f`, for readers of their own.
const Json& member(const Json& json, const JsonField& f, const char* key) {
  static_cast<void>(f.at(key));  // or says that it is missing
  return json[key];
}

std::string hash_of(const JsonField& field) {
  std::string text = field.text();
  const bool sound =
      text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      });
  if (!sound) field.reject("is no SHA-256: 64 hexadecimal digits in lower case");
  return text;
}

Candidate read_candidate(const JsonField& f) {
  constexpr double kRate = 1;
  Candidate c{.frozen = f.at("frozen").integer(0, kMaxFrozen),
              .branch = f.at("branch").text(),
              .weights = f.at("weights").text(),
              .sha256 = hash_of(f.at("sha256")),
              .accuracy = f.at("accuracy").number(0, kRate),
              .accuracy_low = f.at("accuracy_low").number(0, kRate),
              .accuracy_high = f.at("accuracy_high").number(0, kRate),
              .tpr = f.at("tpr").number(0, kRate),
              .fpr = f.at("fpr").number(0, kRate),
              .pareto = f.at("pareto").flag(),
              .epochs = f.at("epochs").integer(0, kMaxEpochs),
              .seconds = f.at("seconds").number(0, kMaxSeconds)};
  if (c.weights != weights_file(c.frozen))
    f.at("weights").reject("must be " + weights_file(c.frozen));
  if (c.accuracy < c.accuracy_low || c.accuracy > c.accuracy_high) {
    f.at("accuracy").reject("must lie between accuracy_low and accuracy_high");
  }
  return c;
}

/// That `c` divides the graph where it says.
void check_cut(const Candidate& c, const Graph& graph, const std::vector<BranchPoint>& cuts,
               const JsonField& f) {
  if (c.frozen == 0) {
    if (!c.branch.empty()) f.at("branch").reject("must be empty where nothing is frozen");
    return;
  }
  const auto cut = std::find_if(cuts.begin(), cuts.end(),
                                [&](const BranchPoint& p) { return p.frozen == c.frozen; });
  if (cut == cuts.end()) {
    f.at("frozen").reject("is " + std::to_string(c.frozen) +
                          ": not one value alone goes on from there");
  }
  if (graph.node(cut->value).name != c.branch) {
    f.at("branch").reject("must be " + graph.node(cut->value).name);
  }
}

/// That the graph is a classifier of these labels for images of this preprocessing.
void check_graph(const Family& family, const JsonField& f) {
  const Graph& graph = family.graph;
  const ValueId image = graph.find(kImageInput);
  const Shape want = {1, family.preprocess.height, family.preprocess.width, ImageU8::kChannels};
  const Shape logits = {1, static_cast<std::int64_t>(family.labels.size())};
  if (image == kNoValue || graph.node(image).kind != NodeKind::kInput ||
      graph.node(image).shape != want) {
    f.reject(detail::cat("needs an input called ", kImageInput, " of ", want));
  }
  if (graph.outputs().size() != 1 || graph.outputs().front().name != kLogits ||
      graph.node(graph.outputs().front().value).shape != logits) {
    f.reject(detail::cat("needs one output called ", kLogits, " of ", logits));
  }
  const auto inputs = std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                    [](const Node& n) { return n.kind == NodeKind::kInput; });
  if (inputs != 1) f.reject(detail::cat("has ", inputs, " inputs, must have one"));
}

void check_format(const JsonField& f) {
  constexpr int kNewest = 1'000'000;
  const int format = f.integer(1, kNewest);
  if (format > kFamilyFormat) {
    f.reject(detail::cat("is ", format, ", this build reads up to ", kFamilyFormat,
                         "; use a newer graft"));
  }
}

}  // namespace

std::string weights_file(int frozen) {
  return detail::cat("candidates/frozen-", frozen, ".safetensors");
}

Json to_json(const Family& family) {
  Json candidates = Json::array();
  for (const Candidate& c : family.candidates) candidates.push_back(candidate_json(c));
  return {{"format", kFamilyFormat},
          {"task", family.task},
          {"base",
           {{"file", family.base.file},
            {"sha256", family.base.sha256},
            {"origin", family.base.origin}}},
          {"labels", family.labels},
          {"preprocess", data::to_json(family.preprocess)},
          {"graph", graft::to_json(family.graph)},
          {"layers", count_layers(family.graph)},
          {"candidates", std::move(candidates)},
          {"seconds", {{"prefix", family.prefix_seconds}, {"total", family.total_seconds}}}};
}

Family family_from_json(const Json& json, const std::string& source) {
  const JsonField f(json, source);
  check_format(f.at("format"));
  Family family;
  family.task = f.at("task").text();
  const JsonField base = f.at("base");
  family.base = {.file = base.at("file").text(),
                 .sha256 = hash_of(base.at("sha256")),
                 .origin = base.at("origin").text()};
  if (family.task.empty()) f.at("task").reject("is empty");
  if (family.base.file != kBaseFile) base.at("file").reject(detail::cat("must be ", kBaseFile));
  for (const JsonField& label : f.at("labels").elements(kMaxLabels)) {
    family.labels.push_back(label.text());
  }
  family.preprocess = data::preprocess_from_json(member(json, f, "preprocess"), source);
  family.graph = graph_from_json(member(json, f, "graph"), source);
  check_graph(family, f.at("graph"));
  const int layers = count_layers(family.graph);
  if (f.at("layers").integer(0, kMaxFrozen) != layers) {
    f.at("layers").reject(detail::cat("must be ", layers, ", as many as the graph has"));
  }
  const auto cuts = single_value_cuts(family.graph);
  int above = -1;
  for (const JsonField& candidate : f.at("candidates").elements(kMaxCandidates)) {
    const Candidate c = read_candidate(candidate);
    if (c.frozen <= above) candidate.at("frozen").reject("must be larger than the one before");
    check_cut(c, family.graph, cuts, candidate);
    above = c.frozen;
    family.candidates.push_back(c);
  }
  family.prefix_seconds = f.at("seconds").at("prefix").number(0, kMaxSeconds);
  family.total_seconds = f.at("seconds").at("total").number(0, kMaxSeconds);
  return family;
}

void write_family(const Family& family, const std::filesystem::path& folder) {
  atomic_write(folder / kFamilyFile, to_json(family).dump(2) + "\n");
}

Family read_family(const std::filesystem::path& folder) {
  const auto path = folder / kFamilyFile;
  const std::uint64_t bytes = FileReader(path).size();
  if (bytes > kMaxFileBytes) {
    fail(Errc::kModel, path.string(), ": has ", bytes,
         " bytes, the description of a family at most ", kMaxFileBytes,
         "; `graft finetune` makes it again");
  }
  return family_from_json(parse_json(read_file(path, kMaxFileBytes), path.string(), Errc::kModel),
                          path.string());
}

Graph branch_graph(const Family& family, const Candidate& candidate) {
  if (candidate.frozen == 0) return family.graph;
  return split(family.graph, family.graph.find(candidate.branch)).suffix;
}

}  // namespace graft::finetune
