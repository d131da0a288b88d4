// SPDX-License-Identifier: Apache-2.0
// The header as a stream of JSON events: no document is built, so a hostile one costs no more
// memory than its own text, and duplicate keys are seen.
#include "engine/io/detail/archive_header.h"

#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/core/error.h"
#include "engine/io/json.h"

namespace graft::detail {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 7> kDtypeNames = {{
    {DType::kF32, "F32"},
    {DType::kF64, "F64"},
    {DType::kBF16, "BF16"},
    {DType::kI32, "I32"},
    {DType::kI64, "I64"},
    {DType::kU8, "U8"},
    {DType::kI8, "I8"},
}};

constexpr std::uint64_t kMaxInteger = std::uint64_t{1} << 62;  // fits off_t with room to add

/// nlohmann's SAX interface; every method returns true or throws.
class HeaderHandler {
 public:
  explicit HeaderHandler(std::string_view source) : source_(source) {}

  ArchiveIndex take() { return std::move(index_); }

  bool start_object(std::size_t) {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kTop:
        if (in_metadata_) {
          state_ = State::kMetadata;
        } else {
          state_ = State::kTensor;
        }
        return true;
      default:
        reject("an object where none belongs");
    }
  }
  bool end_object() {
    if (state_ == State::kTensor) finish_tensor();
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }
  bool start_array(std::size_t) {
    if (state_ != State::kTensor) reject("an array where none belongs");
    if (field_ == "shape") {
      state_ = State::kShape;
    } else if (field_ == "data_offsets") {
      state_ = State::kOffsets;
    } else {
      reject("an array where none belongs");
    }
    return true;
  }
  bool end_array() {
    if (state_ == State::kOffsets && offsets_.size() != 2) {
      reject(cat("data_offsets with ", offsets_.size(), " numbers, not 2"));
    }
    state_ = State::kTensor;
    return true;
  }
  bool key(std::string& key) {
    if (state_ == State::kTop) {
      start_entry(key);
    } else if (state_ == State::kMetadata) {
      if (index_.metadata.contains(key)) reject(cat("metadata key \"", key, "\" twice"));
      field_ = key;
    } else {
      start_field(key);
    }
    return true;
  }
  bool string(std::string& text) {
    if (state_ == State::kMetadata) {
      index_.metadata.emplace(field_, text);
    } else if (state_ == State::kTensor && field_ == "dtype") {
      set_dtype(text);
    } else {
      reject(cat("text where none belongs: \"", text, "\""));
    }
    return true;
  }
  bool number_unsigned(std::uint64_t n) {
    if (n > kMaxInteger) reject(cat("number too large: ", n));
    if (state_ == State::kShape) {
      if (info_.dims.size() == ArchiveLimits::kMaxRank) {
        reject(cat("rank above ", ArchiveLimits::kMaxRank));
      }
      info_.dims.push_back(static_cast<std::int64_t>(n));
    } else if (state_ == State::kOffsets) {
      if (offsets_.size() == 2) reject("data_offsets with more than 2 numbers");
      offsets_.push_back(n);
    } else {
      reject(cat("a number where none belongs: ", n));
    }
    return true;
  }
  bool number_integer(std::int64_t n) { reject(cat("negative number ", n)); }
  bool number_float(double, const std::string& text) { reject("not a whole number: " + text); }
  bool null() { reject("null where none belongs"); }
  bool boolean(bool) { reject("true or false where none belongs"); }
  bool binary(Json::binary_t&) { reject("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const Json::exception& e) {
    fail(Errc::kModel, source_, ": header is not valid JSON at byte ", at, ": ", e.what());
  }

 private:
  enum class State { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  [[noreturn]] void reject(const std::string& what) const {
    fail(Errc::kModel, source_, ": header",
         info_.name.empty() ? std::string() : cat(", tensor \"", info_.name, "\""), ": ", what);
  }

  void start_entry(const std::string& key) {
    in_metadata_ = key == "__metadata__";
    info_ = {};
    if (key.size() > ArchiveLimits::kMaxNameBytes) {
      reject(cat("tensor name of ", key.size(), " bytes, at most ", ArchiveLimits::kMaxNameBytes));
    }
    if (!names_.insert(key).second) reject(cat("\"", key, "\" twice"));
    if (in_metadata_) return;
    if (index_.tensors.size() == ArchiveLimits::kMaxTensors) {
      reject(cat("more than ", ArchiveLimits::kMaxTensors, " tensors"));
    }
    info_.name = key;
    offsets_.clear();
    has_dtype_ = has_shape_ = has_offsets_ = false;
  }

  void start_field(const std::string& key) {
    bool* seen = key == "dtype"          ? &has_dtype_
                 : key == "shape"        ? &has_shape_
                 : key == "data_offsets" ? &has_offsets_
                                         : nullptr;
    if (seen == nullptr) reject(cat("unknown field \"", key, "\""));
    if (*seen) reject(cat("field \"", key, "\" twice"));
    *seen = true;
    field_ = key;
  }

  void set_dtype(const std::string& text) {
    for (const auto& [dtype, dtype_name] : kDtypeNames) {
      if (text == dtype_name) {
        info_.dtype = dtype;
        return;
      }
    }
    reject(cat("dtype ", text, " is not read; convert it to F32 or BF16"));
  }

  void finish_tensor() {
    if (!has_dtype_ || !has_shape_ || !has_offsets_) reject("lacks dtype, shape or data_offsets");
    std::uint64_t bytes = size_of(info_.dtype);
    for (const std::int64_t d : info_.dims) {
      if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(d), &bytes) ||
          bytes > kMaxInteger) {
        reject("shape overflows");
      }
    }
    if (offsets_[1] < offsets_[0] || offsets_[1] - offsets_[0] != bytes) {
      reject(cat("its shape takes ", bytes, " bytes, its data_offsets are [", offsets_[0], ", ",
                 offsets_[1], "]"));
    }
    info_.begin = offsets_[0];
    info_.bytes = bytes;
    index_.tensors.push_back(std::move(info_));
    info_ = {};
  }

  std::string_view source_;
  State state_ = State::kStart;
  bool in_metadata_ = false;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::string field_;
  ArchiveInfo info_;
  std::vector<std::uint64_t> offsets_;
  std::unordered_set<std::string> names_;
  ArchiveIndex index_;
};

}  // namespace

std::string_view archive_dtype_name(DType dtype) {
  for (const auto& [known, dtype_name] : kDtypeNames) {
    if (known == dtype) return dtype_name;
  }
  fail(Errc::kInternal, "archive: no name for dtype ", name(dtype));
}

ArchiveIndex parse_archive_header(std::string_view text, std::string_view source) {
  // A header that starts with anything else could be a file of another kind as well.
  if (text.empty() || text.front() != '{') {
    fail(Errc::kModel, source, ": not a safetensors file: the header does not begin with '{'");
  }
  HeaderHandler handler(source);
  Json::sax_parse(text.begin(), text.end(), &handler);
  return handler.take();
}

}  // namespace graft::detail
