// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/probe_charts.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/support/fails_with.h"
#include "tests/unit/report/runs.h"
#include "tests/unit/report/xml.h"

namespace graft::report {
namespace {

using graft::testing::markup_error;
using graft::testing::run_of;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPng = "data:image/png;base64,AAAA";

Json curve(double from) {
  const Json values = {from, (from + 1) / 2, 1.0};
  return {{"cosine", values}, {"sign", values}, {"sign_small_agree", values}};
}

/// The records of one epoch, as the probes write them.
std::vector<Json> records(int epoch) {
  const Json image = {{"id", 7}, {"label", "<cat>"}, {"mean_loss", .25}, {"image", kPng}};
  return {
      {{"event", "confidence"},
       {"epoch", epoch},
       {"quantiles", {0.0, .5, 1.0}},
       {"accuracy", {0.0, nullptr, 1.0}}},
      {{"event", "gradient_similarity"},
       {"epoch", epoch},
       {"fractions", {.1, .5, 1.0}},
       {"top", curve(.8)},
       {"random", curve(.4)}},
      {{"event", "watch"},
       {"epoch", epoch},
       {"ids", {3, 9}},
       {"losses", {1.0, 2.0}},
       {"percentiles", {.5, 1.0}}},
      {{"event", "extreme_losses"}, {"epoch", epoch}, {"lowest", {image}}, {"highest", {image}}}};
}

Group probed(const std::string& label, bool baseline) {
  Group group{.label = label, .baseline = baseline, .runs = {run_of({{1, .5}, {1, .4}})}};
  for (const int epoch : {1, 2}) {
    for (const Json& r : records(epoch)) {
      read_probe(r, r.at("event"), "metrics.jsonl", group.runs[0].probes);
    }
  }
  return group;
}

TEST(ProbeCharts, DrawEveryRecordWellFormed) {
  const std::string page =
      probe_sections(std::vector<Group>{probed("<t>", true), probed("sb", false)});
  EXPECT_EQ(markup_error(page), "");
  for (const char* part :
       {"Hard examples after epoch 2", "Cosine with the batch&#39;s gradient", "Equal signs",
        "Selection probability of five images", "Easiest and hardest images", "&lt;cat&gt;",
        "&lt;t&gt;: highest mean loss", kPng}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  // The percentile .5 to the power 2.
  EXPECT_THAT(page, HasSubstr("image 3: 25 % at 2 epochs"));
  EXPECT_THAT(page, HasSubstr("sb, highest losses: 0.8 at 10 % part of the batch"));
}

TEST(ProbeCharts, RunsWithoutProbesHaveNoSections) {
  const Group plain{.label = "t", .baseline = true, .runs = {run_of({{1, .5}})}};
  EXPECT_EQ(probe_sections(std::vector<Group>{plain}), "");
}

TEST(ProbeCharts, OnlyPngDataBecomeImages) {
  ProbeRecords to;
  Json r = records(1).back();
  r["lowest"][0]["image"] = "https://example.org/x.png";
  read_probe(r, "extreme_losses", "metrics.jsonl", to);
  EXPECT_EQ(to.extremes[0].lowest[0].image, "");
  EXPECT_EQ(to.extremes[0].highest[0].image, kPng);
}

TEST(ProbeCharts, DamagedRecordIsNamed) {
  ProbeRecords to;
  EXPECT_TRUE(graft::testing::fails_with(
      Errc::kConfig, {"runs/a/metrics.jsonl", "damaged watch record"}, [&] {
        read_probe({{"event", "watch"}}, "watch", "runs/a/metrics.jsonl", to);
      }));
}

}  // namespace
}  // namespace graft::report
