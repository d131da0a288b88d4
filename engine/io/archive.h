// SPDX-License-Identifier: Apache-2.0
// Named tensors and text metadata in one file, in the safetensors format:
// u64 header length, JSON header, data; little endian, no holes. Holds no code, ever.
// Source: github.com/huggingface/safetensors, README "Format"; the caps below are tighter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/io/file.h"
#include "engine/tensor/tensor.h"

namespace graft {

/// What a file may claim; checked by writer and reader.
struct ArchiveLimits {
  static constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{16} << 20;
  static constexpr std::size_t kMaxTensors = 65536;
  static constexpr std::size_t kMaxRank = 8;
  static constexpr std::size_t kMaxNameBytes = 512;
};

using ArchiveMetadata = std::map<std::string, std::string>;

/// Where one tensor of an archive is.
struct ArchiveInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;  ///< row-major; empty for a scalar
  std::uint64_t begin = 0;         ///< bytes from the end of the header
  std::uint64_t bytes = 0;
};

/// One tensor in memory.
struct ArchiveEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> bytes;
};

/// The checked table of contents of an archive.
struct ArchiveIndex {
  ArchiveMetadata metadata;
  std::vector<ArchiveInfo> tensors;  ///< by position in the file
  std::uint64_t data_begin = 0;      ///< bytes from the start of the file
};

/// Reads and checks the header of `archive`, the first bytes of a file of `file_bytes` bytes called
/// `source`. Throws Error(kModel) naming source, tensor and numbers. Allocates nothing that the
/// header does not pay for.
[[nodiscard]] ArchiveIndex parse_archive_index(std::string_view archive, std::uint64_t file_bytes,
                                               std::string_view source);

/// Collects tensors and writes them once. The bytes depend on the contents only, not on the order
/// of the calls. Throws Error(kInvalidArgument) for what a reader would refuse.
class ArchiveWriter {
 public:
  void set_metadata(const std::string& key, const std::string& value);
  /// Keeps a reference to `bytes` until the archive is written.
  void add(const std::string& name, DType dtype, std::span<const std::int64_t> dims,
           std::span<const std::byte> bytes);
  /// Host memory; shares the tensor's storage until the archive is written.
  void add(const std::string& name, const Tensor& tensor);

  /// Writes atomically; returns the SHA-256 of the file. Throws Error(kIo).
  std::string write(const std::filesystem::path& path) const;
  /// The same bytes in memory.
  [[nodiscard]] std::string serialize() const;

 private:
  struct Item {
    DType dtype;
    std::vector<std::int64_t> dims;
    std::span<const std::byte> bytes;
    Tensor keep_alive;
  };
  void add_item(const std::string& name, Item item);
  [[nodiscard]] std::vector<const std::pair<const std::string, Item>*> in_file_order() const;
  [[nodiscard]] std::string header() const;
  void produce(const WriteSink& sink) const;

  ArchiveMetadata metadata_;
  std::map<std::string, Item> items_;
};

/// A checked archive file; tensors are read when asked for.
class ArchiveReader {
 public:
  /// Throws Error(kIo) if the file cannot be read, Error(kModel) if it is not a sound archive.
  explicit ArchiveReader(const std::filesystem::path& path);

  [[nodiscard]] const ArchiveMetadata& metadata() const { return index_.metadata; }
  [[nodiscard]] const std::vector<ArchiveInfo>& tensors() const { return index_.tensors; }
  /// nullptr if there is none of that name.
  [[nodiscard]] const ArchiveInfo* find(std::string_view name) const;

  [[nodiscard]] ArchiveEntry read(std::string_view name) const;
  /// Into host memory of the same dtype and as many elements (whatever the shape);
  /// Error(kModel) names both otherwise.
  void read_into(std::string_view name, const Tensor& to) const;

 private:
  [[nodiscard]] const ArchiveInfo& at(std::string_view name) const;

  std::string source_;
  FileReader file_;
  ArchiveIndex index_;
  std::unordered_map<std::string_view, std::size_t> position_;
};

}  // namespace graft
