// SPDX-License-Identifier: Apache-2.0
// Only + - * / sqrt and comparisons, and no contraction (see CMakeLists.txt): the pixels do not
// depend on the maths library or the processor.
#include "runtime/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <thread>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "engine/io/hash.h"

namespace graft::data {
namespace {

constexpr int kSide = Synthetic::kSide;
constexpr std::size_t kImageBytes = std::size_t{3} * kSide * kSide;

/// Everything random of one figure; lengths in pixels.
struct Figure {
  int kind = 0;
  float x = 0, y = 0;  ///< centre
  float radius = 0;
  float cosine = 1, sine = 0;  ///< rotation
  float phase = 0;             ///< of textures, in [0, 1)
};

/// Everything random of one image but its noise.
struct Scene {
  Figure figure, other;
  float blend = 0;  ///< opacity of the other class' figure
  std::array<float, 3> ground{}, ground_slope{}, colour{};
  float noise = 0;                                           ///< standard deviation, in grey levels
  float hide_x0 = 0, hide_x1 = 0, hide_y0 = 0, hide_y1 = 0;  ///< a patch of ground over the figure
};

float between(Philox& rng, float low, float high) { return low + (high - low) * rng.uniform(); }

float mix(float easy, float hard, float difficulty) { return easy + (hard - easy) * difficulty; }

/// Draws a figure whose size, place and turn vary with the difficulty.
Figure draw_figure(Philox& rng, int kind, float difficulty) {
  constexpr float kMiddle = 0.5f * (kSide - 1);
  Figure f;
  f.kind = kind;
  const float shift = mix(2.0f, 8.0f, difficulty);
  f.x = kMiddle + between(rng, -shift, shift);
  f.y = kMiddle + between(rng, -shift, shift);
  f.radius = between(rng, mix(10.0f, 5.0f, difficulty), mix(12.5f, 9.0f, difficulty));
  // The half-angle formulas: a turn without sine and cosine.
  const float largest = mix(0.05f, 0.35f, difficulty);
  const float t = between(rng, -largest, largest);
  f.cosine = (1 - t * t) / (1 + t * t);
  f.sine = 2 * t / (1 + t * t);
  f.phase = rng.uniform();
  return f;
}

/// Mostly near 0; the hard tail is spread over (0.4, 1].
float draw_difficulty(Philox& rng, float hard_share) {
  const float u = rng.uniform(), v = rng.uniform();
  return u < hard_share ? 0.4f + 0.6f * v : 0.3f * v * v;
}

Scene draw_scene(Philox& rng, int label, float difficulty) {
  Scene s;
  s.figure = draw_figure(rng, label, difficulty);
  const int step = 1 + static_cast<int>(rng.below(Synthetic::kClasses - 1));
  s.other = draw_figure(rng, (label + step) % Synthetic::kClasses, difficulty);
  s.blend = difficulty > 0.4f ? 0.55f * (difficulty - 0.4f) / 0.6f * rng.uniform() : 0.0f;
  const float contrast = mix(110.0f, 40.0f, difficulty);
  const float slope = mix(0.3f, 1.6f, difficulty);
  const bool brighter = rng.below(2) == 1;
  for (std::size_t c = 0; c < 3; ++c) {
    const float step_c = contrast * between(rng, 0.7f, 1.0f) * (brighter ? 1.0f : -1.0f);
    s.ground[c] =
        brighter ? between(rng, 20.0f, 235.0f - contrast) : between(rng, 20.0f + contrast, 235.0f);
    s.ground_slope[c] = between(rng, -slope, slope);
    s.colour[c] = s.ground[c] + step_c;
  }
  s.noise = mix(4.0f, 26.0f, difficulty);
  const float hidden = difficulty > 0.4f ? 12.0f * (difficulty - 0.4f) / 0.6f : 0.0f;
  s.hide_x0 = between(rng, 0.0f, kSide - hidden);
  s.hide_x1 = s.hide_x0 + hidden;
  s.hide_y0 = between(rng, 0.0f, kSide - hidden);
  s.hide_y1 = s.hide_y0 + hidden;
  return s;
}

float square_distance(float u, float v, float half) {
  return std::max(std::abs(u), std::abs(v)) - half;
}

/// Distance in [0, 0.5] to the nearest whole number.
float triangle_wave(float x) { return std::abs(x - std::floor(x + 0.5f)); }

/// Negative inside the shape, in pixels, along the nearest edge at least in sign.
float signed_distance(const Figure& f, float u, float v) {
  const float r = f.radius;
  switch (f.kind) {
    case 0:
      return std::sqrt(u * u + v * v) - r;  // disc
    case 1:
      return square_distance(u, v, 0.85f * r);  // square
    case 2:
      return std::max(v - 0.7f * r, 0.87f * std::abs(u) - 0.5f * v - 0.5f * r);  // triangle
    case 3:
      return std::abs(std::sqrt(u * u + v * v) - 0.75f * r) - 0.22f * r;  // ring
    case 4: {                                                             // cross
      const float a = std::max(std::abs(u) - 0.28f * r, std::abs(v) - r);
      return std::min(a, std::max(std::abs(v) - 0.28f * r, std::abs(u) - r));
    }
    case 5: {  // crescent
      const float w = v + 0.55f * r;
      return std::max(std::sqrt(u * u + v * v) - r, 0.8f * r - std::sqrt(u * u + w * w));
    }
    case 6:  // stripes
      return std::max(square_distance(u, v, 0.9f * r),
                      (triangle_wave(v / 5.0f + f.phase) - 0.25f) * 5.0f);
    case 7: {  // checker
      const float a = triangle_wave(u / 8.0f + f.phase) - 0.25f;
      const float b = triangle_wave(v / 8.0f + f.phase) - 0.25f;
      return std::max(square_distance(u, v, 0.9f * r), (a > 0) == (b > 0) ? -1.0f : 1.0f);
    }
    case 8: {  // dots
      const float a = triangle_wave(u / 5.5f + f.phase), b = triangle_wave(v / 5.5f + f.phase);
      return std::max(square_distance(u, v, r), (std::sqrt(a * a + b * b) - 0.3f) * 5.5f);
    }
    default:  // frame
      return std::abs(square_distance(u, v, 0.72f * r)) - 0.18f * r;
  }
}

/// Share of the pixel at (x, y) that the figure covers.
float coverage(const Figure& f, float x, float y) {
  const float dx = x - f.x, dy = y - f.y;
  const float d = signed_distance(f, f.cosine * dx + f.sine * dy, f.cosine * dy - f.sine * dx);
  return std::clamp(0.5f - d, 0.0f, 1.0f);
}

/// Near-normal with standard deviation 1: the sum of four bytes, centred and scaled.
float noise_of(std::uint32_t bits) {
  constexpr float kMean = 4 * 127.5f;
  constexpr float kStddev = 147.8016f;  // sqrt(4 * (256^2 - 1) / 12)
  const std::uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
  return (static_cast<float>(sum) - kMean) / kStddev;
}

void paint(const Scene& s, const RngKey& noise_key, std::uint8_t* out) {
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const auto x = static_cast<float>(column), y = static_cast<float>(row);
      const bool hidden = x >= s.hide_x0 && x < s.hide_x1 && y >= s.hide_y0 && y < s.hide_y1;
      float opacity = hidden ? 0.0f : coverage(s.figure, x, y) * (1 - s.blend);
      if (s.blend > 0) opacity = std::max(opacity, s.blend * coverage(s.other, x, y));
      const auto noise = philox_block(noise_key, static_cast<std::uint32_t>(row * kSide + column));
      for (std::size_t c = 0; c < 3; ++c) {
        const float ground = s.ground[c] + s.ground_slope[c] * (x + y - (kSide - 1));
        const float value =
            ground + opacity * (s.colour[c] - ground) + s.noise * noise_of(noise[c]);
        *out++ = static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
      }
    }
  }
}

}  // namespace

