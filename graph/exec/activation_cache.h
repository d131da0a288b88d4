// SPDX-License-Identifier: Apache-2.0
// The activation cache of selective training: a training forward over a slice of candidates whose
// backward is asked for some of the rows only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "graph/exec/saved_set.h"
#include "graph/plan/execution_plan.h"
#include "kernels/api/common.h"

namespace graft {

/// Where the activations that train a selected example come from.
enum class CacheMode : std::uint8_t {
  kRecompute,  ///< a second forward, of the selected examples in training mode; as published
  kReuse,      ///< the selection forward, in training mode; its tape is compacted to their rows
  kMasked,     ///< the same forward, backward over all its rows with weight 0 on the dropped ones:
               ///< exact and saves nothing; what kReuse is tested against
};

/// How kReuse takes layers that couple the rows of a batch: batch norm, with statistics over all
/// candidates and a gradient over the selected. Source: specification of selection, section 4.2.
enum class RowSparseNorm : std::uint8_t {
  kRefuse,   ///< not at all
  kB1p,      ///< statistics as constants; the part of each preceding filter's gradient along the
             ///< filter is taken out (scale_invariant_filters, kernels::project_out_rows)
  kB2,       ///< residual of regressing the gradient on {1, xhat} over the selected rows
  kB2Prime,  ///< the formula of batch statistics, with sums over the selected rows
};

/// "recompute", "reuse", "masked"; "refuse", "b1p", "b2", "b2prime".
[[nodiscard]] std::string_view name(CacheMode mode);
[[nodiscard]] std::string_view name(RowSparseNorm norm);
/// Throws Error(kUsage) listing the names.
[[nodiscard]] CacheMode parse_cache_mode(const std::string& text);
[[nodiscard]] RowSparseNorm parse_row_sparse_norm(const std::string& text);

/// What batch statistics are to the backward of a compacted tape.
[[nodiscard]] kernels::NormStats subset_stats(RowSparseNorm norm);

/// The tape of an executor's training forward: the tensors that its backward reads, in planned
/// memory, stamped with the parameters and the forward they come from.
class ActivationCache {
 public:
  /// `plan` must outlive the cache.
  explicit ActivationCache(const ExecutionPlan& plan) : plan_(plan) {}

  /// A training forward wrote the tape.
  void fill(const ForwardStamp& stamp);
  /// Its backward starts, and overwrites it on the way.
  /// Throws Error(kInternal) if the tape was used already or belongs to other parameters.
  void consume(const ForwardStamp& now);

  /// Moves rows `row` (ascending, unique) of every tensor of the tape to its first rows, in place.
  /// tensors: the plan's, laid out for all rows; bound: the caller's inputs by node, whose rows are
  /// copied to their planned place; that memory is free afterwards. Bytes moved: about twice those
  /// of the rows' tape. Does not synchronise.  Throws as consume().
  void compact(Context& ctx, const ForwardStamp& now, std::span<const std::int32_t> row,
               std::span<Tensor> tensors, std::span<const Tensor> bound);
  [[nodiscard]] bool compacted() const { return compacted_; }

 private:
  void require(const ForwardStamp& now) const;

  const ExecutionPlan& plan_;
  ForwardStamp stamp_;
  bool filled_ = false, compacted_ = false;
};

}  // namespace graft
