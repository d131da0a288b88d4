// SPDX-License-Identifier: Apache-2.0
// A network by name: what `--model` takes, and the graph that it stands for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/ir/graph.h"

namespace graft {

enum class Norm : std::uint8_t { kBatch, kGroup };

/// "batch" or "group".
[[nodiscard]] const char* name(Norm norm);
/// Inverse of name(). Throws Error(kUsage).
[[nodiscard]] Norm parse_norm(std::string_view text);

/// A parsed and checked `name[:key=value,...]`.
struct ModelSpec {
  std::string name;                   ///< canonical, e.g. "wrn-16-2"
  std::vector<std::int64_t> numbers;  ///< in the name: 16, 2
  /// In the family's order; values as print() writes them; defaults are left out.
  std::vector<std::pair<std::string, std::string>> options;

  /// Value of an option, or `fallback` where it was not given.
  [[nodiscard]] std::string text(std::string_view option, std::string_view fallback) const;
  [[nodiscard]] double number(std::string_view option, double fallback) const;

  friend bool operator==(const ModelSpec&, const ModelSpec&) = default;
};

/// Reads e.g. `resnet20`, `wrn-16-2:dropout=0.3`, `mobilenet_v2:width=1.4,stem=cifar`. Throws
/// Error(kUsage) for an unknown model or option, a wrong value or a depth that the family does not
/// have; the message says what was probably meant and lists what there is.
[[nodiscard]] ModelSpec parse_model_spec(std::string_view text);

/// Canonical text; parse_model_spec(print(spec)) == spec.
[[nodiscard]] std::string print(const ModelSpec& spec);

/// One line of `graft inspect models`.
struct ModelInfo {
  std::string pattern;  ///< e.g. "wrn-DEPTH-K"
  std::string description;
  std::string options;                 ///< e.g. "dropout=0"
  std::vector<std::string> published;  ///< names with a published parameter count
};
[[nodiscard]] std::vector<ModelInfo> models();

/// What a network is built for.
struct ModelContext {
  std::int64_t classes = 10;
  std::int64_t height = 32, width = 32;  ///< of the images, pixels
  Norm norm = Norm::kBatch;
  double label_smoothing = 0;
};

/// The training graph, not fused: inputs "image" (1,H,W,3) and "label" (1) i32; outputs "logits"
/// (1,classes) and "loss" (1), the node "loss"; behind it a Select node "select" with policy slot
/// "sampler". The option `stem` is cifar (no early down-sampling) for images up to 64 pixels,
/// imagenet above, unless given. Throws Error(kUsage) if the images are too small for the network.
[[nodiscard]] Graph build_model(const ModelSpec& spec, const ModelContext& context);

}  // namespace graft
