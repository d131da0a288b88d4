// SPDX-License-Identifier: Apache-2.0
// The packages of one stream under the names that schedules give their applications.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/package/package.h"

namespace graft {

struct NamedPackage {
  std::string name;  ///< the task; that of the second package of a task TASK#2, and so on
  std::shared_ptr<const Package> package;
};

/// Whether the name ends in ".mpkg".
[[nodiscard]] bool is_package_file(const std::filesystem::path& path);

/// Opens and verifies packages, each file once. Throws Error(kModel) as Package does, or if they
/// are not of one base with as many layers.
[[nodiscard]] std::vector<NamedPackage> open_packages(std::span<const std::filesystem::path> paths);

/// Their applications on a stream of `stream_fps`. Throws Error(kModel) naming a package whose
/// events are too long for the event model, or whose layers `n_layers` is not the number of.
[[nodiscard]] Workload workload_of(std::span<const NamedPackage> packages, double stream_fps,
                                   int n_layers);

}  // namespace graft
