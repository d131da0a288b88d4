// SPDX-License-Identifier: Apache-2.0
// Szegedy et al. 2016, "Rethinking the Inception Architecture", without the auxiliary classifier;
// names as in torchvision.
#include "models/zoo/zoo.h"

namespace graft::zoo {
namespace {

/// Convolutions `name`, each with normalisation and ReLU, on the way through one module.
class Module {
 public:
  Module(NetBuilder& net, std::string name) : net_(net), name_(std::move(name)) {}

  ValueId conv(const std::string& name, ValueId x, const ConvSpec& spec) const {
    const std::string full = name_.empty() ? name : name_ + "." + name;
    return net_.norm_act(full + ".bn", net_.conv(full + ".conv", x, spec));
  }
  ValueId one(const std::string& name, ValueId x, std::int64_t out) const {
    return conv(name, x, {.out = out, .kernel = 1});
  }
  ValueId row(const std::string& name, ValueId x, std::int64_t out, int width) const {
    return conv(name, x, {.out = out, .kernel = 1, .kernel_w = width});
  }
  ValueId column(const std::string& name, ValueId x, std::int64_t out, int height) const {
    return conv(name, x, {.out = out, .kernel = height, .kernel_w = 1});
  }
  ValueId strided(const std::string& name, ValueId x, std::int64_t out) const {
    return conv(name, x, {.out = out, .stride = 2, .pad = 0});
  }
  ValueId max_pool(ValueId x) const {
    return net_.max_pool(name_ + ".pool", x, {.window = 3, .stride = 2});
  }
  ValueId pooled(ValueId x, std::int64_t out) const {
    return one("branch_pool",
               net_.avg_pool(name_ + ".pool", x, {.window = 3, .stride = 1, .pad = 1}), out);
  }
  ValueId concat(std::vector<ValueId> branches, const std::string& name = "cat") const {
    return net_.concat(name_ + "." + name, std::move(branches));
  }

