// SPDX-License-Identifier: Apache-2.0
// Many applications on one video: a source, the schedule and its networks, events, live change.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/run/app_store.h"
#include "runtime/run/application.h"
#include "runtime/run/budget_watch.h"
#include "runtime/run/deployment.h"
#include "runtime/run/frame_loop.h"
#include "runtime/run/status.h"
#include "runtime/video/capture.h"
#include "runtime/video/source_uri.h"
#include "scheduler/plan/schedule.h"

namespace graft::run {

struct RunnerOptions {
  video::SourceUri source;
  double fps = 0;  ///< of the source, where it declares none or another
  video::FrameMode mode = video::FrameMode::kReplay;
  std::string stream = "camera";
  std::vector<std::filesystem::path> packages;  ///< empty: those that `plan` names
  std::map<std::string, View> views;     ///< of applications that do not see the whole picture
  std::filesystem::path plan;            ///< for the first schedule; empty: by `request`
  std::filesystem::path costs;           ///< empty: measured when a schedule needs them
  std::filesystem::path measured_costs;  ///< written at the end, for the next run; empty: none
  std::filesystem::path bases;           ///< see BaseModels; empty: beside the first package
  std::optional<double> budget;          ///< cost per second; without it, the plan's
  ScheduleRequest request;
  bool sharing = true;
  Backend backend = Backend::kCpu;
  int threads = 1;
  std::filesystem::path journal, scores;
  bool snapshots = false;
};

/// A run. Constructing opens the source, the packages and the journal, schedules, builds and
/// starts; in live mode with the applications as they were last changed (AppStore). Changes and
/// status may be asked for by any thread.
class Runner {
 public:
  /// `stop` is asked while a camera does not answer; Error(kInterrupted) if it says so.
  /// Throws whatever is wrong with what it was given.
  Runner(const RunnerOptions& options, const std::function<bool()>& stop);

  /// One application more, one fewer, another in the place of one; add() and replace() return the
  /// name that it gets. The new tree is built and warmed beside the old one, which goes on if that
  /// fails. Throws Error(kModel), Error(kConfig) as schedule_apps() and Deployment, Error(kConfig)
  /// for a name that is not there, Error(kUnavailable) once the stream is over.
  std::string add(RunApp app);
  void remove(const std::string& name);
  std::string replace(const std::string& name, RunApp app);

  /// Compares what the nodes take with what was planned and schedules again if the budget has
  /// changed for a while; to be called about once a second. Only in live mode: a replay gives the
  /// same events however long it takes.
  void watch_budget();

  [[nodiscard]] RunStatus status() const;
  [[nodiscard]] std::string snapshot(const std::string& app, std::size_t number) const {
    return loop_->snapshot(app, number);
  }
  [[nodiscard]] bool ended() const { return loop_->ended(); }
  /// Folder that sent packages may be kept in.
  [[nodiscard]] std::filesystem::path upload_folder() const;
  /// Ends the run and writes what the layers took; throws what ended it early, if anything did.
  void stop();

 private:
  /// Gives each application what it looks at.
  void set_views(std::vector<RunApp>& apps) const;
  /// By the budget; measures the costs first if there are none.
  [[nodiscard]] Schedule schedule(std::span<const RunApp> apps);
  [[nodiscard]] std::unique_ptr<Deployment> build(const Schedule& schedule,
                                                  const std::vector<RunApp>& apps) const;
  void deploy(const Schedule& next, std::vector<RunApp> apps);
  /// Schedules and deploys other applications, and remembers them for the next start.
  void change_to(std::vector<RunApp> apps);

  RunnerOptions options_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double stream_fps_ = 0, budget_ = 0;
  std::unique_ptr<video::Capture> capture_;
  std::unique_ptr<FrameLoop> loop_;

  std::mutex change_mutex_;  // one change at a time
  std::vector<RunApp> apps_;
  std::optional<AppStore> store_;  // in live mode: a replay begins with what it is given
  Schedule schedule_;
  BudgetWatch watch_;
  mutable std::mutex costs_mutex_;  // a change may measure them while somebody asks for the status
  std::optional<CostModel> costs_;
};

}  // namespace graft::run
