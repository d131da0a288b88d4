// SPDX-License-Identifier: Apache-2.0
#include "tests/support/op_cases.h"

#include "engine/core/error.h"

namespace graft::testing {
namespace {

using graft::detail::cat;
using kernels::Activation;
using kernels::ConvOptions;
using kernels::PoolOptions;

constexpr double kFloatBytes = 4;

double elements(const Shape& s) { return static_cast<double>(s.numel()); }

std::string padding(const ConvOptions& o) {
  if (o.pad_top == o.pad_left && o.pad_top == o.pad_bottom && o.pad_top == o.pad_right) {
    return cat("_p", o.pad_top);
  }
  return cat("_p", o.pad_top, "_", o.pad_left, "_", o.pad_bottom, "_", o.pad_right);
}

const char* suffix(Activation a) {
  switch (a) {
    case Activation::kNone:
      return "";
    case Activation::kRelu:
      return "_relu";
    case Activation::kRelu6:
      return "_relu6";
  }
  return "";
}

}  // namespace

std::string ConvCase::id() const {
  return cat("n", n, "_c", c, "_h", h, "_w", w, "_k", k, "_r", r, r == s ? "" : cat("x", s), "_s",
             options.stride, padding(options),
             options.dilation > 1 ? cat("_d", options.dilation) : "",
             options.groups > 1 ? cat("_g", options.groups) : "", bias ? "_bias" : "");
}

double ConvCase::flops() const {
  return 2 * elements(y()) * static_cast<double>(r * s * (c / options.groups));
}

double ConvCase::bytes() const {
  return kFloatBytes * (elements(x()) + elements(filter()) + elements(y()));
}

std::string LinearCase::id() const { return cat("n", n, "_c", c, "_k", k, bias ? "_bias" : ""); }

double LinearCase::bytes() const {
  return kFloatBytes * static_cast<double>(n * c + k * c + n * k);
}

std::string NormCase::id() const {
  return cat("n", n, "_h", h, "_w", w, "_c", c, groups > 0 ? cat("_g", groups) : "",
             suffix(activation), residual ? "_residual" : "", dy2 ? "_dy2" : "",
             mean != 0 ? cat("_mean", mean) : "");
}

double NormCase::bytes() const { return kFloatBytes * elements(x()) * (residual ? 4 : 3); }

std::string PoolCase::id() const {
  return cat("n", n, "_h", h, "_w", w, "_c", c, "_win", options.window, "_s", options.stride, "_p",
             options.pad, options.pad_end < 0 ? "" : cat("_", options.pad_end),
             options.ceil_mode ? "_ceil" : "", options.count_include_pad ? "" : "_nopad");
}

double PoolCase::bytes() const { return kFloatBytes * (elements(x()) + elements(y())); }

std::vector<ConvCase> conv_cases() {
  const auto same = [](int stride, int pad, int groups = 1) {
    return ConvOptions::same_sides(stride, pad, groups);
  };
  return {
      {1, 3, 9, 9, 16, 3, 3, same(1, 1)},         // stem
      {3, 3, 17, 15, 8, 7, 7, same(2, 3), true},  // ImageNet stem, odd extents
      {2, 16, 8, 8, 16, 3, 3, same(1, 1)},
      {8, 16, 8, 8, 32, 3, 3, same(2, 1)},
      {3, 16, 8, 8, 32, 1, 1, same(2, 0)},  // shortcut
      {2, 32, 6, 5, 24, 1, 1, same(1, 0), true},
      {2, 7, 6, 7, 5, 3, 3, same(1, 1), true},   // channels that fill no vector
      {1, 10, 5, 5, 1, 3, 3, same(1, 1), true},  // one output channel
      {1, 1, 6, 6, 3, 3, 3, same(1, 0)},         // one input channel
      {2,
       6,
       8,
       7,
       4,
       3,
       3,
       {.stride = 2, .pad_top = 0, .pad_left = 1, .pad_bottom = 1, .pad_right = 2}},
      {2,
       4,
       9,
       9,
       6,
       3,
       3,
       {.pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2, .dilation = 2},
       true},
      {2, 4, 11, 10, 6, 3, 3, {.stride = 2, .dilation = 2}},  // taps fall between strides
      {2, 12, 6, 6, 18, 3, 3, same(1, 1, 3), true},           // groups
      {2, 16, 7, 7, 16, 3, 3, same(1, 1, 16)},                // depthwise
      {3, 24, 8, 8, 24, 3, 3, same(2, 1, 24), true},
      {1, 48, 7, 9, 48, 3, 3, same(2, 1, 48)},
      {2, 32, 9, 5, 32, 3, 3, same(1, 1, 32), true},
      {2, 16, 6, 5, 16, 3, 3, same(1, 0, 16)},
      {3, 32, 1, 1, 32, 3, 3, same(1, 1, 32)},  // only the middle tap is inside
      {1, 16, 2, 1, 16, 3, 3, same(2, 1, 16)},
      {1, 5, 7, 6, 5, 5, 5, same(1, 2, 5)},
      {2, 6, 5, 5, 12, 3, 3, same(1, 1, 6)},                   // depthwise with multiplier 2
      {2, 3, 6, 8, 4, 1, 5, {.pad_left = 2, .pad_right = 2}},  // flat filter
      {8, 16, 16, 16, 16, 3, 3, same(1, 1)},                   // ResNet-20, every thread has work
      {4, 64, 8, 8, 64, 3, 3, same(1, 1)},
      {8, 48, 7, 10, 80, 3, 3, same(1, 1), true},    // Winograd: tiles across the border
      {5, 16, 12, 16, 64, 3, 3, same(1, 1), true},   // Winograd: a chunk that is not full
      {2, 16, 14, 13, 144, 3, 3, same(1, 1), true},  // so few tiles that threads share channels
      {4, 16, 19, 18, 32, 3, 3, {}, true},           // Winograd without padding
      {4, 32, 17, 15, 16, 3, 3, {.pad_top = 2, .pad_left = 0, .pad_bottom = 1, .pad_right = 2}},
      {4, 32, 16, 16, 96, 1, 1, same(1, 0)},
      {1, 600, 5, 5, 40, 1, 1, same(1, 0), true},     // products: channels in two parts
      {2, 48, 9, 7, 80, 1, 1, same(1, 0)},            // panels of three and two vectors
      {2, 1200, 11, 11, 80, 1, 1, same(1, 0), true},  // several bands of rows
      {2, 33, 9, 8, 148, 1, 1, same(2, 0), true},  // gathered pixels, filters that fill no vector
      {4, 96, 16, 16, 96, 3, 3, same(2, 1, 96)},
      {2, 4, 3, 3, 8, 3, 3, {}},          // one output pixel
      {2, 5, 4, 4, 3, 1, 1, same(3, 0)},  // pixels that nothing reads
  };
}

std::vector<LinearCase> linear_cases() {
  return {{1, 10, 3}, {3, 64, 10}, {8, 33, 17, false}, {5, 1, 1}, {2, 512, 100}, {16, 7, 1, false}};
}

std::vector<NormCase> batch_norm_cases() {
  constexpr auto kRelu = Activation::kRelu;
  constexpr auto kRelu6 = Activation::kRelu6;
  return {
      {.n = 2, .h = 5, .w = 4, .c = 16},
      {.n = 3, .h = 4, .w = 4, .c = 7, .activation = kRelu},
      {.n = 8, .h = 8, .w = 8, .c = 32, .activation = kRelu},
      {.n = 2, .h = 6, .w = 5, .c = 24, .activation = kRelu6},
      {.n = 3, .h = 4, .w = 5, .c = 16, .residual = true},
      {.n = 3, .h = 4, .w = 5, .c = 16, .activation = kRelu, .residual = true},
      {.n = 2, .h = 3, .w = 7, .c = 5, .activation = kRelu6, .residual = true},
      {.n = 3, .h = 4, .w = 4, .c = 16, .activation = kRelu, .dy2 = true},
      {.n = 3, .h = 4, .w = 5, .c = 9, .activation = kRelu, .residual = true, .dy2 = true},
      {.n = 2, .h = 3, .w = 3, .c = 8, .dy2 = true},
      {.n = 16, .h = 1, .w = 1, .c = 20, .activation = kRelu},
      {.n = 1, .h = 6, .w = 6, .c = 3},
      {.n = 4, .h = 8, .w = 8, .c = 17, .mean = 30},
      {.n = 8, .h = 12, .w = 12, .c = 32, .activation = kRelu, .residual = true},
  };
}

std::vector<NormCase> group_norm_cases() {
  constexpr auto kRelu = Activation::kRelu;
  constexpr auto kRelu6 = Activation::kRelu6;
  return {
      {.n = 2, .h = 5, .w = 4, .c = 16, .groups = 4},
      {.n = 3, .h = 4, .w = 4, .c = 6, .groups = 1, .activation = kRelu},
      {.n = 2, .h = 4, .w = 4, .c = 32, .groups = 8, .activation = kRelu},
      {.n = 1, .h = 5, .w = 5, .c = 9, .groups = 9, .activation = kRelu6},  // instance norm
      {.n = 3, .h = 4, .w = 5, .c = 16, .groups = 2, .residual = true},
      {.n = 2, .h = 3, .w = 7, .c = 15, .groups = 5, .activation = kRelu, .residual = true},
      {.n = 2,
       .h = 3,
       .w = 7,
       .c = 12,
       .groups = 3,
       .activation = kRelu6,
       .residual = true,
       .dy2 = true},
      {.n = 2, .h = 4, .w = 4, .c = 8, .groups = 4, .activation = kRelu, .dy2 = true},
      {.n = 2, .h = 8, .w = 8, .c = 8, .groups = 2, .mean = 30},
      {.n = 8, .h = 12, .w = 12, .c = 64, .groups = 32, .activation = kRelu},
  };
}

std::vector<PoolCase> pool_cases() {
  return {
      {2, 8, 8, 16, {}},
      {3, 9, 7, 5, {.window = 3, .stride = 2, .pad = 1}},             // overlapping
      {1, 9, 10, 17, {.window = 3, .stride = 2, .ceil_mode = true}},  // SqueezeNet
      {2, 7, 6, 8, {.window = 3, .stride = 2, .pad = 1, .ceil_mode = true}},
      {2, 6, 7, 4, {.window = 2, .stride = 2, .ceil_mode = true, .count_include_pad = false}},
      {2, 7, 7, 3, {.window = 3, .stride = 1, .pad = 1, .count_include_pad = false}},
      {2,
       5,
       8,
       6,
       {.window = 3, .stride = 3, .pad = 1, .ceil_mode = true, .count_include_pad = false}},
      {8, 4, 4, 33, {.window = 4, .stride = 4}},  // whole image
      {1, 6, 6, 1, {.window = 2, .stride = 3}},   // gaps
      {2, 3, 3, 2, {.window = 1, .stride = 1}},
      {2, 8, 7, 5, {.window = 3, .stride = 2, .pad_end = 1}},  // Keras' "same"
      {1, 6, 9, 4, {.window = 3, .stride = 2, .count_include_pad = false, .pad_end = 1}},
      {2, 5, 6, 3, {.window = 4, .stride = 1, .pad = 1, .pad_end = 2}},
  };
}

}  // namespace graft::testing
