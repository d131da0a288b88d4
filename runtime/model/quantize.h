// SPDX-License-Identifier: Apache-2.0
// From a floating model to its 8-bit form: calibrated, measured, with sensitive layers left alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/plan/int8.h"
#include "runtime/model/calibration.h"
#include "runtime/model/score.h"

namespace graft {

struct QuantizeOptions {
  std::vector<CalibrationMethod> methods = calibration_methods();  ///< the best one is taken
  double gate = 1;  ///< percentage points that may be lost
};

struct MethodReport {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  Score score;  ///< of the network with every layer in 8 bits
};

struct LayerReport {
  std::string name;
  double sqnr_db = 0;     ///< of the outputs with this layer alone in 8 bits
  bool floating = false;  ///< left in f32
};

struct QuantizeReport {
  std::int64_t calibration_images = 0, images = 0;
  Score f32, int8;
  CalibrationMethod method = CalibrationMethod::kMinMax;
  std::vector<MethodReport> methods;
  std::vector<LayerReport> layers;  ///< those that have an 8-bit form, in node order
};

/// Throws unless `model` has a form in less precision, `to` for messages: Error(kUsage) for one
/// that is such a form, Error(kUnsupported) for one that runs as written.
void check_reducible(const Model& model, std::string_view to);

/// Throws Error(kUnsupported) for a feature extractor.
void check_classifies(const Model& model, std::string_view to);

/// Percentage points that are lost: of top-1, or, without labels, all images whose first class
/// changes.
[[nodiscard]] double points_lost(const Score& score, const Score& f32);

/// `model` in 8 bits, ranges by `method`, the layers `floating` in f32.
[[nodiscard]] Model make_int8(Context& ctx, Model& model, const Calibration& calibration,
                              CalibrationMethod method, std::vector<std::string> floating);

/// Likewise, each value with the scale that `scale_of` gives.
[[nodiscard]] Model make_int8(Context& ctx, Model& model, Quantization quantization,
                              const std::function<float(const Int8Graph::Value&)>& scale_of);

/// Calibrates on one set and measures on another: every method with all layers in 8 bits, then,
/// with the best, each layer alone; while more than half of the gate is lost, a standard error
/// added, the layers that cost most go back to f32, up to half of them. Whether the gate holds is
/// for the caller to see in `report`. Throws Error(kUnsupported) for a model without 8-bit layers,
/// Error(kUsage) for one that is 8-bit already, Error(kData) for an empty set.
[[nodiscard]] Model quantize(Context& ctx, Model& model, const ImageSet& calibration,
                             const ImageSet& validation, const QuantizeOptions& options,
                             QuantizeReport& report);

/// 8 bits by min-max over drawn images: right for timing, not for answers.
[[nodiscard]] Model quantize_for_timing(Context& ctx, Model& model);

[[nodiscard]] Json to_json(const QuantizeReport& report);

}  // namespace graft
