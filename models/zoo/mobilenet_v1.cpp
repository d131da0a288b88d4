// SPDX-License-Identifier: Apache-2.0
// Howard et al. 2017, "MobileNets"; names and padding as in Keras, so that its weights fit.
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

struct Step {
  std::int64_t width;
  int stride;
};
constexpr std::array<Step, 13> kSteps = {{{64, 1},
                                          {128, 2},
                                          {128, 1},
                                          {256, 2},
                                          {256, 1},
                                          {512, 2},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {1024, 2},
                                          {1024, 1}}};

ValueId build(NetBuilder& net, const ModelSpec& spec) {
  constexpr double kKerasEps = 1e-3;
  const bool cifar = cifar_stem(net, spec);
  const double alpha = spec.number("alpha", 1);
  const auto scaled = [alpha](std::int64_t width) {
    return static_cast<std::int64_t>(static_cast<double>(width) * alpha);
  };
  if (!cifar) net.set_norm_eps(kKerasEps);
  // Keras pads bottom and right only where the stride is 2.
  const auto padded = [cifar](ConvSpec c) {
    if (!cifar && c.stride == 2) c.pad = 0, c.pad_end = 1;
    return c;
  };
  ValueId x = net.conv("conv1", net.image(), padded({.out = scaled(32), .stride = cifar ? 1 : 2}));
  x = net.norm_act("conv1_bn", x, Activation::kRelu6);
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    const int stride = cifar && i == 1 ? 1 : kSteps[i].stride;
    const std::string dw = fmt::format("conv_dw_{}", i + 1), pw = fmt::format("conv_pw_{}", i + 1);
    x = net.conv(dw, x, padded({.out = net.channels(x), .stride = stride, .depthwise = true}));
    x = net.norm_act(dw + "_bn", x, Activation::kRelu6);
    x = net.conv(pw, x, {.out = scaled(kSteps[i].width), .kernel = 1});
    x = net.norm_act(pw + "_bn", x, Activation::kRelu6);
  }
  x = net.global_pool("global_average_pooling2d", x);
  return net.classifier("conv_preds", net.dropout("dropout", x, spec.number("dropout", 0)));
}

}  // namespace

Family mobilenet_v1() {
  constexpr double kMostDropout = 0.95;
  return {.pattern = "mobilenet_v1",
          .prefix = "mobilenet_v1",
          .numbers = 0,
          .description = "MobileNet, alpha times as wide; CIFAR stem: two strides fewer",
          .rule = "",
          .published = {"mobilenet_v1"},
          .options = {{.name = "alpha", .fallback = "1", .low = 0.0625, .high = 4},
                      {.name = "dropout", .fallback = "0", .high = kMostDropout},
                      stem_option()},
          .accepts = [](std::span<const std::int64_t>) { return true; },
          .build = build};
}

}  // namespace graft::zoo
