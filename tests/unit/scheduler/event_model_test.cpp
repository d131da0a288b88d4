// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/event_model.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/model/monte_carlo.h"
#include "tests/unit/scheduler/recorded.h"

namespace graft {
namespace {

using testing::have_recorded;
using testing::recorded_file;

const FrameDetector kBus{.hit_rate = 0.9310, .false_alarm_rate = 0.0690};

void expect_quality(const EventQuality& q, double recall, double precision, double f1) {
  EXPECT_NEAR(q.recall, recall, 1e-12);
  EXPECT_NEAR(q.precision, precision, 1e-12);
  EXPECT_NEAR(q.f1, f1, 1e-12);
}

TEST(EventModel, WorkedExampleA) {
  const EventStatistics events{1000, 0.6, 0.6};
  expect_quality(event_quality(events, kBus, {10, 7}, {}, EventModel::kCode), 0.988659948254,
                 0.899745716314, 0.942109600731);
  expect_quality(event_quality(events, kBus, {10, 7}, {}, EventModel::kText), 0.995783552471,
                 0.875237441889, 0.931627225741);
}

TEST(EventModel, WorkedExampleB) {
  const EventStatistics events{400, 0.6, 0.6};
  expect_quality(event_quality(events, kBus, {10, 4}, {}, EventModel::kCode), 0.59584,
                 0.952917093142, 0.733215199842);
  expect_quality(event_quality(events, kBus, {10, 4}, {}, EventModel::kText), 0.94641736,
                 0.943873055791, 0.945143495597);
}

TEST(EventModel, WorkedExampleC) {
  const EventStatistics events{1000, 0.0138, 0.125};
  const FrameDetector train{0.9958, 0.1563};
  const auto f1 = [&](int votes) {
    return event_quality(events, train, {15, 9}, votes, EventModel::kCode).f1;
  };
  expect_quality(event_quality(events, train, {15, 9}, 2, EventModel::kCode), 0.999991692685,
                 0.083118591108, 0.153480032199);
  EXPECT_NEAR(f1(1), 0.044620179849, 1e-12);
  EXPECT_NEAR(f1(3), 0.464642884934, 1e-12);
}

TEST(EventModel, EqualsTheAuthorsProgram) {
  if (!have_recorded()) GTEST_SKIP() << "no ../shared/oracles/mainstream";
  const auto curves = testing::recorded_curves();
  const Json oracle = recorded_file("model_oracle.json");
  const auto quality = [&](const Json& row) {
    FrameDetector detector;
    for (const Candidate& c : curves.at(row[0].get<std::string>())) {
      if (c.frozen == row[1].get<int>()) detector = c.detector;
    }
    std::optional<int> votes;
    if (!row[7].is_null()) votes = row[7].get<int>();
    return event_quality({row[4].get<double>(), row[5].get<double>(), row[6].get<double>()},
                         detector, {row[3].get<double>(), row[2].get<double>()}, votes,
                         EventModel::kCode);
  };
  double worst = 0;
  for (const Json& row : oracle.at("rows")) {
    const EventQuality q = quality(row);
    worst = std::max({worst, std::fabs(1 - q.recall - row[8].get<double>()),
                      std::fabs(1 - q.precision - row[9].get<double>()),
                      std::fabs(q.f1 - row[10].get<double>())});
  }
  EXPECT_EQ(oracle.at("rows").size(), 1031u);
  EXPECT_LT(worst, 1e-9);
  for (const Json& row : oracle.at("degenerate").at("rows")) {
    EXPECT_EQ(quality(row).f1, 0) << row.dump();
  }
}

TEST(EventModel, VariantsAgreeWhereEveryFrameIsAnalysed) {
  for (const double fps : {1.0, 5.0, 10.0, 29.97}) {
    const EventStatistics events{730, 0.2, 0.3};
    EXPECT_EQ(event_quality(events, kBus, {fps, fps}, 2, EventModel::kText).f1,
              event_quality(events, kBus, {fps, fps}, 2, EventModel::kCode).f1);
  }
}

TEST(EventModel, IsContinuousWhereFramesDivideTheEvent) {
  for (const std::optional<int> votes : {std::optional<int>(), std::optional<int>(2)}) {
    for (const double n : {1.0, 2.0, 3.0, 6.0, 21.0}) {
      for (const double stride : {1.0, 1.1, 10.0 / 3, 7.0}) {
        const double at = miss_probability(0.7, n * stride, stride, 0.3, votes);
        EXPECT_NEAR(miss_probability(0.7, n * stride * (1 - 1e-10), stride, 0.3, votes), at, 1e-8);
        EXPECT_NEAR(miss_probability(0.7, n * stride * (1 + 1e-10), stride, 0.3, votes), at, 1e-8);
      }
    }
  }
}

TEST(EventModel, Extremes) {
  const EventStatistics events{1000, 0.5, 0.5};
  const auto f1 = [](const EventStatistics& e, const FrameDetector& d, std::optional<int> votes) {
    return event_quality(e, d, {10, 5}, votes, EventModel::kText).f1;
  };
  EXPECT_EQ(f1(events, {1, 0}, {}), 1);
  EXPECT_EQ(f1(events, {0, 0}, {}), 0);
  EXPECT_EQ(f1(events, {0, 1}, {}), 0);
  EXPECT_EQ(f1({1000, 0, 0.5}, {1, 0}, {}), 1);  // no events, no alarms: nothing is wrong
  EXPECT_EQ(f1({1000, 0, 0.5}, {1, 0.1}, {}), 0);
  EXPECT_EQ(f1({1000, 1, 0.5}, {1, 1}, {}), 1);
  EXPECT_EQ(f1(events, {1, 0}, 5), 1);  // five analysed frames
  EXPECT_EQ(f1(events, {1, 0}, 6), 0);
}

TEST(MonteCarlo, AgreesWithTheClosedForm) {
  constexpr int kSettings = 200, kEvents = 4000;
  constexpr double kWidest = 4.5, k95 = 1.96;
  int inside = 0, compared = 0;
  for (std::uint64_t id = 0; id < kSettings; ++id) {
    Philox random({.seed = 7, .purpose = RngPurpose::kTest, .epoch = 0, .id = id});
    const auto uniform = [&](double low, double high) {
      return low + (high - low) * random.uniform_double();
    };
    const FrameRates rates{uniform(5, 30), uniform(0.5, 5)};
    const EventStatistics events{uniform(100, 3000), uniform(0.01, 1), uniform(0, 1)};
    const FrameDetector detector{uniform(0.3, 1), uniform(0, 0.4)};
    const auto model = id % 2 == 0 ? EventModel::kText : EventModel::kCode;
    std::optional<int> votes;
    if (id % 3 != 0) votes = 1 + static_cast<int>(random.below(5));
    const EventQuality want = event_quality(events, detector, rates, votes, model);
    const auto got = simulate_quality(events, detector, rates, votes, model, kEvents, id);
    const auto compare = [&](const Estimate& e, double expected, const char* what) {
      const double off = std::fabs(e.value - expected);
      EXPECT_LE(off, kWidest * e.standard_error + 1e-12) << what << " of setting " << id;
      inside += off <= k95 * e.standard_error + 1e-12 ? 1 : 0;
      ++compared;
    };
    compare(got.recall, want.recall, "recall");
    compare(got.false_alarm,
            1 - miss_probability(detector.false_alarm_rate, event_frames(events, rates, model),
                                 rates.stream_fps / rates.fps, events.correlation, votes),
            "false alarms");
  }
  EXPECT_GE(inside, 0.93 * compared);
  RecordProperty("inside_95_percent", inside);
}

/// Real event lengths: the average of the closed form over events against the simulated stream.
TEST(MonteCarlo, AgreesOnRecordedEventIntervals) {
  if (!have_recorded()) GTEST_SKIP() << "no ../shared/oracles/mainstream";
  std::vector<double> lengths;
  const Json intervals = recorded_file("event_intervals.json");
  for (const Json& file : intervals.at("files")) {
    for (const Json& e : file.at("full")) {
      lengths.push_back(e[1].get<double>() - e[0].get<double>() + 1);
    }
  }
  ASSERT_GT(lengths.size(), 700u);
  for (const double stride : {1.0, 7.5, 60.0, 300.0}) {
    for (const std::optional<int> votes : {std::optional<int>(), std::optional<int>(3)}) {
      const SimulatedDetector detector{
          .rate = 0.6, .correlation = 0.3, .stride = stride, .votes = votes};
      double want = 0;
      for (const double d : lengths) want += 1 - miss_probability(0.6, d, stride, 0.3, votes);
      want /= static_cast<double>(lengths.size());
      const Estimate got = simulate_trace(detector, lengths, 40, 1);
      EXPECT_NEAR(got.value, want, 4.5 * got.standard_error) << "stride " << stride;
    }
  }
}

}  // namespace
}  // namespace graft
