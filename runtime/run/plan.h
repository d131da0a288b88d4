// SPDX-License-Identifier: Apache-2.0
// Which layers the applications of a run share, and how often each is run.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "runtime/run/application.h"
#include "scheduler/plan/schedule.h"

namespace graft::run {

/// Schedules the applications on a stream. None: an empty schedule. A stem takes as often as long
/// as there are views of the picture: applications of one view are scheduled together, and the
/// budget is divided between views, in twentieths, so that the objective is largest. Method
/// kNoSharing: every application pays for its whole network; candidates and rates are those that
/// are best then. Throws
/// Error(kConfig) that says what would fit if nothing does, Error(kModel) as workload_of().
[[nodiscard]] Schedule schedule_apps(std::span<const RunApp> apps, double stream_fps,
                                     const CostModel& costs, const ScheduleRequest& request);

/// Opens the packages that a plan of `graft schedule --out` names, under its names. Throws
/// Error(kIo); Error(kModel) as load_app() or naming the field; Error(kConfig) if the plan was made
/// from other things than packages.
[[nodiscard]] std::vector<RunApp> load_planned_apps(const std::filesystem::path& plan);

/// Reads what `graft schedule --out` writes, for these applications, by name and in their order.
/// Throws Error(kIo); Error(kModel) naming the field; Error(kConfig) if the plan and the
/// applications are not the same.
[[nodiscard]] Schedule read_plan(const std::filesystem::path& path, std::span<const RunApp> apps);

}  // namespace graft::run
