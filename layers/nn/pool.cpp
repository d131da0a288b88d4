// SPDX-License-Identifier: Apache-2.0
#include "layers/nn/pool.h"

#include <fmt/format.h>

#include "layers/infer/int8.h"

namespace graft {
namespace {

std::string describe(const kernels::PoolOptions& o) {
  return fmt::format("{}x{} stride {} pad {}{}{}{}", o.window, o.window, o.stride, o.pad,
                     o.trailing_pad() == o.pad ? "" : fmt::format("/{}", o.trailing_pad()),
                     o.ceil_mode ? " ceil" : "", o.count_include_pad ? "" : " exclude pad");
}

std::int64_t pool_flops(const kernels::PoolOptions& o, std::span<const Shape> x) {
  return kernels::pool_output_shape(o, x[0]).numel() * o.window * o.window;
}

LayerPtr int8_pool(Int8Pool2d::Of of, const kernels::PoolOptions& o, DType x, DType y) {
  return x == y && y != DType::kF32 ? std::make_shared<Int8Pool2d>(of, o, y) : nullptr;
}

}  // namespace

std::string MaxPool2d::attributes() const { return describe(o_); }

LayerPlan MaxPool2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "MaxPool2d inputs");
  const Shape y = kernels::pool_output_shape(o_, x[0]);
  return {.y = y, .saved = {{"index", y, DType::kU8, 0}}};
}

std::int64_t MaxPool2d::flops(std::span<const Shape> x) const { return pool_flops(o_, x); }

void MaxPool2d::forward(const ForwardArgs& a) const {
  kernels::max_pool_fwd(a.ctx, o_, a.x[0], a.y, a.saved[0]);
}

void MaxPool2d::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::max_pool_bwd(a.ctx, o_, a.dy, a.saved[0], a.dx_mode[0], a.dx[0]);
}

LayerPtr MaxPool2d::int8_form(std::span<const DType> x, DType y) const {
  return int8_pool(Int8Pool2d::Of::kMax, o_, x[0], y);
}

std::string AvgPool2d::attributes() const { return describe(o_); }

LayerPlan AvgPool2d::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "AvgPool2d inputs");
  return {.y = kernels::pool_output_shape(o_, x[0])};
}

std::int64_t AvgPool2d::flops(std::span<const Shape> x) const { return pool_flops(o_, x); }

void AvgPool2d::forward(const ForwardArgs& a) const {
  kernels::avg_pool_fwd(a.ctx, o_, a.x[0], a.y);
}

void AvgPool2d::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::avg_pool_bwd(a.ctx, o_, a.dy, a.dx_mode[0], a.dx[0]);
}

Int8Traits AvgPool2d::int8_traits() const {
  if (o_.window > Int8Pool2d::kMostWindow) return {};
  return {.takes = true, .makes = true, .keeps_range = true};
}

LayerPtr AvgPool2d::int8_form(std::span<const DType> x, DType y) const {
  return int8_pool(Int8Pool2d::Of::kMean, o_, x[0], y);
}

LayerPtr GlobalAvgPool::int8_form(std::span<const DType> x, DType y) const {
  return x[0] != DType::kF32 && y == DType::kF32 ? std::make_shared<Int8GlobalAvgPool>() : nullptr;
}

std::string GlobalAvgPool::attributes() const { return ""; }

LayerPlan GlobalAvgPool::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "GlobalAvgPool inputs");
  GRAFT_CHECK_EQ(x[0].rank(), 4, "GlobalAvgPool: ", x[0]);
  return {.y = {x[0][0], x[0][3]}};
}

std::int64_t GlobalAvgPool::flops(std::span<const Shape> x) const { return x[0].numel(); }

void GlobalAvgPool::forward(const ForwardArgs& a) const {
  kernels::global_avg_pool_fwd(a.ctx, a.x[0], a.y);
}

void GlobalAvgPool::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::global_avg_pool_bwd(a.ctx, a.dy, a.dx_mode[0], a.dx[0]);
}

}  // namespace graft
