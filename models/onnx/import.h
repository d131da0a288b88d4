// SPDX-License-Identifier: Apache-2.0
// ONNX classifiers (opset 9 to 21) as graphs of graft.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/ir/graph.h"

namespace graft::onnx {

inline constexpr int kOldestOpset = 9, kNewestOpset = 21;

struct ImportOptions {
  int size = 0;  ///< height and width where the file leaves them open
};

/// How a file holds an activation in 8 bits: scale * (q - zero), q from 0 to 255.
struct Steps {
  float scale = 0;
  int zero = 0;
  bool operator==(const Steps&) const = default;
};

struct Imported {
  /// Input "image" (1,H,W,3); output "logits" (1,classes), or "features" if the file ends with a
  /// map. A softmax at the end is left out: logits are what it was given.
  Graph graph;
  /// By parameter name, in archive order (filters K,C/groups,R,S).
  std::map<std::string, std::vector<float>> weights;
  std::string producer;
  int opset = 0;
  int quantised = 0;  ///< values that are 8-bit in the file and f32 in `graph`
  /// Of the activations among them, by the node that makes them; scale 0 for one with several.
  std::map<std::string, Steps> steps;
  std::set<std::string> layers_in_steps;  ///< nodes whose weights are 8-bit in the file
};

/// Reads a model from the bytes of a file called `source`. Throws Error(kModel): for bytes that are
/// no sound ONNX model; and listing every node that cannot be imported with its name, operator,
/// opset and the reason, all at once.
[[nodiscard]] Imported import_model(std::string_view bytes, std::string_view source,
                                    const ImportOptions& options = {});

/// One line of the operator table.
struct OperatorInfo {
  std::string_view op;
  std::string_view note;  ///< restrictions; empty: none
};
/// The operators that import_model() takes, by name.
[[nodiscard]] std::vector<OperatorInfo> supported_operators();

}  // namespace graft::onnx
