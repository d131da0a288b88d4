// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/file.h"
#include "runtime/package/package.h"
#include "runtime/run/view.h"

namespace graft::run {

/// An application that the runner has, checked.
struct RunApp {
  std::string name;  ///< unique in a run: the task, or TASK#2 and so on
  std::shared_ptr<const Package> package;
  std::string sha256;  ///< of the package file
  View view = {};
};

/// Opens the file, verifies all of it, and names it by its task. Throws as Package.
[[nodiscard]] RunApp load_app(const std::filesystem::path& path);

/// Gives `app` the first name of its task that none of `others` has.
void name_apart(RunApp& app, std::span<const RunApp> others);

/// A package that somebody sends piece by piece. It is kept in a file of `folder` that is gone when
/// the upload is: an open package needs no name.
class Upload {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{512} << 20;

  /// Throws Error(kIo).
  explicit Upload(const std::filesystem::path& folder);
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload();

  /// Throws Error(kModel) beyond kMaxBytes, Error(kIo).
  void append(std::string_view bytes);
  /// Throws as load_app(), without the name of the file.
  [[nodiscard]] RunApp load() const;

 private:
  std::filesystem::path path_;
  AppendFile file_;
};

}  // namespace graft::run
