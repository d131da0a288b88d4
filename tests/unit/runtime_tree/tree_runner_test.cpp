// SPDX-License-Identifier: Apache-2.0
#include "runtime/tree/tree_runner.h"

#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "graph/plan/inference.h"
#include "tests/support/device.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_package/drawn_family.h"

namespace graft {
namespace {

using testing::draw_package;
using testing::fails_with;
using testing::TempFolder;

constexpr int kSide = 32;

Tensor frame(Context& ctx, std::uint64_t seed, std::int64_t rows = 1) {
  Tensor x = Tensor::allocate(ctx.memory(), {rows, kSide, kSide, 3});
  Philox rng({.seed = seed, .purpose = RngPurpose::kTest});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.ptr<float>()[i] = 2 * static_cast<float>(rng.uniform()) - 1;
  }
  return x;
}

/// Eight applications of three packages, at depths from nothing shared to all but the head.
std::vector<TreeApp> eight_apps(Context& ctx, const std::filesystem::path& folder,
                                const std::string& architecture, std::size_t every) {
  std::vector<std::shared_ptr<const Package>> packages;
  for (const char* task : {"birds", "cars", "dogs"}) {
    packages.push_back(
        draw_package(ctx, task, folder,
                     {.architecture = architecture, .seed = packages.size(), .every = every}));
  }
  const auto& candidates = packages[0]->header().candidates;
  std::vector<TreeApp> apps;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t depth = i < 2 ? candidates.size() - 1 : (3 * i) % candidates.size();
    apps.push_back({.name = "app" + std::to_string(i),
                    .package = packages[i % packages.size()],
                    .place = {candidates[depth].frozen, 10.0 / static_cast<double>(1 + i % 4)}});
  }
  return apps;
}

std::vector<float> logits_of(std::span<const AppResult> results, std::size_t app) {
  for (const AppResult& r : results) {
    if (r.app == app) return {r.logits.begin(), r.logits.end()};
  }
  return {};
}

struct Network {
  const char* name;
  const char* architecture;
  std::size_t every;  ///< thins out the branch points
};

class Architectures : public ::testing::TestWithParam<Network> {};

TEST_P(Architectures, SharingChangesNoOutputBit) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto apps = eight_apps(ctx, folder.path(), GetParam().architecture, GetParam().every);
  BaseModels bases;
  TreeRunner tree(ctx, apps, bases);
  std::vector<std::unique_ptr<TreeRunner>> alone;
  for (const TreeApp& app : apps) {
    alone.push_back(std::make_unique<TreeRunner>(ctx, std::vector{app}, bases));
  }
  constexpr std::uint64_t kFrames = 24;
  const std::vector<std::uint8_t> one = {1};
  for (std::uint64_t f = 0; f < kFrames; ++f) {
    const Tensor x = frame(ctx, f);
    std::vector<std::uint8_t> due;  // application i on every (1 + i % 4)th frame
    for (std::size_t i = 0; i < apps.size(); ++i) due.push_back(f % (1 + i % 4) == 0 ? 1 : 0);
    const auto results = tree.run(x, due);
    std::size_t n = 0;
    for (std::size_t i = 0; i < apps.size(); ++i) {
      const auto got = logits_of(results, i);
      EXPECT_EQ(got.empty(), due[i] == 0);
      if (due[i] == 0) continue;
      ++n;
      const auto want = logits_of(alone[i]->run(x, one), 0);
      ASSERT_EQ(got.size(), want.size());
      EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0)
          << "frame " << f << " " << apps[i].name << " frozen " << apps[i].place.frozen;
    }
    EXPECT_EQ(results.size(), n);
  }
}

INSTANTIATE_TEST_SUITE_P(TreeRunner, Architectures,
                         ::testing::Values(Network{"residual", "resnet8", 1},
                                           Network{"depthwise", "mobilenet_v1:alpha=0.25", 4},
                                           Network{"dense", "densenet-bc-22-12", 2}),
                         [](const auto& network) { return std::string(network.param.name); });

TEST(TreeRunner, SharingChangesNoBitOnADeviceEither) {
  const auto ctx = testing::cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  const TempFolder folder;
  Context host(Backend::kCpu);
  const auto apps = eight_apps(host, folder.path(), "mobilenet_v1:alpha=0.25", 8);
  BaseModels bases;
  TreeRunner tree(*ctx, apps, bases);
  Tensor x = Tensor::allocate(ctx->memory(), {1, kSide, kSide, 3});
  copy_from_host(*ctx, frame(host, 1).data(), x);
  const auto results = tree.run(x, std::vector<std::uint8_t>(apps.size(), 1));
  ASSERT_EQ(results.size(), apps.size());
  for (std::size_t i = 0; i < apps.size(); i += 3) {
    TreeRunner alone(*ctx, {apps[i]}, bases);
    EXPECT_EQ(logits_of(results, i), logits_of(alone.run(x, std::vector<std::uint8_t>{1}), 0));
  }
}

