// SPDX-License-Identifier: Apache-2.0
#include "layers/nn/pointwise.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/api/pointwise.h"

namespace graft {
namespace {

const char* name(Activation act) {
  switch (act) {
    case Activation::kNone:
      return "none";
    case Activation::kRelu:
      return "relu";
    case Activation::kRelu6:
      return "relu6";
  }
  return "?";
}

/// Writes or adds the gradient `g` of an identity.
void pass_gradient(Context& ctx, const Tensor& g, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kAccumulate) kernels::accumulate(ctx, g, dx);
  if (mode == GradMode::kOverwrite && dx.data() != g.data()) kernels::copy(ctx, g, dx);
}

kernels::DropoutKeys keys_of(const RowIds& rows, std::uint32_t ordinal) {
  return {.seed = rows.seed,
          .layer = ordinal,
          .epoch = rows.epoch,
          .example = rows.example,
          .on_device = rows.on_device};
}

}  // namespace

ActivationLayer::ActivationLayer(Activation act) : act_(act) {
  GRAFT_CHECK(act != Activation::kNone, "Activation: none");
}

std::string ActivationLayer::attributes() const { return name(act_); }

LayerPlan ActivationLayer::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Activation inputs");
  return {.y = x[0], .keeps_y = true, .backward_in_place = 0};
}

std::int64_t ActivationLayer::flops(std::span<const Shape> x) const { return x[0].numel(); }

void ActivationLayer::forward(const ForwardArgs& a) const {
  kernels::activation_fwd(a.ctx, act_, a.x[0], a.y);
}

void ActivationLayer::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::activation_bwd(a.ctx, act_, a.y, a.dy, a.dx_mode[0], a.dx[0]);
}

std::string Add::attributes() const {
  return act_ == Activation::kNone ? "" : fmt::format("+{}", name(act_));
}

LayerPlan Add::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 2u, "Add inputs");
  GRAFT_CHECK_EQ(x[0], x[1], "Add");
  return {.y = x[0], .keeps_y = act_ != Activation::kNone, .backward_in_place = 1};
}

std::int64_t Add::flops(std::span<const Shape> x) const { return x[0].numel(); }

void Add::forward(const ForwardArgs& a) const {
  kernels::add_fwd(a.ctx, act_, a.x[0], a.x[1], a.y);
}

void Add::backward(const BackwardArgs& a) const {
  // dx[1] may be dy itself, so it comes last.
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (a.dx_mode[i] == GradMode::kSkip) continue;
    if (act_ == Activation::kNone) {
      pass_gradient(a.ctx, a.dy, a.dx_mode[i], a.dx[i]);
    } else {
      kernels::activation_bwd(a.ctx, act_, a.y, a.dy, a.dx_mode[i], a.dx[i]);
    }
  }
}

LayerPtr Add::with_activation(Activation act) const {
  return act_ == Activation::kNone ? std::make_shared<Add>(act) : nullptr;
}

std::string Concat::attributes() const { return ""; }

LayerPlan Concat::plan(std::span<const Shape> x) const {
  GRAFT_CHECK(!x.empty(), "Concat: no inputs");
  Shape y = x[0];
  const int last = y.rank() - 1;
  y[last] = 0;
  for (const Shape& s : x) {
    GRAFT_CHECK_EQ(s.rank(), y.rank(), "Concat");
    for (int i = 0; i < last; ++i) GRAFT_CHECK_EQ(s[i], y[i], "Concat: axis ", i);
    y[last] += s[last];
  }
  return {.y = y, .dtype = dtype_};
}

LayerPtr Concat::int8_form(std::span<const DType> x, DType y) const {
  const bool same = std::all_of(x.begin(), x.end(), [y](DType part) { return part == y; });
  return same && y != DType::kF32 ? std::make_shared<Concat>(y) : nullptr;
}

std::int64_t Concat::flops(std::span<const Shape>) const { return 0; }

void Concat::forward(const ForwardArgs& a) const { kernels::concat_fwd(a.ctx, a.x, a.y); }

void Concat::backward(const BackwardArgs& a) const {
  kernels::concat_bwd(a.ctx, a.dy, a.dx_mode, a.dx);
}

Dropout::Dropout(double p) : p_(p) {
  GRAFT_CHECK(p >= 0 && p < 1, "Dropout: p must be in [0, 1), got ", p);
}

std::string Dropout::attributes() const { return fmt::format("p {}", p_); }

LayerPlan Dropout::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Dropout inputs");
  return {.y = x[0], .backward_in_place = 0};
}

std::int64_t Dropout::flops(std::span<const Shape> x) const { return x[0].numel(); }

void Dropout::forward(const ForwardArgs& a) const {
  if (a.phase != Phase::kTrain || a.frozen) {
    kernels::copy(a.ctx, a.x[0], a.y);
    return;
  }
  kernels::dropout(a.ctx, p_, keys_of(a.rows, a.ordinal), a.x[0], a.y);
}

void Dropout::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  const kernels::DropoutKeys keys = keys_of(a.rows, a.ordinal);
  // Dropout is linear: the same mask applied to dy is the gradient.
  if (a.dx_mode[0] == GradMode::kOverwrite) {
    kernels::dropout(a.ctx, p_, keys, a.dy, a.dx[0]);
    return;
  }
  Tensor masked = Tensor::borrow(a.ctx.workspace().get(a.dy.bytes()), a.dy.shape(), a.dy.dtype());
  kernels::dropout(a.ctx, p_, keys, a.dy, masked);
  kernels::accumulate(a.ctx, masked, a.dx[0]);
}

SubsamplePad::SubsamplePad(std::int64_t out_channels, int stride, DType dtype)
    : out_channels_(out_channels), stride_(stride), dtype_(dtype) {
  GRAFT_CHECK(stride >= 1 && out_channels > 0, "SubsamplePad: stride ", stride, ", channels ",
              out_channels);
}

std::string SubsamplePad::attributes() const {
  return fmt::format("->{} stride {}", out_channels_, stride_);
}

LayerPlan SubsamplePad::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "SubsamplePad inputs");
  GRAFT_CHECK(x[0].rank() == 4 && x[0][3] <= out_channels_ && (out_channels_ - x[0][3]) % 2 == 0,
              "SubsamplePad: ", x[0], " to ", out_channels_, " channels");
  const auto cut = [this](std::int64_t n) { return (n + stride_ - 1) / stride_; };
  return {.y = {x[0][0], cut(x[0][1]), cut(x[0][2]), out_channels_}, .dtype = dtype_};
}

LayerPtr SubsamplePad::int8_form(std::span<const DType> x, DType y) const {
  return x[0] == y ? std::make_shared<SubsamplePad>(out_channels_, stride_, y) : nullptr;
}

std::int64_t SubsamplePad::flops(std::span<const Shape>) const { return 0; }

void SubsamplePad::forward(const ForwardArgs& a) const {
  kernels::subsample_pad_fwd(a.ctx, stride_, a.x[0], a.y);
}

void SubsamplePad::backward(const BackwardArgs& a) const {
  if (a.dx_mode[0] == GradMode::kSkip) return;
  kernels::subsample_pad_bwd(a.ctx, stride_, a.dy, a.dx_mode[0], a.dx[0]);
}

}  // namespace graft
