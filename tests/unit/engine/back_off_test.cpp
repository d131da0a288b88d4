// SPDX-License-Identifier: Apache-2.0
#include "engine/core/back_off.h"

#include <gtest/gtest.h>

namespace graft {
namespace {

using std::chrono::milliseconds;

TEST(BackOff, DoublesToItsLimitAndIsSpread) {
  BackOff pauses(milliseconds(100), milliseconds(1000), 1);
  for (const int full : {100, 200, 400, 800, 1000, 1000}) {
    const auto pause = pauses.next();
    EXPECT_GE(pause, milliseconds(full / 2));
    EXPECT_LE(pause, milliseconds(full));
  }
  pauses.reset();
  EXPECT_LE(pauses.next(), milliseconds(100));
  BackOff other(milliseconds(100), milliseconds(1000), 2),
      same(milliseconds(100), milliseconds(1000), 1);
  EXPECT_NE(other.next(), same.next());
}

}  // namespace
}  // namespace graft
