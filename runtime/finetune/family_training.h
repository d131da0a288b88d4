// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "runtime/finetune/candidate_record.h"
#include "runtime/finetune/examples.h"
#include "runtime/finetune/family.h"
#include "runtime/finetune/feature_cache.h"
#include "runtime/finetune/finetune_options.h"
#include "runtime/model/model.h"

namespace graft::finetune {

/// A model file, the last checkpoint of a run directory, or `zoo:NAME` with random weights. Throws
/// Error(kUsage), Error(kIo), Error(kModel).
[[nodiscard]] Model open_base(Context& ctx, const std::string& base, std::uint64_t seed);

/// What training any candidate of a family needs; the same in the process that started and in those
/// of the candidates.
class FamilyTraining {
 public:
  /// `ctx` must outlive it. Throws Error(kUsage) for branch points, Error(kData), Error(kModel).
  FamilyTraining(const FinetuneOptions& options, Context& ctx, const Model& base);

  /// Task, labels, preprocessing and graph; no candidates yet.
  [[nodiscard]] const Family& family() const { return family_; }
  [[nodiscard]] const Examples& examples() const { return examples_; }
  /// Ascending.
  [[nodiscard]] const std::vector<BranchPoint>& points() const { return points_; }

  /// Makes sure of the cached activations that training `points` starts from.
  [[nodiscard]] FeatureCache::Filled fill_cache(std::span<const BranchPoint> points);
  void remove_cache() const { cache_.remove(); }

  /// Trains and tests one candidate, and writes its weights and then its record. The activations
  /// that it starts from must be there. False, and nothing is written, if a signal stopped it.
  [[nodiscard]] bool train(const BranchPoint& point);

 private:
  void write_candidate(const BranchPoint& point, const ParamStore& trained,
                       CandidateRecord& record);

  FinetuneOptions options_;
  Context& ctx_;
  Examples examples_;
  Family family_;
  ParamStore weights_;  // of family_.graph: the base's, and the new head as drawn
  std::vector<BranchPoint> points_, cached_;
  FeatureCache cache_;
};

}  // namespace graft::finetune
