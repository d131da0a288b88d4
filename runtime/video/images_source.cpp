// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/images_source.h"

#include <algorithm>

#include "engine/core/log.h"
#include "runtime/data/folder.h"

namespace graft::video {

ImagesSource::ImagesSource(const std::filesystem::path& folder, double fps)
    : fps_(fps > 0 ? fps : 1) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file() && data::is_image_file(entry.path()))
      files_.push_back(entry.path());
  }
  if (error) {
    throw SourceError(Errc::kIo, SourceFault::kOpen, folder.string() + ": " + error.message());
  }
  if (files_.empty()) {
    throw SourceError(Errc::kData, SourceFault::kOpen,
                      folder.string() + ": no images in this folder");
  }
  std::sort(files_.begin(), files_.end());
}

bool ImagesSource::next(Frame& frame) {
  while (at_ < files_.size()) {
    const std::size_t number = at_++;
    try {
      frame.image = decode_image_file(files_[number]);
    } catch (const Error& e) {
      if (e.code() != Errc::kData && e.code() != Errc::kIo) throw;
      ++corrupt_;
      log::warning("frame skipped: {}", e.what());
      continue;
    }
    frame.pts = static_cast<double>(number) / fps_;
    return true;
  }
  return false;
}

}  // namespace graft::video
