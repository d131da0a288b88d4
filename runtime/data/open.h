// SPDX-License-Identifier: Apache-2.0
// From the text of --data to data sets.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/data/dataset.h"
#include "runtime/data/folder.h"

namespace graft::data {

/// `cifar10:DIR`, `cifar100:DIR`, `folder:DIR[,key=value...]`, `synthetic[:key=value,...]`.
struct DataSpec {
  std::string kind;
  std::string folder;  ///< DIR; must not contain a comma for `folder`
  std::map<std::string, std::string> options;
};

/// Checks kind, keys and form, not the files. Error(kUsage) names the mistake and what was likely
/// meant. Keys: folder: size, holdout, whole, max_bad, verify, cache (MiB); synthetic: train, test,
/// seed, noise (share of training labels flipped to another class), hard.
[[nodiscard]] DataSpec parse_data_spec(std::string_view text);

/// One line per kind for --help.
[[nodiscard]] const char* data_spec_help();

/// Options of a spec of kind `folder`. Throws Error(kUsage) for a value out of range.
[[nodiscard]] FolderOptions folder_options(const DataSpec& spec);

/// Throws Error(kUsage) for a value out of range, Error(kData) for what is on the disk.
[[nodiscard]] DatasetPtr open_dataset(const DataSpec& spec, Split split);

struct DatasetPair {
  DatasetPtr train, test;
};
/// Both splits, with the same classes and image size.
[[nodiscard]] DatasetPair open_datasets(const DataSpec& spec);

}  // namespace graft::data