Synthetic::Synthetic(const SyntheticOptions& options, Split split)
    : options_(options), split_(split) {
  const std::int64_t n = split == Split::kTrain ? options.train : options.test;
  if (n < kClasses)
    fail(Errc::kUsage, "synthetic: ", data::name(split), "=", n, " is below ", kClasses);
  if (!(options.hard >= 0 && options.hard <= 1)) {
    fail(Errc::kUsage, "synthetic: hard=", options.hard, " is not in 0 to 1");
  }
  difficulty_.resize(static_cast<std::size_t>(n));
  pixels_.resize(static_cast<std::size_t>(n) * kImageBytes);
  const auto make = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t id = begin; id < end; ++id) {
      // Four streams: scene and noise of either split.
      const std::uint32_t stream = split == Split::kTrain ? 0 : 2;
      RngKey key{.seed = options.seed,
                 .purpose = RngPurpose::kSynthetic,
                 .epoch = stream,
                 .id = static_cast<std::uint64_t>(id)};
      Philox rng(key);
      float& difficulty = difficulty_[static_cast<std::size_t>(id)];
      difficulty = draw_difficulty(rng, static_cast<float>(options.hard));
      const Scene scene = draw_scene(rng, label(id), difficulty);
      key.epoch = stream + 1;
      paint(scene, key, pixels_.data() + static_cast<std::size_t>(id) * kImageBytes);
    }
  };
  const std::int64_t threads = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  std::vector<std::jthread> workers;
  for (std::int64_t t = 0; t < threads; ++t) {
    workers.emplace_back(make, n * t / threads, n * (t + 1) / threads);
  }
}

std::string Synthetic::name() const {
  return detail::cat("synthetic:train=", options_.train, ",test=", options_.test,
                     ",seed=", options_.seed, ",hard=", options_.hard);
}

const std::vector<std::string>& Synthetic::class_names() const {
  static const std::vector<std::string> names = {"disc",  "square",   "triangle", "ring",
                                                 "cross", "crescent", "stripes",  "checker",
                                                 "dots",  "frame"};
  return names;
}

int Synthetic::label(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return static_cast<int>(id % kClasses);
}

double Synthetic::difficulty(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return difficulty_[static_cast<std::size_t>(id)];
}

void Synthetic::read(std::int64_t id, std::span<std::uint8_t> hwc) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  GRAFT_CHECK_EQ(hwc.size(), kImageBytes);
  std::memcpy(hwc.data(), pixels_.data() + static_cast<std::size_t>(id) * kImageBytes, kImageBytes);
}

std::string Synthetic::fingerprint() const { return sha256(pixels_.data(), pixels_.size()); }

}  // namespace graft::data
