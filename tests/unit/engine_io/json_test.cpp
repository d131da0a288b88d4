// SPDX-License-Identifier: Apache-2.0
#include "engine/io/json.h"

#include <string>

#include <gtest/gtest.h>

#include "engine/io/hash.h"
#include "engine/io/records.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft {
namespace {

using testing::fails_with;

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b":1,"a":[2,null]})", "x").dump(), R"({"b":1,"a":[2,null]})");
}

TEST(Json, ErrorNamesFileAndByte) {
  EXPECT_TRUE(fails_with(Errc::kConfig, {"run.json", "byte 6"},
                         [] { (void)parse_json(R"({"a":})", "run.json"); }));
  EXPECT_TRUE(fails_with(Errc::kModel, {"state.json"},
                         [] { (void)parse_json("", "state.json", Errc::kModel); }));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"x"}, [] { (void)parse_json("[1e999]", "x"); }));
}

TEST(Json, DuplicateKeysAreRefused) {
  EXPECT_TRUE(fails_with(Errc::kConfig, {"\"a\" occurs twice"},
                         [] { (void)parse_json(R"({"a":1,"b":{"a":2},"a":3})", "x"); }));
  EXPECT_NO_THROW((void)parse_json(R"({"a":1,"b":{"a":2}})", "x"));
}

TEST(Json, LimitsHold) {
  const JsonLimits limits{.max_bytes = 100, .max_depth = 3, .max_members = 2};
  EXPECT_NO_THROW((void)parse_json("[[[1]]]", "x", Errc::kConfig, limits));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"deeper than 3"},
                         [&] { (void)parse_json("[[[[1]]]]", "x", Errc::kConfig, limits); }));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"more than 2 members"}, [&] {
    (void)parse_json(R"({"a":1,"b":2,"c":3})", "x", Errc::kConfig, limits);
  }));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"101 bytes"}, [&] {
    (void)parse_json(std::string(101, ' '), "x", Errc::kConfig, limits);
  }));
  // The default depth stops a bomb long before the stack could be at risk.
  EXPECT_TRUE(fails_with(Errc::kConfig, {"deeper than"},
                         [] { (void)parse_json(std::string(1 << 20, '['), "x"); }));
}

TEST(Hash, MatchesPublishedDigests) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const testing::TempFolder folder;
  std::string big(3'000'000, 'a');
  atomic_write(folder / "big", big);
  EXPECT_EQ(sha256_file(folder / "big"), sha256(big));
  Sha256 pieces;
  pieces.update(big.substr(0, 1'234'567));
  pieces.update(big.substr(1'234'567));
  EXPECT_EQ(pieces.hex(), sha256(big));
}

TEST(Records, RoundTripAndPosition) {
  const testing::TempFolder folder;
  RecordWriter writer(folder / "m.jsonl");
  writer.write({{"epoch", 1}});
  const auto position = writer.position();
  writer.write({{"epoch", 2}, {"loss", 0.5}});
  writer.sync();
  const auto records = read_records(folder / "m.jsonl");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1]["loss"], 0.5);
  writer.truncate_to(position);
  writer.write({{"epoch", 3}});
  EXPECT_EQ(read_file(folder / "m.jsonl"), "{\"epoch\":1}\n{\"epoch\":3}\n");
}

TEST(Records, UnfinishedLastLineIsDropped) {
  const testing::TempFolder folder;
  atomic_write(folder / "m.jsonl", "{\"epoch\":1}\n{\"epo");
  EXPECT_EQ(read_records(folder / "m.jsonl").size(), 1u);
  RecordWriter writer(folder / "m.jsonl");
  EXPECT_EQ(writer.position(), 12u);
  writer.write({{"epoch", 2}});
  EXPECT_EQ(read_file(folder / "m.jsonl"), "{\"epoch\":1}\n{\"epoch\":2}\n");
}

TEST(Records, DamagedLineIsNamed) {
  const testing::TempFolder folder;
  atomic_write(folder / "m.jsonl", "{}\n{\n{}\n");
  EXPECT_TRUE(fails_with(Errc::kConfig, {"m.jsonl line 2"},
                         [&] { (void)read_records(folder / "m.jsonl"); }));
}

TEST(Records, ResumeBeyondTheEndIsRefused) {
  const testing::TempFolder folder;
  RecordWriter writer(folder / "m.jsonl");
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"has 0 bytes", "made at 10"}, [&] { writer.truncate_to(10); }));
}

}  // namespace
}  // namespace graft
