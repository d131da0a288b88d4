// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/find_mislabels.h"

#include <cmath>
#include <numeric>

#include "runtime/data/loader.h"
#include "runtime/train/example_ledger.h"
#include "runtime/train/train_data.h"

namespace graft::train {
namespace {

/// Activations before the classifier, row after row.
struct Features {
  std::vector<float> rows;
  std::int64_t dim = 0;
};

Features features_of(Context& ctx, Network& network, const TrainData& data, std::int64_t batch) {
  data::Loader loader(data.train, {.batch = batch, .augment = data.test_augment});
  std::vector<std::int64_t> ids(static_cast<std::size_t>(data.train->size()));
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  loader.start(0, std::move(ids));
  const ValueId value = network.graph().output("features");
  Features out;
  while (const data::Batch* b = loader.next()) {
    network.score(network.rows_of(*b), Phase::kEval, {});
    const Tensor rows = network.executor().value(value);
    out.dim = rows.numel() / b->size();
    const std::size_t at = out.rows.size();
    out.rows.resize(at + static_cast<std::size_t>(rows.numel()));
    copy_to_host(ctx, rows, out.rows.data() + at);
  }
  return out;
}

/// Ids whose label differs from that of the same data without noise.
std::vector<std::int64_t> changed_labels(const TrainOptions& noisy, const data::Dataset& train) {
  TrainOptions clean = noisy;
  clean.label_noise = 0;
  const TrainData original = open_train_data(clean);
  std::vector<std::int64_t> out;
  for (std::int64_t id = 0; id < train.size(); ++id) {
    if (train.label(id) != original.train->label(id)) out.push_back(id);
  }
  return out;
}

}  // namespace

MislabelReport find_mislabels(Context& ctx, TrainedRun& run, const std::filesystem::path& run_dir,
                              double threshold) {
  constexpr std::int64_t kBatch = 128;
  const TrainData data = open_train_data(run.options);
  ExampleLedger ledger(data.train->size());
  ledger.restore(CheckpointManager(run_dir / "ckpt").load_arrays());
  MislabelReport report;
  report.mean_losses = ledger.mean_losses();
  for (float& loss : report.mean_losses) {
    if (std::isnan(loss)) loss = 0;  // never seen: nothing speaks against it
  }
  for (std::int64_t id = 0; id < data.train->size(); ++id) {
    report.labels.push_back(data.train->label(id));
  }
  const Features features = features_of(ctx, *run.network, data, kBatch);
  report.opinions = judge_labels({.features = features.rows,
                                  .dim = features.dim,
                                  .labels = report.labels,
                                  .losses = report.mean_losses,
                                  .classes = data.train->classes()},
                                 threshold);
  for (std::size_t i = 0; i < report.opinions.size(); ++i) {
    if (report.opinions[i].verdict == LabelVerdict::kMislabel) {
      report.flagged.push_back(static_cast<std::int64_t>(i));
    }
    if (report.opinions[i].verdict == LabelVerdict::kRare) ++report.rare;
  }
  if (run.options.label_noise > 0) {
    report.quality = flag_quality(report.flagged, changed_labels(run.options, *data.train));
  }
  return report;
}

}  // namespace graft::train
