// SPDX-License-Identifier: Apache-2.0
// Models from what others publish, and from graft's own runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/model/model.h"

namespace graft {

struct ImportOptions {
  std::string preprocess = {};  ///< as parse_preprocess(); empty: what the architecture uses
  std::vector<std::string> labels = {};  ///< empty: class numbers
  int size = 0;        ///< side of the input; 0: what the architecture or file says
  bool trunk = false;  ///< weights may end before the classifier: a feature extractor is made
};

/// `architecture` with the weights of a safetensors file under torchvision's, timm's or Keras'
/// names (models/spec/weight_names.h). Throws Error(kUsage) for the architecture; Error(kModel)
/// listing every tensor that is missing, left over or of another shape.
[[nodiscard]] Model import_weights(Context& ctx, const std::string& architecture,
                                   const std::filesystem::path& weights,
                                   const ImportOptions& options);

/// A classifier from an ONNX file (models/onnx/import.h), its preprocessing torchvision's unless
/// said; int8 if the file is (QDQ) in graft's way (import_int8.h). Throws Error(kModel) listing
/// every node that cannot be imported.
[[nodiscard]] Model import_onnx(Context& ctx, const std::filesystem::path& path,
                                const ImportOptions& options);

/// `architecture` with random weights, drawn by `seed`: a classifier of ImageNet's 1000 classes,
/// its input as import_weights() would have it.
[[nodiscard]] Model random_model(Context& ctx, const std::string& architecture, std::uint64_t seed);

/// The last checkpoint of a run directory, with the preprocessing of its training.
[[nodiscard]] Model import_run(Context& ctx, const std::filesystem::path& run_dir);

/// Class names from a JSON file: a list of names, or of [id, name] pairs; or from a text file, one
/// a line. Throws Error(kData).
[[nodiscard]] std::vector<std::string> read_label_file(const std::filesystem::path& path);

}  // namespace graft
