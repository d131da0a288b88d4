// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/cifar.h"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"
#include "engine/io/hash.h"

namespace graft::data {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32;
constexpr std::size_t kPlane = std::size_t{kSide} * kSide;
constexpr std::size_t kImageBytes = 3 * kPlane;

/// False also where the system does not tell; opening it will.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The official archives unpack into a folder of their own.
fs::path find_folder(const CifarLayout& layout, const fs::path& folder) {
  const std::string& first = layout.train_files.front();
  if (is_there(folder / first)) return folder;
  for (const char* inner : {"cifar-10-batches-bin", "cifar-100-binary"}) {
    if (is_there(folder / inner / first)) return folder / inner;
  }
  return folder;
}

[[noreturn]] void fail_missing(const CifarLayout& layout, const fs::path& path) {
  const fs::path folder = path.parent_path();
  const std::string what = layout.kind + ": " + path.string() + " is missing";
  if (!is_there(folder)) {
    fail(Errc::kData, what, ": there is no folder ", folder.string(), "; check the path");
  }
  // The Python version of the archive has the same names without ".bin", as pickles.
  const fs::path pickle = folder / path.stem();
  if (is_there(pickle)) {
    fail(Errc::kData, what, ", but the Python version is there, a pickle, which graft never reads ",
         "(it can run code). Fetch the \"binary version\" of the archive, or convert each file F "
         "with: ",
         "python3 -c \"import pickle,sys; f=sys.argv[1]; "
         "d=pickle.load(open(f,'rb'),encoding='bytes'); "
         "open(f+'.bin','wb').write(b''.join(",
         layout.label_bytes == 1 ? "bytes([y])+bytes(x) for y,x in zip(d[b'labels'],d[b'data'])"
                                 : "bytes([c,y])+bytes(x) for c,y,x in "
                                   "zip(d[b'coarse_labels'],d[b'fine_labels'],d[b'data'])",
         "))\" F");
  }
  fail(Errc::kData, what, "; unpack the \"binary version\" of the archive there (", layout.kind,
       " needs ", join(layout.train_files, ", "), " and ", join(layout.test_files, ", "), ")");
}

}  // namespace

const CifarLayout& cifar10_layout() {
  static const CifarLayout layout = {
      .kind = "cifar10",
      .train_files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                      "data_batch_4.bin", "data_batch_5.bin"},
      .test_files = {"test_batch.bin"},
      .records_per_train_file = 10000,
      .records_per_test_file = 10000,
      .label_bytes = 1,
      .classes = 10,
      .names_file = "batches.meta.txt"};
  return layout;
}

const CifarLayout& cifar100_layout() {
  static const CifarLayout layout = {.kind = "cifar100",
                                     .train_files = {"train.bin"},
                                     .test_files = {"test.bin"},
                                     .records_per_train_file = 50000,
                                     .records_per_test_file = 10000,
                                     .label_bytes = 2,
                                     .classes = 100,
                                     .names_file = "fine_label_names.txt"};
  return layout;
}

Cifar::Cifar(const CifarLayout& layout, const fs::path& folder, Split split)
    : name_(layout.kind + ":" + folder.string()) {
  const fs::path found = find_folder(layout, folder);
  const bool train = split == Split::kTrain;
  const auto& files = train ? layout.train_files : layout.test_files;
  const std::int64_t records = train ? layout.records_per_train_file : layout.records_per_test_file;
  const std::size_t total = files.size() * static_cast<std::size_t>(records);
  labels_.reserve(total);
  pixels_.reserve(total * kImageBytes);
  for (const std::string& file : files) load_file(layout, found / file, records);
  load_names(layout, found);
  Sha256 hash;
  hash.update(layout.kind + " " + data::name(split) + " ");
  hash.update(labels_.data(), labels_.size());
  hash.update(pixels_.data(), pixels_.size());
  fingerprint_ = hash.hex();
}

void Cifar::load_file(const CifarLayout& layout, const fs::path& path, std::int64_t records) {
  if (!is_there(path)) fail_missing(layout, path);
  const std::size_t record_bytes = static_cast<std::size_t>(layout.label_bytes) + kImageBytes;
  const std::uint64_t expected = record_bytes * static_cast<std::uint64_t>(records);
  const FileReader file(path);
  if (file.size() != expected) {
    fail(Errc::kData, layout.kind, ": ", path.string(), " has ", file.size(), " bytes, expected ",
         expected, " (", records, " records of ", record_bytes, " bytes); ",
         file.size() < expected ? "it is truncated: " : "", "fetch it again");
  }
  std::vector<std::uint8_t> bytes(expected);
  file.read_at(0, bytes.data(), expected);
  for (std::int64_t r = 0; r < records; ++r) {
    const std::uint8_t* record = bytes.data() + static_cast<std::size_t>(r) * record_bytes;
    const std::uint8_t label = record[layout.label_bytes - 1];
    if (label >= layout.classes) {
      fail(Errc::kData, layout.kind, ": ", path.string(), " record ", r, " at byte ",
           static_cast<std::size_t>(r) * record_bytes, " has label ", int{label},
           ", expected 0 to ", layout.classes - 1,
           "; the file is damaged or of another data set: fetch it again");
    }
    labels_.push_back(label);
    const std::uint8_t* plane = record + layout.label_bytes;
    const std::size_t at = pixels_.size();
    pixels_.resize(at + kImageBytes);
    std::uint8_t* out = pixels_.data() + at;
    for (std::size_t p = 0; p < kPlane; ++p) {
      for (std::size_t c = 0; c < 3; ++c) *out++ = plane[c * kPlane + p];
    }
  }
}

void Cifar::load_names(const CifarLayout& layout, const fs::path& folder) {
  constexpr std::uint64_t kMaxBytes = 1 << 16;
  const fs::path path = folder / layout.names_file;
  const auto classes = static_cast<std::size_t>(layout.classes);
  if (is_there(path)) {
    for (std::string& line : split(read_file(path, kMaxBytes), '\n')) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) class_names_.push_back(std::move(line));
    }
    if (class_names_.size() != classes) {
      fail(Errc::kData, layout.kind, ": ", path.string(), " has ", class_names_.size(),
           " class names, expected ", classes, "; remove it or fetch it again");
    }
    return;
  }
  for (std::size_t c = 0; c < classes; ++c) class_names_.push_back(std::to_string(c));
}

ImageSize Cifar::image_size() const { return {kSide, kSide}; }

int Cifar::label(std::int64_t id) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return labels_[static_cast<std::size_t>(id)];
}

void Cifar::read(std::int64_t id, std::span<std::uint8_t> hwc) const {
  GRAFT_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  GRAFT_CHECK_EQ(hwc.size(), kImageBytes);
  std::memcpy(hwc.data(), pixels_.data() + static_cast<std::size_t>(id) * kImageBytes, kImageBytes);
}

std::optional<Normalization> Cifar::published_normalization() const {
  // The Selective-Backprop paper's, for CIFAR-10 and CIFAR-100 alike.
  return Normalization{{125.3 / 255, 123.0 / 255, 113.9 / 255},
                       {63.0 / 255, 62.1 / 255, 66.7 / 255}};
}

}  // namespace graft::data
