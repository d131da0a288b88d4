// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"

#include <string_view>

namespace graft {

int exit_code(Errc code) noexcept {
  if (code == Errc::kUnsupported) return static_cast<int>(Errc::kUnavailable);
  if (code == Errc::kInvalidArgument) return static_cast<int>(Errc::kInternal);
  return static_cast<int>(code);
}

const char* name(Errc code) noexcept {
  switch (code) {
    case Errc::kInternal:
      return "internal";
    case Errc::kUsage:
      return "usage";
    case Errc::kConfig:
      return "config";
    case Errc::kData:
      return "data";
    case Errc::kModel:
      return "model";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kOutOfMemory:
      return "out of memory";
    case Errc::kNumerical:
      return "numerical";
    case Errc::kIo:
      return "io";
    case Errc::kInterrupted:
      return "interrupted";
    case Errc::kGate:
      return "gate";
    case Errc::kInvalidArgument:
      return "invalid argument";
    case Errc::kUnsupported:
      return "unsupported";
  }
  return "unknown";
}

namespace detail {

void fail(Errc code, const char* file, int line, const char* expr, const std::string& message) {
  std::string_view base = file;
  if (const auto slash = base.rfind('/'); slash != std::string_view::npos) {
    base.remove_prefix(slash + 1);
  }
  throw Error(code, cat(base, ":", line, ": `", expr, "` failed: ", message));
}

}  // namespace detail
}  // namespace graft
