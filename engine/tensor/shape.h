// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "engine/core/error.h"

namespace graft {

inline constexpr int kMaxRank = 5;

/// Extents of a dense row-major tensor, batch first; images are (N, H, W, C). A value, no heap.
class Shape {
 public:
  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> dims) {
    if (dims.size() > kMaxRank) fail(Errc::kInvalidArgument, "shape: rank above 5");
    for (const auto d : dims) dim_[rank_++] = d;
  }

  [[nodiscard]] constexpr int rank() const { return rank_; }
  [[nodiscard]] constexpr std::int64_t operator[](int i) const { return dim_[i]; }
  constexpr std::int64_t& operator[](int i) { return dim_[i]; }

  /// Number of elements; 1 for rank 0.
  [[nodiscard]] constexpr std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dim_[i];
    return n;
  }
  /// Elements of one row of the batch axis; 1 for rank 1.
  [[nodiscard]] constexpr std::int64_t row_numel() const {
    std::int64_t n = 1;
    for (int i = 1; i < rank_; ++i) n *= dim_[i];
    return n;
  }
  /// The same shape with `n` rows.
  [[nodiscard]] constexpr Shape with_batch(std::int64_t n) const {
    Shape s = *this;
    s.dim_[0] = n;
    return s;
  }
  constexpr void push_back(std::int64_t d) {
    if (rank_ == kMaxRank) fail(Errc::kInvalidArgument, "shape: rank above 5");
    dim_[rank_++] = d;
  }

  friend constexpr bool operator==(const Shape&, const Shape&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Shape& s) {
    out << '(';
    for (int i = 0; i < s.rank_; ++i) out << (i == 0 ? "" : ", ") << s.dim_[i];
    return out << ')';
  }

 private:
  std::array<std::int64_t, kMaxRank> dim_{};
  int rank_ = 0;
};

}  // namespace graft
