// SPDX-License-Identifier: Apache-2.0
// Training on Backend::kCuda as a device does it, data resident, steps and slices recorded, beside
// the same run call by call: the same bits. Without CUDA the kernels run on the host.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/records.h"
#include "runtime/data/batch.h"
#include "runtime/data/resident.h"
#include "runtime/data/synthetic.h"
#include "runtime/train/trainer.h"
#include "tests/support/device.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

using testing::cuda_context;
using testing::fails_with;
using testing::TempFolder;

/// Host copies of what a network holds.
std::vector<std::vector<float>> weights_of(Network& network) {
  std::vector<std::vector<float>> out;
  for (const Tensor* t : {&network.params().values(), &network.params().buffers()}) {
    out.emplace_back(static_cast<std::size_t>(t->numel()));
    copy_to_host(network.context(), *t, out.back().data());
  }
  return out;
}

TrainOptions options_of(const std::string& out, bool on_device) {
  TrainOptions o = testing::small_options(out);
  o.data = "synthetic:train=24,test=10";
  o.epochs = 3;
  o.batch = o.select_batch = 8;
  o.deterministic = true;
  o.data_on_device = o.step_graph = on_device;
  return o;
}

/// What a run left behind.
struct Trained {
  std::vector<std::vector<float>> weights;
  std::vector<Json> records;  // of metrics.jsonl, without times
  std::int64_t recorded_runs = 0, device_slices = 0;
};

Trained train(const TrainOptions& o) {
  const auto ctx = cuda_context();
  ctx->set_vendor_choice({.deterministic = o.deterministic});
  Trainer trainer(*ctx, o, o.out);
  EXPECT_EQ(trainer.run().end, RunResult::End::kFinished);
  Trained out{.weights = weights_of(trainer.network()),
              .records = read_records(std::filesystem::path(o.out) / "metrics.jsonl"),
              .recorded_runs = trainer.network().recorded_runs(),
              .device_slices = trainer.step().device_slices()};
  for (Json& record : out.records) record.erase("seconds");
  return out;
}

void expect_same(const Trained& got, const Trained& want) {
  EXPECT_EQ(got.weights, want.weights);
  ASSERT_EQ(got.records.size(), want.records.size());
  for (std::size_t i = 0; i < got.records.size(); ++i) {
    const Json &a = got.records[i], &b = want.records[i];
    for (const char* key : {"candidates", "forward_select", "forward_train", "backprops", "updates",
                            "lr", "test_error", "test_loss", "quantiles"}) {
      EXPECT_EQ(a.value(key, Json()), b.value(key, Json())) << key << " of line " << i;
    }
    if (!b.contains("train_loss")) continue;
    EXPECT_NEAR(a["train_loss"].get<double>(), b["train_loss"].get<double>(), 1e-9);
  }
}

class DeviceTraining : public ::testing::Test {
 protected:
  void SetUp() override { GRAFT_SKIP_WITHOUT(cuda_context()); }

  TempFolder folder_;
  [[nodiscard]] TrainOptions device() const {
    return options_of((folder_.path() / "device").string(), true);
  }
  [[nodiscard]] TrainOptions oracle() const {
    return options_of((folder_.path() / "oracle").string(), false);
  }
};

