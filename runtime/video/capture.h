// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "runtime/video/frame_mailbox.h"
#include "runtime/video/source_uri.h"

namespace graft::video {

inline constexpr std::size_t kSourceFaults = 4;

struct CaptureOptions {
  FrameMode mode = FrameMode::kReplay;
  std::string stream = "camera";
  /// A broken source is opened again, for ever, instead of ending the stream.
  bool reopen = false;
  /// Frames that could all come at once are held back to their times, from start() on.
  bool paced = false;
  std::chrono::milliseconds least_back_off{100}, most_back_off{500};
};

struct CaptureState {
  bool up = false;
  double fps = 0;  ///< declared; 0 until the first opening
  int width = 0, height = 0;
  std::int64_t corrupt = 0;  ///< pictures or packets that could not be decoded
  std::array<std::int64_t, kSourceFaults> faults{};
  std::string last_error;  ///< empty while all is well

  [[nodiscard]] std::int64_t all_faults() const;
};

using OpenSource = std::function<std::unique_ptr<FrameSource>(const std::atomic<bool>& stop)>;

/// Decodes a source in a thread of its own into a mailbox.
class Capture {
 public:
  Capture(OpenSource open, const CaptureOptions& options);
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  /// As stop().
  ~Capture();

  /// Waits for the source to be open for the first time. False if it is not within `patience`.
  /// Throws what opening threw, if the source is not one to open again.
  bool wait_open(std::chrono::milliseconds patience);
  /// Lets a paced source run: what takes its frames is ready.
  void start();
  /// Frames and their account.
  [[nodiscard]] FrameMailbox& mailbox() { return mailbox_; }
  [[nodiscard]] CaptureState state() const;
  /// Throws what ended the stream early, if anything did.
  void rethrow_failure() const;
  /// Ends the thread; frames that wait are dropped as stopped.
  void stop();

 private:
  void run();
  void read_until_fault();
  void pace(const Frame& frame);
  void note_open(const FrameSource& source);
  void note_fault(const SourceError& error);
  /// Sleeps; false if the capture was stopped.
  bool sleep_until(std::chrono::steady_clock::time_point time);

  OpenSource open_;
  CaptureOptions options_;
  FrameMailbox mailbox_;
  std::atomic<bool> stop_ = false;
  bool started_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  CaptureState state_;
  std::exception_ptr failure_;
  std::int64_t next_index_ = 0, corrupt_before_ = 0;
  std::optional<std::chrono::steady_clock::time_point> lost_at_;
  struct Anchor {
    std::chrono::steady_clock::time_point time;
    double pts = 0;
  };
  std::optional<Anchor> anchor_;  // of the pace
  std::thread thread_;            // last: it uses all the others
};

}  // namespace graft::video
