// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/select/sampler.h"

namespace graft {

struct RankOptions {
  double keep = 1.0 / 3;  ///< share of each slice, in (0, 1]; one example at least
  QueueOptions queue;

  template <class V>
  void visit(V&& v) {
    v("keep", keep);
    queue.visit(v);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// Keeps the share of each slice that has the highest losses (topk) or the lowest (lowk), ties by
/// index: controls that draw nothing.
class RankSelection final : public Sampler {
 public:
  enum class End : std::uint8_t { kHighest, kLowest };
  RankSelection(End end, const RankOptions& options);

  [[nodiscard]] std::string_view name() const override {
    return end_ == End::kHighest ? "topk" : "lowk";
  }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] QueueOptions queue_options() const override { return options_.queue; }
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const override;
  Selection select(const Candidates& candidates) override;

 private:
  End end_;
  RankOptions options_;
};

}  // namespace graft
