// SPDX-License-Identifier: Apache-2.0
#include "runtime/tree/tree_runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kNewestCounts = 1.0 / 32;
constexpr double kMsPerSecond = 1000;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

std::int64_t rows_of(std::span<const TreeApp> apps) {
  std::int64_t rows = 1;
  for (const TreeApp& app : apps) rows = std::max(rows, app.first_row + app.n_rows);
  return rows;
}

void add(NodeStatistics& s, double ms) {
  s.busy_ms = s.runs == 0 ? ms : s.busy_ms + kNewestCounts * (ms - s.busy_ms);
  s.total_busy_ms += ms;
  ++s.runs;
}

ValueId input_of(const Graph& graph) {
  for (ValueId id = 0;; ++id) {
    if (graph.node(id).kind == NodeKind::kInput) return id;
  }
}

/// Label, probabilities and hit of one row of logits.
void judge(const PackageHeader& header, AppResult& result) {
  const std::span<const float> logits = result.logits;
  const auto largest = std::max_element(logits.begin(), logits.end());
  result.label = static_cast<int>(largest - logits.begin());
  double sum = 0, positive = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - *largest);
  for (const int i : header.positive) {
    positive += std::exp(static_cast<double>(logits[at(i)]) - *largest);
    result.positive = result.positive || i == result.label;
  }
  if (!std::isfinite(sum)) {
    fail(Errc::kNumerical, header.task,
         ": logits are not finite; the package or the image is broken");
  }
  result.probability = 1 / sum;
  result.score = positive / sum;
}

/// Makes layers [first, last) take `ms` together, in the proportions that they have.
void scale(std::vector<double>& layers, int first, int last, double ms) {
  double sum = 0;
  for (int i = first; i < last; ++i) sum += layers[at(i)];
  for (int i = first; i < last; ++i) {
    layers[at(i)] = sum > 0 ? layers[at(i)] * ms / sum : ms / (last - first);
  }
}

}  // namespace

const char* name(Sharing sharing) {
  switch (sharing) {
    case Sharing::kAlone:
      return "alone";
    case Sharing::kShared:
      return "shared";
    case Sharing::kBatched:
      return "batched";
  }
  return "?";
}

TreeRunner::TreeRunner(Context& ctx, std::vector<TreeApp> apps, BaseModels& bases,
                       const std::function<void()>& between)
    : ctx_(ctx),
      apps_(std::move(apps)),
      bound_(bind_tree(ctx, apps_, bases, between)),
      batch_(rows_of(apps_)) {
  std::size_t results = 0;
  for (const TreeApp& app : apps_) {
    results += static_cast<std::size_t>(app.n_rows);
    logits_.emplace_back(static_cast<std::size_t>(app.n_rows) *
                         app.package->header().labels.size());
  }
  results_.reserve(results);
  for (TreePart& part : bound_.parts) {
    executors_.push_back(std::make_unique<Executor>(ctx, part.graph, *part.params,
                                                    ExecutorOptions{.max_batch = batch_}));
    between();
  }
  spans_.resize(executors_.size());
  statistics_.resize(executors_.size());
  warm_up(between);
}

void TreeRunner::warm_up(const std::function<void()>& between) {
  const data::Preprocess& p = preprocess();
  Tensor images = Tensor::allocate(ctx_.memory(), {batch_, p.height, p.width, ImageU8::kChannels});
  fill_zero(ctx_, images);
  for (const auto& executor : executors_) {
    executor->set_observer([&between](ValueId, bool, double) { between(); });
  }
  const std::vector<std::uint8_t> all(apps_.size(), 1);
  static_cast<void>(run(images, all));
  for (const auto& executor : executors_) executor->set_observer({});
  std::fill(statistics_.begin(), statistics_.end(), NodeStatistics{});
}

