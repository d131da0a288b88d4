// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/trial_journal.h"

#include <string>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::adapt {
namespace {

using testing::fails_with;
using testing::TempFolder;

FinishedTrial finished(std::int64_t id, double budget, double objective) {
  return {.trial = {.id = id, .priority = Priority::beta(2, 1.5), .budget = budget},
          .objective = objective,
          .cost_units = budget + 8,
          .seconds = 1.5};
}

TEST(TrialJournal, ReadsBackWhatWasAppended) {
  const TempFolder folder;
  TrialJournal(folder / "trials.jsonl").append(finished(3, 0.1 + 0.2, 0.7));
  const TrialJournal again(folder / "trials.jsonl");
  ASSERT_EQ(again.finished().size(), 1U);
  EXPECT_EQ(again.finished()[0].trial, finished(3, 0.1 + 0.2, 0).trial);
  EXPECT_EQ(again.finished()[0].objective, 0.7);
  EXPECT_EQ(read_file(folder / "trials.jsonl"),
            "{\"id\":3,\"priority\":\"beta:2,1.5\",\"budget\":0.30000000000000004,"
            "\"objective\":0.7,\"cost_units\":8.3,\"seconds\":1.5}\n");
}

TEST(TrialJournal, DropsATornLastLineAndAppendsAfterTheWholeOnes) {
  const TempFolder folder;
  const auto path = folder / "trials.jsonl";
  {
    TrialJournal journal(path);
    journal.append(finished(0, 10, 0.5));
    journal.append(finished(1, 10, 0.6));
  }
  const std::string whole = read_file(path);
  const std::size_t first_line = whole.find('\n') + 1;
  for (std::size_t bytes = first_line; bytes < whole.size(); bytes += 11) {
    atomic_write(path, std::string_view(whole).substr(0, bytes));
    TrialJournal journal(path);
    ASSERT_EQ(journal.finished().size(), 1U) << bytes;
    journal.append(finished(1, 10, 0.6));
    ASSERT_EQ(read_file(path), whole) << bytes;
  }
}

TEST(TrialJournal, CountsTheCostOfATrialOnceOverItsRungs) {
  const TempFolder folder;
  TrialJournal journal(folder / "trials.jsonl");
  journal.append(finished(0, 100, 0.5));
  journal.append(finished(1, 100, 0.6));
  journal.append(finished(1, 300, 0.7));
  EXPECT_EQ(journal.total_cost_units(), 108 + 308);
}

TEST(TrialJournal, ErrorsNameTheLine) {
  const TempFolder folder;
  const auto path = folder / "trials.jsonl";
  TrialJournal(path).append(finished(0, 10, 0.5));
  const std::string line = read_file(path);
  const auto refuses = [&](const std::string& second, const char* part) {
    atomic_write(path, line + second + "\n");
    return fails_with(Errc::kConfig, {path.string() + " line 2", part},
                      [&] { TrialJournal j(path); });
  };
  EXPECT_TRUE(refuses("{\"id\":1}", "not a finished trial"));
  EXPECT_TRUE(refuses("[1]", "not a finished trial"));
  EXPECT_TRUE(refuses("{\"id\":", ""));
  EXPECT_TRUE(refuses(line.substr(0, line.size() - 1), "twice"));
}

}  // namespace
}  // namespace graft::adapt
