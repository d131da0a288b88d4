// SPDX-License-Identifier: Apache-2.0
// ONNX classifiers (opset 9 to 21) as graphs of graft.
#pragma once

#include <map>
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

struct Imported {
  /// Input "image" (1,H,W,3); output "logits" (1,classes), or "features" if the file ends with a
  /// map. A softmax at the end is left out: logits are what it was given.
  Graph graph;
  /// By parameter name, in archive order (filters K,C/groups,R,S).
  std::map<std::string, std::vector<float>> weights;
  std::string producer;
  int opset = 0;
  int quantised = 0;  ///< values that were 8-bit in the file and are f32 here
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
