// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/preprocess.h"

#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::data {
namespace {

constexpr int kChannels = ImageU8::kChannels;
constexpr int kLargestSide = 4096;
constexpr int kLevels = 256;

using Channels = double[kChannels];

void set(Channels& to, const std::array<double, kChannels>& from) {
  std::copy(from.begin(), from.end(), to);
}

Preprocess preset(std::string_view name, int height, int width) {
  Preprocess p;
  p.height = height;
  p.width = width;
  p.side = std::min(height, width);
  if (name == "torchvision") {
    p.side = p.side * 256 / 224;
    set(p.normalization.mean, {0.485, 0.456, 0.406});
    set(p.normalization.stddev, {0.229, 0.224, 0.225});
    return p;
  }
  if (name == "keras") {
    set(p.normalization.mean, {0.5, 0.5, 0.5});
    set(p.normalization.stddev, {0.5, 0.5, 0.5});
    return p;
  }
  const std::vector<std::string> known = {"torchvision", "keras"};
  fail(Errc::kUsage, "unknown preprocessing '", name, "'", did_you_mean(name, known),
       "; expected torchvision or keras, with options behind a colon");
}

void read_channels(std::string_view key, const std::string& text, Channels& to) {
  const auto pieces = split(text, '/');
  bool sound = pieces.size() == kChannels;
  for (std::size_t c = 0; sound && c < kChannels; ++c) {
    const auto number = parse_double(pieces[c]);
    sound = number.has_value();
    if (sound) to[c] = *number;
  }
  if (!sound) fail(Errc::kUsage, "preprocessing: ", key, " is '", text, "'; expected R/G/B");
}

void set_option(Preprocess& p, const std::string& key, const std::string& value) {
  const auto refuse = [&](const char* expected) {
    fail(Errc::kUsage, "preprocessing: ", key, " is '", value, "'; expected ", expected);
  };
  if (key == "resize") {
    const auto side = parse_int(value);
    if (value == "none" || value == "exact") {
      p.resize = value == "none" ? Preprocess::Resize::kNone : Preprocess::Resize::kExact;
    } else if (side && *side >= 1 && *side <= kLargestSide) {
      p.resize = Preprocess::Resize::kShortSide;
      p.side = static_cast<int>(*side);
    } else {
      refuse("none, exact or the length of the shorter side");
    }
  } else if (key == "filter") {
    if (value != "bilinear" && value != "bicubic") refuse("bilinear or bicubic");
    p.filter = value == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
  } else if (key == "mean") {
    read_channels(key, value, p.normalization.mean);
  } else if (key == "std") {
    read_channels(key, value, p.normalization.stddev);
  } else if (key == "range") {
    if (value != "1" && value != "255") refuse("1 or 255");
    p.range = value == "1" ? 1 : 255;
  } else if (key == "order") {
    if (value != "rgb" && value != "bgr") refuse("rgb or bgr");
    p.bgr = value == "bgr";
  } else {
    const std::vector<std::string> known = {"resize", "filter", "mean", "std", "range", "order"};
    fail(Errc::kUsage, "preprocessing: unknown option '", key, "'", did_you_mean(key, known),
         "; it has ", join(known, ", "));
  }
}

/// What keeps `p` from being applied, or nothing.
const char* why_not(const Preprocess& p) {
  const auto side_is_sound = [](int side) { return side >= 1 && side <= kLargestSide; };
  if (!side_is_sound(p.side) || !side_is_sound(p.height) || !side_is_sound(p.width)) {
    return "a side is not in 1..4096";
  }
  for (int c = 0; c < kChannels; ++c) {
    if (!std::isfinite(p.normalization.mean[c])) return "mean is not finite";
    if (!(p.normalization.stddev[c] > 0) || !std::isfinite(p.normalization.stddev[c])) {
      return "std is not positive";
    }
  }
  return p.range == 1 || p.range == 255 ? nullptr : "range is neither 1 nor 255";
}

void read_channels(const Json& json, Channels& to) {
  for (std::size_t c = 0; c < kChannels; ++c) to[c] = json.at(c).get<double>();
}

Preprocess from_json(const Json& json) {
  Preprocess p;
  const auto resize = json.at("resize").get<std::string>();
  const auto filter = json.at("filter").get<std::string>();
  const auto order = json.at("order").get<std::string>();
  if (resize != "none" && resize != "exact" && resize != "short_side") {
    fail(Errc::kModel, "resize is '", resize, "'");
  }
  if (filter != "bilinear" && filter != "bicubic") fail(Errc::kModel, "filter is '", filter, "'");
  if (order != "rgb" && order != "bgr") fail(Errc::kModel, "order is '", order, "'");
  p.resize = resize == "none"    ? Preprocess::Resize::kNone
             : resize == "exact" ? Preprocess::Resize::kExact
                                 : Preprocess::Resize::kShortSide;
  p.filter = filter == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
  p.bgr = order == "bgr";
  p.height = json.at("height").get<int>();
  p.width = json.at("width").get<int>();
  p.side = json.at("side").get<int>();
  p.range = json.at("range").get<double>();
  read_channels(json.at("mean"), p.normalization.mean);
  read_channels(json.at("std"), p.normalization.stddev);
  return p;
}

const char* name(Preprocess::Resize resize) {
  if (resize == Preprocess::Resize::kNone) return "none";
  return resize == Preprocess::Resize::kExact ? "exact" : "short_side";
}

}  // namespace

