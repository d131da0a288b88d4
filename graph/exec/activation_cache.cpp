// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/activation_cache.h"

#include <array>
#include <vector>

#include "engine/core/text.h"
#include "kernels/api/rows.h"

namespace graft {
namespace {

constexpr std::array kModes = {CacheMode::kRecompute, CacheMode::kReuse, CacheMode::kMasked};
constexpr std::array kNorms = {RowSparseNorm::kRefuse, RowSparseNorm::kB1p, RowSparseNorm::kB2,
                               RowSparseNorm::kB2Prime};

template <class E, std::size_t kCount>
E parse(const char* what, const std::array<E, kCount>& all, const std::string& text) {
  std::vector<std::string> known;
  for (const E e : all) {
    if (name(e) == text) return e;
    known.emplace_back(name(e));
  }
  fail(Errc::kUsage, what, " '", text, "': expects one of ", join(known, ", "),
       did_you_mean(text, known));
}

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

}  // namespace

std::string_view name(CacheMode mode) {
  switch (mode) {
    case CacheMode::kRecompute:
      return "recompute";
    case CacheMode::kReuse:
      return "reuse";
    case CacheMode::kMasked:
      return "masked";
  }
  return "?";
}

std::string_view name(RowSparseNorm norm) {
  switch (norm) {
    case RowSparseNorm::kRefuse:
      return "refuse";
    case RowSparseNorm::kB1p:
      return "b1p";
    case RowSparseNorm::kB2:
      return "b2";
    case RowSparseNorm::kB2Prime:
      return "b2prime";
  }
  return "?";
}

CacheMode parse_cache_mode(const std::string& text) { return parse("cache mode", kModes, text); }

RowSparseNorm parse_row_sparse_norm(const std::string& text) {
  return parse("cached batch norm", kNorms, text);
}

kernels::NormStats subset_stats(RowSparseNorm norm) {
  if (norm == RowSparseNorm::kB1p) return kernels::NormStats::kRunning;
  if (norm == RowSparseNorm::kB2) return kernels::NormStats::kSubset;
  return kernels::NormStats::kBatch;
}

void ActivationCache::fill(const ForwardStamp& stamp) {
  stamp_ = stamp;
  filled_ = true;
  compacted_ = false;
}

void ActivationCache::require(const ForwardStamp& now) const {
  if (!filled_) {
    fail(Errc::kInternal, "the activations of run ", stamp_.run,
         " were consumed by its backward; run the forward again");
  }
  stamp_.require(now, "the tape");
}

void ActivationCache::consume(const ForwardStamp& now) {
  require(now);
  filled_ = false;
}

void ActivationCache::compact(Context& ctx, const ForwardStamp& now,
                              std::span<const std::int32_t> row, std::span<Tensor> tensors,
                              std::span<const Tensor> bound) {
  require(now);
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    const SlotId kept = plan_.nodes[i].kept_rows;
    if (kept != kNoSlot) kernels::gather_rows(ctx, bound[i], row, tensors[at(kept)]);
  }
  for (const SlotId s : plan_.tape) {
    if (plan_.tensors[at(s)].per_row) kernels::compact_rows(ctx, tensors[at(s)], row);
  }
  compacted_ = true;
}

}  // namespace graft
