// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "models/onnx/import.h"
#include "runtime/model/model.h"

namespace graft {

/// How an ONNX file has a network in 8 bits: onnx::Imported says more.
struct FileSteps {
  std::map<std::string, onnx::Steps> values;
  std::set<std::string> layers;
};

/// The 8-bit form of `model`, the f32 equivalent of an ONNX file, with that file's own steps.
/// Layers whose input or weights are not 8-bit there, or the weights not steps of their largest /
/// 127, stay f32. Nothing if that leaves none, or if a value that has to be 8-bit here is not
/// there, or other than from 0 on where it cannot be negative and around 0 elsewhere.
[[nodiscard]] std::optional<Model> int8_of_steps(Context& ctx, Model& model, const FileSteps& file);

}  // namespace graft
