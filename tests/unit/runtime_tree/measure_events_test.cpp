// SPDX-License-Identifier: Apache-2.0
#include "runtime/tree/measure_events.h"

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_package/drawn_family.h"

namespace graft {
namespace {

using events::FrameLabel;
using testing::fails_with;
using testing::TempFolder;

std::vector<std::uint8_t> hits(const std::string& text) {
  std::vector<std::uint8_t> out;
  for (const char c : text) out.push_back(c == '1' ? 1 : 0);
  return out;
}

TEST(MissPairs, CountsPairsInOrderWithinAnEvent) {
  MissPairs pairs;
  add_miss_pairs(hits("1111"), pairs);
  add_miss_pairs(hits(""), pairs);
  EXPECT_EQ(pairs.first_missed, 0);
  add_miss_pairs(hits("01001"), pairs);  // misses at 0, 2, 3
  EXPECT_EQ(pairs.first_missed, 4 + 2 + 1);
  EXPECT_EQ(pairs.both_missed, 2 + 1 + 0);
}

TEST(MissPairs, TheThesisNumbers) {
  // P(miss | miss) = 2799/8585 at a hit rate of 0.9254: specification, section 1.6.
  EXPECT_NEAR(error_correlation({8585, 2799}, 0.9254), 0.2717, 5e-5);
  EXPECT_EQ(error_correlation({0, 0}, 0.9), 0);
  EXPECT_EQ(error_correlation({100, 0}, 0.9), 0);    // less than independent
  EXPECT_EQ(error_correlation({100, 100}, 0.9), 1);  // all or nothing
}

/// Frames of one grey level each.
class GreyFrames final : public video::FrameSource {
 public:
  explicit GreyFrames(int count) : count_(count) {}
  bool next(video::Frame& frame) override {
    if (at_ == count_) return false;
    frame.image = testing::test_image(static_cast<std::uint64_t>(at_++));
    return true;
  }
  double fps() const override { return 10; }

 private:
  int count_, at_ = 0;
};

TEST(MeasureEvents, TakesStatisticsFromLabelsAndRatesFromFrames) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = testing::draw_package(ctx, "birds", folder.path());
  BaseModels bases;
  constexpr int kFrames = 30;
  std::vector<FrameLabel> labels(kFrames, FrameLabel::kNegative);
  for (const int i : {3, 4, 5, 10, 11, 20, 21, 22, 23}) {
    labels[static_cast<std::size_t>(i)] = FrameLabel::kPositive;
  }
  labels[0] = labels[29] = FrameLabel::kUnknown;
  PackageHeader header = package->header();
  GreyFrames frames(kFrames);
  measure_events(ctx, package, bases, frames, labels, 10, header);
  EXPECT_EQ(header.event_source, EventSource::kMeasured);
  EXPECT_DOUBLE_EQ(header.events.length_ms, 200);  // frames 10 and 11
  EXPECT_DOUBLE_EQ(header.events.frequency, 9.0 / 28);
  // Each candidate alone says the same.
  for (const PackagedCandidate& c : header.candidates) {
    TreeRunner alone(ctx, {{.name = "a", .package = package, .place = {c.frozen, 1}}}, bases);
    const data::Preprocess& p = alone.preprocess();
    Tensor x = Tensor::allocate(ctx.memory(), {1, p.height, p.width, 3});
    double positive = 0, negative = 0;
    for (std::size_t i = 1; i + 1 < labels.size(); ++i) {
      data::apply(p, testing::test_image(i), {x.ptr<float>(), static_cast<std::size_t>(x.numel())});
      const bool hit = alone.run(x, std::vector<std::uint8_t>{1}).front().positive;
      (labels[i] == FrameLabel::kPositive ? positive : negative) += hit ? 1 : 0;
    }
    EXPECT_DOUBLE_EQ(c.tpr, positive / 9);
    EXPECT_DOUBLE_EQ(c.fpr, negative / 19);
  }
}

TEST(MeasureEvents, NeedsEventsAndOtherFrames) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = testing::draw_package(ctx, "birds", folder.path());
  BaseModels bases;
  PackageHeader header = package->header();
  for (const FrameLabel only : {FrameLabel::kPositive, FrameLabel::kNegative}) {
    GreyFrames frames(4);
    const std::vector<FrameLabel> labels(10, only);
    EXPECT_TRUE(fails_with(Errc::kData, {"events", "4"}, [&] {
      measure_events(ctx, package, bases, frames, labels, 10, header);
    }));
  }
}

TEST(MeasureEvents, BuildWritesTheMeasuredPackageAndNoDraft) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  testing::draw_family(ctx, "birds", folder / "birds");
  build_package(ctx, folder / "birds", {}, folder / "birds.mpkg",
                [](const std::shared_ptr<const Package>& draft, PackageHeader& header) {
                  EXPECT_EQ(draft->header().event_source, EventSource::kAssumed);
                  header.event_source = EventSource::kMeasured;
                  header.candidates[1].tpr = 0.25;
                });
  const Package package(folder / "birds.mpkg");
  package.verify();
  EXPECT_EQ(package.header().candidates[1].tpr, 0.25);
  EXPECT_FALSE(std::filesystem::exists(folder / "birds.mpkg.draft"));
}

}  // namespace
}  // namespace graft
