// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "runtime/finetune/candidate_record.h"
#include "runtime/finetune/examples.h"
#include "runtime/finetune/family.h"

namespace graft::finetune {

/// One self-contained HTML page: accuracy against frozen layers with its 95 % intervals (the
/// thesis' figure 5.4b), a table of the candidates, and of each its confusion matrix, the images it
/// is most wrong about, and the course of its training. No script, no external resource. `records`:
/// of family.candidates, in their order.
[[nodiscard]] std::string html_report(const Family& family,
                                      std::span<const CandidateRecord> records,
                                      const Examples& examples);

}  // namespace graft::finetune
