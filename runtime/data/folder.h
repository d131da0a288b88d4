// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/device/memory.h"
#include "runtime/data/dataset.h"
#include "runtime/data/preprocess.h"

namespace graft::data {

/// Whether the name ends like that of an image that decode_image() reads.
[[nodiscard]] bool is_image_file(const std::filesystem::path& path);

struct FolderOptions {
  int size = 32;  ///< side of the square that every image is brought to
  /// Brings images to size instead, as a model's input; its values are not normalised here.
  std::optional<Preprocess> preprocess = {};
  /// Folder beside train/ that tests; empty: the first of test, val, valid, validation.
  std::string test_folder = {};
  double holdout = 0.1;       ///< share of every class that tests, where there is no test folder
  std::int64_t max_bad = -1;  ///< bad files endured; -1: 0.1 % of the files, 1 at least
  bool whole = false;         ///< nothing is held out: both splits are all images
  bool verify = false;        ///< decode everything at once and leave bad files out from the start
  std::int64_t cache_mib = 1024;  ///< decoded images are kept if all of them fit; 0: never
};

/// Images in one folder per class: FOLDER/{train,test|val}/CLASS/FILE, or FOLDER/CLASS/FILE with a
/// share held out for testing, drawn by Philox. Classes are the sorted names of the folders of the
/// training images. Files are decoded when they are read: shorter side to `size`, centre crop.
///
/// A file that cannot be decoded is counted once and named; the example then shows the next good
/// image of its class (by name, around the end), whatever thread or epoch asks. With `verify` it is
/// not an example at all: the result is that of the folder without it. More than `max_bad` of them
/// is Error(kData).
class Folder final : public Dataset {
 public:
  Folder(const std::filesystem::path& folder, Split split, const FolderOptions& options);

  std::string name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  ImageSize image_size() const override;
  int label(std::int64_t id) const override;
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override;
  std::string example_name(std::int64_t id) const override;
  ImageU8 original(std::int64_t id) const override;
  /// Of relative paths, file sizes and options; the contents are not read.
  std::string fingerprint() const override;
  std::vector<BadFile> bad_files() const override;

 private:
  struct File {
    std::string path;  ///< relative to root_
    std::uint64_t bytes = 0;
    int label = 0;
  };
  /// Examples of one class are neighbours: [begin, end).
  struct ClassRange {
    std::int64_t begin = 0, end = 0;
  };
  enum CacheState : std::uint8_t { kEmpty, kFilling, kFull };

  void list_classes(const std::filesystem::path& train_folder);
  void list_files(const std::filesystem::path& split_folder);
  void hold_out(Split split);
  void index_classes();
  void make_cache();
  void verify_all();
  template <class Use>
  bool load(std::int64_t id, const Use& use) const;
  bool decode(std::int64_t id, std::span<std::uint8_t> hwc) const;
  bool decode_cached(std::int64_t id, std::span<std::uint8_t> hwc) const;
  /// Calls `use` with this id and the others of its class, around the end, until it returns true.
  template <class Use>
  void first_good(std::int64_t id, const Use& use) const;
  void add_bad(std::int64_t id, const std::string& reason) const;

  std::filesystem::path root_;
  FolderOptions options_;
  std::string name_;
  std::vector<std::string> class_names_;
  std::vector<File> files_;
  std::vector<ClassRange> ranges_;
  std::int64_t max_bad_ = 0;

  mutable Buffer cache_;  ///< (size(), side, side, 3), or empty
  mutable std::unique_ptr<std::atomic<std::uint8_t>[]> cache_state_;
  mutable std::mutex bad_mutex_;
  mutable std::map<std::string, BadFile> bad_;  ///< by path
};

}  // namespace graft::data
