// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/run/application.h"

namespace graft::run {

/// Applications that were changed while a run went on, so that its next start has them again.
/// Beside the journal: JOURNAL.apps.json ({"schema", "given": [SHA-256 of the packages of --apps],
/// "apps": [{"name", "sha256"}]}, written atomically) and JOURNAL.apps/SHA256.mpkg, the packages
/// that did not come by --apps. Not thread-safe.
class AppStore {
 public:
  /// `given`: the applications of --apps.
  AppStore(const std::filesystem::path& journal, std::vector<RunApp> given);

  /// The applications as they were last changed; nothing if they never were, or if --apps names
  /// other packages than it did then, which is said in the log. Throws Error(kModel) for a list
  /// that is not one or a package that is not what it was, Error(kIo); both say how to begin anew.
  [[nodiscard]] std::optional<std::vector<RunApp>> load() const;
  /// Copies the package of an application that is about to be taken up. Throws Error(kIo);
  /// Error(kModel) if its file has changed since it was loaded.
  void keep(const RunApp& app) const;
  /// Makes `apps`, all of them given or kept, what load() gives, and removes packages that are no
  /// longer used. Throws Error(kIo); the list is the old one then.
  void write(std::span<const RunApp> apps) const;

 private:
  [[nodiscard]] std::optional<std::vector<RunApp>> read() const;
  [[nodiscard]] bool is_given(const std::string& sha256) const;
  [[nodiscard]] std::filesystem::path package_path(const std::string& sha256) const;

  std::filesystem::path list_, folder_;
  std::vector<RunApp> given_;
};

}  // namespace graft::run
