// SPDX-License-Identifier: Apache-2.0
// What training and testing one candidate came to: candidates/frozen-K.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/finetune/examples.h"
#include "runtime/finetune/family.h"
#include "runtime/finetune/train_candidate.h"

namespace graft::finetune {

/// Test images by class (rows) and first guess (columns).
using Confusion = std::vector<std::vector<std::int64_t>>;

/// A test image that the candidate is most wrong about.
struct WorstImage {
  std::int64_t id = 0;  ///< in Examples::images
  std::string name;     ///< its file
  int label = 0, guess = 0;
  double loss = 0;
};

/// Written when a candidate is finished, after its weights: a candidate that has one is not trained
/// again.
struct CandidateRecord {
  int frozen = 0;
  int start = 0;       ///< frozen layers of the cached activations that training started from
  std::string sha256;  ///< of its weights' file
  double seconds = 0;  ///< of training, validation and test
  std::vector<EpochResult> history;
  int best_epoch = 0;  ///< from 1; whose weights were kept
  Confusion confusion;
  std::vector<WorstImage> worst;  ///< largest loss first

  [[nodiscard]] std::int64_t tested() const;
  [[nodiscard]] std::int64_t correct() const;
};

/// "candidates/frozen-K.json", below the output folder.
[[nodiscard]] std::string record_file(int frozen);

[[nodiscard]] Json to_json(const CandidateRecord& record);
/// Throws Error(kModel) naming `source` and the field. `classes`: of the confusion matrix.
[[nodiscard]] CandidateRecord record_from_json(const Json& json, const std::string& source,
                                               std::size_t classes);

/// Confusion matrix and worst images of `scores` on the test images.
void judge(const CandidateTrainer::Scores& scores, const Examples& examples,
           CandidateRecord& record);

/// Means over the classes of their one-against-the-rest rates. Classes without test images have no
/// true positive rate.
struct MacroRates {
  double tpr = 0, fpr = 0;
};
[[nodiscard]] MacroRates macro_rates(const Confusion& confusion);

/// What family.json says of the candidate; pareto is left false.
[[nodiscard]] Candidate candidate_of(const CandidateRecord& record, const std::string& branch);

/// Marks the candidates, ascending in `frozen`, of which none with as many or more frozen layers is
/// as accurate.
void mark_pareto(std::span<Candidate> candidates);

}  // namespace graft::finetune
