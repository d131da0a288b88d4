// SPDX-License-Identifier: Apache-2.0
#include "engine/io/archive.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/hash.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::TempFolder;

Tensor numbers(const Shape& shape, float start) {
  Tensor t = Tensor::allocate(host_memory(), shape);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.ptr<float>()[i] = start + static_cast<float>(i);
  return t;
}

ArchiveWriter small_archive() {
  ArchiveWriter writer;
  writer.set_metadata("step", "12");
  writer.add("conv.weight", numbers({2, 3, 3, 1}, 0));
  writer.add("conv.bias", numbers({2}, 100));
  return writer;
}

TEST(Archive, RoundTripOfEveryDtype) {
  const TempFolder folder;
  const DType all[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kI32,
                       DType::kI64, DType::kU8,  DType::kI8};
  std::vector<std::byte> bytes(std::size_t{3} * 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + 1);
  const std::int64_t dims[] = {3, 1};
  ArchiveWriter writer;
  writer.set_metadata("note", "quote \" and \u00fc");
  for (const DType t : all) {
    writer.add(std::string("t.") + std::string(name(t)), t, dims,
               std::span(bytes).first(3 * size_of(t)));
  }
  (void)writer.write(folder / "a.safetensors");
  const ArchiveReader reader(folder / "a.safetensors");
  EXPECT_EQ(reader.metadata().at("note"), "quote \" and \u00fc");
  ASSERT_EQ(reader.tensors().size(), std::size(all));
  for (const DType t : all) {
    const ArchiveEntry entry = reader.read(std::string("t.") + std::string(name(t)));
    EXPECT_EQ(entry.dtype, t);
    EXPECT_EQ(entry.dims, (std::vector<std::int64_t>{3, 1}));
    ASSERT_EQ(entry.bytes.size(), 3 * size_of(t));
    EXPECT_EQ(std::memcmp(entry.bytes.data(), bytes.data(), entry.bytes.size()), 0);
  }
}

TEST(Archive, ScalarsAndEmptyTensorsSurvive) {
  ArchiveWriter writer;
  const float one = 1;
  const std::int64_t empty[] = {0, 4};
  writer.add("scalar", DType::kF32, {}, std::as_bytes(std::span(&one, 1)));
  writer.add("empty", DType::kF32, empty, {});
  const TempFolder folder;
  (void)writer.write(folder / "a");
  const ArchiveReader reader(folder / "a");
  EXPECT_TRUE(reader.find("scalar")->dims.empty());
  EXPECT_EQ(reader.read("empty").dims, (std::vector<std::int64_t>{0, 4}));
}

TEST(Archive, BytesDependOnContentsOnly) {
  ArchiveWriter other;
  other.add("conv.bias", numbers({2}, 100));
  other.add("conv.weight", numbers({2, 3, 3, 1}, 0));
  other.set_metadata("step", "12");
  EXPECT_EQ(other.serialize(), small_archive().serialize());
}

TEST(Archive, HeaderIsPaddedAndTensorsAligned) {
  ArchiveWriter writer;
  const std::byte odd[3] = {};
  const std::int64_t dims[] = {3};
  writer.add("a", DType::kU8, dims, odd);
  writer.add("b", numbers({5}, 0));
  const std::string bytes = writer.serialize();
  const ArchiveIndex index = parse_archive_index(bytes, bytes.size(), "x");
  EXPECT_EQ(index.data_begin % 8, 0u);
  EXPECT_EQ(index.tensors[0].name, "b");  // widest elements first
}

TEST(Archive, WriteReturnsTheHashOfTheFile) {
  const TempFolder folder;
  const std::string hash = small_archive().write(folder / "a");
  EXPECT_EQ(hash, sha256_file(folder / "a"));
  EXPECT_EQ(hash, sha256(small_archive().serialize()));
}

TEST(Archive, OneFlippedBitChangesTheHash) {
  const TempFolder folder;
  const std::string hash = small_archive().write(folder / "a");
  std::string bytes = read_file(folder / "a");
  for (const std::size_t at : {std::size_t{3}, bytes.size() / 2, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    atomic_write(folder / "b", damaged);
    EXPECT_NE(sha256_file(folder / "b"), hash) << at;
  }
}

TEST(Archive, DiskFullLeavesTheOldArchive) {
  const TempFolder folder;
  const std::string hash = small_archive().write(folder / "a");
  ArchiveWriter bigger = small_archive();
  bigger.add("fc", numbers({1000}, 0));
  const ScopedWriteFault fault({.after_bytes = 300, .error_number = ENOSPC});
  EXPECT_TRUE(fails_with(Errc::kIo, {(folder / "a").string(), "No space left", "free"},
                         [&] { (void)bigger.write(folder / "a"); }));
  EXPECT_EQ(sha256_file(folder / "a"), hash);
  EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(Archive, ReadIntoChecksDtypeAndSize) {
  const TempFolder folder;
  (void)small_archive().write(folder / "a");
  const ArchiveReader reader(folder / "a");
  Tensor right = numbers({2}, 0);
  reader.read_into("conv.bias", right);
  EXPECT_EQ(right.ptr<float>()[1], 101.0f);
  EXPECT_TRUE(fails_with(Errc::kModel, {"conv.bias", "[2]", "(3)"},
                         [&] { reader.read_into("conv.bias", numbers({3}, 0)); }));
  EXPECT_TRUE(fails_with(Errc::kModel, {"no tensor \"fc\""}, [&] { (void)reader.read("fc"); }));
}

TEST(Archive, WriterRefusesWhatAReaderWould) {
  ArchiveWriter writer = small_archive();
  const auto refuses = [](auto&& call) { return fails_with(Errc::kInvalidArgument, {}, call); };
  EXPECT_TRUE(refuses([&] { writer.add("conv.bias", numbers({2}, 0)); }));
  EXPECT_TRUE(refuses([&] { writer.add("__metadata__", numbers({2}, 0)); }));
  EXPECT_TRUE(refuses([&] { writer.add(std::string(513, 'x'), numbers({2}, 0)); }));
  const std::int64_t dims[] = {3};
  const std::byte bytes[4] = {};
  EXPECT_TRUE(refuses([&] { writer.add("short", DType::kF32, dims, bytes); }));
  const std::int64_t rank9[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_TRUE(refuses([&] { writer.add("rank", DType::kF32, rank9, bytes); }));
  EXPECT_TRUE(refuses([] {
    ArchiveWriter bad;
    bad.add("not utf-8 \xff", numbers({1}, 0));
    (void)bad.serialize();
  }));
}

}  // namespace
}  // namespace graft
