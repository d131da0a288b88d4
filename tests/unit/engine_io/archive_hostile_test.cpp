// SPDX-License-Identifier: Apache-2.0
// Archives that somebody made to hurt: every one is refused with its reason, none is read.
#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/archive.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::TempFolder;

struct HostileCase {
  const char* id;
  std::string bytes;
  std::string reason;  ///< must be in the message
  friend void PrintTo(const HostileCase& c, std::ostream* out) { *out << c.id; }
};

std::string length_of(std::uint64_t n) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(n >> (8 * i) & 255);
  return out;
}

/// A file with this header and `data_bytes` of data.
std::string file(const std::string& header, std::size_t data_bytes = 0) {
  return length_of(header.size()) + header + std::string(data_bytes, 'x');
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return detail::cat('"', name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
                     ",\"data_offsets\":", offsets, "}");
}

/// A header with these members.
template <class... Ts>
std::string object(const Ts&... members) {
  return detail::cat("{", members..., "}");
}

std::string one(const std::string& shape, const std::string& offsets,
                const std::string& dtype = "F32") {
  return object(tensor("t", dtype, shape, offsets));
}

std::string many_tensors(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i) {
    if (i > 0) header += ',';
    header += tensor(detail::cat("t", i), "F32", "[0]", "[0,0]");
  }
  return header + '}';
}

std::vector<HostileCase> layouts() {
  const std::string a = tensor("a", "F32", "[2]", "[0,8]");
  return {
      {"empty_file", "", "not a safetensors file"},
      {"seven_bytes", "1234567", "7 bytes"},
      {"header_longer_than_file", length_of(100) + "{}", "truncated"},
      {"header_length_max", length_of(~std::uint64_t{0}) + "{}", "header of"},
      {"header_above_cap", length_of((std::uint64_t{16} << 20) + 1) + "{}", "at most"},
      {"header_empty", file(""), "begin with '{'"},
      {"header_starts_with_space", file(" {}"), "begin with '{'"},
      {"header_is_array", file("[]"), "begin with '{'"},
      {"header_cut", file("{\"a\":"), "not valid JSON"},
      {"two_documents", file("{}{}"), "not valid JSON"},
      {"zip_after_header", file("{}PK\3\4"), "not valid JSON"},
      {"invalid_utf8", file("{\"\xff\":1}"), "not valid JSON"},
      {"hole_at_start", file(one("[2]", "[4,12]"), 12), "hole"},
      {"hole_between", file(object(a + "," + tensor("b", "F32", "[1]", "[12,16]")), 16), "hole"},
      {"overlap", file(object(a + "," + tensor("b", "F32", "[1]", "[4,8]")), 8), "overlaps"},
      {"same_range_twice", file(object(a + "," + tensor("b", "F32", "[2]", "[0,8]")), 8),
       "overlaps"},
      {"data_missing", file(object(a), 7), "truncated"},
      {"data_left_over", file(object(a), 9), "1 bytes after the last tensor"},
      {"data_without_tensors", file("{}", 5), "5 bytes after the last tensor"},
      {"offset_far_away", file(one("[2]", "[4611686018427387000,4611686018427387008]"), 8), "hole"},
  };
}

