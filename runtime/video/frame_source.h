// SPDX-License-Identifier: Apache-2.0
// Where frames come from: the interface of everything that yields decoded video.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/error.h"
#include "engine/io/image.h"

namespace graft::video {

/// One decoded picture. Buffers of frames are passed on by swapping: reading into a frame reuses
/// the memory of the one that was there.
struct Frame {
  std::string stream;
  std::int64_t index = 0;                          ///< of the stream's captured frames, from 0
  double pts = 0;                                  ///< seconds, by the source's clock
  std::chrono::steady_clock::time_point captured;  ///< when it was decoded
  double captured_at = 0;                          ///< the same, seconds since 1970 (UTC)
  ImageU8 image;
};

/// What ended a source before its end.
enum class SourceFault : std::uint8_t {
  kOpen,   ///< no answer, refused, or nothing in it to decode
  kStall,  ///< no decoded frame in time
  kRead,   ///< the connection or the file broke
  kEnd,    ///< a live stream said that it is over
};
[[nodiscard]] const char* name(SourceFault fault);

class SourceError : public Error {
 public:
  SourceError(Errc code, SourceFault fault, const std::string& message)
      : Error(code, message), fault_(fault) {}
  [[nodiscard]] SourceFault fault() const noexcept { return fault_; }

 private:
  SourceFault fault_;
};

/// Frames in order. One thread at a time.
class FrameSource {
 public:
  FrameSource() = default;
  FrameSource(const FrameSource&) = delete;
  FrameSource& operator=(const FrameSource&) = delete;
  virtual ~FrameSource() = default;

  /// Fills pts and image of `frame`; false at the end. What cannot be decoded is counted and
  /// skipped. Throws SourceError.
  virtual bool next(Frame& frame) = 0;
  /// Frames per second as the source declares them; 0 if it does not.
  [[nodiscard]] virtual double fps() const = 0;
  /// Pictures or packets that could not be decoded so far.
  [[nodiscard]] virtual std::int64_t corrupt() const { return 0; }
};

struct SourceOptions {
  double fps = 0;                                 ///< declared rate; 0: the source's own
  std::chrono::milliseconds open_timeout{4000};   ///< of a connection, first frame excluded
  std::chrono::milliseconds stall_timeout{4000};  ///< between decoded frames of a live stream
  const std::atomic<bool>* stop = nullptr;        ///< once true, waits inside the source end
};

}  // namespace graft::video
