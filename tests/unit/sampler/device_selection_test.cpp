// SPDX-License-Identifier: Apache-2.0
// The device's choice of rows (kernels/api/select.h), run on the host, is the sampler's.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "engine/device/cuda_device.h"
#include "kernels/api/select.h"
#include "sampler/select/selective_backprop.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

constexpr std::uint64_t kSeed = 5;
constexpr std::uint32_t kEpoch = 3;

template <class T>
Tensor tensor_of(std::vector<T>& values) {
  return Tensor::borrow(values.data(), {std::ssize(values)}, kDtypeOf<T>);
}

/// Table of draw_threshold(P) by halves, as the host makes it for a window of `size`; without
/// itself, a loss stands among one fewer.
std::vector<std::int32_t> thresholds(const SelectiveBackpropOptions& o, std::int64_t size) {
  std::vector<std::int32_t> table;
  for (std::int64_t halves = 0; halves <= 2 * size; ++halves) {
    const std::int64_t others = o.include_self ? size : size - 1;
    const double c = std::min(1.0, static_cast<double>(halves) / 2 / static_cast<double>(others));
    table.push_back(
        static_cast<std::int32_t>(kernels::draw_threshold(std::max(o.p_min, o.priority(c)))));
  }
  return table;
}

void expect_same_rows(const SelectiveBackpropOptions& o, std::int64_t slice_size) {
  SelectiveBackprop sampler(o);
  sampler.before_epoch({.epoch = 100, .epochs = 200, .examples = 1000, .u = {}});
  Context ctx(CudaOnHost{}, host_memory());
  kernels::LossWindow window{Tensor::zeros(host_memory(), {o.history})};
  Philox rng({.seed = 9, .purpose = RngPurpose::kTest});
  const std::vector<std::uint32_t> epochs(static_cast<std::size_t>(slice_size), kEpoch);
  std::size_t chosen = 0, seen = 0;
  for (std::int64_t first = 0; first < 8 * slice_size; first += slice_size) {
    testing::Slice s = testing::make_slice(kSeed, kEpoch, first, slice_size);
    for (float& loss : s.losses) loss = static_cast<float>(rng.below(64)) / 16;  // many are equal
    const Selection want = sampler.select(s.view());
    auto table = thresholds(o, std::min(window.size + slice_size, o.history));
    std::vector<std::int32_t> rows(static_cast<std::size_t>(slice_size), -1), count(1, -1);
    Tensor rows_tensor = tensor_of(rows), count_tensor = tensor_of(count);
    kernels::select_by_percentile(ctx,
                                  {.tie = static_cast<int>(o.tie),
                                   .include_self = o.include_self,
                                   .seed = kSeed,
                                   .example = s.ids,
                                   .epoch = epochs},
                                  tensor_of(s.losses), tensor_of(table), window, rows_tensor,
                                  count_tensor);
    ASSERT_EQ(count[0], std::ssize(want.rows)) << "slice from " << first;
    rows.resize(want.rows.size());
    EXPECT_EQ(rows, want.rows) << "slice from " << first;
    chosen += rows.size();
    seen += s.ids.size();
  }
  EXPECT_GT(chosen, seen / 10);
  EXPECT_LT(chosen, seen * 9 / 10);
}

TEST(DeviceSelection, ChoosesTheRowsOfTheSampler) {
  if (probe_cuda().built) GTEST_SKIP() << "the kernels of CUDA are compiled for the device";
  for (const Ties tie : {Ties::kStrict, Ties::kMid, Ties::kWeak}) {
    for (const bool include_self : {true, false}) {
      SelectiveBackpropOptions o = SelectiveBackpropOptions::standard();
      o.history = 300;  // fills in the third slice, then wraps
      o.tie = tie;
      o.include_self = include_self;
      expect_same_rows(o, 128);
    }
  }
  expect_same_rows(SelectiveBackpropOptions::standard(), 37);
}

TEST(DeviceSelection, RefusesWhatDoesNotFit) {
  Context ctx(Backend::kRef);
  std::vector<float> loss(8);
  std::vector<std::int32_t> table(9), rows(8), count(1);
  kernels::LossWindow window{Tensor::zeros(host_memory(), {4})};
  Tensor r = tensor_of(rows), c = tensor_of(count);
  EXPECT_THROW(
      kernels::select_by_percentile(ctx, {}, tensor_of(loss), tensor_of(table), window, r, c),
      Error);
}

TEST(DeviceSelection, ThresholdsCompareAsUniformsDo) {
  for (const double p : {0.0, 0x1.0p-24, 0.1, 1.0 / 3, 0.5, 1 - 0x1.0p-24, 1.0}) {
    const std::uint32_t t = kernels::draw_threshold(p);
    for (const std::uint32_t near : {t > 0 ? t - 1 : 0u, std::min(t, 0xFFFFFFu)}) {
      const bool drawn = static_cast<double>(to_unit_float(near << 8)) < p;
      EXPECT_EQ(near < t, drawn) << p << " " << near;
    }
  }
}

}  // namespace
}  // namespace graft
