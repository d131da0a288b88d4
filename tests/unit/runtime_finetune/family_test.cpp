// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/family.h"

#include <functional>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "graph/ir/branch_points.h"
#include "runtime/finetune/candidate_graph.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft::finetune {
namespace {

using testing::fails_with;
using testing::TempFolder;

Family small_family() {
  Context ctx(Backend::kCpu);
  const Model base = testing::drawn_model(ctx, "resnet8", 16, 10);
  Family family;
  family.task = "insects";
  family.base.sha256 = std::string(64, 'a');
  family.base.origin = "a test";
  family.labels = {"ant", "bee", "cat"};
  family.preprocess = base.header().preprocess;
  family.graph = with_new_head(base.header().graph, "base", 3, 0);
  const BranchPoint last = branch_points(family.graph).back();
  family.candidates = {{.frozen = 0,
                        .branch = "",
                        .weights = weights_file(0),
                        .sha256 = std::string(64, '0'),
                        .accuracy = 0.5,
                        .accuracy_low = 0.25,
                        .accuracy_high = 0.75,
                        .tpr = 0.5,
                        .fpr = 0.25,
                        .pareto = true,
                        .epochs = 7,
                        .seconds = 1.5},
                       {.frozen = last.frozen,
                        .branch = family.graph.node(last.value).name,
                        .weights = weights_file(last.frozen),
                        .sha256 = std::string(64, 'f')}};
  family.prefix_seconds = 2;
  family.total_seconds = 4;
  return family;
}

TEST(Family, ComesBackAsItWas) {
  const TempFolder folder;
  const Family family = small_family();
  write_family(family, folder.path());
  const Family read = read_family(folder.path());
  EXPECT_EQ(read.task, family.task);
  EXPECT_EQ(read.base, family.base);
  EXPECT_EQ(read.labels, family.labels);
  EXPECT_EQ(read.preprocess, family.preprocess);
  EXPECT_EQ(read.candidates, family.candidates);
  EXPECT_EQ(to_json(read).dump(), to_json(family).dump());
}

TEST(Family, BranchGraphsTakeTheValueAtTheCut) {
  const Family family = small_family();
  EXPECT_NE(branch_graph(family, family.candidates[0]).find("image"), kNoValue);
  const Graph branch = branch_graph(family, family.candidates[1]);
  EXPECT_EQ(branch.node(branch.find("cut")).shape,
            family.graph.node(family.graph.find(family.candidates[1].branch)).shape);
  EXPECT_EQ(branch.param_specs().size(), 2U) << "weight and bias of the head";
  EXPECT_EQ(branch.outputs().front().name, "logits");
}

/// A way to spoil a sound document, and words of the refusal.
struct Spoiled {
  const char* name;
  std::vector<std::string> says;
  std::function<void(Json&)> spoil;
};

TEST(Family, RefusesWhatItWouldNotWrite) {
  const std::vector<Spoiled> cases = {
      {"newer format", {"format", "newer"}, [](Json& j) { j["format"] = 2; }},
      {"no task", {"task is empty"}, [](Json& j) { j["task"] = ""; }},
      {"path out of the folder", {"base.file"}, [](Json& j) { j["base"]["file"] = "../x"; }},
      {"no hash", {"base.sha256"}, [](Json& j) { j["base"]["sha256"] = "abc"; }},
      {"labels", {"labels", "array"}, [](Json& j) { j["labels"] = 3; }},
      {"fewer labels",
       {"graph", "logits"},
       [](Json& j) {
         j["labels"] = {"a", "b"};
       }},
      {"no graph", {"graph is missing"}, [](Json& j) { j.erase("graph"); }},
      {"odd graph", {"graph"}, [](Json& j) { j["graph"]["nodes"][1]["inputs"] = {7}; }},
      {"layers", {"layers must be"}, [](Json& j) { j["layers"] = 3; }},
      {"weights elsewhere",
       {"candidates[0].weights"},
       [](Json& j) { j["candidates"][0]["weights"] = "/etc/passwd"; }},
      {"accuracy",
       {"candidates[0].accuracy"},
       [](Json& j) { j["candidates"][0]["accuracy"] = 1.5; }},
      {"accuracy beside its interval",
       {"candidates[0].accuracy", "between"},
       [](Json& j) { j["candidates"][0]["accuracy"] = 0.9; }},
      {"no cut",
       {"candidates[1].frozen"},
       [](Json& j) {
         j["candidates"][1]["frozen"] = 5;
         j["candidates"][1]["weights"] = weights_file(5);
       }},
      {"another branch",
       {"candidates[1].branch"},
       [](Json& j) { j["candidates"][1]["branch"] = "conv1"; }},
      {"order",
       {"candidates[1].frozen", "larger"},
       [](Json& j) { j["candidates"][1] = j["candidates"][0]; }},
      {"pareto",
       {"candidates[0].pareto", "true or false"},
       [](Json& j) { j["candidates"][0]["pareto"] = 1; }},
      {"seconds", {"seconds.total"}, [](Json& j) { j["seconds"]["total"] = -1; }},
      {"preprocess", {"preprocess"}, [](Json& j) { j["preprocess"]["width"] = 17; }},
      {"preprocess", {"preprocess"}, [](Json& j) { j["preprocess"] = nullptr; }},
  };
  const Json sound = to_json(small_family());
  for (const Spoiled& c : cases) {
    Json json = sound;
    c.spoil(json);
    std::vector<std::string> says = {"x.json"};
    says.insert(says.end(), c.says.begin(), c.says.end());
    if (c.name == std::string("preprocess")) says = {"x.json"};
    EXPECT_TRUE(fails_with(Errc::kModel, says, [&] {
      static_cast<void>(family_from_json(json, "x.json"));
    })) << c.name;
  }
}

TEST(Family, ReadsNoMoreThanItsLimits) {
  Json json = to_json(small_family());
  const Json candidate = json["candidates"][0];
  for (int i = 0; i < 5000; ++i) json["candidates"].push_back(candidate);
  EXPECT_TRUE(fails_with(Errc::kModel, {"candidates", "at most 4096"},
                         [&] { static_cast<void>(family_from_json(json, "x.json")); }));
  const TempFolder folder;
  EXPECT_TRUE(fails_with(Errc::kIo, {"family.json"},
                         [&] { static_cast<void>(read_family(folder.path())); }));
  atomic_write(folder / kFamilyFile, "{\"format\": 1,");
  EXPECT_TRUE(fails_with(Errc::kModel, {"family.json"},
                         [&] { static_cast<void>(read_family(folder.path())); }));
  constexpr std::uintmax_t kTooLarge = (std::uintmax_t{64} << 20) + 1;
  std::filesystem::resize_file(folder / kFamilyFile, kTooLarge);  // sparse
  EXPECT_TRUE(fails_with(Errc::kModel,
                         {"family.json", "has 67108865 bytes", "at most 67108864", "finetune"},
                         [&] { static_cast<void>(read_family(folder.path())); }));
}

}  // namespace
}  // namespace graft::finetune
