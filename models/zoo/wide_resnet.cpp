// SPDX-License-Identifier: Apache-2.0
// Zagoruyko & Komodakis 2016, "Wide Residual Networks"; names as in xternalz/WideResNet-pytorch.
#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

/// Pre-activation block; where the width changes, the shortcut starts from the activated input.
ValueId wide_block(NetBuilder& net, const std::string& name, ValueId x, std::int64_t out,
                   int stride, double dropout) {
  const bool same = net.channels(x) == out;
  const ValueId a = net.norm_act(name + ".bn1", x);
  ValueId y = net.conv(name + ".conv1", a, {.out = out, .stride = stride});
  y = net.dropout(name + ".dropout", net.norm_act(name + ".bn2", y), dropout);
  y = net.conv(name + ".conv2", y, {.out = out});
  const ValueId side =
      same ? x : net.conv(name + ".convShortcut", a, {.out = out, .kernel = 1, .stride = stride});
  return net.add(name + ".add", y, side);
}

ValueId build(NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kWidth = 16;
  const std::int64_t n = (spec.numbers[0] - 4) / 6, k = spec.numbers[1];
  const double dropout = spec.number("dropout", 0);
  ValueId x = net.conv("conv1", net.image(), {.out = kWidth});
  for (int b = 0; b < 3; ++b) {
    for (std::int64_t i = 0; i < n; ++i) {
      x = wide_block(net, fmt::format("block{}.layer.{}", b + 1, i), x, (kWidth * k) << b,
                     b > 0 && i == 0 ? 2 : 1, dropout);
    }
  }
  return net.classifier("fc", net.global_pool("avgpool", net.norm_act("bn1", x)));
}

}  // namespace

Family wide_resnet() {
  constexpr double kMostDropout = 0.95;
  return {.pattern = "wrn-DEPTH-K",
          .prefix = "wrn-",
          .numbers = 2,
          .description = "WideResNet of CIFAR, K times as wide, dropout between convolutions",
          .rule = "depth is 6n+4 and the width K is 1 to 20",
          .published = {"wrn-16-1", "wrn-16-2", "wrn-16-4", "wrn-16-8", "wrn-22-8", "wrn-28-2",
                        "wrn-28-10", "wrn-40-2", "wrn-40-4"},
          .options = {{.name = "dropout", .fallback = "0", .high = kMostDropout}},
          .accepts =
              [](std::span<const std::int64_t> n) {
                return n[0] >= 10 && n[0] % 6 == 4 && n[1] >= 1 && n[1] <= 20;
              },
          .build = build};
}

}  // namespace graft::zoo
