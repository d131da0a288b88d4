// SPDX-License-Identifier: Apache-2.0
// The images of a fine-tuning, numbered through, and what each of them is for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/data/preprocess.h"

namespace graft::finetune {

struct Examples {
  data::DatasetPtr images;  ///< all of them, brought to the base's input size
  std::vector<std::int64_t> train, validation, test;  ///< ids in `images`, ascending, disjoint

  [[nodiscard]] std::int64_t size() const { return images->size(); }
};

struct ExampleOptions {
  std::string data;           ///< folder:DIR[,key=value...]
  double validation = 0.1;    ///< share of the training images that decides when to stop
  std::uint64_t seed = 1337;  ///< of that draw
};

/// Test images are those of DIR/test (val, valid, validation), or without train and test folders a
/// fifth of every class. Validation images are those of DIR/val if DIR has train, val and test,
/// which keeps frames of one track together; else a share of the training images, drawn by a seeded
/// permutation.
/// Throws Error(kUsage) if `data` is no folder, Error(kData) naming a class without images, for
/// fewer than two classes or too few images.
[[nodiscard]] Examples open_examples(const ExampleOptions& options,
                                     const data::Preprocess& preprocess);

}  // namespace graft::finetune
