// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/runner.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "engine/device/thread_budget.h"
#include "runtime/events/journal.h"
#include "runtime/run/costs.h"
#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

using testing::fails_with;
using testing::never;

constexpr const char* kVideo = "synthetic:frames=120,fps=10,width=48,height=40,event=15,gap=15";

class Runs : public testing::RunTest {};

void expect_balanced(const RunStatus& status) {
  EXPECT_TRUE(status.frames.balanced());
  for (const NodeStatus& n : status.nodes) EXPECT_EQ(n.frames_in, n.run + n.dropped) << n.name;
}

/// Events without the clock on the wall.
std::vector<events::EventRecord> events_of(const std::filesystem::path& journal) {
  auto records = events::read_journal(journal);
  for (auto& r : records) {
    events::EventState& s = r.change.state;
    for (events::FrameTime* t : {&s.first, &s.opened, &s.last, &s.at}) t->captured_at = 0;
    r.id.clear();
  }
  return records;
}

TEST_F(Runs, ReplaysEveryFrameForEveryApplicationAtItsRate) {
  RunnerOptions o = options(kVideo, {package("birds"), package("cars")});
  o.request.settings.rates = {2, 5};
  const RunStatus status = run_all(o);
  EXPECT_EQ(status.frames.captured, 120);
  ASSERT_EQ(status.apps.size(), 2u);
  std::int64_t fastest = 0;
  for (const AppStatus& app : status.apps) {
    EXPECT_EQ(app.analysed, static_cast<std::int64_t>(12 * app.fps)) << app.name;
    fastest = std::max(fastest, app.analysed);
    EXPECT_EQ(app.age.count(), app.analysed);
    EXPECT_FALSE(app.snapshots.empty());
  }
  EXPECT_EQ(status.frames.processed, fastest) << "slower applications look at the same frames";
  EXPECT_EQ(status.frames.dropped[static_cast<std::size_t>(video::DropReason::kNotDue)],
            120 - fastest);
  expect_balanced(status);
  EXPECT_EQ(status.capture.width, 48);
  EXPECT_EQ(read_records(folder_ / "scores.jsonl").size(),
            static_cast<std::size_t>(status.apps[0].analysed + status.apps[1].analysed));
}

TEST_F(Runs, ReplayGivesTheSameScoresAndEventsAgainAndWithoutSharing) {
  RunnerOptions o = options(kVideo, {package("birds"), package("cars"), package("dogs")});
  o.request.settings.rates = {5};
  (void)run_all(o);
  const auto scores = read_records(o.scores);
  const auto events = events_of(o.journal);
  RunnerOptions again = o;
  again.journal = folder_ / "again.jsonl";
  (void)run_all(again);
  EXPECT_EQ(read_records(o.scores), scores);
  EXPECT_EQ(events_of(again.journal), events);
  RunnerOptions alone = o;
  alone.sharing = false;
  alone.journal = folder_ / "alone.jsonl";
  (void)run_all(alone);
  EXPECT_EQ(read_records(o.scores), scores) << "sharing changes no answer";
  EXPECT_EQ(events_of(alone.journal), events);
}

TEST_F(Runs, LiveOnTheSameFramesGivesTheSameAnswers) {
  RunnerOptions o = options("synthetic:frames=40,fps=50,width=48,height=40", {package("birds")});
  o.request.settings.rates = {25};
  (void)run_all(o);
  const auto scores = read_records(o.scores);
  o.mode = video::FrameMode::kLive;
  o.journal = folder_ / "live.jsonl";
  const RunStatus live = run_all(o);
  expect_balanced(live);
  if (live.frames.dropped[static_cast<std::size_t>(video::DropReason::kOverrun)] == 0) {
    EXPECT_EQ(read_records(o.scores), scores);
  }
}

TEST_F(Runs, AddsRemovesAndReplacesUnderLoadWithoutALostFrame) {
  RunnerOptions o = options("synthetic:fps=10,width=48,height=40", {package("birds")});
  o.request.settings.rates = {10};
  run::Runner runner(o, never);
  constexpr int kRounds = 6;
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_EQ(runner.add(load_app(package("cars"))), "cars");
    EXPECT_EQ(runner.add(load_app(package("cars"))), "cars#2");
    EXPECT_EQ(runner.replace("cars", load_app(package("dogs"))), "dogs");
    EXPECT_EQ(runner.status().apps.size(), 3u);
    runner.remove("dogs");
    runner.remove("cars#2");
    EXPECT_EQ(runner.status().apps.size(), 1u);
    EXPECT_EQ(runner.status().tree, 1 + 5 * (i + 1));
  }
  runner.stop();
  const RunStatus status = runner.status();
  expect_balanced(status);
  EXPECT_GT(status.frames.captured, 0);
  EXPECT_EQ(status.frames.processed + status.frames.dropped[3], status.frames.captured);
  EXPECT_EQ(status.apps[0].analysed, status.frames.processed) << "birds saw every frame";
  std::int64_t expected = 0;
  for (const Json& record : read_records(o.scores)) {
    if (record["app"] != "birds") continue;
    EXPECT_EQ(record["frame"], expected++);
  }
  EXPECT_EQ(expected, status.frames.processed);
}

