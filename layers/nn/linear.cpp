// SPDX-License-Identifier: Apache-2.0
#include "layers/nn/linear.h"

#include <fmt/format.h>

#include "kernels/api/gemm.h"
#include "layers/infer/int8.h"

namespace graft {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool bias)
    : in_(in_features), out_(out_features), bias_(bias) {
  GRAFT_CHECK(in_ > 0 && out_ > 0, "Linear: ", in_, "->", out_);
}

std::string Linear::attributes() const {
  return fmt::format("{}->{}{}", in_, out_, bias_ ? " bias" : "");
}

LayerPlan Linear::plan(std::span<const Shape> x) const {
  GRAFT_CHECK_EQ(x.size(), 1u, "Linear inputs");
  GRAFT_CHECK(x[0].rank() == 2 && x[0][1] == in_, "Linear: expects (N,", in_, "), got ", x[0]);
  return {.y = {x[0][0], out_}, .keeps_x = true};
}

std::vector<ParamSpec> Linear::params() const {
  std::vector<ParamSpec> specs = {
      {.name = "weight", .shape = {out_, in_}, .init = Init::uniform_fan_in(in_)}};
  if (bias_) specs.push_back({.name = "bias", .shape = {out_}, .init = Init::uniform_fan_in(in_)});
  return specs;
}

std::int64_t Linear::flops(std::span<const Shape> x) const { return 2 * x[0][0] * in_ * out_; }

void Linear::forward(const ForwardArgs& a) const {
  kernels::linear_fwd(a.ctx, a.x[0], a.params[0], bias_ ? a.params[1] : Tensor(), a.param_version,
                      a.y);
}

Int8Traits Linear::int8_traits() const {
  constexpr std::int64_t kWorthwhile = 1 << 19;  // weights; reading fewer takes no time to speak of
  constexpr std::int64_t kMostTerms = 1 << 16;   // see kernels/api/int8.h
  const bool fits = in_ <= kMostTerms;
  return in_ * out_ >= kWorthwhile && fits ? Int8Traits{.takes = true, .needs = true}
                                           : Int8Traits{};
}

LayerPtr Linear::int8_form(std::span<const DType> x, DType y) const {
  const bool fits = x[0] != DType::kF32 && y == DType::kF32;
  return fits ? std::make_shared<Int8Linear>(in_, out_) : nullptr;
}

void Linear::backward(const BackwardArgs& a) const {
  if (a.param_mode != GradMode::kSkip) {
    Tensor none;
    kernels::linear_bwd_weight(a.ctx, a.x[0], a.dy, a.param_mode, a.dparams[0],
                               bias_ ? a.dparams[1] : none);
  }
  if (a.dx_mode[0] != GradMode::kSkip) {
    kernels::linear_bwd_data(a.ctx, a.dy, a.params[0], a.param_version, a.dx_mode[0], a.dx[0]);
  }
}

}  // namespace graft
