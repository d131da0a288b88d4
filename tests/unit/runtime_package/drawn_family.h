// SPDX-License-Identifier: Apache-2.0
// What graft finetune would leave, with drawn weights instead of trained ones.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/hash.h"
#include "graph/ir/branch_points.h"
#include "runtime/finetune/family.h"
#include "runtime/package/build.h"
#include "runtime/train/weights.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft::testing {

struct FamilyOptions {
  std::string architecture = "resnet8";
  int side = 32;
  std::int64_t classes = 3;
  std::uint64_t seed = 1;       ///< of the candidates
  std::uint64_t base_seed = 1;  ///< of the base
  bool all_cuts = false;        ///< not only the branch points
  std::size_t every = 1;        ///< only every so manyth of them
};

inline void randomise_norms(ParamStore& params, std::uint64_t seed) {
  Philox rng({.seed = seed, .purpose = RngPurpose::kTest});
  for (const auto& e : params.entries()) {
    if (e.spec.shape.rank() != 1) continue;
    float* values = e.value.ptr<float>();
    for (std::int64_t i = 0; i < e.value.numel(); ++i) {
      values[i] = 0.5f + static_cast<float>(rng.uniform());
    }
  }
  params.bump_version();
}

inline finetune::Family draw_family(Context& ctx, const std::string& task,
                                    const std::filesystem::path& folder,
                                    const FamilyOptions& o = {}) {
  make_folder(folder / "candidates");
  constexpr std::int64_t kBaseClasses = 10;
  Model base = drawn_model(ctx, o.architecture, o.side, kBaseClasses);
  base.params().initialise(ctx, o.base_seed);
  randomise_norms(base.params(), o.base_seed);
  finetune::Family family;
  family.task = task;
  family.base.sha256 = base.save(folder / finetune::kBaseFile);
  family.preprocess = base.header().preprocess;
  for (std::int64_t i = 0; i < o.classes; ++i) family.labels.push_back(task + std::to_string(i));
  family.graph = drawn_model(ctx, o.architecture, o.side, o.classes).header().graph;
  const auto cuts = o.all_cuts ? single_value_cuts(family.graph) : branch_points(family.graph);
  family.candidates.emplace_back();  // nothing frozen
  for (std::size_t i = 0; i < cuts.size(); i += o.every) {
    finetune::Candidate& c = family.candidates.emplace_back();
    c.frozen = cuts[i].frozen;
    c.branch = family.graph.node(cuts[i].value).name;
  }
  double accuracy = 0.95;
  for (finetune::Candidate& c : family.candidates) {
    ParamStore params(ctx, finetune::branch_graph(family, c).param_specs(), DType::kF32);
    const std::uint64_t seed = 1000 * o.seed + static_cast<std::uint64_t>(c.frozen);
    params.initialise(ctx, seed);
    randomise_norms(params, seed);
    c.weights = finetune::weights_file(c.frozen);
    c.sha256 = train::write_weights(ctx, params, {}, folder / c.weights);
    c.accuracy = accuracy;
    c.accuracy_low = accuracy - 0.02;
    c.accuracy_high = accuracy + 0.02;
    c.tpr = accuracy - 0.01;
    c.fpr = 1 - accuracy;
    accuracy -= 0.01;
  }
  finetune::write_family(family, folder);
  return family;
}

/// Draws a family in `folder`/`task` and builds `folder`/`task`.mpkg of it.
inline std::shared_ptr<const Package> draw_package(Context& ctx, const std::string& task,
                                                   const std::filesystem::path& folder,
                                                   const FamilyOptions& options = {}) {
  draw_family(ctx, task, folder / task, options);
  const auto path = folder / (task + ".mpkg");
  build_package(ctx, folder / task, {}, path);
  return std::make_shared<const Package>(path);
}

}  // namespace graft::testing
