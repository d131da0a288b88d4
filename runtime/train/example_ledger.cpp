// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/example_ledger.h"

#include <cmath>
#include <limits>

#include "engine/core/error.h"

namespace graft::train {
namespace {

constexpr const char* kSums = "ledger.loss_sums";
constexpr const char* kCounts = "ledger.loss_counts";

}  // namespace

ExampleLedger::ExampleLedger(std::int64_t examples)
    : sums_(static_cast<std::size_t>(examples)), counts_(sums_.size()) {}

void ExampleLedger::add(std::span<const std::int64_t> ids, std::span<const float> losses) {
  GRAFT_CHECK_EQ(ids.size(), losses.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!std::isfinite(losses[i])) continue;
    sums_[static_cast<std::size_t>(ids[i])] += losses[i];
    counts_[static_cast<std::size_t>(ids[i])] += 1;
  }
}

std::vector<float> ExampleLedger::mean_losses() const {
  std::vector<float> out(sums_.size(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (counts_[i] > 0) out[i] = sums_[i] / counts_[i];
  }
  return out;
}

void ExampleLedger::save(Arrays& arrays) const {
  arrays[kSums] = sums_;
  arrays[kCounts] = counts_;
}

void ExampleLedger::restore(const Arrays& arrays) {
  const auto sums = arrays.find(kSums), counts = arrays.find(kCounts);
  if (sums == arrays.end() || counts == arrays.end() || sums->second.size() != sums_.size() ||
      counts->second.size() != counts_.size()) {
    fail(Errc::kModel, "checkpoint holds no ledger of ", sums_.size(),
         " examples; train with --ledger");
  }
  sums_ = sums->second;
  counts_ = counts->second;
}

}  // namespace graft::train
