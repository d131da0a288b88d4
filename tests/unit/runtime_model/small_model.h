// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "engine/core/rng.h"
#include "graph/ir/prune.h"
#include "runtime/model/model.h"

namespace graft::testing {

inline ImageU8 test_image(std::uint64_t seed = 1, int height = 40, int width = 50) {
  ImageU8 image(height, width);
  Philox rng({.seed = seed, .purpose = RngPurpose::kTest});
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

/// A network of the zoo with drawn weights; `as_graph`: without its name.
inline Model drawn_model(Context& ctx, const std::string& architecture, int side,
                         std::int64_t classes, bool as_graph = false) {
  const Graph whole = build_model(parse_model_spec(architecture),
                                  {.classes = classes, .height = side, .width = side});
  ModelHeader header;
  if (!as_graph) header.architecture = architecture;
  header.graph = prune(whole, whole.output(kLogits), kLogits);
  header.preprocess = data::parse_preprocess("keras", side, side);
  for (std::int64_t i = 0; i < classes; ++i) header.labels.push_back("class " + std::to_string(i));
  header.origin = "test";
  Model model(ctx, std::move(header));
  model.params().initialise(ctx, 1);
  return model;
}

inline Model small_model(Context& ctx, bool as_graph) {
  return drawn_model(ctx, "small_cnn", 32, 10, as_graph);
}

}  // namespace graft::testing
