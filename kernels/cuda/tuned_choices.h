// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace graft::kernels::cuda {

/// What --autotune measured, kept in a file for the next run on the same GPU with the same
/// libraries: which candidate of a problem was the fastest. A file that cannot be read or written
/// costs a measurement, not the run: it is logged.
class TunedChoices {
 public:
  /// `device`: GPU and versions, all that decides what the candidates are and how fast. What a file
  /// holds of another device is not taken.
  TunedChoices(std::filesystem::path file, std::string device);

  struct Choice {
    std::int64_t candidate = 0;  ///< in the order that the library proposes them
    double ms = 0;
  };
  [[nodiscard]] std::optional<Choice> find(std::span<const std::int64_t> problem) const;
  /// Also writes the file.
  void put(std::span<const std::int64_t> problem, const Choice& choice);
  [[nodiscard]] std::size_t size() const { return choices_.size(); }

 private:
  void read();
  void write() const;

  std::filesystem::path file_;
  std::string device_;
  std::map<std::vector<std::int64_t>, Choice> choices_;
};

/// ~/.cache/graft/tuned-DEVICE.json, or below XDG_CACHE_HOME; empty if neither is set.
[[nodiscard]] std::filesystem::path tuned_choices_file(const std::string& device);

}  // namespace graft::kernels::cuda
