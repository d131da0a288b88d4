// SPDX-License-Identifier: Apache-2.0
// From a decoded image to a network's input: part of the model, the same in training and inference.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/image.h"
#include "engine/io/json.h"
#include "runtime/data/dataset.h"

namespace graft::data {

/// Resize, centre crop, then (pixel / 255 * range - mean) / stddev a channel.
struct Preprocess {
  enum class Resize : std::uint8_t {
    kNone,       ///< only the centre crop
    kExact,      ///< to the input's height and width, whatever the image's proportions
    kShortSide,  ///< shorter side to `side`
  };
  Resize resize = Resize::kShortSide;
  int side = 224;
  ResizeFilter filter = ResizeFilter::kBilinear;
  int height = 224, width = 224;  ///< of the input
  double range = 1;               ///< a white pixel before mean and stddev: 1 or 255
  Normalization normalization;    ///< in the order of the input's channels
  bool bgr = false;               ///< channels swapped, as Caffe has them

  friend bool operator==(const Preprocess&, const Preprocess&) = default;
};

/// Reads PRESET[:key=value,...] for an input of height x width. Presets: `torchvision` (shorter
/// side to 256/224 of the input's, ImageNet's mean and deviation), `keras` (shorter side to the
/// input's, values from -1 to 1). Keys: resize=none|exact|SIDE, filter=bilinear|bicubic,
/// mean=R/G/B, std=R/G/B, range=1|255, order=rgb|bgr. Throws Error(kUsage) naming the key and what
/// it expects.
[[nodiscard]] Preprocess parse_preprocess(std::string_view text, int height, int width);

/// As stored in a model file.
[[nodiscard]] Json to_json(const Preprocess& preprocess);
/// Inverse of to_json(). Throws Error(kModel) naming `source` and the field.
[[nodiscard]] Preprocess preprocess_from_json(const Json& json, std::string_view source);

/// The pixels that the network sees: (height, width, 3) in its order of channels. Throws
/// Error(kData) for an image too narrow to be resized.
[[nodiscard]] ImageU8 fit(const Preprocess& preprocess, const ImageU8& image);

/// The values of pixels that fit() made. out: height * width * 3, (H,W,C).
void to_values(const Preprocess& preprocess, const ImageU8& fitted, std::span<float> out);

/// fit(), then the values. out: height * width * 3, (H,W,C).
void apply(const Preprocess& preprocess, const ImageU8& image, std::span<float> out);

}  // namespace graft::data
