// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/records.h"
#include "runtime/events/event_detector.h"
#include "runtime/run/deployment.h"
#include "runtime/run/event_log.h"
#include "runtime/run/status.h"
#include "runtime/video/capture.h"

namespace graft::run {

struct FrameLoopOptions {
  std::string stream = "camera";
  std::filesystem::path journal;
  std::filesystem::path
      scores;  ///< JSON lines, one an application and analysed frame, written anew; empty: none
  bool snapshots = false;  ///< keep small pictures of what applications saw
};

/// The thread in which the networks run: takes frames, runs who is due, turns answers into events.
/// The trees are exchanged between two frames.
class FrameLoop {
 public:
  /// Opens the journal; throws as it. `capture` must outlive the loop.
  FrameLoop(video::Capture& capture, std::unique_ptr<Deployment> first,
            const FrameLoopOptions& options);
  FrameLoop(const FrameLoop&) = delete;
  FrameLoop& operator=(const FrameLoop&) = delete;
  /// As stop() without the exception.
  ~FrameLoop();

  /// Puts `next` to work from the next frame on and returns what it replaces. Applications that
  /// both have keep their votes and open events; open events of others end. Throws
  /// Error(kUnavailable) if the loop has ended. From any thread, one at a time.
  std::unique_ptr<Deployment> swap(std::unique_ptr<Deployment> next);
  /// Whether the stream is over or something broke.
  [[nodiscard]] bool ended() const { return ended_; }
  /// Ends the thread behind the frame it is at, and open events; throws what broke, if anything.
  void stop();

  /// Fills what the loop knows: frames, nodes, applications.
  void add_status(RunStatus& status) const;
  /// Of the tree in use, see Deployment.
  [[nodiscard]] CostModel measured_costs(const CostModel& planned) const {
    const std::scoped_lock lock(mutex_);
    return deployment_->measured_costs(planned);
  }
  /// Picture `number` of an application, latest first; empty if there is none.
  [[nodiscard]] std::string snapshot(const std::string& app, std::size_t number) const;

 private:
  using Clock = std::chrono::steady_clock;

  struct App {
    events::EventDetector detector;
    std::string sha256;
    AppStatus status = {};  // counters and last answer; the rest is filled in by add_status()
    Snapshot latest = {};
    std::deque<Snapshot> opened = {};  // of its events, latest first
    Clock::time_point snapshot_at{};
  };
  struct Node {
    TreeNode node;
    std::int64_t frames_in = 0, dropped = 0;
    bool ran = false;  // on the last frame
    NodeStatistics now = {};
    LatencyHistogram latency = {};
  };

  void work();
  void take_frames();
  void handle(const video::Frame& frame);
  /// True if the networks answered.
  bool run_networks(const video::Frame& frame, std::span<const std::uint8_t> due);
  void answer(const video::Frame& frame, const AppResult& result);
  void keep_snapshot(App& app, const video::Frame& frame, const AppResult& result, bool opened);
  void write_score(const App& app, const video::Frame& frame, const AppResult& result);
  void account_nodes();
  [[nodiscard]] AppStatus status_of(std::size_t index) const;
  void end_events(events::EndReason reason);
  void take_over();
  void meet_deployment();

  video::Capture& capture_;
  FrameLoopOptions options_;
  std::optional<RecordWriter> scores_;
  std::atomic<bool> stop_ = false, ended_ = false;
  std::int64_t last_index_ = -1, failures_ = 0;
  std::span<const AppResult> results_;  // of the frame at hand
  std::string jpeg_;                    // of the whole frame at hand, once somebody keeps it

  // The loop changes these, and other threads read them, under the mutex.
  mutable std::mutex mutex_;
  EventLog log_;
  std::unique_ptr<Deployment> deployment_;
  std::map<std::string, App> apps_;
  std::vector<App*> by_index_;  // as the deployment counts
  std::vector<Node> nodes_;
  std::int64_t trees_ = 0;
  Clock::time_point in_use_since_;
  std::exception_ptr failure_;

  std::mutex swap_mutex_;
  std::condition_variable swapped_;
  std::atomic<bool> swap_wanted_ = false;
  std::unique_ptr<Deployment> next_;  // then the one it replaced

  std::thread thread_;  // last: it uses all the others
};

}  // namespace graft::run
