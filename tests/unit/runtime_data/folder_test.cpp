// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/folder.h"

#include <algorithm>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "engine/io/image.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::data {
namespace {

using testing::fails_with;
using testing::TempFolder;

/// A constant image, which resizing and cropping leave as it is.
std::string png(std::uint8_t level, int height = 20, int width = 30) {
  ImageU8 image(height, width);
  std::fill(image.pixels.begin(), image.pixels.end(), level);
  return encode_png(image);
}

std::string corrupt_jpeg() {
  const std::string whole = encode_jpeg(ImageU8(40, 40), 90);
  return whole.substr(0, whole.size() / 2);
}

/// Writes `count` images into FOLDER/CLASS; image i of class c is constant 20 * c + i.
void add_class(const TempFolder& folder, const std::string& class_path, int c, int count) {
  make_folder(folder / class_path);
  for (int i = 0; i < count; ++i) {
    atomic_write(folder / (class_path + "/img" + std::to_string(100 + i) + ".png"),
                 png(static_cast<std::uint8_t>(20 * c + i)));
  }
}

void add_split(const TempFolder& folder, const std::string& split, int count) {
  add_class(folder, split + "/ant", 0, count);
  add_class(folder, split + "/bee", 1, count);
}

/// Training images to play with, and a test folder, so that nothing is held out.
void add_train(const TempFolder& folder, int count) {
  add_split(folder, "train", count);
  add_split(folder, "test", 1);
}

int level_of(const Dataset& dataset, std::int64_t id) {
  std::vector<std::uint8_t> pixels(dataset.image_size().bytes());
  dataset.read(id, pixels);
  EXPECT_EQ(pixels.front(), pixels.back());
  return pixels.front();
}

TEST(Folder, ReadsSplitsWithSortedClasses) {
  const TempFolder folder;
  add_split(folder, "train", 6);
  add_split(folder, "val", 2);
  atomic_write(folder / "train/ant/notes.txt", "not an image");
  const Folder train(folder.path(), Split::kTrain, {.size = 16});
  const Folder test(folder.path(), Split::kTest, {.size = 16});
  EXPECT_EQ(train.size(), 12);
  EXPECT_EQ(test.size(), 4);
  EXPECT_EQ(train.class_names(), (std::vector<std::string>{"ant", "bee"}));
  EXPECT_EQ(train.image_size(), (ImageSize{16, 16}));
  EXPECT_EQ(train.label(5), 0);
  EXPECT_EQ(train.label(6), 1);
  for (std::int64_t id = 0; id < 12; ++id) {
    EXPECT_EQ(level_of(train, id), 20 * train.label(id) + id % 6);
  }
}

TEST(Folder, FitsImagesToAModelsInput) {
  const TempFolder folder;
  add_split(folder, "train", 2);
  add_split(folder, "val", 1);
  add_split(folder, "test", 1);
  const Preprocess preprocess = parse_preprocess("keras:order=bgr", 12, 16);
  ImageU8 red(20, 30);
  for (std::size_t i = 0; i < red.pixels.size(); i += 3) red.pixels[i] = 200;
  atomic_write(folder / "val/ant/img100.png", encode_png(red));
  const Folder val(folder.path(), Split::kTest, {.preprocess = preprocess, .test_folder = "val"});
  EXPECT_EQ(val.image_size(), (ImageSize{12, 16}));
  EXPECT_EQ(val.example_name(0), "val/ant/img100.png");
  std::vector<std::uint8_t> pixels(val.image_size().bytes());
  val.read(0, pixels);
  EXPECT_EQ(pixels[0], 0);
  EXPECT_EQ(pixels[2], 200);
  const Folder plain(folder.path(), Split::kTest, {.size = 12, .test_folder = "val"});
  EXPECT_NE(val.fingerprint(), plain.fingerprint());
}

TEST(Folder, HoldsOutAShareOfEveryClass) {
  const TempFolder folder;
  add_class(folder, "ant", 0, 20);
  add_class(folder, "bee", 1, 10);
  const FolderOptions options{.size = 8, .holdout = 0.2};
  const Folder train(folder.path(), Split::kTrain, options);
  const Folder test(folder.path(), Split::kTest, options);
  EXPECT_EQ(train.size(), 16 + 8);
  EXPECT_EQ(test.size(), 4 + 2);
  std::vector<int> levels;
  for (const Dataset* d :
       {static_cast<const Dataset*>(&train), static_cast<const Dataset*>(&test)}) {
    for (std::int64_t id = 0; id < d->size(); ++id) levels.push_back(level_of(*d, id));
  }
  std::sort(levels.begin(), levels.end());  // together: every image once
  EXPECT_EQ(std::unique(levels.begin(), levels.end()) - levels.begin(), 30);
  EXPECT_EQ(Folder(folder.path(), Split::kTest, options).fingerprint(), test.fingerprint());
}

TEST(Folder, WholeHoldsNothingOut) {
  const TempFolder folder;
  add_class(folder, "ant", 0, 1);
  add_class(folder, "bee", 1, 3);
  for (const Split split : {Split::kTrain, Split::kTest}) {
    EXPECT_EQ(Folder(folder.path(), split, {.size = 8, .whole = true}).size(), 4);
  }
}

TEST(Folder, TheOriginalIsNotResizedAndABadFileIsReplaced) {
  const TempFolder folder;
  add_train(folder, 2);
  atomic_write(folder / "train/ant/img100.png", "no image");
  const Folder train(folder.path(), Split::kTrain, {.size = 8});
  for (const std::int64_t id : {0, 1}) {
    const ImageU8 image = train.original(id);
    EXPECT_EQ(image.height, 20);
    EXPECT_EQ(image.width, 30);
    EXPECT_EQ(image.pixels[0], 1);
  }
  EXPECT_EQ(train.bad_files().size(), 1u);
  const DatasetPtr few = limit_examples(
      std::make_shared<Folder>(folder.path(), Split::kTest, FolderOptions{.size = 8}), 1);
  EXPECT_EQ(few->original(0).width, 30);
}

TEST(Folder, CorruptFileUnderTheLimitIsNamedOnceAndReplaced) {
  const TempFolder folder;
  add_train(folder, 4);
  atomic_write(folder / "train/ant/img103.jpg", corrupt_jpeg());  // last of its class: wraps
  std::filesystem::remove(folder / "train/ant/img103.png");
  for (const std::int64_t cache : {0, 1}) {
    const Folder train(folder.path(), Split::kTrain, {.size = 8, .max_bad = 1, .cache_mib = cache});
    EXPECT_TRUE(train.bad_files().empty());
    for (int epoch = 0; epoch < 3; ++epoch) {
      for (std::int64_t id = 0; id < 8; ++id) {
        const int expected = id == 3 ? 0 : 20 * train.label(id) + static_cast<int>(id % 4);
        EXPECT_EQ(level_of(train, id), expected);
      }
    }
    ASSERT_EQ(train.bad_files().size(), 1u);
    EXPECT_EQ(train.bad_files()[0].path, "train/ant/img103.jpg");
    EXPECT_NE(train.bad_files()[0].reason.find("damaged JPEG"), std::string::npos);
  }
}

TEST(Folder, CorruptFilesAboveTheLimitAreAnError) {
  const TempFolder folder;
  add_train(folder, 4);
  atomic_write(folder / "train/ant/img100.png", corrupt_jpeg());
  atomic_write(folder / "train/bee/img102.png", "");
  const Folder train(folder.path(), Split::kTrain, {.size = 8});  // default: 1 of 8
  EXPECT_EQ(level_of(train, 0), 1);
  EXPECT_TRUE(fails_with(Errc::kData, {"2 bad files of 8", "max_bad=1", "img102.png", "empty"},
                         [&] { (void)level_of(train, 6); }));
}

TEST(Folder, VerifyGivesWhatTheCleanedFolderGives) {
  const TempFolder folder;
  add_train(folder, 5);
  const Folder clean_before(folder.path(), Split::kTrain, {.size = 8});
  atomic_write(folder / "train/ant/img1015.jpg", corrupt_jpeg());
  atomic_write(folder / "train/bee/aaa.png", png(7).substr(0, 60));
  const Folder train(folder.path(), Split::kTrain, {.size = 8, .max_bad = 2, .verify = true});
  EXPECT_EQ(train.size(), 10);
  EXPECT_EQ(train.bad_files().size(), 2u);
  EXPECT_EQ(train.fingerprint(), clean_before.fingerprint());
  for (std::int64_t id = 0; id < 10; ++id)
    EXPECT_EQ(level_of(train, id), level_of(clean_before, id));
  EXPECT_TRUE(fails_with(Errc::kData, {"2 bad files of 12", "max_bad=1"}, [&] {
    Folder(folder.path(), Split::kTrain, {.size = 8, .max_bad = 1, .verify = true});
  }));
}

TEST(Folder, VerifyKeepsTheHoldoutOfTheCleanedFolder) {
  const TempFolder folder;
  add_class(folder, "ant", 0, 20);
  add_class(folder, "bee", 1, 20);
  const FolderOptions options{.size = 8, .verify = true};
  const Folder clean_before(folder.path(), Split::kTest, options);
  atomic_write(folder / "ant/aaa.jpg", corrupt_jpeg());
  EXPECT_EQ(Folder(folder.path(), Split::kTest, options).fingerprint(), clean_before.fingerprint());
}

TEST(Folder, ThreadsReadTheSamePixels) {
  const TempFolder folder;
  add_train(folder, 20);
  atomic_write(folder / "train/ant/img105.png", corrupt_jpeg());
  const Folder train(folder.path(), Split::kTrain, {.size = 8});
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::int64_t id = 0; id < train.size(); ++id) {
        EXPECT_EQ(level_of(train, id),
                  id == 5 ? 6 : 20 * train.label(id) + static_cast<int>(id % 20));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(train.bad_files().size(), 1u);
}

TEST(Folder, WrongFoldersAreExplained) {
  const TempFolder folder;
  const auto open = [&](Split split) { Folder(folder.path(), split, {}); };
  EXPECT_TRUE(
      fails_with(Errc::kData, {"no class folders", "CLASS/FILE"}, [&] { open(Split::kTrain); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"there is no folder"},
                         [&] { Folder(folder / "no", Split::kTrain, {}); }));
  make_folder(folder / "train/ant");
  EXPECT_TRUE(fails_with(Errc::kData, {"no train images"}, [&] { open(Split::kTrain); }));
  add_split(folder, "train", 2);
  add_class(folder, "test/bea", 0, 1);
  EXPECT_TRUE(fails_with(Errc::kData, {"bea", "did you mean `bee`?"}, [&] { open(Split::kTest); }));
}

TEST(Folder, WholeClassOfBadFilesIsAnError) {
  const TempFolder folder;
  add_train(folder, 2);
  for (const char* name : {"img100.png", "img101.png"}) {
    atomic_write(folder / (std::string("train/ant/") + name), "P");
  }
  const Folder train(folder.path(), Split::kTrain, {.size = 8, .max_bad = 10});
  EXPECT_TRUE(
      fails_with(Errc::kData, {"no good image in class ant"}, [&] { (void)level_of(train, 0); }));
}

}  // namespace
}  // namespace graft::data
