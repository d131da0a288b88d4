// SPDX-License-Identifier: Apache-2.0
#include "engine/io/archive.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>
#include <utility>

#include "engine/core/error.h"
#include "engine/io/detail/archive_header.h"
#include "engine/io/hash.h"
#include "engine/io/json.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "archives are little endian in memory");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHeaderAlignment = 8;

using detail::archive_dtype_name;

std::uint64_t header_bytes(std::string_view archive, std::uint64_t file_bytes,
                           std::string_view source) {
  if (file_bytes < kLengthBytes || archive.size() < kLengthBytes) {
    fail(Errc::kModel, source, ": not a safetensors file: ", file_bytes,
         " bytes, the header length alone takes ", kLengthBytes);
  }
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, archive.data(), kLengthBytes);
  if (bytes > ArchiveLimits::kMaxHeaderBytes) {
    fail(Errc::kModel, source, ": not a safetensors file: header of ", bytes, " bytes, at most ",
         ArchiveLimits::kMaxHeaderBytes, " are read");
  }
  if (bytes > file_bytes - kLengthBytes) {
    fail(Errc::kModel, source, ": truncated: header of ", bytes, " bytes in a file of ", file_bytes,
         " bytes");
  }
  return bytes;
}

/// Every byte of the data belongs to exactly one tensor.
void check_layout(const ArchiveIndex& index, std::uint64_t data_bytes, std::string_view source) {
  std::uint64_t end = 0;
  for (const ArchiveInfo& t : index.tensors) {
    if (t.begin != end) {
      fail(Errc::kModel, source, ": tensor \"", t.name, "\" begins at byte ", t.begin,
           t.begin < end ? " and overlaps the tensor before it, which ends at "
                         : " and leaves a hole after byte ",
           end);
    }
    end += t.bytes;  // cannot overflow: the parser checked begin + bytes
    if (end > data_bytes) {
      fail(Errc::kModel, source, ": tensor \"", t.name, "\" ends at byte ", end,
           " of the data, which has ", data_bytes, "; the file is truncated or not sound");
    }
  }
  if (end != data_bytes) {
    fail(Errc::kModel, source, ": ", data_bytes - end,
         " bytes after the last tensor, which ends at ", end, " of ", data_bytes);
  }
}

}  // namespace

ArchiveIndex parse_archive_index(std::string_view archive, std::uint64_t file_bytes,
                                 std::string_view source) {
  const std::uint64_t bytes = header_bytes(archive, file_bytes, source);
  GRAFT_CHECK(archive.size() - kLengthBytes >= bytes, "the whole header must be given");
  ArchiveIndex index = detail::parse_archive_header(archive.substr(kLengthBytes, bytes), source);
  index.data_begin = kLengthBytes + bytes;
  std::sort(index.tensors.begin(), index.tensors.end(),
            [](const ArchiveInfo& a, const ArchiveInfo& b) {
              return std::tie(a.begin, a.bytes, a.name) < std::tie(b.begin, b.bytes, b.name);
            });
  check_layout(index, file_bytes - index.data_begin, source);
  return index;
}

void ArchiveWriter::set_metadata(const std::string& key, const std::string& value) {
  metadata_[key] = value;
}

void ArchiveWriter::add(const std::string& name, DType dtype, std::span<const std::int64_t> dims,
                        std::span<const std::byte> bytes) {
  add_item(name, {dtype, {dims.begin(), dims.end()}, bytes, {}});
}

void ArchiveWriter::add(const std::string& name, const Tensor& tensor) {
  std::vector<std::int64_t> dims;
  for (int i = 0; i < tensor.shape().rank(); ++i) dims.push_back(tensor.shape()[i]);
  const std::span bytes(static_cast<const std::byte*>(tensor.data()), tensor.bytes());
  add_item(name, {tensor.dtype(), std::move(dims), bytes, tensor});
}

void ArchiveWriter::add_item(const std::string& name, Item item) {
  GRAFT_CHECK(name.size() <= ArchiveLimits::kMaxNameBytes && name != "__metadata__",
              "tensor name of ", name.size(), " bytes: ", name);
  GRAFT_CHECK(item.dims.size() <= ArchiveLimits::kMaxRank, name, " has rank ", item.dims.size());
  GRAFT_CHECK(items_.size() < ArchiveLimits::kMaxTensors, "too many tensors at ", name);
  std::uint64_t numel = 1;
  for (const std::int64_t d : item.dims) numel *= static_cast<std::uint64_t>(d);
  GRAFT_CHECK_EQ(numel * size_of(item.dtype), item.bytes.size(), "bytes of ", name);
  GRAFT_CHECK(items_.try_emplace(name, std::move(item)).second, "tensor twice: ", name);
}

