// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/rng.h"
#include "engine/core/text.h"
#include "engine/io/hash.h"
#include "engine/io/image.h"

namespace graft::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 4> kTestFolders = {"test", "val", "valid", "validation"};
constexpr double kDefaultBadShare = 0.001;
/// Epoch of the streams that draw the held-out images; the id is the class.
constexpr std::uint32_t kHoldoutEpoch = std::numeric_limits<std::uint32_t>::max() - 1;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// False also where the system does not tell.
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::optional<fs::path> find_test_folder(const fs::path& root) {
  for (const char* folder : kTestFolders) {
    if (is_folder(root / folder)) return root / folder;
  }
  return std::nullopt;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  } catch (const fs::filesystem_error& e) {
    fail(Errc::kData, "folder: cannot list ", folder.string(), ": ", e.code().message());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

void check_options(const FolderOptions& options) {
  constexpr int kLargestSide = 4096;
  if (options.size < 1 || options.size > kLargestSide) {
    fail(Errc::kUsage, "folder: size=", options.size, " is not in 1 to ", kLargestSide);
  }
  if (!(options.holdout > 0 && options.holdout < 1)) {
    fail(Errc::kUsage, "folder: holdout=", options.holdout, " is not between 0 and 1");
  }
}

}  // namespace

bool is_image_file(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<std::string_view, 6> kKnown = {".jpg", ".jpeg", ".png",
                                                      ".bmp", ".ppm",  ".pgm"};
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

Folder::Folder(const fs::path& folder, Split split, const FolderOptions& options)
    : root_(folder), options_(options), name_("folder:" + folder.string()) {
  check_options(options);
  if (!is_folder(folder)) {
    fail(Errc::kData, "folder: there is no folder ", folder.string(), "; check the path");
  }
  const bool has_train = is_folder(folder / "train");
  const fs::path train_folder = has_train ? folder / "train" : folder;
  const auto test_folder = !has_train ? std::nullopt
                           : options.test_folder.empty()
                               ? find_test_folder(folder)
                               : std::optional(folder / options.test_folder);
  list_classes(train_folder);
  list_files(split == Split::kTest && test_folder ? *test_folder : train_folder);
  const double share = kDefaultBadShare * static_cast<double>(files_.size());
  max_bad_ =
      options.max_bad >= 0 ? options.max_bad : std::max<std::int64_t>(1, std::llround(share));
  if (options.verify) verify_all();
  if (!test_folder && !options.whole) hold_out(split);
  if (files_.empty()) {
    fail(Errc::kData, "folder: no ", data::name(split), " images in ", folder.string(),
         "; expected ", folder.string(), "/CLASS/FILE.jpg or .../{train,test}/CLASS/FILE.jpg");
  }
  index_classes();
  make_cache();
}

void Folder::list_classes(const fs::path& train_folder) {
  for (const fs::path& entry : sorted_entries(train_folder)) {
    if (is_folder(entry) && !is_hidden(entry)) {
      class_names_.push_back(entry.filename().string());
    }
  }
  if (class_names_.empty()) {
    fail(Errc::kData, "folder: no class folders in ", train_folder.string(), "; expected ",
         train_folder.string(), "/CLASS/FILE.jpg");
  }
}

void Folder::list_files(const fs::path& split_folder) {
  for (const fs::path& entry : sorted_entries(split_folder)) {
    if (!is_folder(entry) || is_hidden(entry)) continue;
    const std::string class_name = entry.filename().string();
    const auto found = std::find(class_names_.begin(), class_names_.end(), class_name);
    if (found == class_names_.end()) {
      fail(Errc::kData, "folder: ", entry.string(), " is a class that the training images lack",
           did_you_mean(class_name, class_names_));
    }
    for (const fs::path& file : sorted_entries(entry)) {
      std::error_code unreadable;  // then it is no regular file of a known size: not ours
      const std::uint64_t bytes = fs::file_size(file, unreadable);
      if (is_hidden(file) || !is_image_file(file) || unreadable) continue;
      files_.push_back({file.lexically_relative(root_).string(), bytes,
                        static_cast<int>(found - class_names_.begin())});
    }
  }
}

/// Keeps the held-out share of every class, or the rest. A class of one image trains.
void Folder::hold_out(Split split) {
  std::vector<File> kept;
  for (auto begin = files_.begin(); begin != files_.end();) {
    const auto end =
        std::find_if(begin, files_.end(), [&](const File& f) { return f.label != begin->label; });
    const auto count = end - begin;
    auto held =
        static_cast<std::ptrdiff_t>(std::llround(options_.holdout * static_cast<double>(count)));
    held = std::clamp<std::ptrdiff_t>(held, count > 1 ? 1 : 0, count - 1);
    std::vector<bool> tests(static_cast<std::size_t>(count));
    const auto order = epoch_order(count, static_cast<std::uint64_t>(begin->label), kHoldoutEpoch);
    for (std::ptrdiff_t i = 0; i < held; ++i) {
      tests[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      if (tests[static_cast<std::size_t>(i)] == (split == Split::kTest)) kept.push_back(begin[i]);
    }
    begin = end;
  }
  files_ = std::move(kept);
}

void Folder::index_classes() {
  ranges_.assign(class_names_.size(), {});
  for (std::int64_t id = 0; id < size(); ++id) {
    ClassRange& range = ranges_[static_cast<std::size_t>(label(id))];
    if (range.end == 0) range.begin = id;
    range.end = id + 1;
  }
}

void Folder::make_cache() {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const auto budget =
      static_cast<std::uint64_t>(std::max<std::int64_t>(options_.cache_mib, 0)) * kMiB;
  const std::uint64_t bytes = static_cast<std::uint64_t>(size()) * image_size().bytes();
  if (bytes > budget) return;
  cache_ = Buffer(host_memory(), bytes);  // pages are taken as images arrive
  cache_state_ = std::make_unique<std::atomic<std::uint8_t>[]>(files_.size());
}

/// Before the hold-out is drawn, so that a bad file has no influence on it either.
void Folder::verify_all() {
  std::vector<std::uint8_t> pixels(image_size().bytes());
  std::vector<File> good;
  for (std::int64_t id = 0; id < size(); ++id) {
    if (decode(id, pixels)) good.push_back(files_[static_cast<std::size_t>(id)]);
  }
  files_ = std::move(good);
}

ImageSize Folder::image_size() const {
  if (options_.preprocess) return {options_.preprocess->height, options_.preprocess->width};
  return {options_.size, options_.size};
}

std::string Folder::example_name(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return files_[static_cast<std::size_t>(id)].path;
}

int Folder::label(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return files_[static_cast<std::size_t>(id)].label;
}

template <class Use>
void Folder::first_good(std::int64_t id, const Use& use) const {
  const ClassRange range = ranges_[static_cast<std::size_t>(label(id))];
  const std::int64_t count = range.end - range.begin;
  for (std::int64_t step = 0; step < count; ++step) {
    if (use(range.begin + (id - range.begin + step) % count)) return;
  }
  fail(Errc::kData, "folder: no good image in class ",
       class_names_[static_cast<std::size_t>(label(id))], " of ", root_.string());
}

void Folder::read(std::int64_t id, std::span<std::uint8_t> hwc) const {
  GRAFT_CHECK_EQ(hwc.size(), image_size().bytes());
  first_good(id, [&](std::int64_t candidate) { return decode_cached(candidate, hwc); });
}

ImageU8 Folder::original(std::int64_t id) const {
  ImageU8 out;
  first_good(id, [&](std::int64_t candidate) {
    return load(candidate, [&](ImageU8 image) { out = std::move(image); });
  });
  return out;
}

bool Folder::decode_cached(std::int64_t id, std::span<std::uint8_t> hwc) const {
  if (cache_.data() == nullptr) return decode(id, hwc);
  std::atomic<std::uint8_t>& state = cache_state_[static_cast<std::size_t>(id)];
  auto* cached =
      static_cast<std::uint8_t*>(cache_.data()) + static_cast<std::size_t>(id) * hwc.size();
  if (state.load(std::memory_order_acquire) == kFull) {
    std::memcpy(hwc.data(), cached, hwc.size());
    return true;
  }
  if (!decode(id, hwc)) return false;
  std::uint8_t expected = kEmpty;
  if (state.compare_exchange_strong(expected, kFilling, std::memory_order_acquire)) {
    std::memcpy(cached, hwc.data(), hwc.size());
    state.store(kFull, std::memory_order_release);
  }
  return true;
}

/// Hands the decoded file to `use`; false if one of the two finds it bad.
template <class Use>
bool Folder::load(std::int64_t id, const Use& use) const {
  const File& file = files_[static_cast<std::size_t>(id)];
  {
    const std::scoped_lock lock(bad_mutex_);
    if (bad_.contains(file.path)) return false;
  }
  try {
    use(decode_image_file(root_ / file.path));
    return true;
  } catch (const Error& e) {
    if (e.code() != Errc::kData && e.code() != Errc::kIo) throw;
    add_bad(id, e.what());
    return false;
  }
}

bool Folder::decode(std::int64_t id, std::span<std::uint8_t> hwc) const {
  return load(id, [&](const ImageU8& image) {
    const ImageU8 fitted = options_.preprocess ? fit(*options_.preprocess, image)
                                               : resize_and_center_crop(image, options_.size);
    std::memcpy(hwc.data(), fitted.pixels.data(), hwc.size());
  });
}

void Folder::add_bad(std::int64_t id, const std::string& reason) const {
  const std::string& path = files_[static_cast<std::size_t>(id)].path;
  const std::scoped_lock lock(bad_mutex_);
  if (!bad_.try_emplace(path, BadFile{path, reason}).second) return;
  const auto count = static_cast<std::int64_t>(bad_.size());
  if (count > max_bad_) {
    fail(Errc::kData, "folder: ", count, " bad files of ", size(), " in ", root_.string(),
         ", at most max_bad=", max_bad_, " are endured; the last is ", reason,
         "; remove or repair them, or raise max_bad");
  }
  log::warning("skipped a bad image ({} of at most {}): {}", count, max_bad_, reason);
}

std::string Folder::fingerprint() const {
  Sha256 hash;
  hash.update(options_.preprocess ? to_json(*options_.preprocess).dump()
                                  : detail::cat("folder size ", options_.size, "\n"));
  for (const File& f : files_) hash.update(detail::cat(f.path, "\t", f.bytes, "\t", f.label, "\n"));
  return hash.hex();
}

std::vector<BadFile> Folder::bad_files() const {
  const std::scoped_lock lock(bad_mutex_);
  std::vector<BadFile> list;
  for (const auto& [path, bad] : bad_) list.push_back(bad);
  return list;
}

}  // namespace graft::data
