// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/ffmpeg_plugin.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include <dlfcn.h>

namespace graft::video {
namespace {

namespace fs = std::filesystem;

struct Plugin {
  OpenWithFfmpeg open = nullptr;
  std::string why_not;
};

std::vector<fs::path> folders() {
  std::vector<fs::path> out;
  const char* chosen = std::getenv("GRAFT_PLUGINS");  // NOLINT(concurrency-mt-unsafe): read once
  if (chosen != nullptr) out.emplace_back(chosen);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (!error) {
    out.push_back(program);
    out.push_back(program.parent_path() / "lib" / "graft");
  }
  return out;
}

Plugin load() {
  Plugin plugin;
  for (const fs::path& folder : folders()) {
    const fs::path file = folder / kFfmpegFile;
    std::error_code error;
    if (!fs::exists(file, error)) continue;
    // Never closed: FFmpeg's own libraries do not survive that.
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* symbol = handle != nullptr ? ::dlsym(handle, kFfmpegSymbol) : nullptr;
    if (symbol == nullptr) {
      plugin.why_not = file.string() + ": " + ::dlerror();  // NOLINT(concurrency-mt-unsafe)
      return plugin;
    }
    plugin.open = reinterpret_cast<OpenWithFfmpeg>(symbol);
    return plugin;
  }
  plugin.why_not = std::string("no ") + kFfmpegFile +
                   " beside the program; build with GRAFT_FFMPEG=ON (libavformat-dev, "
                   "libavcodec-dev, libavdevice-dev, libswscale-dev) or set GRAFT_PLUGINS to its "
                   "folder";
  return plugin;
}

const Plugin& plugin() {
  static const Plugin loaded = load();
  return loaded;
}

}  // namespace

std::unique_ptr<FrameSource> open_with_ffmpeg(const SourceUri& uri, const SourceOptions& options) {
  if (plugin().open == nullptr) {
    fail(Errc::kUnavailable, uri.shown, " needs FFmpeg: ", plugin().why_not);
  }
  return std::unique_ptr<FrameSource>(plugin().open(uri, options));
}

bool ffmpeg_available(std::string* why_not) {
  if (why_not != nullptr) *why_not = plugin().why_not;
  return plugin().open != nullptr;
}

}  // namespace graft::video
