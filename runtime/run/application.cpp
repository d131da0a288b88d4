// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/application.h"

#include <algorithm>
#include <atomic>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/core/error.h"
#include "engine/io/hash.h"

namespace graft::run {

namespace fs = std::filesystem;

namespace {

fs::path unused_name(const fs::path& folder) {
  static std::atomic<int> count = 0;
  return folder / fmt::format(".upload-{}-{}.mpkg", ::getpid(), count++);
}

}  // namespace

RunApp load_app(const fs::path& path) {
  auto package = std::make_shared<const Package>(path);
  package->verify();
  return {
      .name = package->header().task, .package = package, .sha256 = sha256_file(path), .view = {}};
}

void name_apart(RunApp& app, std::span<const RunApp> others) {
  const std::string& task = app.package->header().task;
  app.name = task;
  const auto taken = [&app](const RunApp& other) { return other.name == app.name; };
  for (int n = 2; std::any_of(others.begin(), others.end(), taken); ++n) {
    app.name = task + "#" + std::to_string(n);
  }
}

Upload::Upload(const fs::path& folder) : path_(unused_name(folder)), file_(path_) {}

Upload::~Upload() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void Upload::append(std::string_view bytes) {
  if (file_.size() + bytes.size() > kMaxBytes) {
    fail(Errc::kModel, "the package is larger than ", kMaxBytes >> 20,
         " MiB, the most that is taken");
  }
  file_.append(bytes);
}

RunApp Upload::load() const {
  try {
    return load_app(path_);
  } catch (const Error& e) {
    std::string what = e.what();
    const auto at = what.find(path_.string());
    if (at != what.npos) what.replace(at, path_.string().size(), "the package that was sent");
    fail(e.code(), what);
  }
}

}  // namespace graft::run