/// Widest elements first, as the reference implementation does: every tensor is then aligned to
/// its element, whatever the others are.
std::vector<const std::pair<const std::string, ArchiveWriter::Item>*> ArchiveWriter::in_file_order()
    const {
  std::vector<const std::pair<const std::string, Item>*> order;
  order.reserve(items_.size());
  for (const auto& item : items_) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });
  return order;
}

std::string ArchiveWriter::header() const {
  // Written member by member: a DOM of 65,536 ordered members would be quadratic.
  const auto quote = [](const std::string& text) {
    try {
      return Json(text).dump();
    } catch (const Json::exception&) {
      fail(Errc::kInvalidArgument, "archive: text is not UTF-8: ", text);
    }
  };
  std::string out = "{";
  if (!metadata_.empty()) {
    out += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata_) {
      if (out.back() != '{') out += ',';
      out += quote(key) + ':' + quote(value);
    }
    out += '}';
  }
  std::uint64_t begin = 0;
  for (const auto* item : in_file_order()) {
    const auto& [name, tensor] = *item;
    if (out.size() > 1) out += ',';
    const std::uint64_t end = begin + tensor.bytes.size();
    out += quote(name) + ":{\"dtype\":\"" + std::string(archive_dtype_name(tensor.dtype)) +
           "\",\"shape\":" + Json(tensor.dims).dump() + ",\"data_offsets\":[" +
           std::to_string(begin) + ',' + std::to_string(end) + "]}";
    begin = end;
  }
  out += '}';
  out.append((kHeaderAlignment - out.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  GRAFT_CHECK(out.size() <= ArchiveLimits::kMaxHeaderBytes, "archive header of ", out.size(),
              " bytes");
  return out;
}

void ArchiveWriter::produce(const WriteSink& sink) const {
  const std::string text = header();
  const std::uint64_t length = text.size();
  sink(&length, sizeof length);
  sink(text.data(), text.size());
  for (const auto* item : in_file_order()) {
    sink(item->second.bytes.data(), item->second.bytes.size());
  }
}

std::string ArchiveWriter::write(const std::filesystem::path& path) const {
  std::uint64_t expected = kLengthBytes;
  for (const auto& [name, item] : items_) expected += item.bytes.size();
  Sha256 hash;
  atomic_write(
      path,
      [&](const WriteSink& sink) {
        produce([&](const void* data, std::size_t bytes) {
          hash.update(data, bytes);
          sink(data, bytes);
        });
      },
      expected);
  return hash.hex();
}

std::string ArchiveWriter::serialize() const {
  std::string out;
  produce([&](const void* data, std::size_t bytes) {
    out.append(static_cast<const char*>(data), bytes);
  });
  return out;
}

ArchiveReader::ArchiveReader(const std::filesystem::path& path)
    : source_(path.string()), file_(path) {
  std::string head(std::min<std::uint64_t>(kLengthBytes, file_.size()), '\0');
  file_.read_at(0, head.data(), head.size());
  const std::uint64_t bytes = header_bytes(head, file_.size(), source_);
  head.resize(kLengthBytes + bytes);
  file_.read_at(kLengthBytes, head.data() + kLengthBytes, bytes);
  index_ = parse_archive_index(head, file_.size(), source_);
  for (std::size_t i = 0; i < index_.tensors.size(); ++i) {
    position_.emplace(index_.tensors[i].name, i);
  }
}

const ArchiveInfo* ArchiveReader::find(std::string_view name) const {
  const auto it = position_.find(name);
  return it == position_.end() ? nullptr : &index_.tensors[it->second];
}

const ArchiveInfo& ArchiveReader::at(std::string_view name) const {
  const ArchiveInfo* info = find(name);
  if (info == nullptr) {
    fail(Errc::kModel, source_, ": no tensor \"", name, "\" among its ", index_.tensors.size());
  }
  return *info;
}

ArchiveEntry ArchiveReader::read(std::string_view name) const {
  const ArchiveInfo& info = at(name);
  ArchiveEntry entry{info.name, info.dtype, info.dims, std::vector<std::byte>(info.bytes)};
  file_.read_at(index_.data_begin + info.begin, entry.bytes.data(), info.bytes);
  return entry;
}

void ArchiveReader::read_into(std::string_view name, const Tensor& to) const {
  const ArchiveInfo& info = at(name);
  if (info.dtype != to.dtype() || info.bytes != to.bytes()) {
    fail(Errc::kModel, source_, ": tensor \"", name, "\" has ", graft::name(info.dtype), " ",
         Json(info.dims).dump(), ", expected ", graft::name(to.dtype()), " ", to.shape());
  }
  file_.read_at(index_.data_begin + info.begin, to.data(), info.bytes);
}

}  // namespace graft
