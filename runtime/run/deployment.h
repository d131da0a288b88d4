// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "engine/device/context.h"
#include "runtime/run/application.h"
#include "runtime/tree/tree_runner.h"
#include "runtime/video/frame_picker.h"
#include "runtime/video/frame_source.h"
#include "scheduler/plan/schedule.h"

namespace graft::run {

struct DeploymentOptions {
  double stream_fps = 0;
  std::filesystem::path bases;  ///< see BaseModels
  bool sharing = true;          ///< else every application runs its whole network
};

/// A schedule with the networks that it needs in memory, warm. Applications with the same view of
/// the picture share its stem; other views are other rows of one batch. Its threads come out of
/// ThreadBudget::process(): while one is built and another runs, they take turns, and the building
/// stops for a frame between two layers. Has a context of its own, of any backend: the thread that
/// runs it need not be the one that built it. Not thread-safe.
class Deployment {
 public:
  /// One application of `apps` for each of `schedule`, in its order; may be none. Throws as
  /// TreeRunner; Error(kConfig) for a rate that the stream does not have.
  Deployment(std::unique_ptr<Context> ctx, Schedule schedule, std::vector<RunApp> apps,
             const DeploymentOptions& options);

  /// Says that frames up to `index` are past; called before the first run in the middle of a
  /// stream.
  void start_after(std::int64_t index);
  /// Which applications look at frame `index`, one byte each.
  [[nodiscard]] std::span<const std::uint8_t> due(std::int64_t index) {
    return picker_.pick(index);
  }
  /// Runs them; results are by application and hold until the next run.
  [[nodiscard]] std::span<const AppResult> run(const ImageU8& image,
                                               std::span<const std::uint8_t> due);

  [[nodiscard]] const Schedule& schedule() const { return schedule_; }
  [[nodiscard]] const std::vector<RunApp>& apps() const { return apps_; }
  [[nodiscard]] Sharing sharing(std::size_t app) const;
  /// Images of a run of a node: the views of its applications.
  [[nodiscard]] std::int64_t rows(std::size_t node) const;
  /// The nodes of all trees, one tree after another; `parent` and `apps` count in the deployment.
  [[nodiscard]] const std::vector<TreeNode>& nodes() const { return nodes_; }
  /// TreeRunner::measured_costs() where all share one view; else `planned`.
  [[nodiscard]] CostModel measured_costs(const CostModel& planned) const;
  [[nodiscard]] const NodeStatistics& statistics(std::size_t node) const {
    return *statistics_[node];
  }

 private:
  [[nodiscard]] std::vector<TreeApp> tree_apps() const;
  void set_rows();
  /// What the images of a run are written to.
  [[nodiscard]] float* pixels();
  void plant_trees(const std::filesystem::path& bases);
  void list_nodes();

  std::unique_ptr<Context> ctx_;
  Schedule schedule_;
  std::vector<RunApp> apps_;
  bool sharing_;
  video::FramePicker picker_;
  std::vector<std::unique_ptr<TreeRunner>> trees_;  // one, or one an application
  std::vector<TreeNode> nodes_;
  std::vector<const NodeStatistics*> statistics_;
  std::vector<View> views_;           // one a row of the batch
  std::vector<std::int64_t> row_of_;  // of each application
  Tensor images_;                     // (rows, H, W, 3)
  std::vector<float> staged_;         // as images_, where these are on a device
  std::vector<AppResult> results_;
};

}  // namespace graft::run
