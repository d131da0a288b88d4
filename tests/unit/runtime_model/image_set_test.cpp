// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/image_set.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/data/open.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::TempFolder;
using testing::test_image;

/// A header with these labels and an input of 16 x 16.
ModelHeader header_of(std::vector<std::string> labels) {
  ModelHeader header;
  header.graph.mark_output(kLogits, header.graph.input("image", {1, 16, 16, 3}));
  header.preprocess = data::parse_preprocess("keras", 16, 16);
  header.labels = std::move(labels);
  return header;
}

void write_image(const std::filesystem::path& path, std::uint64_t seed) {
  std::filesystem::create_directories(path.parent_path());
  atomic_write(path, encode_png(test_image(seed, 20, 30)));
}

std::string uri(const TempFolder& folder) { return "folder:" + (folder / "").string(); }

TEST(ImageSet, AFolderIsTakenWholeAndFittedAsInInference) {
  const TempFolder folder;
  for (std::uint64_t i = 0; i < 6; ++i) {
    write_image(folder / (i % 2 == 0 ? "Great_Cat" : "1") / (std::to_string(i) + ".png"), i);
  }
  const ModelHeader header = header_of({"a", "dog", "great cat"});
  const ImageSet set = read_labelled_set(uri(folder), data::Split::kTest, header, 0);
  ASSERT_EQ(set.size(), 6);
  EXPECT_EQ(std::multiset<int>(set.labels.begin(), set.labels.end()),
            (std::multiset<int>{1, 1, 1, 2, 2, 2}));
  const ImageU8 want = data::fit(header.preprocess, test_image(1, 20, 30));
  EXPECT_TRUE(std::any_of(set.images.begin(), set.images.end(),
                          [&](const ImageU8& image) { return image.pixels == want.pixels; }));
}

TEST(ImageSet, StrangeClassesAreAllNamed) {
  const TempFolder folder;
  for (const char* name : {"tulip", "rose", "dog"}) write_image(folder / name / "1.png", 1);
  const ModelHeader header = header_of({"cat", "dog"});
  EXPECT_TRUE(
      fails_with(Errc::kData, {"2 of 3 classes", "'rose', 'tulip'", "'cat' to 'dog'", "0 to 1"},
                 [&] { (void)read_labelled_set(uri(folder), data::Split::kTest, header, 0); }));
  const ImageSet set = read_image_set(uri(folder), data::Split::kTrain, header, 0);
  EXPECT_EQ(set.size(), 3);
  EXPECT_TRUE(set.labels.empty());
}

TEST(ImageSet, ImagesNeedNoClassFoldersToCalibrate) {
  const TempFolder folder;
  for (std::uint64_t i = 0; i < 5; ++i) write_image(folder / (std::to_string(i) + ".png"), i);
  const ModelHeader header = header_of({"cat", "dog"});
  EXPECT_EQ(read_image_set(uri(folder), data::Split::kTrain, header, 0).size(), 5);
  EXPECT_EQ(read_image_set(uri(folder), data::Split::kTrain, header, 3).size(), 3);
  EXPECT_TRUE(fails_with(Errc::kData, {"class folders"}, [&] {
    (void)read_labelled_set(uri(folder), data::Split::kTest, header, 0);
  }));
}

TEST(ImageSet, OtherDataHaveTheirSplits) {
  const auto data =
      data::open_dataset(data::parse_data_spec("synthetic:train=40,test=20"), data::Split::kTest);
  ModelHeader header = header_of(data->class_names());
  const std::string text = "synthetic:train=40,test=20";
  EXPECT_EQ(read_image_set(text, data::Split::kTrain, header, 0).size(), 40);
  const ImageSet test = read_labelled_set(text, data::Split::kTest, header, 0);
  ASSERT_EQ(test.size(), 20);
  EXPECT_EQ(test.labels[3], data->label(3));
  EXPECT_EQ(read_image_set(text, data::Split::kTrain, header, 7).size(), 7);
}

}  // namespace
}  // namespace graft
