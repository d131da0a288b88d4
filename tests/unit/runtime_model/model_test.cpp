// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/io/archive.h"
#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::small_model;
using testing::TempFolder;
using testing::test_image;

std::vector<float> logits_of(Model& model, const ImageU8& image) {
  const auto y = model.run(std::span(&image, 1));
  return {y.begin(), y.end()};
}

TEST(ModelFile, KeepsEveryBitOfTheLogits) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  for (const bool as_graph : {false, true}) {
    Model model = small_model(ctx, as_graph);
    const auto path = folder / "m.graft";
    EXPECT_EQ(model.save(path).size(), 64u);
    Model back = Model::load(ctx, path);
    EXPECT_EQ(back.header().architecture, as_graph ? "" : "small_cnn");
    EXPECT_EQ(back.header().labels, model.header().labels);
    EXPECT_EQ(back.header().preprocess, model.header().preprocess);
    EXPECT_EQ(back.header().origin, "test");
    EXPECT_EQ(logits_of(back, test_image()), logits_of(model, test_image()));
  }
}

TEST(ModelFile, EveryDamagedByteIsRefused) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto path = folder / "m.graft";
  small_model(ctx, true).save(path);
  const std::string sound = read_file(path);
  for (std::size_t at = 0; at < sound.size(); at += sound.size() / 60) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    atomic_write(path, damaged);
    EXPECT_TRUE(fails_with(Errc::kModel, {path.string()}, [&] { (void)Model::load(ctx, path); }))
        << "byte " << at;
  }
  for (const std::size_t length : {sound.size() - 1, sound.size() / 2, std::size_t{7}}) {
    atomic_write(path, sound.substr(0, length));
    EXPECT_TRUE(fails_with(Errc::kModel, {path.string()}, [&] { (void)Model::load(ctx, path); }));
  }
}

/// The file `path` with `edit` applied to its metadata.
template <class F>
void edit_metadata(const std::filesystem::path& path, F&& edit) {
  ArchiveWriter writer;
  std::vector<ArchiveEntry> entries;
  {
    const ArchiveReader reader(path);
    ArchiveMetadata metadata = reader.metadata();
    edit(metadata);
    for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
    for (const ArchiveInfo& info : reader.tensors()) entries.push_back(reader.read(info.name));
  }
  for (const ArchiveEntry& e : entries) writer.add(e.name, e.dtype, e.dims, e.bytes);
  writer.write(path);
}

TEST(ModelFile, ForeignAndNewerFilesAreNamed) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto path = folder / "m.graft";
  const auto refused = [&](const std::string& key, const std::string& value, const char* reason) {
    small_model(ctx, false).save(path);
    edit_metadata(path, [&](ArchiveMetadata& m) {
      m[key] = value;
      if (value.empty()) m.erase(key);
    });
    return fails_with(Errc::kModel, {path.string(), reason}, [&] { (void)Model::load(ctx, path); });
  };
  EXPECT_TRUE(refused("graft_model", "", "graft import --arch"));
  EXPECT_TRUE(refused("graft_model", std::to_string(kModelFormat + 1), "use a newer graft"));
  EXPECT_TRUE(refused("graft_model", "one", "model format 'one'"));
  EXPECT_TRUE(refused("architecture", "resnet2O", "did you mean"));
  EXPECT_TRUE(refused("architecture", "resnet20", "bytes of weights"));
  EXPECT_TRUE(refused("output_node", "nowhere", "has no node nowhere"));
  EXPECT_TRUE(refused("labels", "[1,2]", "label"));
  EXPECT_TRUE(refused("labels", "[\"a\",\"b\"]", "bytes of weights"));
  EXPECT_TRUE(refused("preprocess", "{}", "preprocessing"));
  EXPECT_TRUE(refused("origin", "elsewhere", "SHA-256"));
}

TEST(ModelFile, AGraphThatAsksForTooMuchIsRefusedBeforeMemoryIs) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto path = folder / "m.graft";
  for (
      const char* text :
      {R"({"nodes":[],"outputs":{}})", R"({"nodes":7,"outputs":{}})",
       R"({"nodes":[{"name":"image","op":"Input","shape":[1048576,1048576,1048576]}],"outputs":{}})",
       R"({"nodes":[{"name":"image","op":"Input","shape":[32,32,3]},{"name":"a","op":"Conv2d","in":3,
            "out":1048576,"kernel":1048576,"kernel_w":1048576,"stride":1,"pad":1048576,"pad_left":1048576,
            "pad_end":1048576,"pad_right":1048576,"dilation":1,"groups":1,"bias":false,"inputs":[0]}],
            "outputs":{"logits":1}})",
       R"({"nodes":[{"name":"image","op":"Input","shape":[32,32,3]},{"name":"a","op":"Exec","inputs":[0]}],
            "outputs":{"logits":1}})",
       R"({"nodes":[{"name":"a","op":"Add","inputs":[0,1]}],"outputs":{"logits":0}})"}) {
    small_model(ctx, true).save(path);
    edit_metadata(path, [&](ArchiveMetadata& m) { m["graph"] = text; });
    EXPECT_TRUE(fails_with(Errc::kModel, {path.string()}, [&] { (void)Model::load(ctx, path); }));
  }
}

TEST(Model, ClassifiesBestFirstWithProbabilitiesOfTheSoftmax) {
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  const auto logits = logits_of(model, test_image());
  const auto all = model.classify(test_image(), 100);
  ASSERT_EQ(all.size(), logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    sum += all[i].probability;
    EXPECT_EQ(all[i].label, model.header().labels[static_cast<std::size_t>(all[i].index)]);
    EXPECT_LE(all[i].probability, all[i == 0 ? 0 : i - 1].probability);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
  const auto two = model.classify(test_image(), 2);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(std::log(two[0].probability / two[1].probability),
              logits[static_cast<std::size_t>(two[0].index)] -
                  logits[static_cast<std::size_t>(two[1].index)],
              1e-5);
}

TEST(Model, ABatchGivesTheRowsOfSingleImages) {
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  const std::vector<ImageU8> images = {test_image(1), test_image(2), test_image(3)};
  const auto y = model.run(images);
  const std::vector<float> together(y.begin(), y.end());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto alone = logits_of(model, images[i]);
    for (std::size_t c = 0; c < alone.size(); ++c) {
      EXPECT_NEAR(together[i * alone.size() + c], alone[c], 1e-5);
    }
  }
}

TEST(Model, ReportsBrokenLogits) {
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  std::vector<float> logits(10, 1.0F);
  logits[3] = std::nanf("");
  EXPECT_TRUE(fails_with(Errc::kNumerical, {"logit 3"}, [&] { (void)model.best(logits, 5); }));
}

}  // namespace
}  // namespace graft
