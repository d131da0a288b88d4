// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/open.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "runtime/data/cifar.h"
#include "runtime/data/folder.h"
#include "runtime/data/label_noise.h"
#include "runtime/data/synthetic.h"

namespace graft::data {
namespace {

struct Kind {
  std::string name;
  bool takes_folder;
  std::vector<std::string> keys;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table = {
      {"cifar10", true, {}},
      {"cifar100", true, {}},
      {"folder", true, {"size", "holdout", "whole", "max_bad", "verify", "cache"}},
      {"synthetic", false, {"train", "test", "seed", "noise", "hard"}},
  };
  return table;
}

const Kind& find_kind(const std::string& wanted) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) {
    if (kind.name == wanted) return kind;
    names.push_back(kind.name);
  }
  fail(Errc::kUsage, "--data: unknown kind `", wanted, "`, expected one of ", join(names, ", "),
       did_you_mean(wanted, names));
}

void add_option(const Kind& kind, const std::string& text, DataSpec& spec) {
  const auto equals = text.find('=');
  const std::string key = text.substr(0, equals);
  if (std::find(kind.keys.begin(), kind.keys.end(), key) == kind.keys.end()) {
    fail(Errc::kUsage, "--data ", kind.name, ": unknown key `", key, "`, expected one of ",
         join(kind.keys, ", "), did_you_mean(key, kind.keys));
  }
  if (equals == std::string::npos || equals + 1 == text.size()) {
    fail(Errc::kUsage, "--data ", kind.name, ": `", key, "` has no value; write ", key, "=VALUE");
  }
  if (!spec.options.emplace(key, text.substr(equals + 1)).second) {
    fail(Errc::kUsage, "--data ", kind.name, ": `", key, "` twice");
  }
}

/// Sets `value` from the option, if it is there.
void read_option(const DataSpec& spec, const std::string& key, std::int64_t low, std::int64_t high,
                 const std::function<void(std::int64_t)>& set) {
  const auto it = spec.options.find(key);
  if (it == spec.options.end()) return;
  const auto value = parse_int(it->second);
  if (!value || *value < low || *value > high) {
    fail(Errc::kUsage, "--data ", spec.kind, ": ", key, "=", it->second,
         " is not a whole number from ", low, " to ", high);
  }
  set(*value);
}

void read_share(const DataSpec& spec, const std::string& key, double& to) {
  const auto it = spec.options.find(key);
  if (it == spec.options.end()) return;
  const auto value = parse_double(it->second);
  if (!value || *value < 0 || *value > 1) {
    fail(Errc::kUsage, "--data ", spec.kind, ": ", key, "=", it->second, " is not in 0 to 1");
  }
  to = *value;
}

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

DatasetPtr open_synthetic(const DataSpec& spec, Split split) {
  constexpr std::int64_t kMostExamples = 1'000'000;
  SyntheticOptions options;
  double noise = 0;
  read_option(spec, "train", Synthetic::kClasses, kMostExamples,
              [&](std::int64_t v) { options.train = v; });
  read_option(spec, "test", Synthetic::kClasses, kMostExamples,
              [&](std::int64_t v) { options.test = v; });
  read_option(spec, "seed", 0, std::numeric_limits<std::int64_t>::max(),
              [&](std::int64_t v) { options.seed = static_cast<std::uint64_t>(v); });
  read_share(spec, "hard", options.hard);
  read_share(spec, "noise", noise);
  DatasetPtr images = std::make_shared<Synthetic>(options, split);
  if (noise == 0 || split == Split::kTest) return images;
  return std::make_shared<LabelNoise>(std::move(images), LabelNoiseKind::kUniformFlip, noise,
                                      options.seed);
}

}  // namespace

DataSpec parse_data_spec(std::string_view text) {
  const auto colon = text.find(':');
  DataSpec spec;
  spec.kind = text.substr(0, colon);
  const Kind& kind = find_kind(spec.kind);
  const std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (kind.takes_folder && (rest.empty() || rest.front() == ',')) {
    fail(Errc::kUsage, "--data ", kind.name, ": which folder? Write ", kind.name, ":DIR");
  }
  if (kind.takes_folder && kind.keys.empty()) {
    spec.folder = rest;
    return spec;
  }
  if (rest.empty()) return spec;
  std::vector<std::string> pieces = split(rest, ',');
  std::size_t first = 0;
  if (kind.takes_folder) spec.folder = pieces[first++];
  for (std::size_t i = first; i < pieces.size(); ++i) add_option(kind, pieces[i], spec);
  return spec;
}

const char* data_spec_help() {
  return "synthetic[:train=N,test=N,seed=S,noise=F,hard=F]  ten drawn classes, needs no file\n"
         "cifar10:DIR, cifar100:DIR                         the binary version of the archives\n"
         "folder:DIR[,size=N,holdout=F,whole=1,max_bad=N,verify=1,cache=MiB]\n"
         "                                                  DIR/CLASS/FILE or "
         "DIR/{train,test}/CLASS/FILE";
}

FolderOptions folder_options(const DataSpec& spec) {
  constexpr int kLargestSide = 4096;
  FolderOptions options;
  read_option(spec, "size", 1, kLargestSide,
              [&](std::int64_t v) { options.size = static_cast<int>(v); });
  read_option(spec, "max_bad", 0, kMost, [&](std::int64_t v) { options.max_bad = v; });
  read_option(spec, "whole", 0, 1, [&](std::int64_t v) { options.whole = v == 1; });
  read_option(spec, "verify", 0, 1, [&](std::int64_t v) { options.verify = v == 1; });
  read_option(spec, "cache", 0, kMost, [&](std::int64_t v) { options.cache_mib = v; });
  read_share(spec, "holdout", options.holdout);
  return options;
}

DatasetPtr open_dataset(const DataSpec& spec, Split split) {
  if (spec.kind == "cifar10") return std::make_shared<Cifar>(cifar10_layout(), spec.folder, split);
  if (spec.kind == "cifar100")
    return std::make_shared<Cifar>(cifar100_layout(), spec.folder, split);
  if (spec.kind == "folder") {
    return std::make_shared<Folder>(spec.folder, split, folder_options(spec));
  }
  GRAFT_CHECK(spec.kind == "synthetic", "data kind ", spec.kind);
  return open_synthetic(spec, split);
}

DatasetPair open_datasets(const DataSpec& spec) {
  DatasetPair pair{open_dataset(spec, Split::kTrain), open_dataset(spec, Split::kTest)};
  GRAFT_CHECK(pair.train->class_names() == pair.test->class_names() &&
                  pair.train->image_size() == pair.test->image_size(),
              "train and test of ", spec.kind, " differ in classes or size");
  return pair;
}

}  // namespace graft::data
