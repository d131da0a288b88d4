// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <fmt/format.h>

#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

ValueId build(NetBuilder& net, const ModelSpec&) {
  constexpr std::array<std::int64_t, 3> kWidths = {32, 64, 64};
  ValueId x = net.image();
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    if (i > 0) x = net.max_pool(fmt::format("pool{}", i), x, {.window = 2, .stride = 2});
    x = net.conv(fmt::format("conv{}", i + 1), x, {.out = kWidths[i]});
    x = net.norm_act(fmt::format("bn{}", i + 1), x);
  }
  return net.classifier("fc", net.global_pool("avgpool", x));
}

}  // namespace

Family small_cnn() {
  return {.pattern = "small_cnn",
          .prefix = "small_cnn",
          .numbers = 0,
          .description = "three convolutions and a classifier; trains in seconds",
          .rule = "",
          .published = {"small_cnn"},
          .options = {},
          .accepts = [](std::span<const std::int64_t>) { return true; },
          .build = build};
}

}  // namespace graft::zoo
