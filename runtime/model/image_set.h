// SPDX-License-Identifier: Apache-2.0
// Images for a model, to calibrate and to measure it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/model/model.h"

namespace graft {

struct ImageSet {
  std::string source;
  std::vector<ImageU8> images;  ///< as the model's preprocessing fits them to its input
  std::vector<int> labels;      ///< the model's class of each image; empty: not known

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(images.size()); }
};

/// Reads what --data takes (runtime/data/open.h); of kinds with two splits `split`. A folder
/// without a folder `train` inside is taken whole, and may hold images without class folders. At
/// most `limit` images, drawn by Philox; 0: all. Classes are the model's if their names are its
/// labels (letter case, spaces and underscores do not matter), or are numbers of its classes;
/// otherwise labels stay empty.
/// Throws Error(kUsage), Error(kData); Error(kOutOfMemory) if the images would take over 4 GiB.
[[nodiscard]] ImageSet read_image_set(const std::string& data, data::Split split,
                                      const ModelHeader& header, std::int64_t limit);

/// As above; Error(kData) naming every class that is none of the model's.
[[nodiscard]] ImageSet read_labelled_set(const std::string& data, data::Split split,
                                         const ModelHeader& header, std::int64_t limit);

/// Images [begin, begin + count) of a set as the values (count,H,W,3) of a model's input.
[[nodiscard]] Tensor input_of(Context& ctx, const ModelHeader& header, const ImageSet& set,
                              std::int64_t begin, std::int64_t count);

}  // namespace graft
