// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/status.h"

#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

namespace graft::run {
namespace {

constexpr double kMsPerSecond = 1000;

Json drops_of(const video::FrameCounts& frames) {
  Json out;
  for (std::size_t i = 0; i < video::kDropReasons; ++i) {
    out[name(static_cast<video::DropReason>(i))] = frames.dropped[i];
  }
  return out;
}

Json json_of(const NodeStatus& n) {
  return {{"name", n.name},
          {"parent", n.parent},
          {"layers", {n.first, n.last}},
          {"shared", n.shared},
          {"fps", n.fps},
          {"apps", n.apps},
          {"in", n.frames_in},
          {"run", n.run},
          {"dropped", n.dropped},
          {"rows", n.rows},
          {"planned_ms", n.planned_ms},
          {"busy_ms", n.busy_ms},
          {"busy_share", n.busy_share},
          {"p50_ms", kMsPerSecond * n.latency.quantile_s(0.5)},
          {"p99_ms", kMsPerSecond * n.latency.quantile_s(0.99)}};
}

Json json_of(const AppStatus& a) {
  Json snapshots = Json::array();
  for (const Snapshot& s : a.snapshots) {
    snapshots.push_back(
        {{"frame", s.index}, {"pts", s.pts}, {"score", s.score}, {"positive", s.positive}});
  }
  return {{"name", a.name},
          {"sha256", a.sha256},
          {"sharing", a.sharing},
          {"crop", {a.view.left, a.view.top, a.view.width, a.view.height}},
          {"frozen", a.frozen},
          {"fps", a.fps},
          {"x", a.votes},
          {"f1", a.f1},
          {"recall", a.recall},
          {"precision", a.precision},
          {"analysed", a.analysed},
          {"positives", a.positives},
          {"events", a.events},
          {"event_open", a.event_open},
          {"label", a.label},
          {"score", a.score},
          {"age_p50_ms", kMsPerSecond * a.age.quantile_s(0.5)},
          {"age_p99_ms", kMsPerSecond * a.age.quantile_s(0.99)},
          {"snapshots", snapshots}};
}

}  // namespace

Json to_json(const RunStatus& s) {
  Json out = {{"stream", s.stream},
              {"source", s.source},
              {"mode", s.live ? "live" : "replay"},
              {"sharing", s.sharing},
              {"ended", s.ended},
              {"uptime_s", s.uptime_s},
              {"threads", s.threads},
              {"tree", s.tree},
              {"budget", s.budget},
              {"cost", s.cost},
              {"cost_unit", s.cost_unit},
              {"mean_f1", s.apps.empty() ? Json() : Json(s.mean_f1)},
              {"memory_bytes", s.memory_bytes},
              {"events_waiting", s.events_waiting}};
  const auto why = why_not_ready(s);
  out["ready"] = !why;
  out["why_not_ready"] = why ? Json(*why) : Json();
  Json faults;
  for (std::size_t i = 0; i < video::kSourceFaults; ++i) {
    faults[name(static_cast<video::SourceFault>(i))] = s.capture.faults[i];
  }
  out["video"] = {{"up", s.capture.up},
                  {"fps", s.capture.fps},
                  {"width", s.capture.width},
                  {"height", s.capture.height},
                  {"corrupt", s.capture.corrupt},
                  {"faults", faults},
                  {"last_error", s.capture.last_error}};
  out["frames"] = {{"captured", s.frames.captured},
                   {"processed", s.frames.processed},
                   {"dropped", drops_of(s.frames)},
                   {"balanced", s.frames.balanced()}};
  out["nodes"] = Json::array();
  for (const NodeStatus& n : s.nodes) out["nodes"].push_back(json_of(n));
  out["apps"] = Json::array();
  for (const AppStatus& a : s.apps) out["apps"].push_back(json_of(a));
  return out;
}

std::optional<std::string> why_not_ready(const RunStatus& s) {
  if (s.ended) return "the stream is over";
  if (!s.capture.up) {
    return "no video" + (s.capture.last_error.empty() ? "" : ": " + s.capture.last_error);
  }
  if (s.events_waiting > 0) return "the journal cannot be written";
  return std::nullopt;
}

std::vector<std::string> report_lines(const RunStatus& s) {
  std::vector<std::string> out;
  std::string drops;
  for (std::size_t i = 0; i < video::kDropReasons; ++i) {
    const std::int64_t count = s.frames.dropped[i];
    if (count > 0) drops += fmt::format(", {} {}", count, name(static_cast<video::DropReason>(i)));
  }
  out.push_back(fmt::format("{}: {} frames = {} processed + {} dropped{}; {:.0f} MiB", s.stream,
                            s.frames.captured, s.frames.processed, s.frames.all_dropped(), drops,
                            static_cast<double>(s.memory_bytes) / (1 << 20)));
  for (const NodeStatus& n : s.nodes) {
    out.push_back(fmt::format(
        "  {:<24} {:>6g} fps  in {:>8}  run {:>8}  dropped {:>8}  p50 {:>7.2f} ms  p99 {:>7.2f} ms"
        "  busy {:>4.1f} %",
        n.name, n.fps, n.frames_in, n.run, n.dropped, kMsPerSecond * n.latency.quantile_s(0.5),
        kMsPerSecond * n.latency.quantile_s(0.99), 100 * n.busy_share));
  }
  for (const AppStatus& a : s.apps) {
    out.push_back(
        fmt::format("  {:<24} stem {}; {} analysed, {} positive, {} events, F1 {:.3f} expected",
                    a.name, a.sharing, a.analysed, a.positives, a.events, a.f1));
  }
  return out;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace graft::run