TEST(TreeRunner, GivesWhatTheWholeNetworkGives) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  BaseModels bases;
  const Model& base = bases.get(ctx, *package);
  const Tensor x = frame(ctx, 1);
  for (const PackagedCandidate& c : package->header().candidates) {
    TreeRunner tree(ctx, {{.name = "a", .package = package, .place = {c.frozen, 1}}}, bases);
    const auto got = logits_of(tree.run(x, std::vector<std::uint8_t>{1}), 0);
    const auto params = candidate_params(ctx, *package, c.frozen, base);
    Executor whole(ctx, package->header().graph, *params, {});
    whole.bind(whole.graph().find(kImageInput), x);
    whole.forward(Phase::kEval);
    const Tensor want = whole.value(whole.graph().outputs().front().value);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const float w = want.ptr<float>()[i];
      EXPECT_NEAR(got[i], w, 1e-4f * (1 + std::abs(w))) << c.frozen;  // batch norm is folded
    }
  }
}

TEST(TreeRunner, RunsOnlyAsDeepAsTheDueApplicationsNeed) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  const auto& c = package->header().candidates;
  const std::vector<TreeApp> apps = {
      {.name = "shallow", .package = package, .place = {c[1].frozen, 10}},
      {.name = "deep", .package = package, .place = {c.back().frozen, 5}}};
  BaseModels bases;
  TreeRunner tree(ctx, apps, bases);
  ASSERT_EQ(tree.tree().nodes.size(), 4u);  // two stem segments, two branches
  const Tensor x = frame(ctx, 1);
  for (int f = 0; f < 10; ++f) {
    static_cast<void>(
        tree.run(x, std::vector<std::uint8_t>{1, static_cast<std::uint8_t>(f % 2 == 0)}));
  }
  std::vector<std::int64_t> runs;
  for (const NodeStatistics& s : tree.statistics()) runs.push_back(s.runs);
  EXPECT_EQ(runs, (std::vector<std::int64_t>{10, 5, 10, 5}));
  for (const NodeStatistics& s : tree.statistics()) EXPECT_GT(s.busy_ms, 0);
  EXPECT_EQ(tree.sharing(0), Sharing::kShared);
  int shares = 0;
  for (const Node& n : tree.graph().nodes()) shares += n.kind == NodeKind::kShare ? 1 : 0;
  EXPECT_EQ(shares, 1);  // behind the second cut one application goes on alone
}

TEST(TreeRunner, BatchedModeRunsOneStemOverSeveralCameras) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto apps_of = [&](std::int64_t rows) {
    const auto package = draw_package(ctx, "birds", folder.path());
    const int frozen = package->header().candidates[2].frozen;
    return std::vector<TreeApp>{
        {.name = "cam0", .package = package, .place = {frozen, 1}, .first_row = 0},
        {.name = "cam2", .package = package, .place = {frozen, 1}, .first_row = 2},
        {.name = "all", .package = package, .place = {frozen, 1}, .n_rows = rows}};
  };
  constexpr std::int64_t kRows = 3;
  BaseModels bases;
  const auto apps = apps_of(kRows);
  TreeRunner tree(ctx, apps, bases);
  EXPECT_EQ(tree.batch(), kRows);
  EXPECT_EQ(tree.sharing(0), Sharing::kBatched);
  const Tensor x = frame(ctx, 5, kRows);
  const auto results = tree.run(x, std::vector<std::uint8_t>{1, 1, 1});
  ASSERT_EQ(results.size(), 5u);
  TreeRunner one(ctx, {apps[0]}, bases);
  const auto expect_row = [&](const AppResult& result, std::int64_t row) {
    EXPECT_EQ(result.row, row);
    const auto want = logits_of(one.run(x.rows(row, 1), std::vector<std::uint8_t>{1}), 0);
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(result.logits[i], want[i], 1e-4f * (1 + std::abs(want[i])));
    }
  };
  const std::vector<AppResult> kept(results.begin(), results.end());
  expect_row(kept[0], 0);
  expect_row(kept[1], 2);
  for (std::int64_t row = 0; row < kRows; ++row) {
    expect_row(kept[static_cast<std::size_t>(2 + row)], row);
  }
  // A part of the rows: the stem runs over those that are due.
  const auto last = tree.run(x, std::vector<std::uint8_t>{0, 1, 0});
  ASSERT_EQ(last.size(), 1u);
  expect_row(last[0], 2);
}

