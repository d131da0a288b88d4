// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace graft::run {

/// A file of the page that a runner serves (page/), as it is in the program.
struct PageFile {
  std::string path;
  const char* type;
  std::string content;
};

[[nodiscard]] const std::vector<PageFile>& page_files();
/// The one that is served at `path`, or nullptr.
[[nodiscard]] const PageFile* page_file(std::string_view path);

}  // namespace graft::run
