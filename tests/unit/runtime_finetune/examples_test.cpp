// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/examples.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_finetune/tiny_task.h"

namespace graft::finetune {
namespace {

using testing::fails_with;
using testing::TempFolder;
using testing::write_pictures;

const data::Preprocess kPreprocess = data::parse_preprocess("keras", 16, 16);

ExampleOptions options_of(const TempFolder& folder) {
  return {.data = "folder:" + folder.path().string(), .validation = 0.25, .seed = 3};
}

TEST(Examples, AreTrainTestAndADrawnValidationSet) {
  const TempFolder folder;
  for (const char* name : {"ant", "bee"}) {
    write_pictures(folder / "train" / name, 10, 8, 1);
    write_pictures(folder / "test" / name, 10, 3, 2);
  }
  const Examples e = open_examples(options_of(folder), kPreprocess);
  EXPECT_EQ(e.train.size(), 12U);
  EXPECT_EQ(e.validation.size(), 4U);
  EXPECT_EQ(e.test.size(), 6U);
  std::set<std::int64_t> all(e.train.begin(), e.train.end());
  all.insert(e.validation.begin(), e.validation.end());
  all.insert(e.test.begin(), e.test.end());
  EXPECT_EQ(all.size(), 22U) << "disjoint";
  for (const std::int64_t id : e.test) {
    EXPECT_TRUE(e.images->example_name(id).starts_with("test/")) << e.images->example_name(id);
  }
  const Examples again = open_examples(options_of(folder), kPreprocess);
  EXPECT_EQ(again.validation, e.validation);
  auto other = options_of(folder);
  other.seed = 4;
  EXPECT_NE(open_examples(other, kPreprocess).validation, e.validation);
}

TEST(Examples, AValFolderBesideATestFolderValidates) {
  const TempFolder folder;
  for (const char* split : {"train", "val", "test"}) {
    for (const char* name : {"ant", "bee"}) write_pictures(folder / split / name, 10, 4, 1);
  }
  const Examples e = open_examples(options_of(folder), kPreprocess);
  EXPECT_EQ(e.train.size(), 8U);
  ASSERT_EQ(e.validation.size(), 8U);
  EXPECT_EQ(e.images->example_name(e.validation[0]), "val/ant/p100.png");
}

TEST(Examples, WithoutSplitsAFifthOfEveryClassTests) {
  const TempFolder folder;
  for (const char* name : {"ant", "bee"}) write_pictures(folder / name, 10, 10, 1);
  EXPECT_EQ(open_examples(options_of(folder), kPreprocess).test.size(), 4U);
}

TEST(Examples, RefuseWhatCannotBeTrained) {
  const TempFolder folder;
  const auto open = [&] { static_cast<void>(open_examples(options_of(folder), kPreprocess)); };
  write_pictures(folder / "train/ant", 10, 8, 1);
  write_pictures(folder / "test/ant", 10, 8, 1);
  EXPECT_TRUE(fails_with(Errc::kData, {"1 class"}, open));
  make_folder(folder / "train/bee");
  EXPECT_TRUE(fails_with(Errc::kData, {"class bee", "no training image"}, open));
  EXPECT_TRUE(fails_with(Errc::kData, {"no folder"}, [&] {
    static_cast<void>(open_examples({.data = "folder:/no/such"}, kPreprocess));
  }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"folder:DIR"}, [&] {
    static_cast<void>(open_examples({.data = "synthetic"}, kPreprocess));
  }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"size is the base's"}, [&] {
    static_cast<void>(open_examples({.data = "folder:x,size=8"}, kPreprocess));
  }));
}

}  // namespace
}  // namespace graft::finetune
