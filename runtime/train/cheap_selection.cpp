// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/cheap_selection.h"

#include <cmath>

#include "engine/core/log.h"

namespace graft::train {
namespace {

constexpr const char* kPrefix = "cheap_selection.";

Json number(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

}  // namespace

CheapSelection::CheapSelection(Context& ctx, const Graph& training, const ParamStore& params,
                               const Options& options)
    : scorer_(ctx, training, params, options.scorer), monitor_(options.monitor) {}

void CheapSelection::score(const Network::Rows& rows, std::span<float> losses,
                           std::vector<float>& exact) {
  exact.clear();
  if (exact_only_) {
    scorer_.score_exactly(rows.x, rows.y, losses);
    return;
  }
  scorer_.score(rows.x, rows.y, losses);
  if (scorer_.options().exact() || !monitor_.due()) return;
  exact.resize(losses.size());
  scorer_.score_exactly(rows.x, rows.y, exact);
}

void CheapSelection::compare(std::span<const float> losses, std::span<const float> exact,
                             std::span<const std::uint8_t> chosen,
                             std::span<const std::uint8_t> chosen_exactly) {
  monitor_.compare(losses, exact, chosen, chosen_exactly);
}

Json CheapSelection::end_epoch() {
  const SelectionMonitor::Report report = monitor_.report();
  const Json record = {
      {"select_dtype", exact_only_ ? name(SelectDType::kF32) : name(scorer_.options().dtype)},
      {"flip_rate", number(report.flip_rate)},
      {"rank_correlation", number(report.rank_correlation)},
      {"jaccard", number(report.jaccard)}};
  if (!exact_only_ && monitor_.exceeded()) {
    log::warning("selection in {} flips {:.2f} % of the decisions: back to f32 from here on",
                 name(scorer_.options().dtype), 100 * report.flip_rate);
    exact_only_ = true;
  }
  monitor_.next_epoch();
  return record;
}

Json CheapSelection::state(Arrays& arrays) const {
  for (const auto& [key, values] : scorer_.state()) arrays[kPrefix + key] = values;
  return {{"exact_only", exact_only_}, {"monitor", monitor_.state()}};
}

void CheapSelection::restore(const Json& meta, const Arrays& arrays) {
  Arrays own;
  for (const auto& [key, values] : arrays) {
    if (key.rfind(kPrefix, 0) == 0) own[key.substr(std::string_view(kPrefix).size())] = values;
  }
  scorer_.restore(own);
  exact_only_ = meta.at("exact_only");
  monitor_.restore(meta.at("monitor"));
}

}  // namespace graft::train
