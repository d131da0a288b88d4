// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/loss_history.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

using Losses = std::vector<float>;

TEST(SelectiveBackprop, A03_HistoryIsAFifoWindow) {
  LossHistory history(4);
  history.push(Losses{1, 2, 3, 4});
  EXPECT_DOUBLE_EQ(history.percentile(3, Ties::kStrict), 0.5);
  history.push(Losses{5});
  EXPECT_EQ(history.values(), (Losses{2, 3, 4, 5}));
  EXPECT_DOUBLE_EQ(history.percentile(3, Ties::kStrict), 0.25);

  const std::int64_t r = 1024;
  LossHistory large(r);
  for (std::int64_t i = 0; i < r; ++i) large.push(Losses{10});
  EXPECT_DOUBLE_EQ(large.percentile(1, Ties::kStrict), 0);
  large.push(Losses{11});
  EXPECT_DOUBLE_EQ(large.percentile(11, Ties::kStrict), static_cast<double>(r - 1) / r);
}

TEST(LossHistory, PercentilesMatchACount) {
  LossHistory history(50);
  Losses window;
  Philox rng({.seed = 3});
  for (int push = 0; push < 40; ++push) {
    Losses slice(1 + rng.below(70));  // shorter and longer than the window, with many ties
    for (float& loss : slice) loss = static_cast<float>(rng.below(12));
    history.push(slice);
    window.insert(window.end(), slice.begin(), slice.end());
    if (window.size() > 50) window.erase(window.begin(), window.end() - 50);
    ASSERT_EQ(history.values(), window);
    const auto n = static_cast<double>(window.size());
    for (const float loss : {-1.F, 0.F, 5.F, 5.5F, 11.F, 12.F}) {
      const auto less = static_cast<double>(
          std::count_if(window.begin(), window.end(), [&](float h) { return h < loss; }));
      const auto equal = static_cast<double>(std::count(window.begin(), window.end(), loss));
      EXPECT_DOUBLE_EQ(history.percentile(loss, Ties::kStrict), less / n);
      EXPECT_DOUBLE_EQ(history.percentile(loss, Ties::kMid), (less + equal / 2) / n);
      EXPECT_DOUBLE_EQ(history.percentile(loss, Ties::kWeak), (less + equal) / n);
      if (equal > 0 && n > 1) {
        EXPECT_DOUBLE_EQ(history.percentile(loss, Ties::kWeak, true), (less + equal - 1) / (n - 1));
      }
    }
  }
}

TEST(LossHistory, EdgesAreDefined) {
  LossHistory history(4);
  EXPECT_EQ(history.percentile(1, Ties::kWeak), 0);
  history.push(Losses{2});
  EXPECT_EQ(history.percentile(2, Ties::kWeak, true), 0);
  EXPECT_THROW((void)history.percentile(3, Ties::kWeak, true), Error);
  EXPECT_THROW(LossHistory(0), Error);
  EXPECT_THROW(history.restore(Losses{1, 2, 3, 4, 5}), Error);
}

TEST(LossHistory, RestoreContinuesTheSameWindow) {
  LossHistory a(5), b(5);
  a.push(Losses{1, 2, 3, 4, 5, 6, 7});
  b.restore(a.values());
  a.push(Losses{0, 9});
  b.push(Losses{0, 9});
  EXPECT_EQ(a.values(), b.values());
  EXPECT_EQ(a.percentile(6.5, Ties::kMid), b.percentile(6.5, Ties::kMid));
}

}  // namespace
}  // namespace graft
