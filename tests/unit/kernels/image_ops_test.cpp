// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/image_ops.h"

#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "tests/support/device.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

constexpr double kMean[3] = {0.5, 0.25, 0};
constexpr double kStddev[3] = {0.5, 0.25, 1};

/// One image of `h` x `w` whose pixel (y, x, c) is 64 * c + w * y + x.
Tensor ramp(std::int64_t h, std::int64_t w) {
  Tensor t = Tensor::allocate(host_memory(), {1, h, w, 3}, DType::kU8);
  for (std::int64_t i = 0; i < h * w * 3; ++i) {
    t.ptr<std::uint8_t>()[i] = static_cast<std::uint8_t>(64 * (i % 3) + i / 3);
  }
  return t;
}

/// value[c][u] = u.
ImageTable identity() {
  ImageTable t;
  for (auto& channel : t.value) {
    for (int u = 0; u < 256; ++u) channel[u] = static_cast<float>(u);
  }
  return t;
}

/// First channel of ramp(3, 4) under `transform`, cropped to `h` x `w`.
std::vector<float> first_channel(const ImageTransform& transform, std::int64_t h, std::int64_t w) {
  Context ctx(Backend::kCpu);
  Tensor y = Tensor::allocate(host_memory(), {1, h, w, 3});
  u8_to_float(ctx, {&transform, 1}, identity(), ramp(3, 4), y);
  std::vector<float> out;
  for (std::int64_t i = 0; i < h * w; ++i) out.push_back(y.ptr<float>()[3 * i]);
  return out;
}

TEST(U8ToFloat, CropsPadsFlipsAndCutsOut) {
  using V = std::vector<float>;
  // 0  1  2  3
  // 4  5  6  7
  // 8  9 10 11
  EXPECT_EQ(first_channel({}, 2, 3), (V{0, 1, 2, 4, 5, 6}));
  EXPECT_EQ(first_channel({.top = 1, .left = 2}, 2, 2), (V{6, 7, 10, 11}));
  EXPECT_EQ(first_channel({.top = -1, .left = -1}, 2, 2), (V{0, 0, 0, 0}));
  EXPECT_EQ(first_channel({.top = 2, .left = 3}, 2, 2), (V{11, 0, 0, 0}));
  EXPECT_EQ(first_channel({.flip = 1}, 1, 4), (V{3, 2, 1, 0}));
  EXPECT_EQ(first_channel({.left = -1, .flip = 1}, 1, 3), (V{1, 0, 0}));
  EXPECT_EQ(first_channel({.top = 1, .cut_y0 = 0, .cut_y1 = 1, .cut_x0 = 1, .cut_x1 = 3}, 2, 4),
            (V{4, 0, 0, 7, 8, 9, 10, 11}));
  // The cutout is in output coordinates, after the flip.
  EXPECT_EQ(first_channel({.flip = 1, .cut_y1 = 1, .cut_x1 = 1}, 1, 4), (V{0, 2, 1, 0}));
}

TEST(U8ToFloat, PadsWithBlackAndCutsToZero) {
  Context ctx(Backend::kCpu);
  const ImageTable table = image_table(kMean, kStddev);
  const ImageTransform transform{.top = -1, .cut_y0 = 1, .cut_y1 = 2, .cut_x0 = 0, .cut_x1 = 4};
  Tensor y = Tensor::allocate(host_memory(), {1, 2, 4, 3});
  u8_to_float(ctx, {&transform, 1}, table, ramp(3, 4), y);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(y.ptr<float>()[i], table.value[i % 3][0]) << i;  // normalised black
    EXPECT_EQ(y.ptr<float>()[12 + i], 0) << i;
  }
}

TEST(ImageTable, Normalises) {
  const ImageTable t = image_table(kMean, kStddev);
  EXPECT_EQ(t.value[0][0], -1);
  EXPECT_EQ(t.value[0][255], 1);
  EXPECT_EQ(t.value[1][255], 3);
  EXPECT_EQ(t.value[2][51], 0.2f);
}

