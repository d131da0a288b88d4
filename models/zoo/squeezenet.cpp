// SPDX-License-Identifier: Apache-2.0
// Iandola et al. 2016, "SqueezeNet", version 1.1; names as in torchvision. It has no normalisation.
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

ValueId conv_relu(NetBuilder& net, const std::string& name, ValueId x, ConvSpec spec) {
  spec.bias = true;
  return net.activation(name + ".act", net.conv(name, x, spec));
}

ValueId fire(NetBuilder& net, const std::string& name, ValueId x, std::int64_t squeeze,
             std::int64_t expand) {
  x = conv_relu(net, name + ".squeeze", x, {.out = squeeze, .kernel = 1});
  const ValueId one = conv_relu(net, name + ".expand1x1", x, {.out = expand, .kernel = 1});
  const ValueId three = conv_relu(net, name + ".expand3x3", x, {.out = expand, .kernel = 3});
  return net.concat(name + ".cat", {one, three});
}

/// squeeze = 0: a max-pool.
struct Step {
  std::int64_t squeeze, expand;
};
constexpr std::array<Step, 11> kSteps = {{{0, 0},
                                          {16, 64},
                                          {16, 64},
                                          {0, 0},
                                          {32, 128},
                                          {32, 128},
                                          {0, 0},
                                          {48, 192},
                                          {48, 192},
                                          {64, 256},
                                          {64, 256}}};

ValueId build(NetBuilder& net, const ModelSpec& spec) {
  ValueId x = conv_relu(net, "features.0", net.image(), {.out = 64, .stride = 2, .pad = 0});
  int index = 2;  // features.1 is the activation
  for (const Step& step : kSteps) {
    const std::string name = fmt::format("features.{}", index++);
    x = step.squeeze == 0 ? net.max_pool(name, x, {.window = 3, .stride = 2, .ceil_mode = true})
                          : fire(net, name, x, step.squeeze, step.expand);
  }
  x = net.dropout("classifier.0", x, spec.number("dropout", 0.5));
  x = conv_relu(net, "classifier.1", x, {.out = net.context().classes, .kernel = 1});
  return net.global_pool("avgpool", x);
}

}  // namespace

Family squeezenet() {
  constexpr double kMostDropout = 0.95;
  return {.pattern = "squeezenet1_1",
          .prefix = "squeezenet1_1",
          .numbers = 0,
          .description = "SqueezeNet 1.1; has no normalisation, whatever --norm says",
          .rule = "",
          .published = {"squeezenet1_1"},
          .options = {{.name = "dropout", .fallback = "0.5", .high = kMostDropout}},
          .accepts = [](std::span<const std::int64_t>) { return true; },
          .build = build};
}

}  // namespace graft::zoo
