// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/probe_records.h"

#include <limits>
#include <string_view>

#include "engine/core/error.h"

namespace graft::report {
namespace {

/// Numbers that were not finite are null in the file.
double number(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

std::vector<double> numbers(const Json& list) {
  std::vector<double> out;
  for (const Json& value : list) out.push_back(number(value));
  return out;
}

GradientRecord::Curve curve(const Json& json) {
  return {.cosine = numbers(json.at("cosine")),
          .sign = numbers(json.at("sign")),
          .sign_small_agree = numbers(json.at("sign_small_agree"))};
}

std::vector<ExtremeImage> images(const Json& list) {
  constexpr std::string_view kPng = "data:image/png;base64,";
  std::vector<ExtremeImage> out;
  for (const Json& entry : list) {
    ExtremeImage image{.id = entry.at("id"),
                       .label = entry.at("label"),
                       .mean_loss = number(entry.at("mean_loss")),
                       .image = entry.value("image", std::string())};
    if (!image.image.starts_with(kPng)) image.image.clear();
    out.push_back(std::move(image));
  }
  return out;
}

void take(const Json& record, const std::string& event, ProbeRecords& to) {
  if (event == "confidence") {
    to.confidence.push_back({.epoch = record.at("epoch"),
                             .quantiles = numbers(record.at("quantiles")),
                             .accuracy = numbers(record.at("accuracy"))});
  } else if (event == "gradient_similarity") {
    to.gradients.push_back({.epoch = record.at("epoch"),
                            .fractions = numbers(record.at("fractions")),
                            .top = curve(record.at("top")),
                            .random = curve(record.at("random"))});
  } else if (event == "watch") {
    to.watch.push_back({.epoch = record.at("epoch"),
                        .ids = record.at("ids").get<std::vector<std::int64_t>>(),
                        .losses = numbers(record.at("losses")),
                        .percentiles = numbers(record.at("percentiles"))});
  } else if (event == "extreme_losses") {
    to.extremes.push_back({.epoch = record.at("epoch"),
                           .lowest = images(record.at("lowest")),
                           .highest = images(record.at("highest"))});
  }
}

}  // namespace

void read_probe(const Json& record, const std::string& event, const std::filesystem::path& file,
                ProbeRecords& to) {
  try {
    take(record, event, to);
  } catch (const Json::exception& error) {
    fail(Errc::kConfig, file.string(), ": damaged ", event, " record: ", error.what());
  }
}

}  // namespace graft::report
