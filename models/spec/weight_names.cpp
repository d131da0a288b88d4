// SPDX-License-Identifier: Apache-2.0
#include "models/spec/weight_names.h"

#include <array>
#include <optional>

#include <fmt/format.h>

#include "engine/core/text.h"

namespace graft {
namespace {

/// Keras: LAYER/VARIABLE, older files LAYER/LAYER/VARIABLE:0.
WeightName from_keras(std::string_view published, int rank) {
  const std::string_view path = published.substr(0, published.find(':'));
  const auto first = path.find('/'), last = path.rfind('/');
  const std::string layer(path.substr(0, first));
  const std::string_view variable = path.substr(last + 1);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kVariables = {
      {{"gamma", "weight"},
       {"beta", "bias"},
       {"moving_mean", "running_mean"},
       {"moving_variance", "running_var"},
       {"bias", "bias"}}};
  for (const auto& [keras, ours] : kVariables) {
    if (variable == keras) return {layer + "." + std::string(ours)};
  }
  if (variable == "depthwise_kernel") return {layer + ".weight", WeightAxes::kRsc1};
  if (variable == "kernel") {
    const bool dense = rank == 2 || layer == "conv_preds";
    return {layer + ".weight", dense ? WeightAxes::kCk : WeightAxes::kRsck};
  }
  return {std::string(published)};
}

/// torchvision's prefix for block `block` of timm's stage `stage`: blocks are numbered through.
std::optional<std::int64_t> feature_index(std::int64_t stage, std::int64_t block) {
  constexpr std::array<std::int64_t, 7> kBlocks = {1, 2, 3, 4, 3, 3, 1};
  if (stage < 0 || stage >= static_cast<std::int64_t>(kBlocks.size()) || block < 0 ||
      block >= kBlocks[static_cast<std::size_t>(stage)]) {
    return std::nullopt;
  }
  std::int64_t index = 1 + block;
  for (std::int64_t s = 0; s < stage; ++s) index += kBlocks[static_cast<std::size_t>(s)];
  return index;
}

/// timm, models/mobilenetv2.py and _efficientnet_blocks.py.
WeightName from_timm_mobilenet_v2(const std::string& published) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kOuter = {
      {{"conv_stem", "features.0.0"},
       {"bn1", "features.0.1"},
       {"conv_head", "features.18.0"},
       {"bn2", "features.18.1"},
       {"classifier", "classifier.1"}}};
  using Parts = std::array<std::pair<std::string_view, std::string_view>, 6>;
  constexpr Parts kFirst = {{{"conv_dw", "0.0"}, {"bn1", "0.1"}, {"conv_pw", "1"}, {"bn2", "2"}}};
  constexpr Parts kOther = {{{"conv_pw", "0.0"},
                             {"bn1", "0.1"},
                             {"conv_dw", "1.0"},
                             {"bn2", "1.1"},
                             {"conv_pwl", "2"},
                             {"bn3", "3"}}};
  const auto parts = split(published, '.');
  if (parts.size() == 2) {
    for (const auto& [timm, ours] : kOuter) {
      if (parts[0] == timm) return {std::string(ours) + "." + parts[1]};
    }
  }
  if (parts.size() == 5 && parts[0] == "blocks") {
    const auto stage = parse_int(parts[1]), block = parse_int(parts[2]);
    const auto index = stage && block ? feature_index(*stage, *block) : std::nullopt;
    for (const auto& [timm, ours] : index == 1 ? kFirst : kOther) {
      if (index && parts[3] == timm) {
        return {fmt::format("features.{}.conv.{}.{}", *index, ours, parts[4])};
      }
    }
  }
  return {published};
}

}  // namespace

WeightName native_name(const ModelSpec& spec, std::string_view published, int rank) {
  if (published.ends_with("num_batches_tracked")) return {};
  if (spec.name == "inception_v3" && published.starts_with("AuxLogits.")) return {};
  if (published.find('/') != std::string_view::npos) return from_keras(published, rank);
  if (spec.name == "mobilenet_v2") return from_timm_mobilenet_v2(std::string(published));
  return {std::string(published)};
}

AxisMap axis_map(WeightAxes axes, const std::vector<std::int64_t>& dims) {
  if (axes == WeightAxes::kSame) return {dims, {}};
  AxisMap map;
  if (axes == WeightAxes::kCk) {
    const bool flat = dims.size() == 4 && dims[0] == 1 && dims[1] == 1;
    if (dims.size() != 2 && !flat) return {};
    const std::int64_t c = dims[dims.size() - 2], k = dims.back();
    map.dims = {k, c};
    for (std::int64_t ik = 0; ik < k; ++ik) {
      for (std::int64_t ic = 0; ic < c; ++ic) map.from.push_back(ic * k + ik);
    }
    return map;
  }
  if (dims.size() != 4) return {};
  const std::int64_t r = dims[0], s = dims[1], c = dims[2], k = dims[3];
  if (axes == WeightAxes::kRsc1 && k != 1) return {};
  const bool depthwise = axes == WeightAxes::kRsc1;
  map.dims = depthwise ? std::vector{c, k, r, s} : std::vector{k, c, r, s};
  for (std::int64_t ik = 0; ik < k; ++ik) {
    for (std::int64_t ic = 0; ic < c; ++ic) {
      for (std::int64_t i = 0; i < r * s; ++i) map.from.push_back((i * c + ic) * k + ik);
    }
  }
  return map;
}

}  // namespace graft
