// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/io/json.h"
#include "engine/io/records.h"

namespace graft::train {

/// Throws Error(kConfig) listing every key of `wanted` whose value differs from that `there`, the
/// settings of what lies in the folder `path`, with both values.
void check_same_settings(const std::filesystem::path& path, const Json& there, const Json& wanted);

/// The folder of one run: run.json (what it is), metrics.jsonl (the truth), summary.csv,
/// report.html, log.txt, ckpt/.
class RunDir {
 public:
  enum class Open : std::uint8_t {
    kNew,     ///< refuse a folder that holds a run
    kResume,  ///< take up the run that is there, or start one
    kForce,   ///< remove a run that is there
  };

  /// `description`: written to run.json; its member "fingerprint" is what a resumed run must agree
  /// with. Throws Error(kConfig) listing the differing keys with both values, or saying that a run
  /// exists; Error(kIo) if the folder cannot be made.
  RunDir(std::filesystem::path path, const Json& description, Open open);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "ckpt"; }
  /// True if a run was taken up.
  [[nodiscard]] bool resumed() const { return resumed_; }
  [[nodiscard]] RecordWriter& metrics() { return *metrics_; }

  /// run.json of an existing run. Throws Error(kConfig) if there is none or it is damaged.
  [[nodiscard]] static Json read_description(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  bool resumed_ = false;
  std::unique_ptr<RecordWriter> metrics_;
};

}  // namespace graft::train
