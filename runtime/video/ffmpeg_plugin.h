// SPDX-License-Identifier: Apache-2.0
// FFmpeg is reached through a plug-in that is opened when a source needs it: linked in, its hundred
// libraries would cost every command 30 ms and 19 MB at start, and the program their licence.
#pragma once

#include <memory>

#include "runtime/video/source_uri.h"

namespace graft::video {

/// What the plug-in exports, under kFfmpegSymbol: opens a file, an RTSP stream or a camera. Throws
/// SourceError. The caller owns the source.
using OpenWithFfmpeg = FrameSource* (*)(const SourceUri& uri, const SourceOptions& options);
inline constexpr const char* kFfmpegSymbol = "graft_open_with_ffmpeg";
inline constexpr const char* kFfmpegFile = "libgraft_ffmpeg.so";

/// Opens `uri` with the plug-in, which is looked for in the folder that the environment's
/// GRAFT_PLUGINS names, beside the program, and in ../lib/graft. Throws SourceError;
/// Error(kUnavailable), saying what is missing, if there is no plug-in. Thread-safe.
[[nodiscard]] std::unique_ptr<FrameSource> open_with_ffmpeg(const SourceUri& uri,
                                                            const SourceOptions& options);

/// Whether the plug-in can be opened, and why not if it cannot: for `graft doctor` and tests.
[[nodiscard]] bool ffmpeg_available(std::string* why_not = nullptr);

}  // namespace graft::video
