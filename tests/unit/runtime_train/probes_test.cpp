// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/probes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/image.h"
#include "engine/io/records.h"
#include "runtime/data/synthetic.h"
#include "runtime/train/thumbnail.h"
#include "runtime/train/trainer.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

using testing::fails_with;
using testing::small_options;
using testing::state_of;
using testing::TempFolder;

/// Weights, buffers and optimizer at a run's end.
std::string final_state(TrainOptions o, const std::string& probes) {
  o.probes = probes;
  const auto ctx = make_context(o.device, o.threads);
  Trainer trainer(*ctx, o, o.out);
  (void)trainer.run();
  return state_of(trainer.network());
}

TEST(Probes, A20_ProbedRunEndsWithTheSameBits) {
  const TempFolder folder;
  for (const char* norm : {"batch", "group"}) {
    TrainOptions o = small_options((folder / norm).string());
    o.sampler = "sb";
    o.norm = norm;
    o.model = "resnet8";
    o.epochs = 2;
    o.data = "synthetic:train=64,test=20";
    const std::string plain = final_state(o, "none");
    o.out += "-probed";
    EXPECT_TRUE(final_state(o, "all") == plain) << norm;
  }
}

TEST(Probes, WriteOneRecordEachAnEpoch) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  (void)final_state(o, "all");
  std::map<std::string, int> count;
  Json last;
  for (const Json& r : read_records(folder / "run/metrics.jsonl")) {
    count[r.at("event")] += 1;
    last[r.at("event").get<std::string>()] = r;
  }
  for (const char* event : {"confidence", "gradient_similarity", "watch", "extreme_losses"}) {
    EXPECT_EQ(count[event], 3) << event;
  }
  EXPECT_EQ(last["confidence"].at("examples"), 40);
  EXPECT_EQ(last["confidence"].at("quantiles").size(), 101U);
  EXPECT_EQ(last["confidence"].at("accuracy").size(), 20U);
  // The accuracy of the groups is that of the epoch: all 40 test images are in the sample.
  double right = 0;
  for (const Json& a : last["confidence"].at("accuracy")) right += a.get<double>() / 20;
  EXPECT_NEAR(right, 1 - last["epoch"].at("test_error").get<double>(), 1e-12);
  for (const char* part : {"top", "random"}) {
    const Json& curve = last["gradient_similarity"].at(part);
    EXPECT_EQ(curve.at("cosine").size(), 10U);
    EXPECT_NEAR(curve.at("cosine").back(), 1, 1e-5) << "the whole batch";
  }
  EXPECT_EQ(last["watch"].at("ids").size(), 5U);
  EXPECT_EQ(last["extreme_losses"].at("epochs"), 3);
  EXPECT_LE(last["extreme_losses"].at("lowest")[11].at("mean_loss"),
            last["extreme_losses"].at("highest")[11].at("mean_loss"));
  EXPECT_TRUE(last["extreme_losses"].at("lowest")[0].contains("image"));
}

TEST(Probes, TimeIsNotThatOfTheMethod) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.probes = "all";
  o.epochs = 1;
  o.lr_policy = "fixed";
  const auto ctx = make_context(o.device, o.threads);
  Trainer trainer(*ctx, o, o.out);
  const RunResult result = trainer.run();
  // The probes pass ten batches through the network, as the epoch does.
  EXPECT_GT(result.time.other, 0.2 * (result.time.forward + result.time.backward));
  EXPECT_EQ(result.time.select, 0);
  EXPECT_EQ(result.counters.forward_train, 300);
}

TEST(Probes, SimilarityOfGradients) {
  // Two tensors: equal; at 60 degrees. The third is zero on one side and does not count.
  const std::vector<std::vector<float>> a = {{1, -2}, {1, 0}, {0, 0}};
  const std::vector<std::vector<float>> b = {{2, -4}, {1, std::sqrt(3.0F)}, {1, -1}};
  const GradientSimilarity s = similarity(a, b);
  EXPECT_NEAR(s.cosine, (1 + .5) / 2, 1e-7);
  EXPECT_DOUBLE_EQ(s.sign, 3. / 6);
  EXPECT_DOUBLE_EQ(s.sign_small_agree, 1);
  const GradientSimilarity opposite = similarity({{1, 5e-6F, -1}}, {{-1, -5e-6F, -1}});
  EXPECT_DOUBLE_EQ(opposite.sign, 1. / 3);
  EXPECT_DOUBLE_EQ(opposite.sign_small_agree, 2. / 3);
}

TEST(ProbeOptions, NamesAreChecked) {
  EXPECT_FALSE(parse_probes("none").any());
  const ProbeOptions two = parse_probes("watch,confidence");
  EXPECT_TRUE(two.watch && two.confidence);
  EXPECT_FALSE(two.gradient_similarity || two.extreme_losses);
  EXPECT_TRUE(parse_probes("all").extreme_losses);
  EXPECT_TRUE(fails_with(Errc::kUsage, {"--probes", "'wach'", "did you mean `watch`"},
                         [] { (void)parse_probes("wach"); }));
}

TEST(Thumbnail, Base64OfRfc4648) {
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) EXPECT_EQ(base64(plain), coded);
  EXPECT_EQ(base64(std::string("\xFF\xFE\xFD")), "//79");
}

TEST(Thumbnail, IsAPngDataUri) {
  const data::Synthetic images(data::SyntheticOptions{.train = 10, .test = 10},
                               data::Split::kTrain);
  const std::string uri = thumbnail(images, 1);
  EXPECT_EQ(uri.rfind("data:image/png;base64,iVBORw0KGgo", 0), 0U);  // PNG's signature
}

}  // namespace
}  // namespace graft::train
