// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/train_data.h"

#include <algorithm>
#include <utility>

#include "runtime/data/label_noise.h"
#include "runtime/data/open.h"

namespace graft::train {
namespace {

constexpr std::uint64_t kLimitSeed = 0;  // --train-limit takes the same examples whatever --seed

}  // namespace

data::Preprocess TrainData::preprocess() const {
  const auto size = train->image_size();
  return {.side = std::min(size.height, size.width),
          .height = size.height,
          .width = size.width,
          .normalization = test_augment.normalization};
}

TrainData open_train_data(const TrainOptions& options) {
  auto [train, test] = data::open_datasets(data::parse_data_spec(options.data));
  if (options.train_limit > 0) {
    train = data::limit_examples(std::move(train), options.train_limit, kLimitSeed);
  }
  if (options.test_limit > 0) {
    test = data::limit_examples(std::move(test), options.test_limit, kLimitSeed);
  }
  if (options.label_noise > 0) {
    const auto kind = options.label_noise_kind == "uniform_flip"
                          ? data::LabelNoiseKind::kUniformFlip
                          : data::LabelNoiseKind::kPermutePrefix;
    train = std::make_shared<data::LabelNoise>(std::move(train), kind, options.label_noise,
                                               options.seed);
  }
  if (options.holdout > 0) {
    auto [kept, held] = data::hold_out(std::move(train), options.holdout, kLimitSeed);
    train = std::move(kept);
    test = std::move(held);
  }
  data::AugmentOptions augment = data::training_augment(*train);
  if (options.crop_pad >= 0) augment.pad = options.crop_pad;
  augment.flip = augment.flip && options.flip;
  augment.cutout = options.cutout;
  const data::AugmentOptions test_augment = data::evaluation_augment(*train);
  return {std::move(train), std::move(test), augment, test_augment};
}

}  // namespace graft::train
