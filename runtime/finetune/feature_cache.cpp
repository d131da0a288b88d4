// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/feature_cache.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include "graph/exec/executor.h"
#include "runtime/data/loader.h"
#include "runtime/finetune/candidate_graph.h"
#include "runtime/model/model.h"
#include "runtime/train/progress_bar.h"
#include "runtime/train/stop_signal.h"

namespace graft::finetune {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Pixels as the base has them: (pixel / 255 * range - mean) / stddev.
data::AugmentOptions scaling(const data::Preprocess& preprocess) {
  data::AugmentOptions options;
  for (int c = 0; c < ImageU8::kChannels; ++c) {
    options.normalization.mean[c] = preprocess.normalization.mean[c] / preprocess.range;
    options.normalization.stddev[c] = preprocess.normalization.stddev[c] / preprocess.range;
  }
  return options;
}

class ImageRows final : public InputRows {
 public:
  ImageRows(const Examples& examples, const data::Preprocess& preprocess, std::int64_t max_batch)
      : maker_(examples.images, scaling(preprocess), /*seed=*/0, max_batch),
        storage_(maker_.allocate()),
        epochs_(static_cast<std::size_t>(max_batch)) {}

  Tensor read(std::span<const std::int64_t> ids) override {
    maker_.fill(ids, std::span(epochs_).first(ids.size()), storage_, batch_);
    return batch_.x;
  }

 private:
  data::BatchMaker maker_;
  data::BatchMaker::Storage storage_;
  data::Batch batch_;
  std::vector<std::uint32_t> epochs_;
};

class FileRows final : public InputRows {
 public:
  FileRows(const fs::path& path, const Shape& shape, std::int64_t max_batch)
      : file_(path),
        row_bytes_(static_cast<std::uint64_t>(shape.numel()) * sizeof(float)),
        values_(Tensor::allocate(host_memory(), shape.with_batch(max_batch))) {}

  Tensor read(std::span<const std::int64_t> ids) override {
    auto* to = static_cast<std::byte*>(values_.data());
    for (const std::int64_t id : ids) {
      file_.read_at(static_cast<std::uint64_t>(id) * row_bytes_, to, row_bytes_);
      to += row_bytes_;
    }
    return values_.rows(0, std::ssize(ids));
  }

 private:
  FileReader file_;
  std::uint64_t row_bytes_;
  Tensor values_;
};

/// A file of rows that is being filled.
struct OpenFile {
  AppendFile file;
  ValueId value;  // in the stem
  std::uint64_t row_bytes;
  std::int64_t rows;
};

/// Cut back to whole rows, in case a process was killed while it wrote.
OpenFile open_rows(const fs::path& path, const BranchPoint& cut, ValueId value) {
  AppendFile file(path);
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(cut.elements) * sizeof(float);
  const std::uint64_t rows = file.size() / row_bytes;
  file.truncate(rows * row_bytes);
  return {std::move(file), value, row_bytes, static_cast<std::int64_t>(rows)};
}

/// Rows of the examples from `first` on. A file may hold some of them: of an earlier run that had
/// fewer branch points.
void append_rows(const Tensor& value, std::int64_t first, OpenFile& to) {
  const std::int64_t there = to.rows - first;
  if (there >= value.shape()[0]) return;
  const auto skipped = static_cast<std::uint64_t>(there) * to.row_bytes;
  to.file.append({static_cast<const char*>(value.data()) + skipped, value.bytes() - skipped});
  to.rows += value.shape()[0] - there;
}

}  // namespace

std::vector<BranchPoint> FeatureCache::choose(std::span<const BranchPoint> wanted,
                                              std::int64_t examples, std::uint64_t max_bytes) {
  std::vector<BranchPoint> chosen(wanted.begin(), wanted.end());
  std::sort(chosen.begin(), chosen.end(),
            [](const BranchPoint& a, const BranchPoint& b) { return a.frozen > b.frozen; });
  std::uint64_t left = max_bytes;
  std::erase_if(chosen, [&](const BranchPoint& p) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(p.elements) * sizeof(float) *
                                static_cast<std::uint64_t>(examples);
    if (p.frozen == 0 || bytes > left) return true;
    left -= bytes;
    return false;
  });
  return chosen;
}

BranchPoint FeatureCache::start_of(const BranchPoint& candidate,
                                   std::span<const BranchPoint> cached) {
  BranchPoint start;
  for (const BranchPoint& p : cached) {
    if (p.frozen <= candidate.frozen && p.frozen > start.frozen) start = p;
  }
  return start;
}

fs::path FeatureCache::file_of(const BranchPoint& cut) const {
  return folder_ / ("frozen-" + std::to_string(cut.frozen) + ".f32");
}

FeatureCache::Filled FeatureCache::fill(Context& ctx, const Stem& stem, const Examples& examples,
                                        std::span<const BranchPoint> cuts, std::int64_t batch) {
  const auto begin = Clock::now();
  const auto result = [begin](bool complete) {
    return Filled{std::chrono::duration<double>(Clock::now() - begin).count(), complete};
  };
  if (cuts.empty()) return {};
  make_folder(folder_);
  const Graph graph = stem_graph(stem.graph, cuts);
  std::vector<OpenFile> files;
  for (const BranchPoint& cut : cuts) {
    files.push_back(open_rows(file_of(cut), cut, graph.output(std::to_string(cut.frozen))));
  }
  const std::int64_t first =
      std::min_element(files.begin(), files.end(), [](const OpenFile& a, const OpenFile& b) {
        return a.rows < b.rows;
      })->rows;
  if (first >= examples.size()) return {};
  ParamStore params(ctx, graph.param_specs(), DType::kF32);
  copy_params(ctx, stem.params, params);
  Executor executor(ctx, graph, params, {.max_batch = batch});
  data::Loader loader(examples.images, {.batch = batch, .augment = scaling(stem.preprocess)});
  train::ProgressBar progress;
  std::vector<std::int64_t> ids(static_cast<std::size_t>(examples.size()));
  std::iota(ids.begin(), ids.end(), 0);
  loader.start(0, std::move(ids), first);
  while (const data::Batch* b = loader.next()) {
    if (train::StopSignal::requested()) return result(false);
    executor.bind(executor.graph().find(kImageInput), b->x);
    executor.forward(Phase::kEval);
    for (OpenFile& f : files) append_rows(executor.value(f.value), b->ids.front(), f);
    const std::int64_t done = b->ids.back() + 1;
    progress.show({.done = done,
                   .total = examples.size(),
                   .run_done = done,
                   .run_total = examples.size(),
                   .what = "stem"});
  }
  for (OpenFile& f : files) f.file.sync();
  return result(true);
}

std::unique_ptr<InputRows> FeatureCache::rows(const BranchPoint& cut, const Shape& shape,
                                              std::int64_t max_batch) const {
  return std::make_unique<FileRows>(file_of(cut), shape, max_batch);
}

void FeatureCache::remove() const {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) fail(Errc::kIo, "cannot remove ", folder_.string(), ": ", error.message());
}

std::unique_ptr<InputRows> image_rows(const Examples& examples, const data::Preprocess& preprocess,
                                      std::int64_t max_batch) {
  return std::make_unique<ImageRows>(examples, preprocess, max_batch);
}

}  // namespace graft::finetune