Preprocess parse_preprocess(std::string_view text, int height, int width) {
  const std::size_t colon = text.find(':');
  Preprocess p = preset(text.substr(0, colon), height, width);
  if (colon != std::string_view::npos) {
    for (const std::string& piece : split(text.substr(colon + 1), ',')) {
      const std::size_t equals = piece.find('=');
      set_option(p, piece.substr(0, equals),
                 equals == std::string::npos ? "" : piece.substr(equals + 1));
    }
  }
  if (const char* reason = why_not(p)) fail(Errc::kUsage, "preprocessing '", text, "': ", reason);
  return p;
}

Json to_json(const Preprocess& p) {
  return {{"resize", name(p.resize)},
          {"side", p.side},
          {"filter", p.filter == ResizeFilter::kBicubic ? "bicubic" : "bilinear"},
          {"height", p.height},
          {"width", p.width},
          {"range", p.range},
          {"mean", p.normalization.mean},
          {"std", p.normalization.stddev},
          {"order", p.bgr ? "bgr" : "rgb"}};
}

Preprocess preprocess_from_json(const Json& json, std::string_view source) {
  try {
    const Preprocess p = from_json(json);
    if (const char* reason = why_not(p)) fail(Errc::kModel, reason);
    return p;
  } catch (const Json::exception& e) {
    fail(Errc::kModel, source, ": preprocessing: ", e.what());
  } catch (const Error& e) {
    fail(Errc::kModel, source, ": preprocessing: ", e.what());
  }
}

ImageU8 fit(const Preprocess& p, const ImageU8& image) {
  ImageU8 out = image;
  if (p.resize == Preprocess::Resize::kExact) out = resize(image, p.height, p.width, p.filter);
  if (p.resize == Preprocess::Resize::kShortSide) out = resize_short_side(image, p.side, p.filter);
  out = center_crop(out, p.height, p.width);
  if (p.bgr) {
    for (std::size_t i = 0; i < out.pixels.size(); i += kChannels) {
      std::swap(out.pixels[i], out.pixels[i + 2]);
    }
  }
  return out;
}

void to_values(const Preprocess& p, const ImageU8& fitted, std::span<float> out) {
  GRAFT_CHECK_EQ(fitted.pixels.size(), out.size(), "preprocess: values of the input");
  float table[kChannels][kLevels];
  for (int c = 0; c < kChannels; ++c) {
    for (int level = 0; level < kLevels; ++level) {
      table[c][level] = static_cast<float>((level / 255.0 * p.range - p.normalization.mean[c]) /
                                           p.normalization.stddev[c]);
    }
  }
  for (std::size_t i = 0; i < out.size(); i += kChannels) {
    for (std::size_t c = 0; c < kChannels; ++c) out[i + c] = table[c][fitted.pixels[i + c]];
  }
}

void apply(const Preprocess& p, const ImageU8& image, std::span<float> out) {
  to_values(p, fit(p, image), out);
}

}  // namespace graft::data
