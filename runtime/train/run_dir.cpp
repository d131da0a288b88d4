// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/run_dir.h"

#include <system_error>

#include "engine/core/error.h"
#include "engine/io/file.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDescription = "run.json";
constexpr const char* kMetrics = "metrics.jsonl";

}  // namespace

void check_same_settings(const fs::path& path, const Json& there, const Json& wanted) {
  std::string differing;
  for (const auto& [key, value] : wanted.items()) {
    const Json old = there.value(key, Json());
    if (old != value) {
      differing += "\n  " + key + ": the run has " + old.dump() + ", asked for " + value.dump();
    }
  }
  if (differing.empty()) return;
  fail(Errc::kConfig, path.string(), " holds another run:", differing,
       "\nResume with its settings, or give another --out");
}

Json RunDir::read_description(const fs::path& path) {
  const fs::path file = path / kDescription;
  if (!fs::exists(file))
    fail(Errc::kConfig, path.string(), " is not a run directory: no ", kDescription);
  Json json = parse_json(read_file(file), file.string());
  if (!json.is_object() || !json.contains("fingerprint")) {
    fail(Errc::kConfig, file.string(), ": no member \"fingerprint\"");
  }
  return json;
}

RunDir::RunDir(fs::path path, const Json& description, Open open) : path_(std::move(path)) {
  const bool exists = fs::exists(path_ / kDescription);
  if (exists && open == Open::kNew) {
    fail(Errc::kConfig, path_.string(),
         " holds a run already; --resume goes on with it, --force replaces it");
  }
  if (exists && open == Open::kForce) {
    // What says that a run is here goes last: killed in between, --force finds it again.
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (!error && entry.path().filename() != kDescription) fs::remove_all(entry.path(), error);
    }
    if (!error) fs::remove_all(path_, error);
    if (error) fail(Errc::kIo, "cannot remove ", path_.string(), ": ", error.message());
  }
  make_folder(path_);
  if (exists && open == Open::kResume) {
    check_same_settings(path_, read_description(path_).at("fingerprint"),
                        description.at("fingerprint"));
    resumed_ = true;
  } else {
    // A process that was killed before this line left nothing that counts.
    std::error_code ignored;
    fs::remove(path_ / kMetrics, ignored);
    atomic_write(path_ / kDescription, description.dump(2) + "\n");
  }
  metrics_ = std::make_unique<RecordWriter>(path_ / kMetrics);
}

}  // namespace graft::train
