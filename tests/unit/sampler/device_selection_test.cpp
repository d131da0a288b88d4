// SPDX-License-Identifier: Apache-2.0
// The device's choice of rows (kernels/api/select.h) is the sampler's. Without CUDA the kernels run
// on the host.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "kernels/api/select.h"
#include "sampler/select/selective_backprop.h"
#include "tests/support/device.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

constexpr std::uint64_t kSeed = 5;
constexpr std::uint32_t kEpoch = 3;

template <class T>
Tensor tensor_of(Context& ctx, const std::vector<T>& values) {
  Tensor t = Tensor::allocate(ctx.memory(), {std::ssize(values)}, kDtypeOf<T>);
  copy_from_host(ctx, values.data(), t);
  return t;
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

void expect_same_rows(Context& ctx, const SelectiveBackpropOptions& o, std::int64_t slice_size) {
  SelectiveBackprop sampler(o);
  sampler.before_epoch({.epoch = 100, .epochs = 200, .examples = 1000, .u = {}});
  kernels::LossWindow window{Tensor::allocate(ctx.memory(), {o.history})};
  Philox rng({.seed = 9, .purpose = RngPurpose::kTest});
  const std::vector<std::uint32_t> epochs(static_cast<std::size_t>(slice_size), kEpoch);
  std::size_t chosen = 0, seen = 0;
  for (std::int64_t first = 0; first < 8 * slice_size; first += slice_size) {
    testing::Slice s = testing::make_slice(kSeed, kEpoch, first, slice_size);
    for (float& loss : s.losses) loss = static_cast<float>(rng.below(64)) / 16;  // many are equal
    const Selection want = sampler.select(s.view());
    const auto table = thresholds(o, std::min(window.size + slice_size, o.history));
    std::vector<std::int32_t> rows(static_cast<std::size_t>(slice_size), -1), count(1, -1);
    Tensor rows_tensor = tensor_of(ctx, rows), count_tensor = tensor_of(ctx, count);
    kernels::select_by_percentile(ctx,
                                  {.tie = static_cast<int>(o.tie),
                                   .include_self = o.include_self,
                                   .seed = kSeed,
                                   .example = s.ids,
                                   .epoch = epochs},
                                  tensor_of(ctx, s.losses), tensor_of(ctx, table), window,
                                  rows_tensor, count_tensor);
    copy_to_host(ctx, rows_tensor, rows.data());
    copy_to_host(ctx, count_tensor, count.data());
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
  const auto ctx = testing::cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  for (const Ties tie : {Ties::kStrict, Ties::kMid, Ties::kWeak}) {
    for (const bool include_self : {true, false}) {
      SelectiveBackpropOptions o = SelectiveBackpropOptions::standard();
      o.history = 300;  // fills in the third slice, then wraps
      o.tie = tie;
      o.include_self = include_self;
      expect_same_rows(*ctx, o, 128);
    }
  }
  expect_same_rows(*ctx, SelectiveBackpropOptions::standard(), 37);
}

TEST(DeviceSelection, TheSamplersRuleIsTheTableOfAFullWindow) {
  SelectiveBackpropOptions o = SelectiveBackpropOptions::standard();
  o.history = 40;
  for (const bool include_self : {true, false}) {
    o.include_self = include_self;
    SelectiveBackprop sampler(o);
    sampler.before_epoch({.epoch = 5, .epochs = 9, .examples = 100, .u = {}});
    EXPECT_FALSE(sampler.percentile_rule()) << "the window is not full";
    (void)sampler.select(testing::make_slice(kSeed, kEpoch, 0, 40).view());
    const auto rule = sampler.percentile_rule();
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->tie, 1);
    EXPECT_EQ(rule->include_self, include_self);
    std::vector<std::int32_t> table;
    for (const double p : rule->probability) {
      table.push_back(static_cast<std::int32_t>(kernels::draw_threshold(p)));
    }
    EXPECT_EQ(table, thresholds(o, 40));
    sampler.before_epoch({.epoch = 0, .epochs = 9, .examples = 100, .u = {}});
    EXPECT_FALSE(sampler.percentile_rule()) << "priming";
  }
}

TEST(DeviceSelection, RefusesWhatDoesNotFit) {
  Context ctx(Backend::kRef);
  const Tensor loss = Tensor::zeros(host_memory(), {8});
  const Tensor table = Tensor::zeros(host_memory(), {9}, DType::kI32);
  kernels::LossWindow window{Tensor::zeros(host_memory(), {4})};
  Tensor rows = Tensor::zeros(host_memory(), {8}, DType::kI32);
  Tensor count = Tensor::zeros(host_memory(), {1}, DType::kI32);
  EXPECT_THROW(kernels::select_by_percentile(ctx, {}, loss, table, window, rows, count), Error);
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
