// SPDX-License-Identifier: Apache-2.0
// The families of networks. One file each; models/spec/model_spec.cpp holds the list.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/spec/model_spec.h"
#include "models/zoo/net_builder.h"

namespace graft::zoo {

/// An option of a family: one of `choices`, or a number in [low, high] where there are none.
struct OptionSpec {
  std::string name;
  std::string fallback;  ///< as print() would write it; "auto": depends on the image
  std::vector<std::string> choices = {};
  double low = 0, high = 1;
};

struct Family {
  std::string pattern;  ///< for people, e.g. "wrn-DEPTH-K"
  std::string prefix;   ///< of the name; `numbers` integers joined by '-' follow
  int numbers = 0;
  std::string description;
  std::string rule;  ///< which numbers exist, e.g. "depth is 6n+4"
  std::vector<std::string> published;
  std::vector<OptionSpec> options;
  bool (*accepts)(std::span<const std::int64_t> numbers);
  /// Appends the network to the builder's image; returns the logits.
  ValueId (*build)(NetBuilder& net, const ModelSpec& spec);
};

[[nodiscard]] Family densenet();
[[nodiscard]] Family densenet_bc();
[[nodiscard]] Family inception_v3();
[[nodiscard]] Family mobilenet_v1();
[[nodiscard]] Family mobilenet_v2();
[[nodiscard]] Family resnet();
[[nodiscard]] Family resnet_cifar();
[[nodiscard]] Family small_cnn();
[[nodiscard]] Family squeezenet();
[[nodiscard]] Family wide_resnet();

/// The option `stem`, shared by the families that have two.
[[nodiscard]] OptionSpec stem_option();
/// Whether `spec` on the builder's image wants the stem without early down-sampling.
[[nodiscard]] bool cifar_stem(const NetBuilder& net, const ModelSpec& spec);

}  // namespace graft::zoo
