// SPDX-License-Identifier: Apache-2.0
// What a set of applications costs when the frozen layers that they have in common run once.
// Source: spec/mainstream.md section 2.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"

namespace graft {

/// Where an application leaves the shared stem, and at what rate it is run.
struct Placement {
  int frozen = 0;  ///< leading layers of the base network that it shares; 0 shares nothing
  double fps = 0;
};

/// Costs of the base network's layers, in the caller's unit (a frame's milliseconds, say).
class CostModel {
 public:
  /// Costs and, if known, bytes of memory of each layer in order, finite and >= 0; `memory` is
  /// empty or as long as `layers`. Throws Error(kInvalidArgument).
  explicit CostModel(std::vector<double> layers, std::string unit = "",
                     std::vector<double> memory = {});

  [[nodiscard]] int n_layers() const { return static_cast<int>(cost_.size()) - 1; }
  [[nodiscard]] const std::string& unit() const { return unit_; }
  [[nodiscard]] bool has_memory() const { return !memory_.empty(); }
  /// Cost or memory of the first `frozen` layers, in [0, n_layers()].
  [[nodiscard]] double prefix(int frozen) const { return cost_[static_cast<std::size_t>(frozen)]; }
  [[nodiscard]] double memory_prefix(int frozen) const {
    return memory_[static_cast<std::size_t>(frozen)];
  }
  [[nodiscard]] double total() const { return cost_.back(); }
  /// The same network for applications that share no layer, wherever they leave the stem: all of it
  /// lies in one more layer, behind every branch point.
  [[nodiscard]] CostModel unshared() const;

  /// Cost per second: each segment of the stem at the rate of its fastest user, each branch at its
  /// own.
  [[nodiscard]] double cost(std::span<const Placement> apps) const;
  /// Cost of one frame that every application analyses, each layer run once: the stem to the
  /// deepest branch point, then all branches one after another.
  [[nodiscard]] double latency(std::span<const Placement> apps) const;
  /// Bytes of one stem to the deepest branch point and of all branches.
  [[nodiscard]] double memory(std::span<const Placement> apps) const;

 private:
  std::vector<double> cost_, memory_;  // prefix sums, from 0
  std::string unit_;
};

/// Reads {"unit": "...", "layers": [...], "memory": [...]}, memory being optional. Throws
/// Error(kModel) that names `source` and the field.
[[nodiscard]] CostModel parse_costs(const Json& json, std::string_view source);

}  // namespace graft