std::span<const AppResult> TreeRunner::run(const Tensor& images,
                                           std::span<const std::uint8_t> due) {
  GRAFT_CHECK_EQ(due.size(), apps_.size(), "tree: due, one an application");
  GRAFT_CHECK_EQ(images.shape()[0], batch_, "tree: images of a run");
  results_.clear();
  for (std::size_t n = 0; n < executors_.size(); ++n) {
    const TreeNode& node = bound_.tree.nodes[n];
    RowSpan rows;
    for (const int app : node.apps) {
      if (due[at(app)] == 0) continue;
      const TreeApp& a = apps_[at(app)];
      const bool first = rows.begin == rows.end;
      rows.begin = first ? a.first_row : std::min(rows.begin, a.first_row);
      rows.end = std::max(rows.end, a.first_row + a.n_rows);
    }
    if (rows.begin == rows.end) continue;
    run_part(n, images, rows);
    if (!node.shared) add_results(at(node.apps.front()), n);
  }
  return results_;
}

void TreeRunner::run_part(std::size_t node, const Tensor& images, RowSpan rows) {
  Executor& executor = *executors_[node];
  const int parent = bound_.tree.nodes[node].parent;
  Tensor x = images;
  std::int64_t begin = rows.begin;
  if (parent >= 0) {
    const Executor& above = *executors_[at(parent)];
    x = above.value(above.graph().outputs().front().value);
    begin -= spans_[at(parent)].begin;
  }
  spans_[node] = rows;
  executor.bind(input_of(executor.graph()), x.rows(begin, rows.end - rows.begin));
  const auto start = std::chrono::steady_clock::now();
  executor.forward(Phase::kEval);
  ctx_.synchronize();
  const std::chrono::duration<double> busy = std::chrono::steady_clock::now() - start;
  add(statistics_[node], kMsPerSecond * busy.count());
}

void TreeRunner::add_results(std::size_t app, std::size_t node) {
  const Executor& executor = *executors_[node];
  const Tensor y = executor.value(executor.graph().outputs().front().value);
  std::vector<float>& logits = logits_[app];
  copy_to_host(ctx_, y, logits.data());
  const PackageHeader& header = apps_[app].package->header();
  const std::size_t classes = header.labels.size();
  for (std::int64_t i = 0; i < apps_[app].n_rows; ++i) {
    AppResult& result = results_.emplace_back();
    result.app = app;
    result.row = apps_[app].first_row + i;
    result.logits = std::span(logits).subspan(static_cast<std::size_t>(i) * classes, classes);
    judge(header, result);
  }
}

Sharing TreeRunner::sharing(std::size_t app) const {
  Sharing sharing = Sharing::kAlone;
  const TreeApp& a = apps_[app];
  for (std::size_t i = 0; i < apps_.size(); ++i) {
    const TreeApp& b = apps_[i];
    if (i == app || std::min(a.place.frozen, b.place.frozen) == 0) continue;
    if (b.first_row != a.first_row || b.n_rows != a.n_rows) return Sharing::kBatched;
    sharing = Sharing::kShared;
  }
  return sharing;
}

CostModel TreeRunner::measured_costs(const CostModel& planned) const {
  const int n_layers = apps_.front().package->header().n_layers();
  GRAFT_CHECK_EQ(planned.n_layers(), n_layers, "tree: layers of the cost file and of the network");
  std::vector<double> layers;
  for (int i = 0; i < n_layers; ++i) layers.push_back(planned.prefix(i + 1) - planned.prefix(i));
  int deepest = 0;
  for (const TreeApp& app : apps_) deepest = std::max(deepest, app.place.frozen);
  double branches_ms = 0;
  int branches = 0;
  for (std::size_t n = 0; n < statistics_.size(); ++n) {
    const TreeNode& node = bound_.tree.nodes[n];
    const NodeStatistics& s = statistics_[n];
    if (s.runs == 0) continue;
    if (node.shared) scale(layers, node.first, node.last, s.busy_ms);
    if (!node.shared && node.first == deepest) {
      branches_ms += s.busy_ms;
      ++branches;
    }
  }
  if (branches > 0) scale(layers, deepest, n_layers, branches_ms / branches);
  return CostModel(std::move(layers), planned.unit());
}

}  // namespace graft