TEST(TreeRunner, JudgesByThePositiveLabels) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  testing::draw_family(ctx, "birds", folder / "birds");
  BaseModels bases;
  const Tensor x = frame(ctx, 9);
  double total = 0;
  int hits = 0;
  for (const char* label : {"birds0", "birds1", "birds2"}) {
    build_package(ctx, folder / "birds", {.positive = {label}}, folder / "birds.mpkg");
    const auto package = std::make_shared<const Package>(folder / "birds.mpkg");
    TreeRunner tree(ctx, {{.name = "a", .package = package, .place = {0, 1}}}, bases);
    const AppResult r = tree.run(x, std::vector<std::uint8_t>{1}).front();
    total += r.score;
    hits += r.positive ? 1 : 0;
    if (r.positive) {
      EXPECT_EQ(r.score, r.probability);
    }
    EXPECT_EQ(r.positive, package->header().labels[static_cast<std::size_t>(r.label)] == label);
  }
  EXPECT_NEAR(total, 1, 1e-12);
  EXPECT_EQ(hits, 1);
}

TEST(TreeRunner, NamesTheLayerWhereTwoApplicationsPart) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto a = draw_package(ctx, "birds", folder.path());
  const auto b = draw_package(ctx, "cars", folder.path(), {.base_seed = 2});
  const auto& c = a->header().candidates;
  BaseModels bases;
  EXPECT_TRUE(fails_with(Errc::kModel, {"birds", "cars", "layer 0", "conv"}, [&] {
    TreeRunner tree(ctx,
                    {{.name = "birds", .package = a, .place = {c[1].frozen, 1}},
                     {.name = "cars", .package = b, .place = {c[2].frozen, 1}}},
                    bases);
  }));
  // Alone in what is shared, an application of another base may join.
  TreeRunner tree(ctx,
                  {{.name = "birds", .package = a, .place = {c[2].frozen, 1}},
                   {.name = "cars", .package = b, .place = {0, 1}}},
                  bases);
  EXPECT_EQ(tree.sharing(0), Sharing::kAlone);
}

TEST(TreeRunner, RefusesWhatDoesNotFitTogether) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto a = draw_package(ctx, "birds", folder.path());
  const auto other = draw_package(ctx, "cats", folder.path(), {.side = 48});
  BaseModels bases;
  const auto tree = [&](const TreeApp& x, const TreeApp& y) { TreeRunner t(ctx, {x, y}, bases); };
  const TreeApp birds = {.name = "birds", .package = a, .place = {0, 1}};
  EXPECT_TRUE(fails_with(Errc::kModel, {"preprocess"}, [&] {
    tree(birds, {.name = "cats", .package = other, .place = {0, 1}});
  }));
  EXPECT_TRUE(fails_with(Errc::kModel, {"two applications", "birds"}, [&] { tree(birds, birds); }));
  EXPECT_TRUE(fails_with(Errc::kModel, {"no candidate with 2 frozen"}, [&] {
    tree(birds, {.name = "b", .package = a, .place = {2, 1}});
  }));
}

TEST(TreeRunner, MeasuredCostsAddUpToTheNodes) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  const auto& c = package->header().candidates;
  BaseModels bases;
  TreeRunner tree(ctx,
                  {{.name = "a", .package = package, .place = {c[1].frozen, 1}},
                   {.name = "b", .package = package, .place = {c.back().frozen, 1}}},
                  bases);
  const int n = package->header().n_layers();
  const CostModel planned(std::vector<double>(static_cast<std::size_t>(n), 1.0), "ms");
  EXPECT_EQ(tree.measured_costs(planned).total(), n);  // nothing has run
  for (int f = 0; f < 5; ++f) {
    static_cast<void>(tree.run(frame(ctx, 1), std::vector<std::uint8_t>{1, 1}));
  }
  const CostModel measured = tree.measured_costs(planned);
  const auto& nodes = tree.tree().nodes;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
    EXPECT_NEAR(measured.prefix(nodes[i].last) - measured.prefix(nodes[i].first),
                tree.statistics()[i].busy_ms, 1e-9);
  }
}

}  // namespace
}  // namespace graft
