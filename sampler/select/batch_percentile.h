// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/select/sampler.h"

namespace graft {

struct BatchPercentileOptions {
  double keep = 0.5;           ///< share of a batch that is trained, in (0, 1]
  double start = 0.5;          ///< fraction of the run at which selection begins
  double end = 0.9;            ///< and ends
  std::int64_t interrupt = 2;  ///< every so many batches of an epoch one is trained whole; 0: none

  template <class V>
  void visit(V&& v) {
    v("keep", keep);
    v("start", start);
    v("end", end);
    v("interrupt", interrupt);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// Selective-Backprop as MosaicML's composer does it: the percentile of a loss is taken within its
/// batch, int(keep * N) examples are drawn without replacement with weights
/// percentile^(1 / keep - 1), and are one smaller update. Source: composer,
/// algorithms/selective_backprop.
class BatchPercentile final : public Sampler {
 public:
  explicit BatchPercentile(const BatchPercentileOptions& options);

  [[nodiscard]] std::string_view name() const override { return "batchsb"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] QueueOptions queue_options() const override {
    return {.mode = QueueMode::kFlushSlice};
  }
  EpochPlan before_epoch(const EpochInfo& info) override;
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const override;
  Selection select(const Candidates& candidates) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 private:
  /// Whether the next batch is selected from.
  [[nodiscard]] bool active() const;
  [[nodiscard]] Selection draw(const Candidates& candidates) const;

  BatchPercentileOptions options_;
  // Where the run is: of the epoch before_epoch() told of, and what select() saw of it.
  std::int64_t epoch_ = 0, epochs_ = 1, examples_ = 0, seen_ = 0, batch_ = 0;
};

}  // namespace graft
