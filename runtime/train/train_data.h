// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"
#include "runtime/data/preprocess.h"
#include "runtime/train/train_options.h"

namespace graft::train {

/// What a run trains on and is tested on, after limits, label noise and hold-out.
struct TrainData {
  data::DatasetPtr train, test;
  data::AugmentOptions train_augment, test_augment;

  /// What an image that is not of the data set needs to look like one of it.
  [[nodiscard]] data::Preprocess preprocess() const;
};

/// A function of the options and the files. Label noise comes before the hold-out: who has noisy
/// labels validates on noisy labels. Throws what open_datasets throws; Error(kConfig) if the
/// hold-out leaves nothing.
[[nodiscard]] TrainData open_train_data(const TrainOptions& options);

}  // namespace graft::train
