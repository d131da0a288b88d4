// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/build.h"

#include <algorithm>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"
#include "engine/io/hash.h"
#include "runtime/model/model.h"
#include "runtime/package/base_models.h"
#include "runtime/package/layers.h"
#include "runtime/package/package_json.h"

namespace graft {
namespace {

std::vector<int> find_positive(const std::vector<std::string>& labels,
                               const std::vector<std::string>& wanted, const std::string& task) {
  if (labels.empty()) fail(Errc::kModel, task, ": has no labels");
  if (wanted.empty()) {
    const auto named = std::find(labels.begin(), labels.end(), task);
    return {named == labels.end() ? 0 : static_cast<int>(named - labels.begin())};
  }
  std::vector<int> positive;
  for (const std::string& label : wanted) {
    const auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end()) {
      fail(Errc::kUsage, "--positive ", label, ": no such label", did_you_mean(label, labels),
           "; there are ", join(labels, ", "));
    }
    positive.push_back(static_cast<int>(found - labels.begin()));
  }
  std::sort(positive.begin(), positive.end());
  positive.erase(std::unique(positive.begin(), positive.end()), positive.end());
  return positive;
}

void set_events(const PackageOptions& options, PackageHeader& header) {
  header.events = {.length_ms = options.event_length_ms.value_or(kAssumedEvents.length_ms),
                   .frequency = options.event_frequency.value_or(kAssumedEvents.frequency),
                   .correlation = options.correlation.value_or(kAssumedEvents.correlation)};
  const bool any = options.event_length_ms || options.event_frequency || options.correlation;
  header.event_source = any ? EventSource::kGiven : EventSource::kAssumed;
}

void check_hash(const std::filesystem::path& path, const std::string& want) {
  if (sha256_file(path) == want) return;
  fail(Errc::kModel, path.string(), ": damaged, its SHA-256 is not ", want,
       ", which family.json says");
}

PackagedCandidate candidate_of(const finetune::Candidate& c) {
  return {.frozen = c.frozen,
          .branch = c.frozen == 0 ? kImageInput : c.branch,
          .accuracy = c.accuracy,
          .accuracy_low = c.accuracy_low,
          .accuracy_high = c.accuracy_high,
          .tpr = c.tpr,
          .fpr = c.fpr,
          .pareto = c.pareto,
          .sha256 = {}};
}

/// A file that goes when the object does.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

BuiltPackage build_package(Context& ctx, const std::filesystem::path& folder,
                           const PackageOptions& options, const std::filesystem::path& out,
                           const MeasurePackage& measure) {
  const finetune::Family family = finetune::read_family(folder);
  BuiltPackage built;
  PackageHeader& header = built.header;
  header.task = family.task;
  check_plain_name(header.task, (folder / finetune::kFamilyFile).string(), "task");
  header.graph = family.graph;
  header.preprocess = family.preprocess;
  header.labels = family.labels;
  header.positive = find_positive(family.labels, options.positive, family.task);
  set_events(options, header);

  std::vector<std::filesystem::path> weights;
  const std::vector<bool> cuts = deployable_cuts(family.graph);
  for (const finetune::Candidate& c : family.candidates) {
    if (!cuts[static_cast<std::size_t>(c.frozen)]) {
      built.left_out.push_back(c.frozen);
      continue;
    }
    weights.push_back(folder / c.weights);
    check_hash(weights.back(), c.sha256);
    header.candidates.push_back(candidate_of(c));
  }
  if (weights.empty()) fail(Errc::kModel, folder.string(), ": no candidate that can be packaged");

  const auto base = folder / family.base.file;
  check_hash(base, family.base.sha256);
  header.base_sha256 = family.base.sha256;
  header.base_layers = base_layer_hashes(ctx, header.graph, Model::load(ctx, base),
                                         header.candidates.back().frozen, base.string());
  const ArchiveWriter archive = package_archive(header, weights);
  built.base = out.parent_path() / base_file_name(header.base_sha256);
  if (!std::filesystem::exists(built.base)) atomic_write(built.base, read_file(base));
  if (!measure) {
    built.sha256 = archive.write(out);
    return built;
  }
  const TemporaryFile draft(out.string() + ".draft");
  archive.write(draft.path());
  measure(std::make_shared<const Package>(draft.path()), header);
  built.sha256 = package_archive(header, weights).write(out);
  return built;
}

}  // namespace graft
