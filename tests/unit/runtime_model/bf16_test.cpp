// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/bf16.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/io/archive.h"
#include "engine/io/file.h"
#include "kernels/api/backend_info.h"
#include "runtime/model/quantize.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/drawn_set.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::drawn_set;
using testing::fails_with;
using testing::labelled_by;
using testing::TempFolder;

#define SKIP_WITHOUT_BF16() \
  if (const char* why = kernels::why_not_fast(DType::kBF16)) GTEST_SKIP() << why

class Bf16ModelOf : public ::testing::TestWithParam<const char*> {};

TEST_P(Bf16ModelOf, KeepsTheAnswersAndItsFileGivesTheSameBits) {
  SKIP_WITHOUT_BF16();
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, GetParam(), 32, 10);
  const ImageSet set = labelled_by(ctx, model, drawn_set(32, 6));
  Bf16Report report;
  Model low = convert_to_bf16(ctx, model, set, report);
  EXPECT_EQ(report.images, 6);
  EXPECT_EQ(*report.f32.top1, 100);
  EXPECT_GT(report.bf16.sqnr_db, 20);
  EXPECT_FALSE(std::isinf(report.bf16.sqnr_db));
  (void)low.save(folder / "low.graft");
  (void)model.save(folder / "m.graft");
  EXPECT_LT(static_cast<double>(std::filesystem::file_size(folder / "low.graft")),
            0.7 * static_cast<double>(std::filesystem::file_size(folder / "m.graft")));
  Model back = Model::load(ctx, folder / "low.graft");
  EXPECT_EQ(back.header().arithmetic(), DType::kBF16);
  EXPECT_EQ(outputs_on(ctx, back, set, 6).values, outputs_on(ctx, low, set, 6).values);
  EXPECT_EQ(outputs_on(ctx, back, set, 6).values.size(), 60u);
}

INSTANTIATE_TEST_SUITE_P(Zoo, Bf16ModelOf, ::testing::ValuesIn(testing::kReducedModels),
                         [](const auto& test) { return "case" + std::to_string(test.index); });

TEST(Bf16Model, ItsFileHoldsBf16WeightsUnderAFormatOfItsOwn) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  (void)make_bf16(ctx, model).save(folder / "low.graft");
  const ArchiveReader archive(folder / "low.graft");
  EXPECT_EQ(archive.metadata().at("graft_model"), "4");
  EXPECT_EQ(archive.metadata().at("bf16"), "yes");
  for (const ArchiveInfo& info : archive.tensors()) {
    EXPECT_EQ(info.dtype, info.dims.size() > 1 ? DType::kBF16 : DType::kF32) << info.name;
  }
}

TEST(Bf16Model, OnlyAFoldedF32ModelCanBeConverted) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  Model low = make_bf16(ctx, model);
  EXPECT_TRUE(fails_with(Errc::kUsage, {"bf16 already"}, [&] { (void)make_bf16(ctx, low); }));
  EXPECT_TRUE(
      fails_with(Errc::kUsage, {"bf16 already"}, [&] { (void)quantize_for_timing(ctx, low); }));
  Bf16Report report;
  EXPECT_TRUE(fails_with(Errc::kData, {"no images"},
                         [&] { (void)convert_to_bf16(ctx, model, {}, report); }));
  model.set_folds(false);
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"bf16 needs them folded"},
                         [&] { (void)make_bf16(ctx, model); }));
}

TEST(Bf16Model, FollowsWeightsThatChangeBeforeItIsMade) {
  SKIP_WITHOUT_BF16();
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  const ImageSet set = drawn_set(32, 2);
  Model first = make_bf16(ctx, model);
  model.params().initialise(ctx, 2);
  Model second = make_bf16(ctx, model);
  const Outputs want = outputs_on(ctx, model, set, 2);
  EXPECT_GT(score_of(outputs_on(ctx, second, set, 2), want, {}).sqnr_db, 20);
  EXPECT_LT(score_of(outputs_on(ctx, first, set, 2), want, {}).sqnr_db, 10);
}

}  // namespace
}  // namespace graft
