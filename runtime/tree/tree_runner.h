// SPDX-License-Identifier: Apache-2.0
// Runs the applications of a schedule on one stream: the layers that they have in common once a
// frame. Source: spec/mainstream.md sections 2.1 and 5.2.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/exec/executor.h"
#include "runtime/tree/bind.h"

namespace graft {

/// What one application says of one image.
struct AppResult {
  std::size_t app = 0;            ///< index in TreeRunner::apps()
  std::int64_t row = 0;           ///< of the images
  std::span<const float> logits;  ///< one a label; until the next run
  int label = 0;                  ///< the most probable one
  double probability = 0;         ///< of `label`
  double score = 0;               ///< probability of the positive labels together
  bool positive = false;          ///< `label` is a positive one: a hit of the event model
};

/// How an application gets its stem.
enum class Sharing : std::uint8_t {
  kAlone,    ///< nobody else uses any part of it
  kShared,   ///< others use parts of it on the same rows: one frame
  kBatched,  ///< others use parts of it on other rows: several crops or cameras in one batch
};
[[nodiscard]] const char* name(Sharing sharing);

/// What a node of the tree has taken so far.
struct NodeStatistics {
  std::int64_t runs = 0;
  double busy_ms = 0;        ///< of a run: exponentially weighted mean, newest counts 1/32
  double total_busy_ms = 0;  ///< of all runs
};

/// A tree of network parts in memory, warm. Its threads are those of the context: one budget for
/// all applications. One thread at a time; several trees may share a context in turn.
class TreeRunner {
 public:
  /// Binds (bind.h) and runs every part once. `ctx` must outlive the runner; `bases` need not.
  /// `between` as in bind_tree(), and after each layer of that run. Throws as bind_tree().
  TreeRunner(
      Context& ctx, std::vector<TreeApp> apps, BaseModels& bases,
      const std::function<void()>& between = [] {});

  /// Runs the applications for which `due` (one a application) is not 0: each part of the stem
  /// that one of them needs once, then their branches. images: (batch(), H, W, 3), preprocessed.
  /// Results are in order of applications, then rows, and hold until the next call; their logits
  /// have the bits that the application gives alone at the same batch. Nothing is allocated.
  std::span<const AppResult> run(const Tensor& images, std::span<const std::uint8_t> due);

  [[nodiscard]] const std::vector<TreeApp>& apps() const { return apps_; }
  /// Images of a run: 1 in shared mode.
  [[nodiscard]] std::int64_t batch() const { return batch_; }
  [[nodiscard]] const data::Preprocess& preprocess() const {
    return apps_.front().package->header().preprocess;
  }
  /// Parts in the order in which they run, each at its planned rate.
  [[nodiscard]] const ExecTree& tree() const { return bound_.tree; }
  /// All applications in one graph, `Share` nodes where they part.
  [[nodiscard]] const Graph& graph() const { return bound_.graph; }
  [[nodiscard]] Sharing sharing(std::size_t app) const;

  /// One a node of tree().
  [[nodiscard]] const std::vector<NodeStatistics>& statistics() const { return statistics_; }
  /// `planned` (in milliseconds a frame) with the layers scaled to what the nodes have taken: the
  /// stem's to the stem, those behind it to the branches that leave it last. Nodes that have not
  /// run count as planned.
  [[nodiscard]] CostModel measured_costs(const CostModel& planned) const;

 private:
  struct RowSpan {
    std::int64_t begin = 0, end = 0;
  };
  /// The first run, which makes the kernels.
  void warm_up(const std::function<void()>& between);
  void run_part(std::size_t node, const Tensor& images, RowSpan rows);
  void add_results(std::size_t app, std::size_t node);

  Context& ctx_;
  std::vector<TreeApp> apps_;
  BoundTree bound_;
  std::int64_t batch_ = 0;
  std::vector<std::unique_ptr<Executor>> executors_;  // one a node
  std::vector<RowSpan> spans_;                        // of each node's last run
  std::vector<NodeStatistics> statistics_;
  std::vector<std::vector<float>> logits_;  // of each application
  std::vector<AppResult> results_;
};

}  // namespace graft
