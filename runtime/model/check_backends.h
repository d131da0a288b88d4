// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "engine/io/json.h"
#include "models/spec/model_spec.h"

namespace graft {

struct CheckOptions {
  Backend a = Backend::kCpu, b = Backend::kRef;
  int threads = 1;
  ModelSpec model;
  ModelContext context;
  std::int64_t batch = 8;
  std::uint64_t seed = 1;
  DType precision = DType::kF32;  ///< of activations on kCuda; the other backends run f32
  double tolerance = 1e-3;        ///< of the relative difference
};

/// How far two backends are apart in one layer: rms(a - b) / rms(b), NaN if either has one. The
/// values are those of a whole run each, so that differences grow from layer to layer.
struct LayerAgreement {
  std::string name, kind;
  double forward = 0;              ///< of the output
  std::optional<double> backward;  ///< the worst of its parameters' gradients
};

struct CheckReport {
  std::vector<LayerAgreement> layers;  ///< in the order in which they run forward
  std::string first_disagreement;      ///< "layer forward" or "layer backward"; empty: they agree
};

/// One training forward and backward on both backends, same weights and same random batch.
/// Throws Error(kUnavailable) if a backend is not there.
[[nodiscard]] CheckReport check_backends(const CheckOptions& options);

/// {"agrees", "first_disagreement": name or null, "layers": [{"name", "kind", "forward",
/// "backward"}]}.
[[nodiscard]] Json to_json(const CheckReport& report);

}  // namespace graft
