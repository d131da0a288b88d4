// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/finetuner.h"

#include <cstring>

#include <gtest/gtest.h>

#include "engine/io/hash.h"
#include "runtime/finetune/candidate_graph.h"
#include "runtime/train/weights.h"
#include "tests/support/fails_with.h"
#include "tests/unit/runtime_finetune/tiny_task.h"

namespace graft::finetune {
namespace {

using testing::fails_with;
using testing::TinyTask;

Family finetuned(const FinetuneOptions& options) {
  auto family = Finetuner(options, "/no/program").run();
  GRAFT_CHECK(family.has_value(), "interrupted");
  return *family;
}

TEST(Finetuner, MakesAFamilyThatReadsBack) {
  const TinyTask task;
  const Family family = finetuned(task.options);
  const Family read = read_family(task.options.out);
  EXPECT_EQ(to_json(read).dump(), to_json(family).dump());
  EXPECT_EQ(sha256_file(task.folder / "out/base.graft"), read.base.sha256);
  EXPECT_GE(read.candidates.size(), 5U);
  EXPECT_EQ(read.candidates.front().frozen, 0);
  EXPECT_TRUE(read.candidates.back().pareto);
  for (const Candidate& c : read.candidates) {
    EXPECT_EQ(sha256_file(std::filesystem::path(task.options.out) / c.weights), c.sha256);
    Context ctx(Backend::kCpu);
    ParamStore params(ctx, branch_graph(read, c).param_specs(), DType::kF32);
    train::read_weights(ctx, params, std::filesystem::path(task.options.out) / c.weights);
    EXPECT_EQ(c.epochs, 2);
    EXPECT_GE(c.accuracy, c.accuracy_low);
  }
  EXPECT_FALSE(std::filesystem::exists(task.folder / "out/cache"));
  const std::string page = read_file(task.folder / "out/report.html");
  for (const char* part : {"<svg", "insects", "95 % interval", "data:image/png", "test/ant/"}) {
    EXPECT_NE(page.find(part), page.npos) << part;
  }
}

TEST(Finetuner, CachedActivationsTrainTheSameWeights) {
  TinyTask task;
  const Family cached = finetuned(task.options);
  task.options.out = (task.folder / "plain").string();
  task.options.cache_bytes = 0;
  const Family plain = finetuned(task.options);
  task.options.out = (task.folder / "partly").string();
  task.options.cache_bytes = 300'000;  // for the deepest only
  const Family partly = finetuned(task.options);
  ASSERT_EQ(plain.candidates.size(), cached.candidates.size());
  for (std::size_t i = 0; i < plain.candidates.size(); ++i) {
    EXPECT_EQ(plain.candidates[i].sha256, cached.candidates[i].sha256) << "bit for bit, " << i;
    EXPECT_EQ(partly.candidates[i].sha256, cached.candidates[i].sha256) << i;
  }
}

TEST(Finetuner, FrozenLayersStayAsTheyAre) {
  const TinyTask task;
  Context ctx(Backend::kCpu);
  const Model base = Model::load(ctx, task.options.base);
  const Graph graph = with_new_head(base.header().graph, "base", 3, 0);
  ParamStore weights(ctx, graph.param_specs(), DType::kF32);
  weights.initialise(ctx, 1);
  for (const auto& e : weights.entries()) {
    const ParamId id = base.params().find(e.name);
    Tensor value = e.value;
    if (id >= 0) copy_from_host(ctx, base.params().entry(id).value.data(), value);
  }
  const Examples examples = open_examples(task.options.example_options(), base.header().preprocess);
  const auto rows = image_rows(examples, base.header().preprocess, task.options.batch);
  const BranchPoint cut = parse_branch_points("auto", graph)[2];
  CandidateTrainer trainer(ctx, graph, weights, {}, cut, examples, *rows, task.options.settings());
  ASSERT_TRUE(trainer.train().has_value());
  const Graph whole = training_graph(graph, {}, cut);
  int frozen = 0, moved = 0;
  for (const auto& e : trainer.params().entries()) {
    const std::string node = e.name.substr(0, e.name.rfind('.'));
    const auto& before = weights.entry(weights.find(e.name)).value;
    const bool same = std::memcmp(before.data(), e.value.data(), before.bytes()) == 0;
    if (whole.node(whole.find(node)).frozen) {
      EXPECT_TRUE(same) << e.name << ": weights and statistics, bit for bit";
      ++frozen;
    } else if (!same) {
      ++moved;
    }
  }
  EXPECT_GT(frozen, 5);
  EXPECT_GT(moved, 5);
}

TEST(Finetuner, ResumesWithoutTrainingAgain) {
  TinyTask task;
  task.options.branchpoints = "0,3";
  const Family first = finetuned(task.options);
  const auto written = std::filesystem::last_write_time(task.folder / "out" / weights_file(3));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"--resume"}, [&] { finetuned(task.options); }));
  task.options.resume = true;
  task.options.branchpoints = "0,3,9";
  const Family more = finetuned(task.options);
  ASSERT_EQ(more.candidates.size(), 3U);
  EXPECT_EQ(more.candidates[1].sha256, first.candidates[1].sha256);
  EXPECT_EQ(std::filesystem::last_write_time(task.folder / "out" / weights_file(3)), written);
  // One that was killed before its record was written is trained again, to the same weights.
  std::filesystem::remove(task.folder / "out" / record_file(3));
  EXPECT_EQ(finetuned(task.options).candidates[1].sha256, first.candidates[1].sha256);
  atomic_write(task.folder / "out" / weights_file(3), "damaged");
  EXPECT_TRUE(fails_with(Errc::kModel, {"frozen-3", "--resume"}, [&] { finetuned(task.options); }));
  std::filesystem::remove(task.folder / "out" / record_file(3));
  finetuned(task.options);
  const std::string base = task.options.base;
  task.options.base = "zoo:resnet8";
  EXPECT_TRUE(fails_with(Errc::kConfig, {"base"}, [&] { finetuned(task.options); }));
  EXPECT_EQ(sha256_file(task.folder / "out/base.graft"), first.base.sha256) << "stays";
  task.options.base = base;
  task.options.lr = 0.5;
  EXPECT_TRUE(fails_with(Errc::kConfig, {"lr", "0.5"}, [&] { finetuned(task.options); }));
  task.options.resume = false;
  task.options.force = true;
  EXPECT_NE(finetuned(task.options).candidates[1].sha256, first.candidates[1].sha256);
}

