// SPDX-License-Identifier: Apache-2.0
// What a run is doing, taken at one moment, as plain data: reports, metrics, the page and
// `graft top` show it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/run/latency_histogram.h"
#include "runtime/run/view.h"
#include "runtime/video/capture.h"

namespace graft::run {

/// A part of the tree. Its account is its own: frames in = run + dropped.
struct NodeStatus {
  std::string name = {};  ///< e.g. "stem 0-39" or "bus 39-89"
  int parent = -1, first = 0, last = 0;
  bool shared = false;
  double fps = 0;                      ///< planned
  std::vector<std::string> apps = {};  ///< that it serves
  std::int64_t frames_in = 0;          ///< that its parent ran on; for roots, that the stream had
  std::int64_t run = 0, dropped = 0;
  std::int64_t rows = 1;               ///< images of a run: views of the picture
  double planned_ms = 0, busy_ms = 0;  ///< of a run
  double busy_share = 0;               ///< of the time since the tree was taken into use
  LatencyHistogram latency = {};
};

/// A picture for people: what an application looked at.
struct Snapshot {
  std::int64_t index = 0;
  double pts = 0, score = 0;
  bool positive = false;
  std::string jpeg;  ///< small
};

struct AppStatus {
  std::string name, sha256;
  std::string sharing;  ///< alone, shared (the same image) or batched (other rows of the batch)
  View view;
  int frozen = 0, votes = 1;
  double fps = 0;
  double f1 = 0, recall = 0, precision = 0;  ///< of events, as scheduled
  std::int64_t analysed = 0, positives = 0, events = 0;
  bool event_open = false;
  std::string label;                ///< of the last analysed frame
  double score = 0;                 ///< of the last analysed frame, for its positive labels
  LatencyHistogram age;             ///< from a frame's capture to the answer
  std::vector<Snapshot> snapshots;  ///< without pictures unless asked for; latest first
};

struct RunStatus {
  std::string stream, source;  ///< no password in it
  bool live = false, sharing = true, ended = false;
  double uptime_s = 0;
  int threads = 1;
  std::int64_t tree = 0;  ///< number of the tree in use, from 1
  double budget = 0, cost = 0, mean_f1 = 0;
  std::string cost_unit;
  video::CaptureState capture;
  video::FrameCounts frames;
  std::int64_t events_waiting = 0;  ///< that the journal could not take yet
  std::size_t memory_bytes = 0;     ///< resident
  std::vector<NodeStatus> nodes;
  std::vector<AppStatus> apps;
};

/// The status without pictures.
[[nodiscard]] Json to_json(const RunStatus& status);
/// Metrics in Prometheus' text format, base units.
[[nodiscard]] std::string to_prometheus(const RunStatus& status);
/// Why the run does not do its work now; nothing if it does.
[[nodiscard]] std::optional<std::string> why_not_ready(const RunStatus& status);
/// One line a node and an application, for a log.
[[nodiscard]] std::vector<std::string> report_lines(const RunStatus& status);

/// Resident memory of this process; 0 where /proc is not there.
[[nodiscard]] std::size_t resident_bytes();

}  // namespace graft::run
