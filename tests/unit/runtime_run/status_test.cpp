// SPDX-License-Identifier: Apache-2.0
// How a status is shown: JSON, metrics, report, terminal.
#include "runtime/run/status.h"

#include <gtest/gtest.h>

#include "runtime/run/top_view.h"

namespace graft::run {
namespace {

RunStatus example() {
  RunStatus s;
  s.stream = "yard";
  s.source = "rtsp://viewer:***@cam/1";
  s.live = true;
  s.tree = 2;
  s.budget = 500;
  s.cost = 321.5;
  s.cost_unit = "ms";
  s.mean_f1 = 0.875;
  s.capture.up = true;
  s.capture.fps = 30;
  s.capture.width = 640;
  s.capture.height = 480;
  s.capture.corrupt = 3;
  s.capture.faults = {1, 2, 0, 0};
  s.frames = {.captured = 1300, .processed = 900, .dropped = {100, 300, 0, 0}};
  NodeStatus stem{.name = "stem 0-12", .last = 12, .shared = true, .fps = 10, .apps = {"a", "b"}};
  stem.frames_in = 1200;
  stem.run = 900;
  stem.dropped = 300;
  stem.busy_share = 0.25;
  stem.latency.add(0.004);
  NodeStatus branch{.name = "a 12-20", .parent = 0, .first = 12, .last = 20, .fps = 10};
  branch.apps = {"a"};
  branch.busy_share = 0.25;
  s.nodes = {stem, branch};
  AppStatus app;
  app.name = "a\"b\n<i>";
  app.sharing = "shared";
  app.label = "bird";
  app.event_open = true;
  app.events = 4;
  app.age.add(0.02);
  s.apps = {app};
  return s;
}

TEST(RunStatus, AsJson) {
  const Json json = to_json(example());
  EXPECT_EQ(json["frames"]["captured"], 1300);
  EXPECT_EQ(json["frames"]["dropped"]["not_due"], 300);
  EXPECT_EQ(json["frames"]["balanced"], true);
  EXPECT_EQ(json["nodes"][0]["layers"], Json::array({0, 12}));
  EXPECT_EQ(json["apps"][0]["events"], 4);
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["video"]["faults"]["stall"], 2);
}

TEST(RunStatus, NotReadyAndWhy) {
  RunStatus s = example();
  s.events_waiting = 1;
  EXPECT_EQ(*why_not_ready(s), "the journal cannot be written");
  s.capture.up = false;
  s.capture.last_error = "refused";
  EXPECT_EQ(*why_not_ready(s), "no video: refused");
  s.ended = true;
  EXPECT_EQ(*why_not_ready(s), "the stream is over");
}

TEST(RunStatus, AsMetrics) {
  const std::string text = to_prometheus(example());
  for (const char* line :
       {"# TYPE graft_frames_total counter\n",
        "graft_frames_total{stream=\"yard\",outcome=\"processed\",reason=\"\"} 900\n",
        "graft_frames_total{stream=\"yard\",outcome=\"dropped\",reason=\"overrun\"} 100\n",
        "graft_stream_up{stream=\"yard\"} 1\n",
        "graft_stream_reconnects_total{stream=\"yard\",reason=\"stall\"} 2\n",
        "# TYPE graft_inference_seconds histogram\n",
        "graft_inference_seconds_bucket{stream=\"yard\",node=\"stem 0-12\",le=\"+Inf\"} 1\n",
        "graft_inference_seconds_count{stream=\"yard\",node=\"stem 0-12\"} 1\n",
        "graft_stem_shared_ratio{stream=\"yard\"} 0.5\n",
        "graft_app_events_total{stream=\"yard\",app=\"a\\\"b\\n<i>\"} 4\n",
        "graft_build_info{version="}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(RunStatus, AsAReport) {
  const auto lines = report_lines(example());
  EXPECT_EQ(
      lines[0].find("yard: 1300 frames = 900 processed + 400 dropped, 100 overrun, 300 not_due"),
      0u)
      << lines[0];
  EXPECT_NE(lines[1].find("stem 0-12"), std::string::npos);
  EXPECT_NE(lines[1].find("run      900"), std::string::npos) << lines[1];
  EXPECT_NE(lines.back().find("stem shared"), std::string::npos) << "the mode that it gets";
}

TEST(TopView, FitsTheTerminalAndMovesNoCursor) {
  const std::string text = top_view(to_json(example()), {.width = 60, .height = 6});
  std::size_t column = 0, lines = 0;
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20U);
    if ((static_cast<unsigned char>(c) & 0xc0U) == 0x80U) continue;
    column = c == '\n' ? 0 : column + 1;
    lines += c == '\n' ? 1 : 0;
    EXPECT_LE(column, 60u);
  }
  EXPECT_EQ(lines, 6u);
}

TEST(TopView, ShowsTreeAndApplications) {
  const std::string text = top_view(to_json(example()), {.width = 200, .height = 50});
  for (const char* part : {"yard", "1,300", "stem 0-12", "└ a 12-20", "EVENT bird", "a\"b?<i>"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(top_view(to_json(example()), {.width = 200, .height = 50, .colour = true}).find('\x1b'),
            std::string::npos);
}

}  // namespace
}  // namespace graft::run
