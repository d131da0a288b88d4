// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/deployment.h"

#include "runtime/run/plan.h"
#include "tests/support/device.h"
#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

class Deployments : public testing::RunTest {
 protected:
  /// Logits of all applications on one picture.
  [[nodiscard]] std::vector<float> logits(std::unique_ptr<Context> ctx, bool sharing) const {
    std::vector<RunApp> apps;
    for (const char* task : {"birds", "cars"}) apps.push_back(load_app(package(task)));
    apps[1].view = parse_view("cars=0.25,0,0.5,1").second;
    const auto n_layers = static_cast<std::size_t>(apps[0].package->header().n_layers());
    ScheduleRequest request;
    request.settings.budget = 1e6;
    Schedule schedule =
        schedule_apps(apps, kFps, CostModel(std::vector<double>(n_layers, 1.0)), request);
    Deployment deployment(std::move(ctx), std::move(schedule), apps,
                          {.stream_fps = kFps, .bases = {}, .sharing = sharing});
    ImageU8 image(kSide, 2 * kSide);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = static_cast<std::uint8_t>(i * i % 251);
    }
    std::vector<float> all;
    for (const AppResult& r : deployment.run(image, std::vector<std::uint8_t>{1, 1})) {
      all.insert(all.end(), r.logits.begin(), r.logits.end());
    }
    return all;
  }
  static constexpr double kFps = 10;
};

TEST_F(Deployments, AnswersOnADeviceAsOnTheHost) {
  for (const bool sharing : {true, false}) {
    auto device = testing::cuda_context();
    GRAFT_SKIP_WITHOUT(device);
    const auto got = logits(std::move(device), sharing);
    const auto want = logits(std::make_unique<Context>(Backend::kCpu), sharing);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-4 * (1 + std::abs(want[i]))) << i;
    }
  }
}

}  // namespace
}  // namespace graft::run