std::vector<HostileCase> entries() {
  const std::string deep = std::string(100000, '[');
  return {
      {"offsets_reversed", file(one("[2]", "[8,0]"), 8), "data_offsets are [8, 0]"},
      {"offsets_negative", file(one("[2]", "[-8,0]"), 8), "negative"},
      {"offsets_float", file(one("[2]", "[0,8.0]"), 8), "not a whole number"},
      {"offsets_above_int64", file(one("[2]", "[0,18446744073709551615]"), 8), "too large"},
      {"offsets_above_uint64", file(one("[2]", "[0,18446744073709551616]"), 8), "not a whole"},
      {"offsets_one", file(one("[2]", "[8]"), 8), "not 2"},
      {"offsets_three", file(one("[2]", "[0,8,8]"), 8), "more than 2"},
      {"offsets_text", file(one("[2]", "[\"0\",8]"), 8), "text where none"},
      {"size_differs", file(one("[3]", "[0,8]"), 8), "takes 12 bytes"},
      {"shape_overflow", file(one("[4294967296,4294967296]", "[0,0]")), "shape overflows"},
      {"shape_overflow_to_zero", file(one("[9223372036854775807,4]", "[0,0]")), "too large"},
      {"shape_wraps", file(one("[2147483648,2147483648,4]", "[0,0]")), "shape overflows"},
      {"shape_negative", file(one("[-1]", "[0,0]")), "negative"},
      {"rank_nine", file(one("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), "rank above 8"},
      {"shape_nested", file(one("[[2]]", "[0,8]"), 8), "array where none"},
      {"deep_nesting", file("{\"t\":{\"shape\":" + deep), "array where none"},
      {"dtype_unknown", file(one("[2]", "[0,4]", "F16"), 4), "dtype F16"},
      {"dtype_path", file(one("[2]", "[0,8]", "../F32"), 8), "dtype ../F32"},
      {"dtype_twice",
       file(R"({"t":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}})"), "twice"},
      {"field_unknown", file(R"({"t":{"code":"x"}})"), "unknown field"},
      {"field_missing", file(R"({"t":{"dtype":"F32","shape":[0]}})"), "lacks"},
      {"tensor_null", file(R"({"t":null})"), "null"},
      {"tensor_number", file(R"({"t":1})"), "number where none"},
      {"tensor_object_in_object", file(R"({"t":{"dtype":{}}})"), "object where none"},
      {"name_twice",
       file(object(tensor("t", "F32", "[0]", "[0,0]"), ",", tensor("t", "F32", "[0]", "[0,0]"))),
       "\"t\" twice"},
      {"name_too_long", file(object(tensor(std::string(513, 'n'), "F32", "[0]", "[0,0]"))),
       "513 bytes"},
      {"too_many_tensors", file(many_tensors(65537)), "more than 65536 tensors"},
      {"metadata_number", file(R"({"__metadata__":{"a":1}})"), "number where none"},
      {"metadata_nested", file(R"({"__metadata__":{"a":{}}})"), "object where none"},
      {"metadata_key_twice", file(R"({"__metadata__":{"a":"1","a":"2"}})"), "\"a\" twice"},
      {"metadata_twice", file(R"({"__metadata__":{},"__metadata__":{}})"), "twice"},
      {"metadata_text", file(R"({"__metadata__":"x"})"), "text where none"},
      {"boolean", file(R"({"t":{"dtype":true}})"), "true or false"},
  };
}

class ArchiveHostile : public ::testing::TestWithParam<HostileCase> {};

TEST_P(ArchiveHostile, IsRefusedWithItsReason) {
  const TempFolder folder;
  const auto path = folder / "evil.safetensors";
  atomic_write(path, GetParam().bytes);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(fails_with(Errc::kModel, {path.string(), GetParam().reason},
                         [&] { const ArchiveReader reader(path); }));
  const auto took = std::chrono::steady_clock::now() - begin;
  // Milliseconds; a quadratic parser would take minutes. Sanitizers and busy machines need the
  // slack.
  EXPECT_LT(std::chrono::duration<double>(took).count(), 20.0);
}

const auto kCaseName = [](const auto& info) { return std::string(info.param.id); };
INSTANTIATE_TEST_SUITE_P(Layout, ArchiveHostile, ::testing::ValuesIn(layouts()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Entry, ArchiveHostile, ::testing::ValuesIn(entries()), kCaseName);

TEST(ArchiveHostile, LongestLegalNameAndCountAreRead) {
  const std::string longest = file(object(tensor(std::string(512, 'n'), "F32", "[0]", "[0,0]")));
  EXPECT_EQ(parse_archive_index(longest, longest.size(), "x").tensors.size(), 1u);
  const std::string most = file(many_tensors(65536));
  EXPECT_EQ(parse_archive_index(most, most.size(), "x").tensors.size(), 65536u);
}

/// Every single-byte change of a small sound archive is refused or read, never worse.
TEST(ArchiveHostile, EveryByteChangedIsHandled) {
  const std::string sound = file(object(tensor("a", "F32", "[2]", "[0,8]")), 8);
  int refused = 0;
  for (std::size_t at = 0; at + 8 < sound.size(); ++at) {
    for (const int flip : {0x01, 0x10, 0x80}) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        (void)parse_archive_index(damaged, damaged.size(), "x");
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::kModel);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 150);
}

}  // namespace
}  // namespace graft
