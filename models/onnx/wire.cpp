// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/wire.h"

#include <cstring>

#include "engine/core/error.h"

namespace graft::onnx {
namespace {

constexpr unsigned kTypeBits = 3, kPayloadBits = 7;
constexpr std::uint64_t kMaxField = (std::uint64_t{1} << 29) - 1;

}  // namespace

std::uint64_t WireReader::varint() {
  constexpr unsigned kWidth = 64;
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < kWidth; shift += kPayloadBits) {
    if (rest_.empty()) fail(Errc::kModel, "protobuf: truncated number");
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail(Errc::kModel, "protobuf: number of more than ten bytes");
}

std::string_view WireReader::take(std::uint64_t count) {
  if (count > rest_.size()) {
    fail(Errc::kModel, "protobuf: field ", field_, " of ", count, " bytes where ", rest_.size(),
         " are left");
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

bool WireReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t key = varint();
  const std::uint64_t number = key >> kTypeBits, type = key & 7;
  if (number == 0 || number > kMaxField) fail(Errc::kModel, "protobuf: field number ", number);
  if (type == 3 || type == 4 || type > 5) {
    fail(Errc::kModel, "protobuf: field ", number, " has wire type ", type);
  }
  field_ = static_cast<std::uint32_t>(number);
  type_ = static_cast<WireType>(type);
  return true;
}

void WireReader::expect(WireType type) const {
  if (type_ == type) return;
  fail(Errc::kModel, "protobuf: field ", field_, " has wire type ", static_cast<int>(type_),
       ", expected ", static_cast<int>(type));
}

std::int64_t WireReader::integer() {
  expect(WireType::kVarint);
  return static_cast<std::int64_t>(varint());
}

float WireReader::real() {
  expect(WireType::kFixed32);
  float value = 0;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view WireReader::bytes() {
  expect(WireType::kBytes);
  return take(varint());
}

void WireReader::append_integers(std::vector<std::int64_t>& to, std::size_t most) {
  const auto add = [&](std::uint64_t value) {
    if (to.size() == most)
      fail(Errc::kModel, "protobuf: field ", field_, " has more than ", most, " numbers");
    to.push_back(static_cast<std::int64_t>(value));
  };
  if (type_ == WireType::kVarint) {
    add(varint());
    return;
  }
  WireReader packed(bytes());
  packed.field_ = field_;
  while (!packed.rest_.empty()) add(packed.varint());
}

template <class T>
void WireReader::append_fixed(std::vector<T>& to, std::size_t most, WireType single) {
  const std::string_view data = type_ == single ? take(sizeof(T)) : bytes();
  if (data.size() % sizeof(T) != 0 || data.size() / sizeof(T) > most - to.size()) {
    fail(Errc::kModel, "protobuf: field ", field_, " holds ", data.size(), " bytes of numbers");
  }
  const std::size_t before = to.size();
  to.resize(before + data.size() / sizeof(T));
  if (!data.empty()) std::memcpy(to.data() + before, data.data(), data.size());
}

void WireReader::append_reals(std::vector<float>& to, std::size_t most) {
  append_fixed(to, most, WireType::kFixed32);
}

void WireReader::append_doubles(std::vector<double>& to, std::size_t most) {
  append_fixed(to, most, WireType::kFixed64);
}

void WireReader::skip() {
  switch (type_) {
    case WireType::kVarint:
      (void)varint();
      return;
    case WireType::kFixed64:
      (void)take(sizeof(std::uint64_t));
      return;
    case WireType::kFixed32:
      (void)take(sizeof(std::uint32_t));
      return;
    case WireType::kBytes:
      (void)bytes();
      return;
  }
}

void WireWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= kPayloadBits) out_ += static_cast<char>((value & 0x7f) | 0x80);
  out_ += static_cast<char>(value);
}

void WireWriter::tag(std::uint32_t field, WireType type) {
  varint(std::uint64_t{field} << kTypeBits | static_cast<std::uint64_t>(type));
}

void WireWriter::integer(std::uint32_t field, std::int64_t value) {
  tag(field, WireType::kVarint);
  varint(static_cast<std::uint64_t>(value));
}

void WireWriter::real(std::uint32_t field, float value) {
  tag(field, WireType::kFixed32);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out_.append(raw, sizeof raw);
}

void WireWriter::bytes(std::uint32_t field, std::string_view value) {
  tag(field, WireType::kBytes);
  varint(value.size());
  out_ += value;
}

}  // namespace graft::onnx