TEST(ImageTable, RefusesZeroStddev) {
  EXPECT_TRUE(refused("image_table", "stddev of channel 1", [] {
    (void)image_table({0, 0, 0}, {1, 0, 1});
  }));
}

/// Nine images of 12 x 10, how each is moved, and what the reference makes of them as (9, h, w, 3).
struct Nine {
  ImageTable table = image_table({0.49, 0.48, 0.45}, {0.25, 0.24, 0.26});
  Tensor x = pixels({9, 12, 10, 3}, 2);
  std::vector<ImageTransform> transforms;

  Nine() {
    Philox rng({.seed = 1});
    const auto below = [&](std::uint32_t n) { return static_cast<std::int32_t>(rng.below(n)); };
    for (int n = 0; n < 9; ++n) {
      ImageTransform t{.top = below(9) - 4, .left = below(9) - 4, .flip = below(2)};
      t.cut_y0 = below(12);
      t.cut_y1 = t.cut_y0 + below(5);
      t.cut_x0 = below(10);
      t.cut_x1 = t.cut_x0 + below(5);
      transforms.push_back(t);
    }
  }
  [[nodiscard]] Tensor reference(const Shape& s) const {
    Context ref(Backend::kRef);
    Tensor y = Tensor::allocate(host_memory(), s);
    u8_to_float(ref, transforms, table, x, y);
    return y;
  }
};

const Shape kNineShapes[] = {{9, 12, 10, 3}, {9, 8, 8, 3}, {9, 1, 17, 3}};

// Every backend reads one table: the results are the same bits.
TEST(U8ToFloat, OnTheHostEqualsReferenceBitForBit) {
  const Nine nine;
  for (const Shape& s : kNineShapes) {
    for (const int threads : {1, 2}) {
      GuardResource guard(host_memory());
      Context ctx(Backend::kCpu, threads, guard);
      Tensor in = nine.x.clone(guard), y = Tensor::allocate(guard, s);
      poison(y);
      u8_to_float(ctx, nine.transforms, nine.table, in, y);
      EXPECT_TRUE(same_bits(y, nine.reference(s))) << s << " threads " << threads;
      EXPECT_TRUE(guard.intact()) << s;
    }
  }
}

TEST(U8ToFloat, OnCudaMatchesReferenceBitForBit) {
  const auto ctx = cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  const Nine nine;
  Tensor in = Tensor::allocate(ctx->memory(), nine.x.shape(), DType::kU8);
  copy_from_host(*ctx, nine.x.data(), in);
  for (const Shape& s : kNineShapes) {
    Tensor y = Tensor::allocate(ctx->memory(), s), got = Tensor::allocate(host_memory(), s);
    u8_to_float(*ctx, nine.transforms, nine.table, in, y);
    copy_to_host(*ctx, y, got.data());
    EXPECT_TRUE(same_bits(got, nine.reference(s))) << s;
  }
}

TEST(U8ToFloat, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const ImageTable table = identity();
  const std::vector<ImageTransform> two(2), one(1);
  const Tensor x = pixels({2, 4, 4, 3}, 1), gray = pixels({2, 4, 4, 1}, 1);
  Tensor y = Tensor::zeros(host_memory(), {2, 4, 4, 3});
  Tensor f64 = Tensor::zeros(host_memory(), {2, 4, 4, 3}, DType::kF64);
  EXPECT_TRUE(
      refused("u8_to_float", "2 entries, got 1", [&] { u8_to_float(ctx, one, table, x, y); }));
  EXPECT_TRUE(refused("u8_to_float", "(N,H,W,3)", [&] { u8_to_float(ctx, two, table, gray, y); }));
  EXPECT_TRUE(refused("u8_to_float", "f64", [&] { u8_to_float(ctx, two, table, x, f64); }));
  EXPECT_TRUE(refused("u8_to_float", "u8", [&] { u8_to_float(ctx, two, table, y, y); }));
}

}  // namespace
}  // namespace graft::kernels
