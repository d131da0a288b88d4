// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace graft {

/// How losses equal to the asked one count in a percentile.
enum class Ties : std::uint8_t {
  kStrict,  ///< not at all: the smallest loss of the window has percentile 0
  kMid,     ///< half: all-equal losses have percentile 1/2
  kWeak,    ///< fully: the largest loss of the window has percentile 1
};

/// "strict", "mid" or "weak".
[[nodiscard]] std::string_view name(Ties ties);

/// The last R losses seen, and where a loss stands among them.
/// A push of n keeps the window sorted in O(R + n log n); a percentile is then a binary search.
class LossHistory {
 public:
  /// capacity: R > 0.
  explicit LossHistory(std::int64_t capacity = 1024);

  /// Appends in order, the oldest leave first. No loss may be NaN.
  void push(std::span<const float> losses);

  /// (#smaller + tie * #equal) / size with tie 0, 1/2 or 1; 0 for an empty window.
  /// except_self: leaves one entry equal to `loss` out of both counts; it must be in the window.
  [[nodiscard]] double percentile(float loss, Ties ties, bool except_self = false) const;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(sorted_.size()); }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }

  /// The window, oldest first.
  [[nodiscard]] std::vector<float> values() const;
  /// Replaces the window; at most `capacity` values, oldest first.
  void restore(std::span<const float> oldest_first);

 private:
  std::int64_t capacity_;
  std::vector<float> ring_;
  std::size_t next_ = 0;  ///< where the next loss goes once the ring is full: its oldest entry
  std::vector<float> sorted_;
  std::vector<float> added_, evicted_, kept_;  ///< scratch of push, kept to not allocate
};

}  // namespace graft
