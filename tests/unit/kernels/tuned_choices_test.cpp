// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tuned_choices.h"

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/temp_folder.h"

namespace graft::kernels::cuda {
namespace {

constexpr std::array<std::int64_t, 3> kProblem = {1, 2, 3}, kOther = {1, 2, 4};

class TunedChoicesTest : public ::testing::Test {
 protected:
  graft::testing::TempFolder folder_;
  std::filesystem::path file_ = folder_.path() / "cache" / "tuned.json";
};

TEST_F(TunedChoicesTest, KeepsWhatWasMeasured) {
  {
    TunedChoices choices(file_, "GPU 1, cuDNN 9");
    EXPECT_FALSE(choices.find(kProblem));
    choices.put(kProblem, {.candidate = 5, .ms = 0.25});
    choices.put(kOther, {.candidate = 0, .ms = 2});
    choices.put(kProblem, {.candidate = 4, .ms = 0.125});
  }
  const TunedChoices again(file_, "GPU 1, cuDNN 9");
  EXPECT_EQ(again.size(), 2u);
  ASSERT_TRUE(again.find(kProblem));
  EXPECT_EQ(again.find(kProblem)->candidate, 4);
  EXPECT_EQ(again.find(kProblem)->ms, 0.125);
}

TEST_F(TunedChoicesTest, TakesNothingOfAnotherDevice) {
  TunedChoices(file_, "GPU 1, cuDNN 9").put(kProblem, {.candidate = 5, .ms = 1});
  EXPECT_EQ(TunedChoices(file_, "GPU 1, cuDNN 10").size(), 0u);
}

TEST_F(TunedChoicesTest, MeasuresAgainWhereTheFileIsDamaged) {
  make_folder(file_.parent_path());
  for (const char* text :
       {"", "{", "[]", R"({"device": "G"})", R"({"device": "G", "choices": 3})",
        R"({"device": "G", "choices": [{"problem": "x"}]})",
        R"({"device": "G", "choices": [{"problem": [1], "candidate": "a", "ms": 1}]})"}) {
    atomic_write(file_, text);
    TunedChoices choices(file_, "G");
    EXPECT_EQ(choices.size(), 0u) << text;
    choices.put(kProblem, {.candidate = 1, .ms = 1});
    EXPECT_EQ(TunedChoices(file_, "G").size(), 1u) << text;
  }
}

TEST_F(TunedChoicesTest, GoesOnWhereNothingCanBeWritten) {
  atomic_write(folder_.path() / "file", "");
  TunedChoices choices(folder_.path() / "file" / "tuned.json", "G");
  choices.put(kProblem, {.candidate = 1, .ms = 1});
  EXPECT_EQ(choices.find(kProblem)->candidate, 1);
}

TEST_F(TunedChoicesTest, HasAFileForEachDevice) {
  ASSERT_EQ(setenv("XDG_CACHE_HOME", "/somewhere", 1), 0);
  EXPECT_EQ(tuned_choices_file("NVIDIA H200, cuDNN 9.1"),
            "/somewhere/graft/tuned-NVIDIA-H200--cuDNN-9.1.json");
}

}  // namespace
}  // namespace graft::kernels::cuda
