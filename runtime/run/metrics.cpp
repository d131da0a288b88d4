// SPDX-License-Identifier: Apache-2.0
// Prometheus' text exposition format, version 0.0.4.
#include <utility>

#include <fmt/format.h>

#include "runtime/build_info.h"
#include "runtime/run/status.h"

namespace graft::run {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

class Exposition {
 public:
  void family(const std::string& name, const char* type, const char* help) {
    family_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void sample(const Labels& labels, double value, const std::string& suffix = "") {
    std::string inside;
    for (const auto& [key, text] : labels) {
      inside += fmt::format("{}{}=\"{}\"", inside.empty() ? "" : ",", key, escaped(text));
    }
    if (!inside.empty()) inside = "{" + inside + "}";
    text_ += fmt::format("{}{}{} {}\n", family_, suffix, inside, value);
  }
  void histogram(const Labels& labels, const LatencyHistogram& values) {
    for (const auto& [bound, count] : values.cumulative())
      bucket(labels, fmt::format("{:g}", bound), count);
    bucket(labels, "+Inf", values.count());
    sample(labels, values.sum_s(), "_sum");
    sample(labels, static_cast<double>(values.count()), "_count");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void bucket(Labels labels, const std::string& bound, std::int64_t count) {
    labels.emplace_back("le", bound);
    sample(labels, static_cast<double>(count), "_bucket");
  }

  std::string text_, family_;
};

void add_stream(Exposition& out, const RunStatus& s) {
  const Labels stream = {{"stream", s.stream}};
  const auto with = [&s](const char* key, const std::string& value) {
    return Labels{{"stream", s.stream}, {key, value}};
  };
  out.family("graft_frames_total", "counter", "Captured frames by what became of them.");
  out.sample({{"stream", s.stream}, {"outcome", "processed"}, {"reason", ""}},
             static_cast<double>(s.frames.processed));
  for (std::size_t i = 0; i < video::kDropReasons; ++i) {
    out.sample({{"stream", s.stream},
                {"outcome", "dropped"},
                {"reason", name(static_cast<video::DropReason>(i))}},
               static_cast<double>(s.frames.dropped[i]));
  }
  out.family("graft_frames_captured_total", "counter", "Frames that were decoded.");
  out.sample(stream, static_cast<double>(s.frames.captured));
  out.family("graft_frames_corrupt_total", "counter", "Pictures or packets not decodable.");
  out.sample(stream, static_cast<double>(s.capture.corrupt));
  out.family("graft_stream_up", "gauge", "Whether the source is open.");
  out.sample(stream, s.capture.up ? 1 : 0);
  out.family("graft_stream_reconnects_total", "counter", "Connections that were lost or refused.");
  for (std::size_t i = 0; i < video::kSourceFaults; ++i) {
    out.sample(with("reason", name(static_cast<video::SourceFault>(i))),
               static_cast<double>(s.capture.faults[i]));
  }
}

void add_tree(Exposition& out, const RunStatus& s) {
  out.family("graft_inference_seconds", "histogram", "Time of a part of the tree on a frame.");
  for (const NodeStatus& n : s.nodes) {
    out.histogram({{"stream", s.stream}, {"node", n.name}}, n.latency);
  }
  out.family("graft_node_frames_total", "counter", "Frames that reached a part of the tree.");
  double shared = 0, all = 0;
  for (const NodeStatus& n : s.nodes) {
    const Labels node = {{"stream", s.stream}, {"node", n.name}};
    Labels run = node, dropped = node;
    run.emplace_back("outcome", "run");
    dropped.emplace_back("outcome", "dropped");
    out.sample(run, static_cast<double>(n.run));
    out.sample(dropped, static_cast<double>(n.dropped));
    all += n.busy_share;
    if (n.shared && n.apps.size() > 1) shared += n.busy_share;
  }
  out.family("graft_stem_shared_ratio", "gauge", "Share of the busy time in shared layers.");
  out.sample({{"stream", s.stream}}, all > 0 ? shared / all : 0);
  out.family("graft_tree_generation", "counter", "Trees taken into use.");
  out.sample({{"stream", s.stream}}, static_cast<double>(s.tree));
}

void add_apps(Exposition& out, const RunStatus& s) {
  out.family("graft_frame_age_seconds", "histogram", "From capture to an application's answer.");
  for (const AppStatus& a : s.apps) {
    out.histogram({{"stream", s.stream}, {"app", a.name}}, a.age);
  }
  out.family("graft_app_events_total", "counter", "Events that were opened.");
  for (const AppStatus& a : s.apps) {
    out.sample({{"stream", s.stream}, {"app", a.name}}, static_cast<double>(a.events));
  }
  out.family("graft_app_expected_f1", "gauge", "Event F1 that the schedule promises.");
  for (const AppStatus& a : s.apps) out.sample({{"stream", s.stream}, {"app", a.name}}, a.f1);
  out.family("graft_events_waiting", "gauge", "Events that the journal could not take yet.");
  out.sample({{"stream", s.stream}}, static_cast<double>(s.events_waiting));
}

}  // namespace

std::string to_prometheus(const RunStatus& s) {
  Exposition out;
  out.family("graft_build_info", "gauge", "The program.");
  out.sample({{"version", build_info().value("version", "")}}, 1);
  out.family("graft_memory_bytes", "gauge", "Memory by kind.");
  out.sample({{"arena", "resident"}}, static_cast<double>(s.memory_bytes));
  add_stream(out, s);
  add_tree(out, s);
  add_apps(out, s);
  return out.take();
}

}  // namespace graft::run
