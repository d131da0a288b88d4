// SPDX-License-Identifier: Apache-2.0
// From a family of fine-tuned candidates to a package.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "runtime/finetune/family.h"
#include "runtime/package/package.h"

namespace graft {

/// What is assumed of an event where nothing is given: an event of a second on a tenth of the
/// frames, and the correlation that the thesis' programs come with (spec 1.6).
inline constexpr EventStatistics kAssumedEvents = {
    .length_ms = 1000, .frequency = 0.1, .correlation = 0.107};

struct PackageOptions {
  /// Labels that mean an event; empty: the one called as the task, else the first.
  std::vector<std::string> positive = {};
  std::optional<double> event_length_ms = {}, event_frequency = {}, correlation = {};
};

struct BuiltPackage {
  PackageHeader header;
  std::string sha256;          ///< of the file
  std::filesystem::path base;  ///< beside the package
  std::vector<int> left_out;   ///< `frozen` of candidates that cannot be run in two parts
};

/// Changes what a package says of its events and candidates, by running it.
using MeasurePackage = std::function<void(const std::shared_ptr<const Package>&, PackageHeader&)>;

/// Builds the package of the family in `folder` and, unless it is there, puts a copy of the base
/// beside it. `measure` (may be empty) is given the package in a temporary file, with the base
/// beside `out`. Throws Error(kModel) if a file is not what family.json says, Error(kUsage) for
/// labels or numbers that do not fit, Error(kIo), and what `measure` throws; no package is written
/// then.
BuiltPackage build_package(Context& ctx, const std::filesystem::path& folder,
                           const PackageOptions& options, const std::filesystem::path& out,
                           const MeasurePackage& measure = {});

}  // namespace graft
