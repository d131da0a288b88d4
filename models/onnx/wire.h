// SPDX-License-Identifier: Apache-2.0
// Protocol Buffers' wire format, read within bounds and written.
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft::onnx {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Walks the fields of one message. Never reads outside `message`; nested messages are handed out
/// as bytes, so the depth is that of the caller. Everything odd is Error(kModel).
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}

  /// Moves to the next field; false at the end. The value of the field before must have been read
  /// or skipped.
  bool next();
  [[nodiscard]] std::uint32_t field() const { return field_; }

  [[nodiscard]] std::int64_t integer();
  [[nodiscard]] float real();
  [[nodiscard]] std::string_view bytes();
  /// Appends one number, or all of a packed field; Error(kModel) beyond `most` in all.
  void append_integers(std::vector<std::int64_t>& to, std::size_t most);
  void append_reals(std::vector<float>& to, std::size_t most);
  void append_doubles(std::vector<double>& to, std::size_t most);
  void skip();

 private:
  [[nodiscard]] std::uint64_t varint();
  [[nodiscard]] std::string_view take(std::uint64_t count);
  void expect(WireType type) const;
  template <class T>
  void append_fixed(std::vector<T>& to, std::size_t most, WireType single);

  std::string_view rest_;
  std::uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
};

/// Builds one message.
class WireWriter {
 public:
  void integer(std::uint32_t field, std::int64_t value);
  void real(std::uint32_t field, float value);
  void bytes(std::uint32_t field, std::string_view value);
  void message(std::uint32_t field, const WireWriter& value) { bytes(field, value.out_); }
  [[nodiscard]] const std::string& str() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void varint(std::uint64_t value);
  void tag(std::uint32_t field, WireType type);
  std::string out_;
};

}  // namespace graft::onnx
