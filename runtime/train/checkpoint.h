// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/train/network.h"

namespace graft::train {

/// Of the files in a checkpoint. Older ones are read; a newer one is refused (exit code 5).
inline constexpr int kCheckpointFormat = 1;

/// What a checkpoint holds besides the network.
struct CheckpointExtra {
  Json state;
  std::map<std::string, std::vector<float>> arrays;
};

/// Checkpoints of one run: folders ROOT/<candidates so far, ten digits>, each with
/// model.safetensors, optimizer.safetensors, arrays.safetensors, state.json and, written last,
/// MANIFEST.json with the SHA-256 of the others. A folder appears whole or not at all; the two
/// newest are kept.
class CheckpointManager {
 public:
  explicit CheckpointManager(std::filesystem::path root);

  /// Throws Error(kIo), Error(kNumerical) if a weight is not finite; older checkpoints are
  /// untouched then.
  void save(Network& network, const CheckpointExtra& extra, std::int64_t candidates);

  /// Loads the newest sound checkpoint into `network`. A damaged one is named in a warning and
  /// passed over; if checkpoints exist and none is sound, Error(kModel). Nothing if there are none.
  [[nodiscard]] std::optional<CheckpointExtra> load_latest(Network& network);

  /// Loads only the model of the newest sound checkpoint. Throws Error(kModel) if there is none.
  void load_weights(Network& network);

  /// Only the arrays of the newest sound checkpoint. Throws Error(kModel) if there is none.
  [[nodiscard]] std::map<std::string, std::vector<float>> load_arrays() const;

  /// Folders, newest first.
  [[nodiscard]] std::vector<std::filesystem::path> list() const;

  /// Throws Error(kModel) naming the file whose hash, size or presence is wrong, Error(kModel) for
  /// a newer format.
  static void verify(const std::filesystem::path& checkpoint);

 private:
  /// The newest sound checkpoint; nothing if there are none at all.
  [[nodiscard]] std::optional<std::filesystem::path> newest_sound() const;
  void prune() const;
  std::filesystem::path root_;
};

}  // namespace graft::train