TEST_F(DeviceTraining, ResidentDataAreTheLoadersBitForBit) {
  const auto ctx = cuda_context();
  const auto dataset = std::make_shared<data::Synthetic>(
      data::SyntheticOptions{.train = 50, .test = 10}, data::Split::kTrain);
  data::AugmentOptions augment = data::training_augment(*dataset);
  augment.cutout = 7;
  const std::vector<std::int64_t> ids = {3, 49, 0, 3, 17};
  const std::vector<std::uint32_t> epochs = {0, 1, 2, 5, 4000000000U};
  const data::Batch want = data::make_batch(dataset, ids, epochs, augment, 9);
  data::ResidentData resident(*ctx, *dataset, augment, 9, 8);
  Tensor x = Tensor::allocate(ctx->memory(), want.x.shape().with_batch(8));
  Tensor y = Tensor::allocate(ctx->memory(), {8}, DType::kI32);
  resident.fill(ids, epochs, x, y);
  std::vector<float> got_x(static_cast<std::size_t>(want.x.numel()));
  std::vector<std::int32_t> got_y(ids.size());
  copy_to_host(*ctx, x.rows(0, 5), got_x.data());
  copy_to_host(*ctx, y.rows(0, 5), got_y.data());
  const auto* want_x = want.x.ptr<const float>();
  const auto* want_y = want.y.ptr<const std::int32_t>();
  EXPECT_TRUE(std::equal(got_x.begin(), got_x.end(), want_x));
  EXPECT_TRUE(std::equal(got_y.begin(), got_y.end(), want_y));
}

TEST_F(DeviceTraining, RecordedStepsAreTheStepsCallByCall) {
  for (const char* optimizer : {"sgd", "adamw"}) {
    TrainOptions a = device(), b = oracle();
    a.optimizer = b.optimizer = optimizer;
    a.lr = b.lr = 0.002;
    a.epochs = b.epochs = 2;
    a.force = b.force = true;
    const Trained got = train(a), want = train(b);
    expect_same(got, want);
    EXPECT_EQ(got.recorded_runs, 2 * 3 - 2) << "all but those that warm up";
    EXPECT_EQ(want.recorded_runs, 0);
  }
}

TEST_F(DeviceTraining, RecordedStepsDropWhatTheyDropCallByCall) {
  TrainOptions a = device(), b = oracle();
  a.model = b.model = "wrn-10-1:dropout=0.3";
  a.epochs = b.epochs = 1;
  const Trained got = train(a), want = train(b);
  expect_same(got, want);
  EXPECT_EQ(got.recorded_runs, 3 - 2);
  TrainOptions plain = b;
  plain.model = "wrn-10-1";
  plain.force = true;
  EXPECT_NE(train(plain).weights, want.weights);
}

TEST_F(DeviceTraining, SlicesWithoutTheHostSelectAndTrainTheSame) {
  for (const std::string preset : {"default", "paper", "default with dropout"}) {
    TrainOptions a = device(), b = oracle();
    if (preset == "default with dropout") a.model = b.model = "wrn-10-1:dropout=0.3";
    a.sampler = b.sampler = "sb";
    a.sampler_preset = b.sampler_preset = preset == "paper" ? "paper" : "default";
    a.sampler_options = b.sampler_options = {{"R", "20"}};
    a.force = b.force = true;
    const Trained got = train(a), want = train(b);
    expect_same(got, want);
    EXPECT_GE(got.device_slices, 2) << preset;
    EXPECT_EQ(want.device_slices, 0);
  }
}

TEST_F(DeviceTraining, CheckpointsBetweenSlicesChangeNothing) {
  TrainOptions a = device(), b = device();
  for (TrainOptions* o : {&a, &b}) {
    o->sampler = "sb";
    o->sampler_options = {{"R", "20"}};
  }
  a.checkpoint_seconds = 1e-9;  // after every slice: the device gives its state back and takes over
  b.out = (folder_.path() / "whole").string();
  const Trained got = train(a);
  expect_same(got, train(b));
  EXPECT_GE(got.device_slices, 2);
}

TEST_F(DeviceTraining, StopsBeforeAnUpdateThatIsNotFinite) {
  TrainOptions o = device();
  o.lr = 1e30;
  o.lr_policy = "fixed";
  const auto ctx = cuda_context();
  Trainer trainer(*ctx, o, o.out);
  EXPECT_TRUE(fails_with(Errc::kNumerical, {"non-finite"}, [&] { (void)trainer.run(); }));
}

}  // namespace
}  // namespace graft::train
