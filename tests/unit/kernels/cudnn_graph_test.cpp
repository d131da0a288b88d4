// SPDX-License-Identifier: Apache-2.0
// Needs cuDNN, but no GPU: graphs, heuristics and plans are made for the properties of an H200.
#include "kernels/cuda/cudnn_graph.h"

#include <gtest/gtest.h>

#include "tests/support/op_cases.h"

namespace graft::kernels::cuda {
namespace {

using graft::testing::conv_cases;
using graft::testing::ConvCase;

/// An H200 in cuDNN's form.
constexpr const char* kH200 =
    R"({"cudnnVersion": 91900, "schemaVersion": 1, "cudaDeviceId": 0, "deviceName": "NVIDIA H200",
        "deviceVer": 900, "driverVer": 13000, "multiProcessorCount": 132,
        "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
        "regsPerBlock": 65536, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
        "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
        "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024,
        "maxThreadsPerSM": 2048, "totalGlobalMem": 150000000000, "pciDeviceId": 9013,
        "isTccDriver": 0, "supportCoopLaunch": 1, "smClockRateKHz": 1980000,
        "memClockRateKHz": 3201000, "l2CacheSize": 62914560})";

const CudnnDescriptor& h200() {
  static const CudnnDescriptor device = device_properties(kH200);
  return device;
}

constexpr ConvPass kPasses[] = {ConvPass::kForward, ConvPass::kBackwardData,
                                ConvPass::kBackwardWeight};

/// Engines for the case in every pass.
void expect_plans(const ConvCase& c, DType dtype, const EngineFilter& filter) {
  for (const ConvPass pass : kPasses) {
    const Shape x = c.x(), w = c.filter(), y = c.y();
    const CudnnConv problem{
        .pass = pass, .dtype = dtype, .options = c.options, .x = x, .w = w, .y = y};
    EXPECT_FALSE(cudnn_plans(h200(), problem, filter, 1).empty())
        << c.id() << " pass " << static_cast<int>(pass) << " " << name(dtype);
  }
}

TEST(CudnnGraph, HasAPlanForEveryCaseOfTheTables) {
  for (const ConvCase& c : conv_cases()) {
    expect_plans(c, DType::kF32, {.deterministic = true, .exact_f32 = true});
    expect_plans(c, DType::kBF16, {.deterministic = true});
  }
}

TEST(CudnnGraph, FusesWhatFollowsAForward) {
  const auto options = ConvOptions::same_sides(1, 1);
  const Shape x = {64, 32, 32, 64}, w = {64, 3, 3, 64};
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const bool residual : {false, true}) {
      for (const Activation act : {Activation::kNone, Activation::kRelu}) {
        const CudnnConv problem{.pass = ConvPass::kForward,
                                .dtype = dtype,
                                .options = options,
                                .x = x,
                                .w = w,
                                .y = x,
                                .activation = act,
                                .bias = true,
                                .residual = residual};
        EXPECT_FALSE(cudnn_plans(h200(), problem, {.exact_f32 = dtype == DType::kF32}, 1).empty())
            << name(dtype) << " residual " << residual << " act " << static_cast<int>(act);
      }
    }
  }
}

TEST(CudnnGraph, KeysTellApartWhatPlansDependOn) {
  const auto options = ConvOptions::same_sides(1, 1);
  const Shape x = {8, 9, 9, 16}, w = {16, 3, 3, 16};
  const CudnnConv a{
      .pass = ConvPass::kForward, .dtype = DType::kF32, .options = options, .x = x, .w = w, .y = x};
  CudnnConv aligned = a, bf16 = a, with_bias = a;
  EXPECT_EQ(a.key(), aligned.key());
  aligned.alignment = 4;
  bf16.dtype = DType::kBF16;
  with_bias.bias = true;
  for (const CudnnConv& other : {aligned, bf16, with_bias}) EXPECT_NE(a.key(), other.key());
}

TEST(CudnnGraph, FilteredPlansAreRepeatable) {
  const auto options = ConvOptions::same_sides(1, 1);
  const Shape x = {64, 32, 32, 64}, w = {64, 3, 3, 64};
  for (const ConvPass pass : kPasses) {
    const CudnnConv problem{
        .pass = pass, .dtype = DType::kBF16, .options = options, .x = x, .w = w, .y = x};
    const auto any = cudnn_plans(h200(), problem, {}, 8);
    const auto filtered = cudnn_plans(h200(), problem, {.deterministic = true}, 8);
    for (const CudnnPlan& p : filtered) EXPECT_TRUE(p.repeatable);
    EXPECT_FALSE(any.empty());
    EXPECT_FALSE(filtered.empty());
  }
}

TEST(CudnnGraph, SaysWhichCallFailed) {
  try {
    (void)device_properties("{}");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUnavailable);
    EXPECT_NE(std::string(e.what()).find("cudnnBackendFinalize"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("cudnn_graph.cpp:"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace graft::kernels::cuda
