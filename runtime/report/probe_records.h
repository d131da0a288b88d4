// SPDX-License-Identifier: Apache-2.0
// What the probes of a run (runtime/train/probes.h) wrote into metrics.jsonl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace graft::report {

/// Softmax probability of the label on test images.
struct ConfidenceRecord {
  std::int64_t epoch = 0;
  std::vector<double> quantiles;  ///< evenly spaced, from the least
  std::vector<double> accuracy;   ///< in equal groups of rising confidence; NaN for an empty one
};

/// How like the gradient of a whole batch that of its parts is.
struct GradientRecord {
  struct Curve {
    std::vector<double> cosine, sign, sign_small_agree;  ///< one a fraction
  };
  std::int64_t epoch = 0;
  std::vector<double> fractions;
  Curve top, random;  ///< the highest-loss part, a random part
};

/// Some training images and where their losses stand among others.
struct WatchRecord {
  std::int64_t epoch = 0;
  std::vector<std::int64_t> ids;
  std::vector<double> losses, percentiles;
};

struct ExtremeImage {
  std::int64_t id = 0;
  std::string label;
  double mean_loss = 0;
  std::string image;  ///< data URI; empty but in a run's last record
};

struct ExtremeRecord {
  std::int64_t epoch = 0;
  std::vector<ExtremeImage> lowest, highest;
};

/// In the order of the epochs.
struct ProbeRecords {
  std::vector<ConfidenceRecord> confidence;
  std::vector<GradientRecord> gradients;
  std::vector<WatchRecord> watch;
  std::vector<ExtremeRecord> extremes;
};

/// Takes `record` in if its `event` is a probe's. Throws Error(kConfig) naming `file` if it is
/// damaged.
void read_probe(const Json& record, const std::string& event, const std::filesystem::path& file,
                ProbeRecords& to);

}  // namespace graft::report
