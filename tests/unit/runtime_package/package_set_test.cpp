// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/package_set.h"

#include <gtest/gtest.h>

#include "runtime/package/base_models.h"
#include "runtime/package/layer_costs.h"
#include "runtime/package/layers.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_package/drawn_family.h"

namespace graft {
namespace {

using testing::draw_package;
using testing::fails_with;
using testing::TempFolder;
using Paths = std::vector<std::filesystem::path>;

TEST(PackageSet, NumbersPackagesOfOneTask) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto birds = draw_package(ctx, "birds", folder.path())->path();
  const auto cars = draw_package(ctx, "cars", folder.path(), {.seed = 2})->path();
  const auto packages = open_packages(Paths{birds, cars, birds});
  ASSERT_EQ(packages.size(), 3u);
  EXPECT_EQ(packages[0].name, "birds");
  EXPECT_EQ(packages[1].name, "cars");
  EXPECT_EQ(packages[2].name, "birds#2");
  EXPECT_EQ(packages[0].package, packages[2].package);
  const int n = packages[0].package->header().n_layers();
  const Workload workload = workload_of(packages, 10, n);
  ASSERT_EQ(workload.apps.size(), 3u);
  EXPECT_EQ(workload.apps[2].name, "birds#2");
  EXPECT_EQ(workload.apps[1].candidates.size(), packages[1].package->header().candidates.size());
  EXPECT_EQ(workload.stream_fps, 10);
  EXPECT_TRUE(fails_with(Errc::kModel, {"birds.mpkg", "cost file 5", "graft profile"},
                         [&] { static_cast<void>(workload_of(packages, 10, 5)); }));
}

TEST(PackageSet, RefusesOtherBasesAndDamage) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto birds = draw_package(ctx, "birds", folder.path())->path();
  const auto other = draw_package(ctx, "cars", folder.path(), {.base_seed = 2})->path();
  EXPECT_TRUE(fails_with(Errc::kModel, {"cars.mpkg", "is of base"}, [&] {
    static_cast<void>(open_packages(Paths{birds, other}));
  }));
  std::string bytes = read_file(other);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  atomic_write(other, bytes);
  EXPECT_TRUE(fails_with(Errc::kModel, {"cars.mpkg", "SHA-256"},
                         [&] { static_cast<void>(open_packages(Paths{other})); }));
}

TEST(LayerCosts, StandAtTheLayersThatRunAndAddUp) {
  Context ctx(Backend::kCpu);
  const Model model = testing::drawn_model(ctx, "mobilenet_v1:alpha=0.25", 64, 10);
  const Graph& graph = model.header().graph;
  constexpr int kRuns = 5;
  const auto costs = layer_costs(ctx, graph, model.params(), kRuns);
  const auto layers = layers_of(graph);
  const auto owners = inference_owners(graph);
  ASSERT_EQ(costs.size(), layers.size());
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const std::string_view kind = graph.node(layers[i]).layer->kind();
    if (kind == "Conv2d" || kind == "Linear") {
      EXPECT_GT(costs[i], 0) << i;
    }
    if (owners[i] != static_cast<int>(i)) {
      EXPECT_EQ(costs[i], 0) << i;
    }
  }
}

TEST(InferenceOwners, ConvolutionsRunTheirNormsAndActivations) {
  Context ctx(Backend::kCpu);
  const Model model = testing::drawn_model(ctx, "resnet8", 32, 10);
  const Graph& graph = model.header().graph;
  const auto layers = layers_of(graph);
  const auto owners = inference_owners(graph);
  const auto cuts = deployable_cuts(graph);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Node& node = graph.node(layers[i]);
    const Node& owner = graph.node(layers[static_cast<std::size_t>(owners[i])]);
    if (node.layer->is_affine()) {
      EXPECT_EQ(owner.layer->kind(), "Conv2d") << node.name;
    }
    if (node.layer->kind() == "Conv2d") {
      EXPECT_EQ(owner.name, node.name);
      EXPECT_FALSE(cuts[i + 1]) << "between " << node.name << " and its norm";
    }
  }
}

}  // namespace
}  // namespace graft
