// SPDX-License-Identifier: Apache-2.0
// Parameters to and from safetensors, under torchvision's names and axis orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/archive.h"
#include "layers/core/param.h"
#include "layers/optim/optimizer.h"

namespace graft::train {

/// A parameter as archives hold it: f32, or the 8-bit integers that it is (filters K,C,R,S).
struct ArchivedParam {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> bytes;
};
[[nodiscard]] ArchivedParam to_archived(Context& ctx, const ParamSpec& spec, const Tensor& value);

/// Writes all parameters and buffers as to_archived() makes them. Returns the file's SHA-256.
/// Throws Error(kIo), or Error(kNumerical) naming the tensor that holds a value that is not finite;
/// no file is written then.
std::string write_weights(Context& ctx, const ParamStore& params, const ArchiveMetadata& metadata,
                          const std::filesystem::path& path);

/// Reads what write_weights wrote. Throws Error(kModel), listing what is missing, left over or of
/// another shape.
void read_weights(Context& ctx, ParamStore& params, const std::filesystem::path& path);

/// The optimizer's state blocks, one tensor a parameter, named state + "/" + parameter.
std::string write_optimizer(Context& ctx, const ParamStore& params, const Optimizer& optimizer,
                            const std::filesystem::path& path);
void read_optimizer(Context& ctx, const ParamStore& params, Optimizer& optimizer,
                    const std::filesystem::path& path);

}  // namespace graft::train
