// SPDX-License-Identifier: Apache-2.0
// What graft finetune leaves behind: one network whose candidates share leading layers with a base.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "graph/ir/graph.h"
#include "runtime/data/preprocess.h"

namespace graft::finetune {

/// Of family.json. Older ones are read; a newer one is refused.
inline constexpr int kFamilyFormat = 1;

/// The output folder: this description, a copy of the base, and candidates/frozen-K.safetensors.
inline constexpr const char* kFamilyFile = "family.json";
inline constexpr const char* kBaseFile = "base.graft";

/// One way to divide the network: its first `frozen` layers are the base's, the others trained.
struct Candidate {
  int frozen = 0;      ///< leading layer nodes of Family::graph that are the base's, bit for bit
  std::string branch;  ///< name of the node whose value the trained part takes; "" for 0: the image
  std::string weights;  ///< weights_file(frozen): parameters and buffers of the trained part only
  std::string sha256;   ///< of that file
  double accuracy = 0;  ///< Top-1 on the test images, [0, 1]
  double accuracy_low = 0, accuracy_high = 1;  ///< Wilson's 95 % interval
  double tpr = 0;       ///< mean over the classes of one-against-the-rest true positive rates
  double fpr = 0;       ///< the same of false positive rates
  bool pareto = false;  ///< no candidate with as many frozen layers is more accurate
  int epochs = 0;       ///< trained
  double seconds = 0;   ///< of its training and evaluation

  bool operator==(const Candidate&) const = default;
};

struct Family {
  std::string task;
  struct Base {
    std::string file = kBaseFile;
    std::string sha256;  ///< of the file
    std::string origin;  ///< where it came from, for people
    bool operator==(const Base&) const = default;
  } base;
  std::vector<std::string> labels;
  data::Preprocess preprocess;
  /// Input "image", output "logits", not fused: the base up to its last feature, then the new head.
  /// Nodes of the base have its names.
  Graph graph;
  std::vector<Candidate> candidates;  ///< `frozen` ascending
  double prefix_seconds = 0;          ///< of running the base once on every image
  double total_seconds = 0;
};

/// "candidates/frozen-K.safetensors", below the output folder.
[[nodiscard]] std::string weights_file(int frozen);

[[nodiscard]] Json to_json(const Family& family);
/// Inverse of to_json(), under limits. Throws Error(kModel) naming `source` and the field; all that
/// can be checked without the other files is checked: the graph, every cut, names of files.
[[nodiscard]] Family family_from_json(const Json& json, const std::string& source);

/// Writes `folder`/family.json atomically. Throws Error(kIo).
void write_family(const Family& family, const std::filesystem::path& folder);
/// Throws Error(kIo) if there is none, Error(kModel) if it is not sound. Weights are not read.
[[nodiscard]] Family read_family(const std::filesystem::path& folder);

/// The trained part of a candidate: input "cut" ("image" for 0), output "logits". Its parameters
/// have the names that they have in Family::graph.
[[nodiscard]] Graph branch_graph(const Family& family, const Candidate& candidate);

}  // namespace graft::finetune