/// Scores of an application, by frame.
std::map<std::int64_t, double> scores_of(const std::filesystem::path& path, const char* app) {
  std::map<std::int64_t, double> out;
  for (const Json& record : read_records(path)) {
    if (record["app"] == app) out[record["frame"]] = record["score"];
  }
  return out;
}

TEST_F(Runs, ViewsOfThePictureAreRowsOfOneBatch) {
  RunnerOptions o = options(kVideo, {package("birds"), package("cars"), package("dogs")});
  o.request.settings.rates = {5};
  o.views["cars"] = o.views["dogs"] = {.left = 0.5, .top = 0.25, .width = 0.5, .height = 0.5};
  const RunStatus status = run_all(o);
  expect_balanced(status);
  for (const AppStatus& app : status.apps) {
    EXPECT_EQ(app.sharing, "batched") << app.name;
    EXPECT_EQ(app.analysed, 60) << app.name;
  }
  EXPECT_EQ(status.apps[1].view, o.views["cars"]);
  ASSERT_TRUE(status.nodes[0].shared);
  EXPECT_EQ(status.nodes[0].rows, 2);
  EXPECT_EQ(status.nodes.back().rows, 1);
  const auto batched = o.scores;
  for (const bool sharing : {true, false}) {
    for (const char* name : {"birds", "cars"}) {
      RunnerOptions alone = o;
      alone.packages = {package(name)};
      alone.sharing = sharing;
      std::erase_if(alone.views, [&](const auto& view) { return view.first != name; });
      alone.journal = folder_ / fmt::format("{}-{}.jsonl", name, sharing);
      alone.scores = folder_ / "alone.jsonl";
      EXPECT_EQ(run_all(alone).apps[0].sharing, "alone");
      const auto want = scores_of(alone.scores, name), got = scores_of(batched, name);
      ASSERT_EQ(got.size(), want.size());
      for (const auto& [frame, score] : want) EXPECT_NEAR(got.at(frame), score, 1e-5);
    }
  }
}

TEST_F(Runs, WritesWhatTheLayersTookForTheNextRun) {
  RunnerOptions o = options(kVideo, {package("birds"), package("cars")});
  o.measured_costs = folder_ / "measured.json";
  const RunStatus status = run_all(o);
  const CostModel costs = read_costs(o.measured_costs);
  EXPECT_EQ(costs.unit(), "ms");
  const NodeStatus& stem = status.nodes.front();
  ASSERT_TRUE(stem.shared);
  EXPECT_NEAR(costs.prefix(stem.last), stem.busy_ms, 1e-6);
  RunnerOptions next = o;
  next.costs = o.measured_costs;
  next.measured_costs.clear();
  next.journal = folder_ / "next.jsonl";
  EXPECT_NEAR(run_all(next).nodes.front().planned_ms, stem.busy_ms, 1e-6);
  o.sharing = false;
  EXPECT_TRUE(fails_with(Errc::kUsage, {"--measured-costs", "--no-sharing"},
                         [&] { run::Runner r(o, never); }));
}

TEST_F(Runs, AnApplicationAddedLiveGetsItsView) {
  RunnerOptions o =
      options("synthetic:fps=10,width=48,height=40", {package("birds"), package("cars")});
  o.views["cars"] = {.left = 0, .top = 0.5, .width = 1, .height = 0.5};
  run::Runner runner(o, never);
  runner.remove("cars");
  EXPECT_EQ(runner.status().apps[0].sharing, "alone");
  runner.add(load_app(package("cars")));
  EXPECT_EQ(runner.status().apps[1].view, o.views["cars"]);
  EXPECT_EQ(runner.status().apps[0].sharing, "batched");
  runner.add(load_app(package("dogs")));
  EXPECT_TRUE(runner.status().apps[2].view.whole());
  runner.stop();
}

TEST_F(Runs, APackageThatFailsLeavesTheTreeRunning) {
  run::Runner runner(options("synthetic:fps=10,width=48,height=40", {package("birds")}), never);
  const RunApp foreign = load_app(package("foreign", 77));  // of another base
  EXPECT_TRUE(fails_with(Errc::kModel, {"part at layer 0"}, [&] { runner.add(foreign); }));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"no application 'bird' runs", "did you mean `birds`"},
                         [&] { runner.remove("bird"); }));
  const RunStatus status = runner.status();
  EXPECT_EQ(status.tree, 1);
  ASSERT_EQ(status.apps.size(), 1u);
  const std::int64_t before = status.frames.processed;
  while (runner.status().frames.processed < before + 5) std::this_thread::yield();
  runner.stop();
}

