// SPDX-License-Identifier: Apache-2.0
#include "engine/tensor/tensor.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

Tensor ramp(const Shape& shape) {
  Tensor t = Tensor::allocate(host_memory(), shape);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.ptr<float>()[i] = static_cast<float>(i);
  return t;
}

template <class F>
std::string message(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Shape, CountsElements) {
  EXPECT_EQ((Shape{2, 3, 4}).numel(), 24);
  EXPECT_EQ((Shape{2, 3, 4}).row_numel(), 12);
  EXPECT_EQ((Shape{7}).row_numel(), 1);
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{0, 3}).numel(), 0);
  // Beyond 32 bits.
  EXPECT_EQ((Shape{50000, 50000, 3}).numel(), 7500000000);
}

TEST(Shape, ComparesRankAndExtents) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_EQ((Shape{2, 3}).with_batch(5), (Shape{5, 3}));
}

TEST(Shape, PrintsAndRefusesARankAboveFive) {
  std::ostringstream out;
  out << Shape{8, 32, 32, 3};
  EXPECT_EQ(out.str(), "(8, 32, 32, 3)");
  Shape s = {1, 2, 3, 4, 5};
  EXPECT_THAT(message([&] { s.push_back(6); }), HasSubstr("rank above 5"));
  EXPECT_THAT(message([] { (void)Shape{1, 2, 3, 4, 5, 6}; }), HasSubstr("rank above 5"));
}

TEST(DType, SizesAndNames) {
  EXPECT_EQ(size_of(DType::kF32), sizeof(float));
  EXPECT_EQ(size_of(DType::kF64), sizeof(double));
  EXPECT_EQ(size_of(DType::kBF16), sizeof(BFloat16));
  EXPECT_EQ(size_of(DType::kI64), sizeof(std::int64_t));
  EXPECT_EQ(size_of(DType::kI32), sizeof(std::int32_t));
  EXPECT_EQ(size_of(DType::kU8), 1u);
  EXPECT_EQ(size_of(DType::kI8), 1u);
  EXPECT_EQ(kDtypeOf<float>, DType::kF32);
  EXPECT_EQ(kDtypeOf<std::uint8_t>, DType::kU8);
  EXPECT_EQ(name(DType::kBF16), "bf16");
}

TEST(DispatchFloat, CallsWithTheTypeAndNamesWhatItRefuses) {
  const auto bytes = [](DType t) {
    return dispatch_float(t, "op", []<class T>(std::type_identity<T>) { return sizeof(T); });
  };
  EXPECT_EQ(bytes(DType::kF32), 4u);
  EXPECT_EQ(bytes(DType::kF64), 8u);
  EXPECT_EQ(message([&] { (void)bytes(DType::kI32); }), "op: expects f32 or f64, got i32");
}

TEST(Tensor, IsEmptyByDefault) {
  const Tensor t;
  EXPECT_TRUE(t.empty());
  EXPECT_EQ(t.ptr<double>(), nullptr);
  EXPECT_FALSE(Tensor::allocate(host_memory(), {0, 3}).empty());
}

TEST(Tensor, CopySharesAndCloneCopies) {
  Tensor a = ramp({4});
  Tensor shared = a, cloned = a.clone(host_memory());
  a.ptr<float>()[2] = 50;
  EXPECT_EQ(shared.ptr<float>()[2], 50);
  EXPECT_EQ(cloned.ptr<float>()[2], 2);
  EXPECT_EQ(cloned.shape(), a.shape());
  EXPECT_EQ(cloned.dtype(), a.dtype());
}

TEST(Tensor, RowsAreAView) {
  Tensor t = ramp({4, 2, 3});
  const Tensor middle = t.rows(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(middle.ptr<float>()[0], 6);
  middle.ptr<float>()[11] = -1;
  EXPECT_EQ(t.ptr<float>()[17], -1);
  EXPECT_EQ(t.rows(1, 3).rows(1, 1).ptr<float>()[0], 12);
  EXPECT_EQ(t.rows(4, 0).numel(), 0);
}

TEST(Tensor, RowsOutsideAreRefused) {
  const Tensor t = ramp({4, 2});
  EXPECT_THAT(message([&] { (void)t.rows(3, 2); }), HasSubstr("rows [3, 5) of (4, 2)"));
  EXPECT_NE(message([&] { (void)t.rows(-1, 2); }), "accepted");
  EXPECT_NE(message([&] { (void)t.rows(1, -1); }), "accepted");
}

TEST(Tensor, ReshapeIsAViewOfAsManyElements) {
  Tensor t = ramp({2, 6});
  const Tensor r = t.reshape({3, 4});
  EXPECT_EQ(r.data(), t.data());
  EXPECT_EQ(r.shape(), (Shape{3, 4}));
  EXPECT_THAT(message([&] { (void)t.reshape({5}); }), HasSubstr("5 vs 12"));
}

TEST(Tensor, ViewChecksTheType) {
  const Tensor t = ramp({3});
  EXPECT_EQ(t.view<float>().data[2], 2);
  EXPECT_EQ(t.view<const float>().shape, (Shape{3}));
  EXPECT_THAT(message([&] { (void)t.view<double>(); }), HasSubstr("tensor has dtype f32"));
  EXPECT_THAT(message([&] { (void)t.ptr<std::int32_t>(); }), HasSubstr("tensor has dtype f32"));
}

TEST(Tensor, ViewsKeepTheStorageAlive) {
  StatsResource stats(host_memory());
  Tensor view;
  {
    const Tensor t = Tensor::zeros(stats, {4, 4});
    view = t.rows(2, 1).reshape({2, 2});
  }
  EXPECT_EQ(stats.bytes_in_use(), 64);
  EXPECT_EQ(view.ptr<float>()[3], 0);
  view = Tensor();
  EXPECT_EQ(stats.bytes_in_use(), 0);
}

TEST(Tensor, BorrowOwnsNothing) {
  double values[] = {1, 2, 3, 4};
  {
    const Tensor t = Tensor::borrow(values, {2, 2}, DType::kF64);
    t.rows(1, 1).ptr<double>()[1] = 40;
    EXPECT_EQ(t.bytes(), sizeof(values));
  }
  EXPECT_EQ(values[3], 40);
}

}  // namespace
}  // namespace graft
