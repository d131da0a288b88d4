// SPDX-License-Identifier: Apache-2.0
// Slices of made-up candidates, drawn as the trainer draws them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "engine/core/rng.h"
#include "sampler/select/sampler.h"

namespace graft::testing {

/// Owns the lists that Candidates points to.
struct Slice {
  std::vector<std::int64_t> ids;
  std::vector<float> losses, u_select, u_score;

  [[nodiscard]] Candidates view() const { return {ids, losses, u_select, u_score}; }
};

/// Standard exponential loss of an example: a continuous distribution without ties.
inline float exponential_loss(std::uint64_t seed, std::uint32_t epoch, std::int64_t id) {
  Philox rng({seed, RngPurpose::kTest, epoch, static_cast<std::uint64_t>(id)});
  return static_cast<float>(-std::log(1.0 - rng.uniform_double()));
}

/// `count` candidates from id `first` on; losses are those of loss_seed, decisions those of seed.
inline Slice make_slice(std::uint64_t seed, std::uint32_t epoch, std::int64_t first,
                        std::int64_t count, std::uint64_t loss_seed = 99) {
  Slice slice;
  for (std::int64_t id = first; id < first + count; ++id) {
    Philox rng({seed, RngPurpose::kSelect, epoch, static_cast<std::uint64_t>(id)});
    slice.ids.push_back(id);
    slice.losses.push_back(exponential_loss(loss_seed, epoch, id));
    slice.u_select.push_back(rng.uniform());
    slice.u_score.push_back(rng.uniform());
  }
  return slice;
}

/// Runs an epoch of n examples in slices; `each` sees every slice and what was selected of it.
inline void run_epoch(Sampler& sampler, std::uint64_t seed, std::uint32_t epoch, std::int64_t n,
                      std::int64_t slice_size,
                      const std::function<void(const Slice&, const Selection&)>& each) {
  (void)sampler.before_epoch({.epoch = epoch, .examples = n});
  for (std::int64_t first = 0; first < n; first += slice_size) {
    const Slice slice = make_slice(seed, epoch, first, std::min(slice_size, n - first));
    each(slice, sampler.select(slice.view()));
  }
}

/// As the trainer does: losses of only those candidates that the sampler wants forwarded. Returns
/// how many they were; `slice` keeps NaN for the others, and no losses if there is none.
inline std::int64_t hide_unasked_losses(const Sampler& sampler, Slice& slice) {
  std::vector<std::uint8_t> needed(slice.ids.size());
  sampler.needs_selection_forward(
      {.ids = slice.ids, .u_select = slice.u_select, .u_score = slice.u_score}, needed);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (needed[i] == 0) slice.losses[i] = std::numeric_limits<float>::quiet_NaN();
  }
  const auto forwards = std::count(needed.begin(), needed.end(), std::uint8_t{1});
  if (forwards == 0) slice.losses.clear();
  return forwards;
}

/// Standard deviation of a fraction s of n independent draws.
inline double binomial_sd(double s, double n) { return std::sqrt(s * (1 - s) / n); }

/// Two-sided false alarm 6e-7.
inline constexpr double kSigmas = 5;

}  // namespace graft::testing