TEST_F(Runs, WhatDoesNotFitTheBudgetIsRefusedAndTheTreeRuns) {
  RunnerOptions o = options("synthetic:fps=10,width=48,height=40", {package("birds")});
  o.request.settings.rates = {5};
  o.costs = folder_ / "costs.json";
  const int n_layers = load_app(package("birds")).package->header().n_layers();
  const std::vector<double> layers(static_cast<std::size_t>(n_layers), 1.0);
  atomic_write(o.costs, Json{{"layers", layers}}.dump());
  o.budget = 5.5 * n_layers;  // enough for one
  o.request.method = parse_method("nosharing");
  run::Runner runner(o, never);
  EXPECT_TRUE(fails_with(Errc::kConfig, {}, [&] { runner.add(load_app(package("cars"))); }));
  EXPECT_EQ(runner.status().apps.size(), 1u);
  runner.stop();
}

/// The budget of the process while it lives.
struct ProcessBudget {
  explicit ProcessBudget(int threads) : before(ThreadBudget::process().threads()) {
    ThreadBudget::process().set(threads);
  }
  ~ProcessBudget() { ThreadBudget::process().set(before); }
  int before;
};

TEST_F(Runs, FramesAndTheBuildingOfATreeShareOneThreadBudget) {
  const ProcessBudget budget(1);
  run::Runner runner(options("synthetic:fps=10,width=48,height=40", {package("birds")}), never);
  while (runner.status().frames.processed < 20) std::this_thread::yield();
  std::future<std::string> added;
  {
    const ThreadBudget::Lease lease(ThreadBudget::process(), 1);
    added = std::async(std::launch::async, [&] { return runner.add(load_app(package("cars"))); });
    const auto processed = runner.status().frames.processed;
    EXPECT_EQ(added.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout)
        << "built while all threads were taken";
    EXPECT_LE(runner.status().frames.processed, processed + 1);
  }
  EXPECT_EQ(added.get(), "cars");
  while (runner.status().apps[1].analysed == 0) std::this_thread::yield();
  runner.stop();
  expect_balanced(runner.status());
}

TEST_F(Runs, TheLastApplicationMayGoAndAnotherCome) {
  run::Runner runner(options("synthetic:fps=10,width=48,height=40", {package("birds")}), never);
  runner.remove("birds");
  const RunStatus idle = runner.status();
  EXPECT_TRUE(idle.apps.empty());
  EXPECT_TRUE(idle.nodes.empty());
  EXPECT_EQ(runner.add(load_app(package("cars"))), "cars");
  while (runner.status().apps[0].analysed == 0) std::this_thread::yield();
  runner.stop();
  expect_balanced(runner.status());
}

TEST_F(Runs, AStopEndsEventsAndTheNextRunGoesOnNumbering) {
  RunnerOptions o = options("synthetic:fps=10,width=48,height=40", {package("birds")});
  {
    run::Runner runner(o, never);
    while (runner.status().frames.processed < 20) std::this_thread::yield();
    runner.stop();
    EXPECT_TRUE(
        fails_with(Errc::kUnavailable, {"over"}, [&] { runner.add(load_app(package("cars"))); }));
  }
  const auto first = events::read_journal(o.journal);
  for (const auto& record : first) {
    if (record.change.type != events::EventType::kNew) continue;
    EXPECT_TRUE(std::any_of(first.begin(), first.end(), [&](const events::EventRecord& r) {
      return r.id == record.id && r.change.type == events::EventType::kEnd;
    }));
  }
  {
    run::Runner runner(o, never);
    while (runner.status().frames.processed < 20) std::this_thread::yield();
    runner.stop();
  }
  std::int64_t seq = 0;
  for (const auto& record : events::read_journal(o.journal)) EXPECT_EQ(record.seq, ++seq);
}

TEST_F(Runs, SaysWhatIsWrongWithItsOptions) {
  RunnerOptions o = options(kVideo, {package("birds")});
  o.budget.reset();
  EXPECT_TRUE(fails_with(Errc::kUsage, {"--budget"}, [&] { run::Runner r(o, never); }));
  o = options("images:/nonexistent", {package("birds")});
  EXPECT_TRUE(fails_with(Errc::kIo, {"/nonexistent"}, [&] { run::Runner r(o, never); }));
  o = options(kVideo, {folder_ / "none.mpkg"});
  EXPECT_TRUE(fails_with(Errc::kIo, {"none.mpkg"}, [&] { run::Runner r(o, never); }));
  o = options(kVideo, {package("birds")});
  o.request.settings.rates = {20};
  EXPECT_TRUE(fails_with(Errc::kConfig, {"20"}, [&] { run::Runner r(o, never); }));
}

}  // namespace
}  // namespace graft::run