 private:
  NetBuilder& net_;
  std::string name_;
};

/// Figure 5 of the paper, with two 3x3 for a 5x5 in one branch.
ValueId inception_a(NetBuilder& net, const std::string& name, ValueId x, std::int64_t pooled) {
  const Module m(net, name);
  const ValueId one = m.one("branch1x1", x, 64);
  const ValueId five = m.conv("branch5x5_2", m.one("branch5x5_1", x, 48), {.out = 64, .kernel = 5});
  ValueId twice = m.conv("branch3x3dbl_2", m.one("branch3x3dbl_1", x, 64), {.out = 96});
  twice = m.conv("branch3x3dbl_3", twice, {.out = 96});
  return m.concat({one, five, twice, m.pooled(x, pooled)});
}

/// Figure 10: halves height and width.
ValueId inception_b(NetBuilder& net, const std::string& name, ValueId x) {
  const Module m(net, name);
  const ValueId three = m.strided("branch3x3", x, 384);
  ValueId twice = m.conv("branch3x3dbl_2", m.one("branch3x3dbl_1", x, 64), {.out = 96});
  twice = m.strided("branch3x3dbl_3", twice, 96);
  return m.concat({three, twice, m.max_pool(x)});
}

/// Figure 6, with n = 7.
ValueId inception_c(NetBuilder& net, const std::string& name, ValueId x, std::int64_t width) {
  constexpr std::int64_t kOut = 192;
  constexpr int kSide = 7;
  const Module m(net, name);
  const ValueId one = m.one("branch1x1", x, kOut);
  ValueId seven = m.row("branch7x7_2", m.one("branch7x7_1", x, width), width, kSide);
  seven = m.column("branch7x7_3", seven, kOut, kSide);
  ValueId twice = m.column("branch7x7dbl_2", m.one("branch7x7dbl_1", x, width), width, kSide);
  twice = m.row("branch7x7dbl_3", twice, width, kSide);
  twice = m.column("branch7x7dbl_4", twice, width, kSide);
  twice = m.row("branch7x7dbl_5", twice, kOut, kSide);
  return m.concat({one, seven, twice, m.pooled(x, kOut)});
}

/// Halves height and width again.
ValueId inception_d(NetBuilder& net, const std::string& name, ValueId x) {
  constexpr std::int64_t kWidth = 192;
  constexpr int kSide = 7;
  const Module m(net, name);
  const ValueId three = m.strided("branch3x3_2", m.one("branch3x3_1", x, kWidth), 320);
  ValueId seven = m.row("branch7x7x3_2", m.one("branch7x7x3_1", x, kWidth), kWidth, kSide);
  seven = m.column("branch7x7x3_3", seven, kWidth, kSide);
  return m.concat({three, m.strided("branch7x7x3_4", seven, kWidth), m.max_pool(x)});
}

/// Figure 7: the last branches end side by side.
ValueId inception_e(NetBuilder& net, const std::string& name, ValueId x) {
  constexpr std::int64_t kWidth = 384;
  constexpr int kSide = 3;
  const Module m(net, name);
  const ValueId one = m.one("branch1x1", x, 320);
  const ValueId a = m.one("branch3x3_1", x, kWidth);
  const ValueId three = m.concat(
      {m.row("branch3x3_2a", a, kWidth, kSide), m.column("branch3x3_2b", a, kWidth, kSide)},
      "branch3x3_cat");
  const ValueId b = m.conv("branch3x3dbl_2", m.one("branch3x3dbl_1", x, 448), {.out = kWidth});
  const ValueId twice = m.concat(
      {m.row("branch3x3dbl_3a", b, kWidth, kSide), m.column("branch3x3dbl_3b", b, kWidth, kSide)},
      "branch3x3dbl_cat");
  return m.concat({one, three, twice, m.pooled(x, 192)});
}

ValueId build(NetBuilder& net, const ModelSpec& spec) {
  constexpr double kEps = 1e-3;
  net.set_norm_eps(kEps);
  const Module stem(net, "");
  ValueId x = stem.strided("Conv2d_1a_3x3", net.image(), 32);
  x = stem.conv("Conv2d_2a_3x3", x, {.out = 32, .pad = 0});
  x = stem.conv("Conv2d_2b_3x3", x, {.out = 64});
  x = net.max_pool("maxpool1", x, {.window = 3, .stride = 2});
  x = stem.one("Conv2d_3b_1x1", x, 80);
  x = stem.conv("Conv2d_4a_3x3", x, {.out = 192, .pad = 0});
  x = net.max_pool("maxpool2", x, {.window = 3, .stride = 2});
  x = inception_a(net, "Mixed_5b", x, 32);
  x = inception_a(net, "Mixed_5c", x, 64);
  x = inception_a(net, "Mixed_5d", x, 64);
  x = inception_b(net, "Mixed_6a", x);
  x = inception_c(net, "Mixed_6b", x, 128);
  x = inception_c(net, "Mixed_6c", x, 160);
  x = inception_c(net, "Mixed_6d", x, 160);
  x = inception_c(net, "Mixed_6e", x, 192);
  x = inception_d(net, "Mixed_7a", x);
  x = inception_e(net, "Mixed_7b", x);
  x = inception_e(net, "Mixed_7c", x);
  x = net.global_pool("avgpool", x);
  return net.classifier("fc", net.dropout("dropout", x, spec.number("dropout", 0.5)));
}

}  // namespace

Family inception_v3() {
  constexpr double kMostDropout = 0.95;
  return {.pattern = "inception_v3",
          .prefix = "inception_v3",
          .numbers = 0,
          .description = "Inception v3, for images from 75 pixels (299 published)",
          .rule = "",
          .published = {"inception_v3"},
          .options = {{.name = "dropout", .fallback = "0.5", .high = kMostDropout}},
          .accepts = [](std::span<const std::int64_t>) { return true; },
          .build = build};
}

}  // namespace graft::zoo
