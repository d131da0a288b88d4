// SPDX-License-Identifier: Apache-2.0
// Sandler et al. 2018, "MobileNetV2"; names as in torchvision.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

/// `width` times `value` as a multiple of 8, not below 90 % of it (torchvision's rule).
std::int64_t make_divisible(double value) {
  constexpr std::int64_t kDivisor = 8;
  const auto nearest = static_cast<std::int64_t>(value + kDivisor / 2.0) / kDivisor * kDivisor;
  const std::int64_t rounded = std::max(kDivisor, nearest);
  return static_cast<double>(rounded) < 0.9 * value ? rounded + kDivisor : rounded;
}

ValueId conv_norm_act(NetBuilder& net, const std::string& name, ValueId x, const ConvSpec& spec) {
  return net.norm_act(name + ".1", net.conv(name + ".0", x, spec), Activation::kRelu6);
}

ValueId inverted_residual(NetBuilder& net, const std::string& name, ValueId x, std::int64_t out,
                          int stride, std::int64_t expand) {
  const std::int64_t in = net.channels(x), hidden = in * expand;
  int part = 0;
  const auto next = [&] { return fmt::format("{}.conv.{}", name, part++); };
  ValueId y = x;
  if (expand != 1) y = conv_norm_act(net, next(), y, {.out = hidden, .kernel = 1});
  y = conv_norm_act(net, next(), y, {.out = hidden, .stride = stride, .depthwise = true});
  y = net.conv(next(), y, {.out = out, .kernel = 1});
  y = net.norm(next(), y);
  return stride == 1 && in == out ? net.add(name + ".add", y, x) : y;
}

struct Stage {
  std::int64_t expand, channels;
  int count, stride;
};
constexpr std::array<Stage, 7> kStages = {{{1, 16, 1, 1},
                                           {6, 24, 2, 2},
                                           {6, 32, 3, 2},
                                           {6, 64, 4, 2},
                                           {6, 96, 3, 1},
                                           {6, 160, 3, 2},
                                           {6, 320, 1, 1}}};

ValueId build(NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kFirst = 32, kLast = 1280;
  const bool cifar = cifar_stem(net, spec);
  const double width = spec.number("width", 1);
  int index = 0;
  const auto next = [&] { return fmt::format("features.{}", index++); };
  ValueId x = conv_norm_act(net, next(), net.image(),
                            {.out = make_divisible(kFirst * width), .stride = cifar ? 1 : 2});
  for (std::size_t s = 0; s < kStages.size(); ++s) {
    const Stage& stage = kStages[s];
    const int first = cifar && s == 1 ? 1 : stage.stride;
    const std::int64_t out = make_divisible(static_cast<double>(stage.channels) * width);
    for (int i = 0; i < stage.count; ++i) {
      x = inverted_residual(net, next(), x, out, i == 0 ? first : 1, stage.expand);
    }
  }
  x = conv_norm_act(net, next(), x,
                    {.out = make_divisible(kLast * std::max(1.0, width)), .kernel = 1});
  x = net.global_pool("avgpool", x);
  return net.classifier("classifier.1",
                        net.dropout("classifier.0", x, spec.number("dropout", 0.2)));
}

}  // namespace

Family mobilenet_v2() {
  constexpr double kMostDropout = 0.95;
  return {.pattern = "mobilenet_v2",
          .prefix = "mobilenet_v2",
          .numbers = 0,
          .description = "MobileNetV2, width times as wide; CIFAR stem: two strides fewer",
          .rule = "",
          .published = {"mobilenet_v2"},
          .options = {{.name = "width", .fallback = "1", .low = 0.0625, .high = 4},
                      {.name = "dropout", .fallback = "0.2", .high = kMostDropout},
                      stem_option()},
          .accepts = [](std::span<const std::int64_t>) { return true; },
          .build = build};
}

}  // namespace graft::zoo
