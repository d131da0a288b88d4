// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace graft::train {

/// Mean loss of every training example over a run: 8 bytes an example, kept in the checkpoint.
class ExampleLedger {
 public:
  explicit ExampleLedger(std::int64_t examples);

  /// Losses seen of some examples, from selection or training forwards; one that is not finite
  /// (nobody asked for it) is passed over.
  void add(std::span<const std::int64_t> ids, std::span<const float> losses);

  /// Mean loss by example; NaN for one never seen.
  [[nodiscard]] std::vector<float> mean_losses() const;

  using Arrays = std::map<std::string, std::vector<float>>;
  /// Into and out of a checkpoint's arrays. restore: Error(kModel) if they are missing or belong to
  /// another number of examples.
  void save(Arrays& arrays) const;
  void restore(const Arrays& arrays);

 private:
  std::vector<float> sums_, counts_;
};

}  // namespace graft::train
