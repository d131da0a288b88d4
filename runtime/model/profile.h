// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/model/model.h"

namespace graft {

/// What the machine gives a context, as this library reaches it: the rate of a large matrix
/// product, in f32, in bf16 and in 8-bit integers (where there are no instructions, as in f32), and
/// of a large copy (bytes read and written).
struct MachineRoof {
  double flops_per_second = 0;
  double bf16_flops_per_second = 0;
  double int8_flops_per_second = 0;
  double bytes_per_second = 0;
};
[[nodiscard]] MachineRoof measure_roof(Context& ctx);

/// One layer of a forward.
struct LayerProfile {
  std::string name, op;
  double ms = 0;              ///< median
  std::int64_t flops = 0;     ///< a multiply-add counts two
  std::int64_t bytes = 0;     ///< inputs, parameters and output, each once
  DType reads = DType::kF32;  ///< whose roof it is under
  double roofline = 0;        ///< time that the roof allows / ms
};

struct ModelProfile {
  std::vector<LayerProfile> layers;  ///< in the order in which they run
  double total_ms = 0;               ///< median of whole forwards, not watched
  std::size_t peak_bytes = 0;        ///< Model::planned_bytes() and the input
  std::int64_t batch = 1;
  int threads = 1;
  MachineRoof roof;
};

/// Runs the model `runs` times on `batch` grey images, after a warm-up, watched layer by layer, and
/// as often unwatched. Synchronises.
[[nodiscard]] ModelProfile profile_model(Context& ctx, Model& model, std::int64_t batch, int runs);

/// {"layers": [{"name", "op", "ms", "flops", "bytes", "roofline"}], "total_ms", "peak_bytes", ...}.
[[nodiscard]] Json to_json(const ModelProfile& profile);

/// Milliseconds of whole forwards, in the order in which they ran, after a warm-up.
[[nodiscard]] std::vector<double> time_model(Context& ctx, Model& model, std::int64_t batch,
                                             int runs);

}  // namespace graft
