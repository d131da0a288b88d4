// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/open.h"

#include <gtest/gtest.h>

#include "runtime/data/label_noise.h"
#include "tests/support/fails_with.h"

namespace graft::data {
namespace {

using testing::fails_with;

::testing::AssertionResult refused(const std::string& text, const std::vector<std::string>& parts) {
  return fails_with(Errc::kUsage, parts, [&] { (void)parse_data_spec(text); });
}

TEST(DataSpec, IsTakenApart) {
  EXPECT_EQ(parse_data_spec("cifar10:/data/c, 10").folder, "/data/c, 10");
  const DataSpec folder = parse_data_spec("folder:/a:b,size=64,max_bad=3");
  EXPECT_EQ(folder.folder, "/a:b");
  EXPECT_EQ(folder.options.at("size"), "64");
  EXPECT_TRUE(parse_data_spec("synthetic").options.empty());
  EXPECT_EQ(parse_data_spec("synthetic:train=500,hard=0.1").options.size(), 2u);
}

TEST(DataSpec, MistakesAreNamedWithAGuess) {
  EXPECT_TRUE(refused("cifar:x", {"unknown kind `cifar`", "did you mean `cifar10`?"}));
  EXPECT_TRUE(refused("imagenet:x", {"unknown kind", "cifar10, cifar100, folder, synthetic"}));
  EXPECT_TRUE(refused("synthetic:trian=5", {"unknown key `trian`", "did you mean `train`?"}));
  EXPECT_TRUE(refused("folder:x,siez=5", {"did you mean `size`?"}));
  EXPECT_TRUE(refused("synthetic:train", {"`train` has no value"}));
  EXPECT_TRUE(refused("synthetic:train=", {"`train` has no value"}));
  EXPECT_TRUE(refused("synthetic:seed=1,seed=2", {"`seed` twice"}));
  EXPECT_TRUE(refused("cifar10", {"which folder", "cifar10:DIR"}));
  EXPECT_TRUE(refused("folder:,size=3", {"which folder"}));
}

TEST(DataSpec, ValuesOutOfRangeAreRefused) {
  const auto open = [](const char* text) {
    return [text] { (void)open_dataset(parse_data_spec(text), Split::kTrain); };
  };
  EXPECT_TRUE(fails_with(Errc::kUsage, {"train=ten"}, open("synthetic:train=ten")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"train=9"}, open("synthetic:train=9")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"noise=1.1"}, open("synthetic:train=50,noise=1.1")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"verify=yes"}, open("folder:/x,verify=yes")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"holdout=0"}, open("folder:/x,holdout=0")));
  EXPECT_TRUE(fails_with(Errc::kData, {"/nowhere-at-all"}, open("folder:/nowhere-at-all")));
  EXPECT_TRUE(fails_with(Errc::kData, {"/nowhere-at-all"}, open("cifar100:/nowhere-at-all")));
}

TEST(OpenDatasets, SyntheticWithLabelNoiseInTrainingOnly) {
  const auto [train, test] =
      open_datasets(parse_data_spec("synthetic:train=200,test=50,noise=0.1"));
  EXPECT_EQ(train->size(), 200);
  EXPECT_EQ(test->size(), 50);
  const auto* noisy = dynamic_cast<const LabelNoise*>(train.get());
  ASSERT_NE(noisy, nullptr);
  EXPECT_EQ(noisy->changed().size(), 20u);
  for (std::int64_t id = 0; id < 50; ++id) EXPECT_EQ(test->label(id), id % 10);
}

}  // namespace
}  // namespace graft::data
