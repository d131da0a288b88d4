// SPDX-License-Identifier: Apache-2.0
// An application in one file (an M-Package): its candidates behind their branch points, and what a
// scheduler and a runner must know of them. Source: spec/mainstream.md sections 1 and 5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "engine/io/archive.h"
#include "graph/ir/graph.h"
#include "runtime/data/preprocess.h"
#include "scheduler/model/application.h"

namespace graft {

/// Of packages. Older ones are read; a newer one is refused (exit code 5).
inline constexpr int kPackageFormat = 1;

/// One fine-tuned network: the first `frozen` layers of the base, then its own.
struct PackagedCandidate {
  int frozen = 0;      ///< leading layers of the graph, in node order
  std::string branch;  ///< node whose value is the cut; "image" if nothing is frozen
  double accuracy = 0, accuracy_low = 0, accuracy_high = 1;  ///< Top-1, with confidence interval
  /// Measured on labelled frames: P(positive | event frame) and P(positive | other frame). Else as
  /// fine-tuning found them: one label against the others, mean over the labels.
  double tpr = 0, fpr = 0;
  bool pareto = true;  ///< no candidate with as many frozen layers or more is as accurate
  std::string sha256;  ///< of its weights
};

/// Where the numbers of PackageHeader::events come from.
enum class EventSource : std::uint8_t { kAssumed, kGiven, kMeasured };
[[nodiscard]] const char* name(EventSource source);

/// What a package says, besides weights.
struct PackageHeader {
  std::string task;         ///< name of the application, no path
  std::string base_sha256;  ///< of the base's model file
  /// Content hash of each leading layer of the base (layer_hash.h), as many as any candidate
  /// freezes.
  std::vector<std::string> base_layers;
  Graph graph;  ///< trunk of the base and head, not fused; input "image", output "logits"
  data::Preprocess preprocess;
  std::vector<std::string> labels;  ///< one a class
  std::vector<int> positive;        ///< indices of the labels that mean an event, ascending
  EventStatistics events;
  EventSource event_source = EventSource::kAssumed;
  std::vector<PackagedCandidate> candidates;  ///< by frozen layers, ascending
  std::string made_by;                        ///< program and version

  [[nodiscard]] int n_layers() const;
  /// Throws Error(kModel) listing what there is, if there is none with so many frozen layers.
  [[nodiscard]] const PackagedCandidate& candidate(int frozen) const;
};

/// A checked package file; weights are read when asked for.
class Package {
 public:
  /// Reads and checks everything but the weights' bytes. Throws Error(kIo) if the file cannot be
  /// read; Error(kModel), naming file and reason, if it is no sound package: other contents than
  /// its SHA-256 says, a newer format, candidates that do not fit the graph, names with paths.
  explicit Package(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const PackageHeader& header() const { return header_; }

  /// Reads all weights and checks their SHA-256. Throws as the constructor.
  void verify() const;

  /// Fills the parameters of `to` that lie behind the cut of candidate `frozen`, after a check of
  /// their SHA-256; the others are left alone. Throws Error(kModel).
  void read_candidate(Context& ctx, int frozen, ParamStore& to) const;

 private:
  using UseWeight = std::function<void(const std::string& param, const ArchiveEntry& entry)>;
  /// Calls `use` for each weight of a candidate, then checks their SHA-256.
  void for_each_weight(const PackagedCandidate& candidate, const UseWeight& use) const;

  std::filesystem::path path_;
  ArchiveReader archive_;
  PackageHeader header_;
};

/// The file of a package; `weights`: an archive for each of header.candidates, holding the
/// parameters behind its cut. Their `sha256` and `made_by` are filled in here. Throws Error(kModel)
/// if weights and graph do not fit or the header is none that can be read again.
[[nodiscard]] ArchiveWriter package_archive(PackageHeader header,
                                            const std::vector<std::filesystem::path>& weights);

/// The application that a scheduler sees. The hit rate of its detectors is the Top-1 accuracy, as
/// in the thesis, unless the rates of the event itself were measured.
[[nodiscard]] Application application_of(const PackageHeader& header);

}  // namespace graft