TEST(Finetuner, RefusesBadRequestsAndWritesNothing) {
  TinyTask task;
  const auto refused = [&](Errc code, const std::vector<std::string>& says,
                           const std::function<void(FinetuneOptions&)>& spoil) {
    FinetuneOptions options = task.options;
    spoil(options);
    EXPECT_TRUE(fails_with(code, says, [&] { finetuned(options); }));
    EXPECT_FALSE(std::filesystem::exists(task.folder / "out")) << says[0];
  };
  refused(Errc::kUsage, {"--task"}, [](auto& o) { o.task = ""; });
  refused(Errc::kUsage, {"--lr"}, [](auto& o) { o.lr = -1; });
  refused(Errc::kUsage, {"--jobs 0"}, [](auto& o) { o.jobs = 0; });
  refused(Errc::kUsage, {"4 of", "no branch point"}, [](auto& o) { o.branchpoints = "4"; });
  refused(Errc::kUsage, {"lenet"}, [](auto& o) { o.base = "zoo:lenet"; });
  refused(Errc::kIo, {"none.graft"}, [](auto& o) { o.base = "none.graft"; });
  refused(Errc::kData, {"no folder"}, [](auto& o) { o.data = "folder:/no/such"; });
  atomic_write(task.folder / "bad.graft", "not a model");
  refused(Errc::kModel, {"bad.graft"},
          [&](auto& o) { o.base = (task.folder / "bad.graft").string(); });
}

TEST(Finetuner, ANetworkOfTheZooIsABaseToo) {
  TinyTask task;
  task.options.base = "zoo:small_cnn";
  task.options.branchpoints = "0";
  task.options.hidden = 8;
  task.options.epochs = 1;
  const Family family = finetuned(task.options);
  EXPECT_EQ(family.preprocess.height, 32);
  EXPECT_EQ(family.candidates.size(), 1U);
  EXPECT_NE(family.graph.find("finetune.hidden"), kNoValue);
}

}  // namespace
}  // namespace graft::finetune
