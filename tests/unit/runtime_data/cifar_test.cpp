// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/cifar.h"

#include <string>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::data {
namespace {

using testing::fails_with;
using testing::TempFolder;

constexpr std::size_t kPlane = 32 * 32;

/// The two real layouts with few records, so that tests stay small.
CifarLayout small(CifarLayout layout) {
  layout.records_per_train_file = 12;
  layout.records_per_test_file = 4;
  return layout;
}

/// `records` records; record r of file f has class (r + f) % classes and bytes that tell their
/// place.
std::string file_bytes(const CifarLayout& layout, int f, std::int64_t records) {
  std::string out;
  for (int r = 0; r < records; ++r) {
    if (layout.label_bytes == 2) out += static_cast<char>(19);
    out += static_cast<char>((r + f) % layout.classes);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t p = 0; p < kPlane; ++p) {
        out += static_cast<char>(static_cast<std::size_t>(r) + 50 * c + p);
      }
    }
  }
  return out;
}

void write_all(const CifarLayout& layout, const TempFolder& folder) {
  int f = 0;
  for (const auto& name : layout.train_files) {
    atomic_write(folder / name, file_bytes(layout, f++, layout.records_per_train_file));
  }
  atomic_write(folder / layout.test_files[0], file_bytes(layout, 0, layout.records_per_test_file));
}

TEST(Cifar, ReadsAllFilesInterleaved) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  write_all(layout, folder);
  const Cifar train(layout, folder.path(), Split::kTrain);
  EXPECT_EQ(train.size(), 60);
  EXPECT_EQ(train.classes(), 10);
  EXPECT_EQ(train.label(12 + 3), 4);  // record 3 of the second file
  std::vector<std::uint8_t> pixels(3 * kPlane);
  train.read(12 + 3, pixels);
  for (std::size_t p = 0; p < kPlane; ++p) {
    for (std::size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(pixels[p * 3 + c], static_cast<std::uint8_t>(3 + 50 * c + p));
    }
  }
  const Cifar test(layout, folder.path(), Split::kTest);
  EXPECT_EQ(test.size(), 4);
  EXPECT_NE(test.fingerprint(), train.fingerprint());
  EXPECT_EQ(train.fingerprint(), Cifar(layout, folder.path(), Split::kTrain).fingerprint());
}

TEST(Cifar, HundredUsesTheFineLabel) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar100_layout());
  write_all(layout, folder);
  const Cifar train(layout, folder.path(), Split::kTrain);
  EXPECT_EQ(train.classes(), 100);
  EXPECT_EQ(train.label(11), 11);
}

TEST(Cifar, RealLayoutsHaveThePublishedSizes) {
  EXPECT_EQ(cifar10_layout().train_files.size() * 10000u, 50000u);
  EXPECT_EQ(cifar100_layout().records_per_train_file, 50000);
}

TEST(Cifar, NamesComeFromTheirFile) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  write_all(layout, folder);
  EXPECT_EQ(Cifar(layout, folder.path(), Split::kTest).class_names()[3], "3");
  atomic_write(folder / "batches.meta.txt", "a\nb\r\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  EXPECT_EQ(Cifar(layout, folder.path(), Split::kTest).class_names()[1], "b");
  atomic_write(folder / "batches.meta.txt", "a\nb\n");
  EXPECT_TRUE(fails_with(Errc::kData, {"batches.meta.txt", "2 class names", "expected 10"},
                         [&] { Cifar(layout, folder.path(), Split::kTest); }));
}

TEST(Cifar, FolderOfTheOfficialArchiveIsFound) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  make_folder(folder / "cifar-10-batches-bin");
  for (const auto& name : layout.train_files) {
    atomic_write(folder / ("cifar-10-batches-bin/" + name), file_bytes(layout, 0, 12));
  }
  EXPECT_EQ(Cifar(layout, folder.path(), Split::kTrain).size(), 60);
}

TEST(Cifar, MissingFileIsNamedWithTheNextStep) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  EXPECT_TRUE(fails_with(Errc::kData, {"data_batch_1.bin is missing", "binary version"},
                         [&] { Cifar(layout, folder.path(), Split::kTrain); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"no folder", "/nowhere"},
                         [&] { Cifar(layout, folder / "nowhere", Split::kTrain); }));
  write_all(layout, folder);
  std::filesystem::remove(folder / "data_batch_4.bin");
  EXPECT_TRUE(fails_with(Errc::kData, {(folder / "data_batch_4.bin").string() + " is missing"},
                         [&] { Cifar(layout, folder.path(), Split::kTrain); }));
}

TEST(Cifar, TruncatedFileSaysExpectedAndActualBytes) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  write_all(layout, folder);
  for (const std::size_t bytes : {0u, 1u, 3073u, 36875u}) {
    atomic_write(folder / "data_batch_2.bin", file_bytes(layout, 0, 12).substr(0, bytes));
    EXPECT_TRUE(fails_with(
        Errc::kData,
        {"data_batch_2.bin has " + std::to_string(bytes) + " bytes", "expected 36876", "truncated"},
        [&] { Cifar(layout, folder.path(), Split::kTrain); }));
  }
  atomic_write(folder / "data_batch_2.bin", file_bytes(layout, 0, 13));
  EXPECT_TRUE(fails_with(Errc::kData, {"expected 36876"},
                         [&] { Cifar(layout, folder.path(), Split::kTrain); }));
}

TEST(Cifar, LabelOutOfRangeNamesRecord) {
  const TempFolder folder;
  const CifarLayout layout = small(cifar10_layout());
  write_all(layout, folder);
  std::string bytes = file_bytes(layout, 0, 12);
  bytes[std::size_t{5} * 3073] = 10;
  atomic_write(folder / "data_batch_3.bin", bytes);
  EXPECT_TRUE(fails_with(Errc::kData, {"data_batch_3.bin record 5", "label 10", "0 to 9"},
                         [&] { Cifar(layout, folder.path(), Split::kTrain); }));
}

TEST(Cifar, PicklesAreRefusedWithAConverter) {
  const TempFolder folder;
  atomic_write(folder / "data_batch_1", "\x80\x02");
  EXPECT_TRUE(fails_with(Errc::kData, {"pickle", "python3 -c", "d[b'labels']"},
                         [&] { Cifar(cifar10_layout(), folder.path(), Split::kTrain); }));
  atomic_write(folder / "train", "\x80\x02");
  EXPECT_TRUE(fails_with(Errc::kData, {"pickle", "fine_labels"},
                         [&] { Cifar(cifar100_layout(), folder.path(), Split::kTrain); }));
}

}  // namespace
}  // namespace graft::data
