// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/family_training.h"

#include <algorithm>
#include <chrono>

#include "engine/io/file.h"
#include "runtime/finetune/candidate_graph.h"
#include "runtime/finetune/train_candidate.h"
#include "runtime/model/import.h"
#include "runtime/train/weights.h"

namespace graft::finetune {
namespace {

constexpr const char* kCacheFolder = "cache";
constexpr std::string_view kZoo = "zoo:";

Family family_of(const FinetuneOptions& options, const Model& base, const Examples& examples) {
  constexpr std::size_t kLongestOrigin = 512;  // what a reader takes
  Family family;
  family.task = options.task;
  family.base.origin = base.header().origin.substr(0, kLongestOrigin);
  family.labels = examples.images->class_names();
  family.preprocess = base.header().preprocess;
  family.graph = with_new_head(base.header().graph, options.base,
                               static_cast<std::int64_t>(family.labels.size()), options.hidden);
  return family;
}

/// Takes the base's parameters; the rest, the new head, stays as it is.
void take_base(Context& ctx, const Model& base, ParamStore& to) {
  for (const auto& e : to.entries()) {
    const ParamId id = base.params().find(e.name);
    Tensor value = e.value;
    if (id >= 0) copy_from_host(ctx, base.params().entry(id).value.data(), value);
  }
  to.bump_version();
}

}  // namespace

Model open_base(Context& ctx, const std::string& base, std::uint64_t seed) {
  if (base.starts_with(kZoo)) return random_model(ctx, base.substr(kZoo.size()), seed);
  if (std::filesystem::is_directory(base)) return import_run(ctx, base);
  Model model = Model::load(ctx, base);
  require_f32(model, base);
  return model;
}

FamilyTraining::FamilyTraining(const FinetuneOptions& options, Context& ctx, const Model& base)
    : options_(options),
      ctx_(ctx),
      examples_(open_examples(options.example_options(), base.header().preprocess)),
      family_(family_of(options, base, examples_)),
      weights_(ctx, family_.graph.param_specs(), DType::kF32),
      points_(parse_branch_points(options.branchpoints, family_.graph)),
      cached_(FeatureCache::choose(points_, examples_.size(), options.cache_bytes)),
      cache_(std::filesystem::path(options.out) / kCacheFolder) {
  weights_.initialise(ctx, options.seed);
  take_base(ctx, base, weights_);
}

FeatureCache::Filled FamilyTraining::fill_cache(std::span<const BranchPoint> points) {
  std::vector<BranchPoint> starts;
  for (const BranchPoint& cached : cached_) {
    const bool used = std::any_of(points.begin(), points.end(), [&](const BranchPoint& p) {
      return FeatureCache::start_of(p, cached_) == cached;
    });
    if (used) starts.push_back(cached);
  }
  return cache_.fill(ctx_, {family_.graph, weights_, family_.preprocess}, examples_, starts,
                     options_.batch);
}

bool FamilyTraining::train(const BranchPoint& point) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const BranchPoint start = FeatureCache::start_of(point, cached_);
  const auto rows = start.frozen == 0
                        ? image_rows(examples_, family_.preprocess, options_.batch)
                        : cache_.rows(start, family_.graph.node(start.value).shape, options_.batch);
  CandidateTrainer trainer(ctx_, family_.graph, weights_, start, point, examples_, *rows,
                           options_.settings());
  const auto training = trainer.train();
  if (!training) return false;
  CandidateRecord record;
  record.frozen = point.frozen;
  record.start = start.frozen;
  record.history = training->history;
  record.best_epoch = training->best_epoch;
  judge(trainer.score(examples_.test), examples_, record);
  record.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  write_candidate(point, trainer.params(), record);
  return true;
}

void FamilyTraining::write_candidate(const BranchPoint& point, const ParamStore& trained,
                                     CandidateRecord& record) {
  Candidate candidate;
  candidate.frozen = point.frozen;
  if (point.frozen > 0) candidate.branch = family_.graph.node(point.value).name;
  const std::filesystem::path out = options_.out;
  ParamStore branch(ctx_, branch_graph(family_, candidate).param_specs(), DType::kF32);
  copy_params(ctx_, trained, branch);
  make_folder((out / weights_file(point.frozen)).parent_path());
  record.sha256 =
      train::write_weights(ctx_, branch, {{"format", "pt"}}, out / weights_file(point.frozen));
  atomic_write(out / record_file(point.frozen), to_json(record).dump(2) + "\n");
}

}  // namespace graft::finetune
