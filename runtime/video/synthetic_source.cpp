// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/synthetic_source.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "engine/core/rng.h"
#include "engine/core/text.h"

namespace graft::video {
namespace {

/// The stretch of frames in which one object comes and goes.
struct Period {
  std::int64_t number = 0;
  std::int64_t begin = 0;  ///< of the object, in frames of the video
};

RngKey key_of(const SyntheticVideo& video, std::uint32_t what, std::int64_t id) {
  return {.seed = video.seed,
          .purpose = RngPurpose::kSynthetic,
          .epoch = what,
          .id = static_cast<std::uint64_t>(id)};
}

constexpr std::uint32_t kWhen = 1, kHow = 2, kNoise = 3;

/// Every period has one object, at a random place of it.
Period period_of(const SyntheticVideo& video, std::int64_t index) {
  const std::int64_t length = std::int64_t{video.event} + video.gap;
  const std::int64_t number = index / length;
  Philox rng(key_of(video, kWhen, number));
  return {number, number * length + rng.below(static_cast<std::uint32_t>(video.gap) + 1)};
}

struct Disc {
  int x = 0, y = 0, radius = 0;
  std::array<std::uint8_t, 3> colour{};
};

/// It crosses the picture from one side to the other while its event lasts.
Disc disc_at(const SyntheticVideo& video, const Period& period, std::int64_t index) {
  Philox rng(key_of(video, kHow, period.number));
  const int side = std::min(video.width, video.height);
  Disc disc;
  disc.radius =
      std::max(2, side / 8 + static_cast<int>(rng.below(static_cast<std::uint32_t>(side / 8 + 1))));
  const bool from_left = rng.below(2) == 0;
  const auto age = static_cast<int>(index - period.begin);
  const int along = video.width * (2 * age + 1) / (2 * video.event);
  disc.x = from_left ? along : video.width - 1 - along;
  disc.y = video.height / 4 +
           static_cast<int>(rng.below(static_cast<std::uint32_t>(video.height / 2 + 1)));
  disc.colour = {static_cast<std::uint8_t>(200 + rng.below(40)),
                 static_cast<std::uint8_t>(30 + rng.below(40)),
                 static_cast<std::uint8_t>(20 + rng.below(40))};
  return disc;
}

void draw_ground(const SyntheticVideo& video, std::int64_t index, ImageU8& image) {
  // The light changes slowly, up and down.
  constexpr std::int64_t kDay = 2000;
  const std::int64_t hour = index % kDay;
  const int light = static_cast<int>(40 * std::min(hour, kDay - hour) / kDay);
  Philox rng(key_of(video, kNoise, index));
  std::size_t at = 0;
  const auto range = static_cast<std::uint32_t>(2 * video.noise + 1);
  for (int y = 0; y < video.height; ++y) {
    const int base = 70 + light + 60 * y / video.height;
    for (int x = 0; x < video.width; ++x) {
      const std::uint32_t bits = rng.next_u32();  // one word serves a pixel: a byte a channel
      for (int c = 0; c < ImageU8::kChannels; ++c) {
        const std::uint32_t byte = (bits >> (8 * c)) & 0xffU;
        const int value = base + 10 * c + static_cast<int>(byte * range >> 8) - video.noise;
        image.pixels[at++] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
}

void draw(const Disc& disc, ImageU8& image) {
  for (int y = std::max(0, disc.y - disc.radius);
       y < std::min(image.height, disc.y + disc.radius + 1); ++y) {
    for (int x = std::max(0, disc.x - disc.radius);
         x < std::min(image.width, disc.x + disc.radius + 1); ++x) {
      const int dx = x - disc.x, dy = y - disc.y;
      if (dx * dx + dy * dy > disc.radius * disc.radius) continue;
      const std::size_t at = (static_cast<std::size_t>(y) * image.width + x) * ImageU8::kChannels;
      std::copy(disc.colour.begin(), disc.colour.end(),
                image.pixels.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
}

std::int64_t whole_number(const std::string& key, const std::string& text, std::int64_t low,
                          std::int64_t high) {
  const auto value = parse_int(text);
  if (!value || *value < low || *value > high) {
    fail(Errc::kUsage, "synthetic: ", key, "=", text, " is not a whole number from ", low, " to ",
         high);
  }
  return *value;
}

void set(SyntheticVideo& video, const std::string& key, const std::string& text) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  constexpr int kMaxSide = 4096, kMaxLength = 1000000;
  static const std::vector<std::string> kKeys = {"frames", "fps",   "width", "height",
                                                 "seed",   "event", "gap",   "noise"};
  const auto integer = [&](std::int64_t low, std::int64_t high) {
    return static_cast<int>(whole_number(key, text, low, high));
  };
  if (key == "frames") {
    video.frames = whole_number(key, text, 0, kMost);
  } else if (key == "fps") {
    const auto value = parse_double(text);
    if (!value || *value <= 0) fail(Errc::kUsage, "synthetic: fps=", text, " is not above 0");
    video.fps = *value;
  } else if (key == "width") {
    video.width = integer(8, kMaxSide);
  } else if (key == "height") {
    video.height = integer(8, kMaxSide);
  } else if (key == "seed") {
    video.seed = static_cast<std::uint64_t>(whole_number(key, text, 0, kMost));
  } else if (key == "event") {
    video.event = integer(1, kMaxLength);
  } else if (key == "gap") {
    video.gap = integer(0, kMaxLength);
  } else if (key == "noise") {
    video.noise = integer(0, 127);
  } else {
    fail(Errc::kUsage, "synthetic: unknown key `", key, "`, expected one of ", join(kKeys, ", "),
         did_you_mean(key, kKeys));
  }
}

}  // namespace

bool SyntheticVideo::object_at(std::int64_t index) const {
  const Period period = period_of(*this, index);
  return index >= period.begin && index < period.begin + event;
}

void SyntheticVideo::render(std::int64_t index, ImageU8& image) const {
  if (image.height != height || image.width != width) image = ImageU8(height, width);
  draw_ground(*this, index, image);
  if (object_at(index)) draw(disc_at(*this, period_of(*this, index), index), image);
}

SyntheticVideo parse_synthetic(std::string_view text, double fps) {
  SyntheticVideo video;
  if (!text.empty()) {
    for (const std::string& piece : split(text, ',')) {
      const auto equals = piece.find('=');
      if (equals == std::string::npos) {
        fail(Errc::kUsage, "synthetic: expected key=value, got '", piece, "'");
      }
      set(video, piece.substr(0, equals), piece.substr(equals + 1));
    }
  }
  if (fps > 0) video.fps = fps;
  return video;
}

bool SyntheticSource::next(Frame& frame) {
  if (video_.frames > 0 && at_ >= video_.frames) return false;
  video_.render(at_, frame.image);
  frame.pts = static_cast<double>(at_) / video_.fps;
  ++at_;
  return true;
}

}  // namespace graft::video
