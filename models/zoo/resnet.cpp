// SPDX-License-Identifier: Apache-2.0
// He et al. 2016, "Deep Residual Learning for Image Recognition"; names as in torchvision.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

/// Parameter-free (option A) or projected (option B) shortcut; `x` itself where nothing changes.
ValueId shortcut(NetBuilder& net, const std::string& block, ValueId x, std::int64_t out, int stride,
                 bool projected) {
  if (stride == 1 && net.channels(x) == out) return x;
  const std::string name = block + ".downsample";
  if (!projected) return net.subsample_pad(name, x, out, stride);
  const ValueId y = net.conv(name + ".0", x, {.out = out, .kernel = 1, .stride = stride});
  return net.norm(name + ".1", y);
}

ValueId basic_block(NetBuilder& net, const std::string& name, ValueId x, std::int64_t width,
                    int stride, bool projected) {
  ValueId y = net.conv(name + ".conv1", x, {.out = width, .stride = stride});
  y = net.conv(name + ".conv2", net.norm_act(name + ".bn1", y), {.out = width});
  y = net.norm(name + ".bn2", y);
  const ValueId side = shortcut(net, name, x, width, stride, projected);
  return net.activation(name + ".act", net.add(name + ".add", y, side));
}

ValueId bottleneck(NetBuilder& net, const std::string& name, ValueId x, std::int64_t width,
                   int stride, bool projected) {
  const std::int64_t out = 4 * width;
  ValueId y = net.conv(name + ".conv1", x, {.out = width, .kernel = 1});
  y = net.conv(name + ".conv2", net.norm_act(name + ".bn1", y), {.out = width, .stride = stride});
  y = net.conv(name + ".conv3", net.norm_act(name + ".bn2", y), {.out = out, .kernel = 1});
  y = net.norm(name + ".bn3", y);
  const ValueId side = shortcut(net, name, x, out, stride, projected);
  return net.activation(name + ".act", net.add(name + ".add", y, side));
}

using Block = ValueId (*)(NetBuilder&, const std::string&, ValueId, std::int64_t, int, bool);

/// Stages of `blocks[s]` blocks, each twice as wide as the one before, then pool and classifier.
ValueId stages(NetBuilder& net, ValueId x, Block block, std::span<const int> blocks,
               std::int64_t width, bool projected) {
  for (std::size_t s = 0; s < blocks.size(); ++s) {
    for (int i = 0; i < blocks[s]; ++i) {
      x = block(net, fmt::format("layer{}.{}", s + 1, i), x, width << s, s > 0 && i == 0 ? 2 : 1,
                projected);
    }
  }
  return net.classifier("fc", net.global_pool("avgpool", x));
}

struct Depth {
  std::int64_t layers;
  Block block;
  std::array<int, 4> blocks;
};
constexpr std::array<Depth, 5> kDepths = {{{18, basic_block, {2, 2, 2, 2}},
                                           {34, basic_block, {3, 4, 6, 3}},
                                           {50, bottleneck, {3, 4, 6, 3}},
                                           {101, bottleneck, {3, 4, 23, 3}},
                                           {152, bottleneck, {3, 8, 36, 3}}}};

const Depth* find_depth(std::int64_t layers) {
  const auto it = std::find_if(kDepths.begin(), kDepths.end(),
                               [layers](const Depth& d) { return d.layers == layers; });
  return it == kDepths.end() ? nullptr : &*it;
}

ValueId build_resnet(NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kWidth = 64;
  ValueId x = net.image();
  if (cifar_stem(net, spec)) {
    x = net.norm_act("bn1", net.conv("conv1", x, {.out = kWidth}));
  } else {
    x = net.norm_act("bn1", net.conv("conv1", x, {.out = kWidth, .kernel = 7, .stride = 2}));
    x = net.max_pool("maxpool", x, {.window = 3, .stride = 2, .pad = 1});
  }
  const Depth& depth = *find_depth(spec.numbers[0]);
  return stages(net, x, depth.block, depth.blocks, kWidth, true);
}

ValueId build_resnet_cifar(NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kWidth = 16;
  const int n = static_cast<int>((spec.numbers[0] - 2) / 6);
  const ValueId x = net.norm_act("bn1", net.conv("conv1", net.image(), {.out = kWidth}));
  return stages(net, x, basic_block, std::array{n, n, n}, kWidth,
                spec.text("shortcut", "A") == "B");
}

}  // namespace

Family resnet() {
  return {.pattern = "resnetDEPTH",
          .prefix = "resnet",
          .numbers = 1,
          .description = "ResNet of ImageNet, 64 channels first; CIFAR stem: one 3x3, no pool",
          .rule = "depth is 18, 34, 50, 101 or 152",
          .published = {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"},
          .options = {stem_option()},
          .accepts = [](std::span<const std::int64_t> n) { return find_depth(n[0]) != nullptr; },
          .build = build_resnet};
}

Family resnet_cifar() {
  return {.pattern = "resnetDEPTH",
          .prefix = "resnet",
          .numbers = 1,
          .description = "ResNet of CIFAR-10, 16 channels first, three stages",
          .rule = "depth is 6n+2",
          .published = {"resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56",
                        "resnet110"},
          .options = {{.name = "shortcut", .fallback = "A", .choices = {"A", "B"}}},
          .accepts =
              [](std::span<const std::int64_t> n) {
                return n[0] >= 8 && n[0] % 6 == 2 && find_depth(n[0]) == nullptr;
              },
          .build = build_resnet_cifar};
}

}  // namespace graft::zoo
