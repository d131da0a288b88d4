// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "graph/plan/inference.h"

namespace graft {

/// An inference graph on 8-bit integers. What it computes depends on one scale for every value.
struct Int8Graph {
  /// Buffer `param` of the int8 graph's store holds the scale of value `value` (an index into
  /// `values`).
  struct Scale {
    std::string param;
    std::size_t value;
  };
  /// Values that share a scale: the nodes of the inference graph that they come from (several meet
  /// in a concatenation), and the largest q, which stands for the largest magnitude among them.
  struct Value {
    std::vector<std::string> nodes;
    float levels;
  };
  DerivedGraph derived;  ///< rules: from the inference graph's parameters
  std::vector<Value> values;
  std::vector<Scale> scales;
};

/// Every layer that has an 8-bit form gets it, and a value is 8-bit (u8 where neither it nor one
/// that shares its scale can be negative, else i8) if its maker and all its readers allow; the
/// image and other floating values are quantised where a layer needs them or other 8-bit values
/// meet them. Outputs and everything else stay f32, and so do the layers of the nodes named in
/// `floating`. Whatever is in `floating`, Int8Graph::values is a part of what it is for none.
/// `inference`: what inference_form() makes.
[[nodiscard]] Int8Graph int8_form(const Graph& inference,
                                  const std::vector<std::string>& floating = {});

/// Nodes of `inference` that int8_form() gives a layer with 8-bit weights.
[[nodiscard]] std::vector<std::string> int8_layers(const Graph& inference);

}  // namespace graft
