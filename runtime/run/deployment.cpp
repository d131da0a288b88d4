// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/deployment.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/device/thread_budget.h"

namespace graft::run {
namespace {

std::vector<double> rates_of(const Schedule& schedule) {
  std::vector<double> fps;
  for (const ScheduledApp& app : schedule.apps) fps.push_back(app.place.fps);
  return fps;
}

}  // namespace

Deployment::Deployment(std::unique_ptr<Context> ctx, Schedule schedule, std::vector<RunApp> apps,
                       const DeploymentOptions& options)
    : ctx_(std::move(ctx)),
      schedule_(std::move(schedule)),
      apps_(std::move(apps)),
      sharing_(options.sharing),
      picker_(options.stream_fps, rates_of(schedule_)) {
  GRAFT_CHECK_EQ(apps_.size(), schedule_.apps.size(), "deployment: applications");
  if (apps_.empty()) return;
  set_rows();
  plant_trees(options.bases);
  const data::Preprocess& p = trees_.front()->preprocess();
  for (const auto& tree : trees_) {
    if (tree->preprocess() == p) continue;
    fail(Errc::kModel, tree->apps().front().name, " and ", trees_.front()->apps().front().name,
         " prepare images differently; run them on streams of their own");
  }
  const auto rows = static_cast<std::int64_t>(views_.size());
  images_ = Tensor::allocate(ctx_->memory(), {rows, p.height, p.width, ImageU8::kChannels});
  if (ctx_->backend() == Backend::kCuda) staged_.resize(static_cast<std::size_t>(images_.numel()));
  list_nodes();
}

void Deployment::plant_trees(const std::filesystem::path& where) {
  BaseModels bases(where);
  ThreadBudget::Lease lease(ThreadBudget::process(), ctx_->threads());
  const auto plant = [&](std::vector<TreeApp> apps) {
    trees_.push_back(std::make_unique<TreeRunner>(*ctx_, std::move(apps), bases,
                                                  [&lease] { lease.give_way(); }));
  };
  if (sharing_) {
    plant(tree_apps());
    return;
  }
  for (TreeApp& app : tree_apps()) plant({std::move(app)});
}

void Deployment::set_rows() {
  for (const RunApp& app : apps_) {
    const auto known = std::find(views_.begin(), views_.end(), app.view);
    row_of_.push_back(known - views_.begin());
    if (known == views_.end()) views_.push_back(app.view);
  }
}

std::vector<TreeApp> Deployment::tree_apps() const {
  std::vector<TreeApp> out;
  for (std::size_t i = 0; i < apps_.size(); ++i) {
    out.push_back({.name = apps_[i].name,
                   .package = apps_[i].package,
                   .place = schedule_.apps[i].place,
                   .first_row = sharing_ ? row_of_[i] : 0});
  }
  return out;
}

void Deployment::start_after(std::int64_t index) {
  if (index >= 0) (void)picker_.pick(index);
}

float* Deployment::pixels() { return staged_.empty() ? images_.ptr<float>() : staged_.data(); }

std::span<const AppResult> Deployment::run(const ImageU8& image,
                                           std::span<const std::uint8_t> due) {
  const ThreadBudget::Lease lease(ThreadBudget::process(), ctx_->threads());
  const data::Preprocess& p = trees_.front()->preprocess();
  const auto n_pixels = static_cast<std::size_t>(images_.numel()) / views_.size();
  for (std::size_t row = 0; row < views_.size(); ++row) {
    bool wanted = false;
    for (std::size_t i = 0; i < apps_.size(); ++i) {
      wanted = wanted || (due[i] != 0 && row_of_[i] == static_cast<std::int64_t>(row));
    }
    if (!wanted) continue;
    const std::span values(pixels() + row * n_pixels, n_pixels);
    if (views_[row].whole()) {
      data::apply(p, image, values);
    } else {
      data::apply(p, cut(views_[row], image), values);
    }
  }
  if (!staged_.empty()) copy_from_host(*ctx_, staged_.data(), images_);
  if (sharing_) return trees_.front()->run(images_, due);
  results_.clear();
  for (std::size_t i = 0; i < trees_.size(); ++i) {
    for (AppResult result : trees_[i]->run(images_.rows(row_of_[i], 1), due.subspan(i, 1))) {
      result.app = i;
      results_.push_back(result);
    }
  }
  return results_;
}

Sharing Deployment::sharing(std::size_t app) const {
  return sharing_ ? trees_.front()->sharing(app) : Sharing::kAlone;
}

CostModel Deployment::measured_costs(const CostModel& planned) const {
  const bool one_view = sharing_ && views_.size() == 1;
  return one_view ? trees_.front()->measured_costs(planned) : planned;
}

std::int64_t Deployment::rows(std::size_t node) const {
  std::set<std::int64_t> rows;
  for (const int app : nodes_[node].apps) rows.insert(row_of_[static_cast<std::size_t>(app)]);
  return static_cast<std::int64_t>(rows.size());
}

void Deployment::list_nodes() {
  for (std::size_t t = 0; t < trees_.size(); ++t) {
    const auto before = static_cast<int>(nodes_.size());
    const auto& nodes = trees_[t]->tree().nodes;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      TreeNode node = nodes[n];
      if (node.parent >= 0) node.parent += before;
      if (!sharing_) node.apps = {static_cast<int>(t)};
      nodes_.push_back(std::move(node));
      statistics_.push_back(&trees_[t]->statistics()[n]);
    }
  }
}

}  // namespace graft::run
