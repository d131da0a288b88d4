// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/run_dir.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;

const Json kRun = {{"fingerprint", {{"model", "small_cnn"}, {"lr", 0.1}}}};

TEST(RunDir, NewRefusesAFolderThatHoldsARun) {
  const testing::TempFolder folder;
  const fs::path path = folder / "run";
  { RunDir first(path, kRun, RunDir::Open::kNew); }
  EXPECT_TRUE(fails_with(Errc::kConfig, {path.string(), "--resume", "--force"},
                         [&] { RunDir(path, kRun, RunDir::Open::kNew); }));
}

TEST(RunDir, ResumeNamesEveryDifferenceWithBothValues) {
  const testing::TempFolder folder;
  const fs::path path = folder / "run";
  { RunDir first(path, kRun, RunDir::Open::kNew); }
  const Json other = {{"fingerprint", {{"model", "resnet8"}, {"lr", 0.2}}}};
  EXPECT_TRUE(fails_with(Errc::kConfig,
                         {"model: the run has \"small_cnn\", asked for \"resnet8\"",
                          "lr: the run has 0.1, asked for 0.2"},
                         [&] { RunDir(path, other, RunDir::Open::kResume); }));
  EXPECT_TRUE(RunDir(path, kRun, RunDir::Open::kResume).resumed());
}

TEST(RunDir, ResumeOfNothingStartsARun) {
  const testing::TempFolder folder;
  const RunDir run(folder / "run", kRun, RunDir::Open::kResume);
  EXPECT_FALSE(run.resumed());
  EXPECT_EQ(RunDir::read_description(folder / "run"), kRun);
}

TEST(RunDir, ResumeKeepsTheRecordsForceDoesNot) {
  const testing::TempFolder folder;
  const fs::path path = folder / "run";
  { RunDir(path, kRun, RunDir::Open::kNew).metrics().write({{"n", 1}}); }
  make_folder(path / "ckpt" / "0000000001");
  { RunDir(path, kRun, RunDir::Open::kResume).metrics().write({{"n", 2}}); }
  EXPECT_EQ(read_records(path / "metrics.jsonl").size(), 2U);
  const RunDir replaced(path, kRun, RunDir::Open::kForce);
  EXPECT_FALSE(replaced.resumed());
  EXPECT_TRUE(read_records(path / "metrics.jsonl").empty());
  EXPECT_FALSE(fs::exists(replaced.checkpoints()));
}

TEST(RunDir, DamagedDescriptionIsRefused) {
  const testing::TempFolder folder;
  const fs::path path = folder / "run";
  EXPECT_TRUE(fails_with(Errc::kConfig, {"not a run directory"},
                         [&] { (void)RunDir::read_description(path); }));
  make_folder(path);
  for (const char* text : {"", "{", "[]", "{}"}) {
    atomic_write(path / "run.json", text);
    EXPECT_TRUE(fails_with(Errc::kConfig, {"run.json"}, [&] {
      RunDir(path, kRun, RunDir::Open::kResume);
    })) << text;
  }
}

}  // namespace
}  // namespace graft::train
