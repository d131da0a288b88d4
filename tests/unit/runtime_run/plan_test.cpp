// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/plan.h"

#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

using testing::fails_with;

class RunPlan : public testing::RunTest {
 protected:
  RunPlan() {
    for (const char* task : {"birds", "cars"}) apps_.push_back(load_app(package(task)));
    const int n_layers = apps_[0].package->header().n_layers();
    const std::vector<double> layers(static_cast<std::size_t>(n_layers), 1.0);
    request_.settings.budget = 20.0 * n_layers;
    schedule_ = schedule_apps(apps_, 10, CostModel(layers), request_);
    json_ = schedule_json(schedule_, request_);
  }
  std::filesystem::path write(const Json& json) {
    atomic_write(folder_ / "plan.json", json.dump());
    return folder_ / "plan.json";
  }
  std::vector<RunApp> apps_;
  ScheduleRequest request_;
  Schedule schedule_;
  Json json_;
};

TEST_F(RunPlan, IsReadAsItWasWritten) {
  const Schedule read = read_plan(write(json_), apps_);
  ASSERT_EQ(read.apps.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.apps[i].name, schedule_.apps[i].name);
    EXPECT_EQ(read.apps[i].place.frozen, schedule_.apps[i].place.frozen);
    EXPECT_EQ(read.apps[i].place.fps, schedule_.apps[i].place.fps);
    EXPECT_EQ(read.apps[i].votes, schedule_.apps[i].votes);
    EXPECT_EQ(read.apps[i].quality.f1, schedule_.apps[i].quality.f1);
  }
  EXPECT_EQ(read.tree, schedule_.tree);
  EXPECT_EQ(read.budget, schedule_.budget);
  EXPECT_EQ(read.cost, schedule_.cost);
}

TEST_F(RunPlan, NamesPackagesBesideIt) {
  for (auto& app : json_["apps"]) {
    const auto task = app["name"].get<std::string>();
    std::filesystem::copy_file(package(task), folder_ / (task + ".mpkg"));
    app["package"] = task + ".mpkg";
  }
  json_["apps"][1]["name"] = "cars#2";
  const auto apps = load_planned_apps(write(json_));
  ASSERT_EQ(apps.size(), 2u);
  EXPECT_EQ(apps[0].sha256, apps_[0].sha256);
  EXPECT_EQ(apps[1].name, "cars#2") << "as the plan calls it";
  EXPECT_EQ(read_plan(folder_ / "plan.json", apps).apps[1].name, "cars#2");
  json_["apps"][1].erase("package");
  EXPECT_TRUE(fails_with(Errc::kConfig, {"cars#2", "--apps"},
                         [&] { (void)load_planned_apps(write(json_)); }));
}

TEST_F(RunPlan, FollowsTheApplicationsByName) {
  std::vector<RunApp> other = {apps_[1], apps_[0]};
  EXPECT_EQ(read_plan(write(json_), other).apps[0].name, "cars");
}

TEST_F(RunPlan, RefusesAnotherSetOfApplications) {
  const std::span<const RunApp> one = std::span(apps_).first(1);
  EXPECT_TRUE(fails_with(Errc::kConfig, {"plans 2 applications", "1 packages"},
                         [&] { (void)read_plan(write(json_), one); }));
  Json renamed = json_;
  renamed["apps"][0]["name"] = "bird";
  EXPECT_TRUE(fails_with(Errc::kConfig, {"nothing for birds", "did you mean `bird`"},
                         [&] { (void)read_plan(write(renamed), apps_); }));
}

TEST_F(RunPlan, RefusesWhatIsNoPlan) {
  Json bad = json_;
  bad["apps"][0]["fps"] = -1;
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"apps[0].fps"}, [&] { (void)read_plan(write(bad), apps_); }));
  bad = json_;
  bad["apps"][1]["name"] = bad["apps"][0]["name"];
  EXPECT_TRUE(fails_with(Errc::kModel, {"twice"}, [&] { (void)read_plan(write(bad), apps_); }));
  bad = json_;
  bad["apps"][0]["frozen"] = 1;  // no candidate is cut there
  EXPECT_TRUE(fails_with(Errc::kModel, {}, [&] { (void)read_plan(write(bad), apps_); }));
}

TEST_F(RunPlan, ViewsAreScheduledApartAndDivideTheBudget) {
  const int n_layers = apps_[0].package->header().n_layers();
  const std::vector<double> layers(static_cast<std::size_t>(n_layers), 1.0);
  const CostModel costs(layers);
  apps_.push_back(apps_[0]);
  apps_[2].name = "birds#2";
  apps_[2].view = {.left = 0.5, .top = 0, .width = 0.5, .height = 1};
  for (const Objective objective : {Objective::kMean, Objective::kMaxMin}) {
    request_.settings.objective = objective;
    const Schedule s = schedule_apps(apps_, 10, costs, request_);
    ASSERT_EQ(s.apps.size(), 3u);
    double cost = 0;
    for (const auto& members : {std::vector<std::size_t>{0, 1}, std::vector<std::size_t>{2}}) {
      std::vector<Placement> places;
      for (const std::size_t i : members) {
        EXPECT_EQ(s.apps[i].name, apps_[i].name);
        places.push_back(s.apps[i].place);
      }
      cost += make_exec_tree(places, n_layers).cost(costs);
    }
    EXPECT_NEAR(s.cost, cost, 1e-9) << "each view pays for its stem";
    EXPECT_LE(s.cost, request_.settings.budget + 1e-9);
    EXPECT_GT(s.objective, 0);
  }
  request_.settings.budget = 0.05 * n_layers;
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {}, [&] { (void)schedule_apps(apps_, 10, costs, request_); }));
}

TEST_F(RunPlan, WithoutSharingEveryonePaysForTheWholeNetwork) {
  const int n_layers = apps_[0].package->header().n_layers();
  const std::vector<double> layers(static_cast<std::size_t>(n_layers), 1.0);
  request_.method = parse_method("nosharing");
  const Schedule s = schedule_apps(apps_, 10, CostModel(layers), request_);
  ASSERT_EQ(s.apps.size(), 2u);
  EXPECT_NEAR(s.cost, n_layers * (s.apps[0].place.fps + s.apps[1].place.fps), 1e-9);
  EXPECT_LE(s.cost, request_.settings.budget + 1e-9);
  for (std::size_t i = 0; i < 2; ++i) {
    (void)apps_[i].package->header().candidate(s.apps[i].place.frozen);
    EXPECT_GT(s.apps[i].quality.f1, 0);
  }
  request_.settings.budget = 0.15 * n_layers;
  EXPECT_TRUE(fails_with(Errc::kConfig, {}, [&] {
    (void)schedule_apps(apps_, 10, CostModel(layers), request_);
  })) << "twice the least rate, 0.1";
}

TEST_F(RunPlan, NoApplicationsNeedNothing) {
  EXPECT_TRUE(schedule_apps({}, 10, CostModel({}), request_).apps.empty());
}

}  // namespace
}  // namespace graft::run
