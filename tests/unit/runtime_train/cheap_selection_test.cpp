// SPDX-License-Identifier: Apache-2.0
// Selection forwards in low precision and ahead of training, in whole runs.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "engine/io/records.h"
#include "kernels/api/backend_info.h"
#include "runtime/train/trainer.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::small_options;
using testing::TempFolder;

TrainOptions sb_options(const fs::path& out) {
  TrainOptions o = small_options(out.string());
  o.sampler = "sb";
  o.model = "resnet8";
  return o;
}

std::vector<Json> epochs_of(TrainOptions o) {
  const auto ctx = make_context(o.device, o.threads);
  (void)Trainer(*ctx, o, o.out).run();
  std::vector<Json> out;
  for (const Json& record : read_records(fs::path(o.out) / "metrics.jsonl")) {
    if (record.at("event") == "epoch") out.push_back(record);
  }
  return out;
}

std::string weights_of(const fs::path& run) {
  return read_file(CheckpointManager(run / "ckpt").list().at(0) / "model.safetensors");
}

TEST(SelectionPipeline, A41_DepthZeroWithASyncEveryUpdateIsSelectiveBackprop) {
  const TempFolder folder;
  TrainOptions o = sb_options(folder / "sb");
  const auto plain = epochs_of(o);
  o.out = (folder / "pipeline").string();
  o.pipeline = 0;
  const auto ahead = epochs_of(o);
  EXPECT_EQ(weights_of(folder / "sb"), weights_of(folder / "pipeline"));
  EXPECT_EQ(plain.back().at("backprops"), ahead.back().at("backprops"));
  EXPECT_EQ(plain.back().at("cost_units"), ahead.back().at("cost_units"));
  EXPECT_EQ(ahead.back().at("staleness"), 0);
}

TEST(SelectionPipeline, A41_StalenessOfADeeperOneIsBoundedAndReported) {
  const TempFolder folder;
  TrainOptions o = sb_options(folder / "run");
  o.sampler_options["prime_epochs"] = "0";
  o.pipeline = 2;
  const auto record = epochs_of(o).back();
  EXPECT_GT(record.at("staleness"), 0);
  EXPECT_LE(record.at("staleness"), 2 * (48 / 32 + 1));  // asserted by the pipeline as well
  EXPECT_EQ(record.at("forward_select"), record.at("candidates"));
}

struct Reduction {
  DType dtype;
  double scale;  ///< bf16 on the whole image flips too little for a small run to see it
};
class CheapSelectionIn : public ::testing::TestWithParam<Reduction> {};

TEST_P(CheapSelectionIn, ReportsFlipsAndGoesBackToF32AboveTheLimit) {
  if (const char* why = kernels::why_not_fast(GetParam().dtype)) GTEST_SKIP() << why;
  const TempFolder folder;
  TrainOptions o = sb_options(folder / "low");
  o.select_dtype = GetParam().dtype == DType::kI8 ? "int8" : "bf16";
  o.select_scale = GetParam().scale;
  o.data = "synthetic:train=600,test=40";
  o.sampler_options["prime_epochs"] = "0";
  o.select_batch = 600;  // one compared slice has as many candidates as the limit counts from
  o.flip_limit = 1;
  for (const Json& record : epochs_of(o)) EXPECT_EQ(record.at("select_dtype"), o.select_dtype);
  o.out = (folder / "fallback").string();
  o.flip_limit = 0;
  const auto epochs = epochs_of(o);
  EXPECT_EQ(epochs.front().at("select_dtype"), o.select_dtype);
  EXPECT_GT(epochs.front().at("flip_rate"), 0);
  EXPECT_LT(epochs.front().at("flip_rate"), o.select_scale < 1 ? 0.5 : 0.2);
  EXPECT_GT(epochs.front().at("rank_correlation"), o.select_scale < 1 ? 0.2 : 0.9);
  EXPECT_EQ(epochs.back().at("select_dtype"), "f32");
  EXPECT_TRUE(epochs.back().at("flip_rate").is_null());
}

INSTANTIATE_TEST_SUITE_P(DTypes, CheapSelectionIn,
                         ::testing::Values(Reduction{DType::kBF16, 0.5}, Reduction{DType::kI8, 1}),
                         [](const auto& test) { return std::string(name(test.param.dtype)); });

TEST(CheapSelection, Bf16OnTheWholeImageKeepsTheOrderAndStaysOn) {
  if (const char* why = kernels::why_not_fast(DType::kBF16)) GTEST_SKIP() << why;
  const TempFolder folder;
  TrainOptions o = sb_options(folder / "bf16");
  o.select_dtype = "bf16";
  o.data = "synthetic:train=600,test=40";
  o.sampler_options["prime_epochs"] = "0";
  o.select_batch = 600;
  const auto epochs = epochs_of(o);
  EXPECT_GT(epochs.front().at("rank_correlation"), 0.99);
  EXPECT_LE(epochs.front().at("flip_rate"), 0.02);
  EXPECT_EQ(epochs.back().at("select_dtype"), "bf16");
}

TEST(CheapSelection, RefusesWhatNeedsTheNetworksOwnForward) {
  const TempFolder folder;
  const auto refuses = [&](const char* sampler, const char* cache, const char* dtype, int pipeline,
                           const char* says) {
    TrainOptions o = sb_options(folder / "run");
    o.sampler = sampler;
    o.cache = cache;
    o.norm = "group";
    o.select_dtype = dtype;
    o.pipeline = pipeline;
    return fails_with(Errc::kUsage, {says}, [&] { (void)epochs_of(o); });
  };
  EXPECT_TRUE(refuses("sb", "reuse", "int8", -1, "cached activations"));
  EXPECT_TRUE(refuses("kath18", "recompute", "int8", -1, "gradient norms"));
  EXPECT_TRUE(refuses("predicted", "recompute", "f32", 1, "only when a slice is due"));
}

}  // namespace
}  // namespace graft::train
