// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/train/cheap_scorer.h"
#include "runtime/train/network.h"
#include "runtime/train/selection_monitor.h"

namespace graft::train {

/// The selection forward of `--select-dtype` and `--select-scale`, watched: every so often a slice
/// is scored exactly as well, and once an epoch's decisions differ by more than the limit, all
/// later epochs are scored in f32 on the whole image. Source: spec selective-backprop, section 4.8.
class CheapSelection {
 public:
  struct Options {
    CheapScorerOptions scorer;
    SelectionMonitor::Options monitor;
  };
  /// As CheapScorer.
  CheapSelection(Context& ctx, const Graph& training, const ParamStore& params,
                 const Options& options);

  /// Losses of `rows`; `exact` gets those of the exact forward if this slice is to be compared,
  /// otherwise nothing.
  void score(const Network::Rows& rows, std::span<float> losses, std::vector<float>& exact);
  /// What a compared slice led to; each list has one entry a scored row.
  void compare(std::span<const float> losses, std::span<const float> exact,
               std::span<const std::uint8_t> chosen, std::span<const std::uint8_t> chosen_exactly);

  /// Closes an epoch: {"select_dtype", "flip_rate", "rank_correlation", "jaccard"} of it, null
  /// where nothing was compared. Goes back to f32 from here on if the limit was exceeded, and says
  /// so.
  [[nodiscard]] Json end_epoch();

  using Arrays = std::map<std::string, std::vector<float>>;
  /// Into and out of a checkpoint. Throws Error(kModel) if what it holds belongs to other options.
  [[nodiscard]] Json state(Arrays& arrays) const;
  void restore(const Json& meta, const Arrays& arrays);

 private:
  CheapScorer scorer_;
  SelectionMonitor monitor_;
  bool exact_only_ = false;  // the limit was exceeded
};

}  // namespace graft::train
