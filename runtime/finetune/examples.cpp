// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/examples.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>

#include "engine/core/error.h"
#include "runtime/data/open.h"

namespace graft::finetune {
namespace {

namespace fs = std::filesystem;
using data::DatasetPtr;
using data::Folder;
using data::Split;

constexpr double kTestShare = 0.2;  // where there is no test folder, as the thesis splits

data::FolderOptions options_of(const data::DataSpec& spec, const data::Preprocess& preprocess) {
  if (spec.options.contains("size")) {
    fail(Errc::kUsage, "--data folder: size is the base's, ", preprocess.width, " x ",
         preprocess.height, "; leave it out");
  }
  data::FolderOptions options = data::folder_options(spec);
  options.preprocess = preprocess;
  if (!spec.options.contains("holdout")) options.holdout = kTestShare;
  return options;
}

void check_classes(const data::Dataset& train, const std::string& folder) {
  if (train.classes() < 2) {
    fail(Errc::kData, folder, ": has ", train.classes(), " class, at least 2 are needed");
  }
  std::vector<std::int64_t> count(static_cast<std::size_t>(train.classes()));
  for (std::int64_t id = 0; id < train.size(); ++id) {
    ++count[static_cast<std::size_t>(train.label(id))];
  }
  const auto none = std::find(count.begin(), count.end(), 0);
  if (none == count.end()) return;
  fail(Errc::kData, folder, ": class ",
       train.class_names()[static_cast<std::size_t>(none - count.begin())],
       " has no training image; add some or remove its folder");
}

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(end - begin));
  std::iota(ids.begin(), ids.end(), begin);
  return ids;
}

/// Moves a share of `train` to `validation`.
void draw_validation(const ExampleOptions& options, Examples& examples) {
  const auto n = std::ssize(examples.train);
  const auto count =
      static_cast<std::int64_t>(std::llround(options.validation * static_cast<double>(n)));
  if (count < 1 || count >= n) {
    fail(Errc::kData, options.data, ": ", n, " training images are too few to set aside ",
         options.validation, " of them for validation");
  }
  const auto order = data::epoch_order(n, options.seed, 0);
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t id =
        examples.train[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
    (i < count ? examples.validation : kept).push_back(id);
  }
  std::sort(examples.validation.begin(), examples.validation.end());
  std::sort(kept.begin(), kept.end());
  examples.train = std::move(kept);
}

}  // namespace

Examples open_examples(const ExampleOptions& options, const data::Preprocess& preprocess) {
  const data::DataSpec spec = data::parse_data_spec(options.data);
  if (spec.kind != "folder") {
    fail(Errc::kUsage, "--data ", options.data, ": fine-tuning takes folder:DIR");
  }
  if (!(options.validation > 0 && options.validation < 1)) {
    fail(Errc::kUsage, "--validation ", options.validation, " is not between 0 and 1");
  }
  data::FolderOptions folder = options_of(spec, preprocess);
  const fs::path root = spec.folder;
  std::error_code ignored;
  const auto has = [&](const char* name) { return fs::is_directory(root / name, ignored); };
  const auto train = std::make_shared<Folder>(root, Split::kTrain, folder);
  const auto test = std::make_shared<Folder>(root, Split::kTest, folder);
  check_classes(*train, spec.folder);
  std::vector<DatasetPtr> parts = {train, test};
  if (has("train") && has("test") && has("val")) {
    folder.test_folder = "val";
    parts.push_back(std::make_shared<Folder>(root, Split::kTest, folder));
  }
  Examples out;
  out.images = std::make_shared<data::Joined>(std::move(parts));
  const std::int64_t n_train = train->size(), n_test = test->size();
  out.train = range(0, n_train);
  out.test = range(n_train, n_train + n_test);
  out.validation = range(n_train + n_test, out.size());
  if (out.validation.empty()) draw_validation(options, out);
  return out;
}

}  // namespace graft::finetune
