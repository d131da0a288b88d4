// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/source_uri.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <utility>

#include <fmt/format.h>

#include "engine/core/text.h"
#include "runtime/video/ffmpeg_plugin.h"
#include "runtime/video/images_source.h"
#include "runtime/video/synthetic_source.h"

namespace graft::video {
namespace {

constexpr std::string_view kSecret = "***";

/// Replaces every ${NAME}; `escape` makes a value safe where it stands.
std::string expand(std::string_view text, bool escape) {
  std::string out;
  while (true) {
    const auto begin = text.find("${");
    const auto end = text.find('}', begin == text.npos ? text.size() : begin);
    if (begin == text.npos || end == text.npos) return out + std::string(text);
    const std::string variable(text.substr(begin + 2, end - begin - 2));
    const char* value = std::getenv(variable.c_str());  // NOLINT(concurrency-mt-unsafe): at start
    if (value == nullptr) {
      fail(Errc::kConfig, "source: the environment has no ", variable, ", which ${", variable,
           "} stands for");
    }
    out += text.substr(0, begin);
    out += escape ? percent_encoded(value) : value;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kSafe = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool safe = std::isalnum(byte) != 0 || kSafe.find(c) != kSafe.npos;
    out += safe ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

std::string redact(std::string_view text) {
  static const std::regex kSecretPair("([?&](pass|password|pwd|token|key)=)[^&\\s'\"]*",
                                      std::regex::icase);
  std::string out;
  while (true) {
    const auto scheme = text.find("://");
    if (scheme == text.npos) break;
    const auto begin = scheme + 3;
    const auto end = std::min(text.find_first_of(" \t\n'\"", begin), text.size());
    // The last @ ends the credentials: a password may hold an @ or a / that was not escaped.
    const auto at = text.substr(begin, end - begin).rfind('@');
    const auto colon = text.substr(begin, end - begin).find(':');
    if (at == text.npos || colon == text.npos || colon > at) {
      out += text.substr(0, end);
    } else {
      out += text.substr(0, begin + colon + 1);
      out += kSecret;
      out += text.substr(begin + at, end - begin - at);
    }
    text.remove_prefix(end);
  }
  return std::regex_replace(out + std::string(text), kSecretPair, "$1***");
}

SourceUri parse_source_uri(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, SourceKind>, 6> kSchemes = {{
      {"file:", SourceKind::kFile},
      {"images:", SourceKind::kImages},
      {"v4l2:", SourceKind::kV4l2},
      {"synthetic:", SourceKind::kSynthetic},
      {"rtsp://", SourceKind::kRtsp},
      {"rtsps://", SourceKind::kRtsp},
  }};
  for (const auto& [scheme, kind] : kSchemes) {
    if (text.substr(0, scheme.size()) != scheme) continue;
    const bool rtsp = kind == SourceKind::kRtsp;
    SourceUri uri{.kind = kind,
                  .target = expand(rtsp ? text : text.substr(scheme.size()), rtsp),
                  .shown = redact(text)};
    if (uri.target.empty() && kind != SourceKind::kSynthetic) {
      fail(Errc::kUsage, "source: '", text, "' names nothing after ", scheme);
    }
    return uri;
  }
  fail(Errc::kUsage, "source: '", redact(text),
       "' is none of file:FILE, images:FOLDER, rtsp://..., v4l2:DEVICE, synthetic:[key=value,...]");
}

void check_device(const SourceUri& uri) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (uri.kind != SourceKind::kV4l2 || fs::exists(uri.target, ignored)) return;
  std::vector<std::string> cameras;
  for (const auto& entry : fs::directory_iterator("/dev", ignored)) {
    const std::string path = entry.path().string();
    if (path.starts_with("/dev/video")) cameras.push_back(path);
  }
  std::sort(cameras.begin(), cameras.end());
  fail(Errc::kIo, uri.shown, ": there is no such device; ",
       cameras.empty() ? "this machine has no camera (/dev/video0 and so on)"
                       : "cameras are " + join(cameras, ", "));
}

std::unique_ptr<FrameSource> open_source(const SourceUri& uri, const SourceOptions& options) {
  switch (uri.kind) {
    case SourceKind::kImages:
      return std::make_unique<ImagesSource>(uri.target, options.fps);
    case SourceKind::kSynthetic:
      return std::make_unique<SyntheticSource>(parse_synthetic(uri.target, options.fps));
    case SourceKind::kFile:
    case SourceKind::kRtsp:
    case SourceKind::kV4l2:
      break;
  }
  return open_with_ffmpeg(uri, options);
}

}  // namespace graft::video
