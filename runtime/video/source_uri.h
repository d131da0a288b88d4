// SPDX-License-Identifier: Apache-2.0
// The one URI that names a stream, without its secrets in anything that is shown.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/video/frame_source.h"

namespace graft::video {

enum class SourceKind : std::uint8_t { kFile, kRtsp, kV4l2, kImages, kSynthetic };

struct SourceUri {
  SourceKind kind = SourceKind::kFile;
  std::string
      target;         ///< file, folder or device; the whole address for rtsp; options for synthetic
  std::string shown;  ///< for logs and reports: no password, ${NAME} as it was written

  /// Frames come at their own pace and a lost connection is opened again.
  [[nodiscard]] bool live() const { return kind == SourceKind::kRtsp || kind == SourceKind::kV4l2; }
};

/// Reads file:F, images:DIR, v4l2:DEVICE, rtsp://..., rtsps://... or synthetic:[key=value,...].
/// ${NAME} is replaced by the environment's value; in an rtsp address its special characters are
/// escaped. Throws Error(kUsage) for another scheme, Error(kConfig) for a variable that is not set.
[[nodiscard]] SourceUri parse_source_uri(std::string_view text);

/// `text` with everything but letters, digits and -._~ as %XX: safe as one part of an address.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// `text` with the password of every address in it replaced by ***.
[[nodiscard]] std::string redact(std::string_view text);

/// Throws Error(kIo), naming the cameras that are there, if `uri` is one of a device that is not:
/// at a start it is more likely misspelt than unplugged.
void check_device(const SourceUri& uri);

/// Opens it. Throws SourceError, Error(kUsage) for options that a synthetic source does not know,
/// Error(kUnavailable) if the source needs FFmpeg and this build has none.
[[nodiscard]] std::unique_ptr<FrameSource> open_source(const SourceUri& uri,
                                                       const SourceOptions& options);

}  // namespace graft::video
