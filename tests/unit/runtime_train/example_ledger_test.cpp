// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/example_ledger.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft::train {
namespace {

TEST(ExampleLedger, KeepsMeansAndSurvivesACheckpoint) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  ExampleLedger ledger(4);
  const std::vector<std::int64_t> ids = {3, 0, 1};
  ledger.add(ids, std::vector<float>{2, 1, none});
  ledger.add(ids, std::vector<float>{4, 1, none});
  ExampleLedger::Arrays arrays;
  ledger.save(arrays);
  ExampleLedger copy(4);
  copy.restore(arrays);
  const auto means = copy.mean_losses();
  EXPECT_EQ(means[0], 1);
  EXPECT_EQ(means[3], 3);
  EXPECT_TRUE(std::isnan(means[1]) && std::isnan(means[2]));
  EXPECT_THROW(ExampleLedger(5).restore(arrays), Error);
  EXPECT_THROW(copy.restore({}), Error);
}

}  // namespace
}  // namespace graft::train
