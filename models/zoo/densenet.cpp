// SPDX-License-Identifier: Apache-2.0
// Huang et al. 2017, "Densely Connected Convolutional Networks", with bottlenecks and compression
// (BC); names as in torchvision.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

ValueId dense_layer(NetBuilder& net, const std::string& name, ValueId x, std::int64_t growth,
                    double dropout) {
  constexpr std::int64_t kBottleneck = 4;
  ValueId y = net.norm_act(name + ".norm1", x);
  y = net.conv(name + ".conv1", y, {.out = kBottleneck * growth, .kernel = 1});
  y = net.conv(name + ".conv2", net.norm_act(name + ".norm2", y), {.out = growth});
  return net.concat(name + ".cat", {x, net.dropout(name + ".dropout", y, dropout)});
}

ValueId transition(NetBuilder& net, const std::string& name, ValueId x) {
  const std::int64_t half = net.channels(x) / 2;
  x = net.conv(name + ".conv", net.norm_act(name + ".norm", x), {.out = half, .kernel = 1});
  return net.avg_pool(name + ".pool", x, {.window = 2, .stride = 2});
}

/// Dense blocks with transitions between them, then pool and classifier.
ValueId blocks(NetBuilder& net, ValueId x, std::span<const int> counts, std::int64_t growth,
               double dropout) {
  for (std::size_t b = 0; b < counts.size(); ++b) {
    for (int i = 0; i < counts[b]; ++i) {
      x = dense_layer(net, fmt::format("features.denseblock{}.denselayer{}", b + 1, i + 1), x,
                      growth, dropout);
    }
    if (b + 1 < counts.size()) x = transition(net, fmt::format("features.transition{}", b + 1), x);
  }
  x = net.global_pool("avgpool", net.norm_act("features.norm5", x));
  return net.classifier("classifier", x);
}

struct Depth {
  std::int64_t layers;
  std::array<int, 4> blocks;
};
constexpr std::array<Depth, 3> kDepths = {
    {{121, {6, 12, 24, 16}}, {169, {6, 12, 32, 32}}, {201, {6, 12, 48, 32}}}};

const Depth* find_depth(std::int64_t layers) {
  const auto it = std::find_if(kDepths.begin(), kDepths.end(),
                               [layers](const Depth& d) { return d.layers == layers; });
  return it == kDepths.end() ? nullptr : &*it;
}

ValueId build_densenet(NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kGrowth = 32, kFirst = 2 * kGrowth;
  ValueId x = net.image();
  if (cifar_stem(net, spec)) {
    x = net.conv("features.conv0", x, {.out = kFirst});
  } else {
    x = net.conv("features.conv0", x, {.out = kFirst, .kernel = 7, .stride = 2});
    x = net.norm_act("features.norm0", x);
    x = net.max_pool("features.pool0", x, {.window = 3, .stride = 2, .pad = 1});
  }
  return blocks(net, x, find_depth(spec.numbers[0])->blocks, kGrowth, spec.number("dropout", 0));
}

ValueId build_densenet_bc(NetBuilder& net, const ModelSpec& spec) {
  const int n = static_cast<int>((spec.numbers[0] - 4) / 6);
  const std::int64_t growth = spec.numbers[1];
  const ValueId x = net.conv("features.conv0", net.image(), {.out = 2 * growth});
  return blocks(net, x, std::array{n, n, n}, growth, spec.number("dropout", 0));
}

OptionSpec dropout_option() { return {.name = "dropout", .fallback = "0", .high = 0.95}; }

}  // namespace

Family densenet() {
  return {.pattern = "densenetDEPTH",
          .prefix = "densenet",
          .numbers = 1,
          .description = "DenseNet of ImageNet, growth 32; CIFAR stem: one 3x3, no pool",
          .rule = "depth is 121, 169 or 201",
          .published = {"densenet121", "densenet169", "densenet201"},
          .options = {dropout_option(), stem_option()},
          .accepts = [](std::span<const std::int64_t> n) { return find_depth(n[0]) != nullptr; },
          .build = build_densenet};
}

Family densenet_bc() {
  return {.pattern = "densenet-bc-DEPTH-GROWTH",
          .prefix = "densenet-bc-",
          .numbers = 2,
          .description = "DenseNet-BC of CIFAR, three blocks",
          .rule = "depth is 6n+4 and the growth 1 to 96",
          .published = {"densenet-bc-100-12"},
          .options = {dropout_option()},
          .accepts =
              [](std::span<const std::int64_t> n) {
                return n[0] >= 10 && n[0] % 6 == 4 && n[1] >= 1 && n[1] <= 96;
              },
          .build = build_densenet_bc};
}

}  // namespace graft::zoo
