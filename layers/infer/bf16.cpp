// SPDX-License-Identifier: Apache-2.0
#include "layers/core/bf16.h"

#include <algorithm>
#include <utility>

#include "kernels/api/pointwise.h"
#include "layers/infer/inference_layer.h"

namespace graft {
namespace {

struct Form {
  std::string_view kind;
  Bf16Output y;
};
/// The layers of inference forms whose kernels take bf16 (kernels/api).
constexpr Form kForms[] = {
    {"Activation", Bf16Output::kBf16},    {"Add", Bf16Output::kBf16},
    {"AvgPool2d", Bf16Output::kBf16},     {"Concat", Bf16Output::kBf16},
    {"FusedConv2d", Bf16Output::kEither}, {"GlobalAvgPool", Bf16Output::kF32},
    {"Linear", Bf16Output::kEither},      {"MaxPool2d", Bf16Output::kBf16},
    {"ScaleShift", Bf16Output::kBf16},    {"SubsamplePad", Bf16Output::kBf16},
};

/// Filters of one channel stay f32: they are few, and theirs would be most of the rounding noise.
DType dtype_of(const Shape& param) {
  const bool one_channel = param.rank() == 4 && param[3] == 1;
  return param.rank() > 1 && !one_channel ? DType::kBF16 : DType::kF32;
}

/// A layer whose kernels go by the dtype of their tensors.
class InBf16 final : public InferenceLayer {
 public:
  InBf16(LayerPtr of, DType y) : of_(std::move(of)), y_(y) {}
  [[nodiscard]] std::string_view kind() const override { return of_->kind(); }
  [[nodiscard]] std::string attributes() const override {
    const std::string own = of_->attributes();
    return own + (own.empty() ? "bf16" : " bf16") + (y_ == DType::kF32 ? " to f32" : "");
  }
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override {
    LayerPlan plan = of_->plan(x);
    plan.dtype = y_;
    return plan;
  }
  [[nodiscard]] std::vector<ParamSpec> params() const override {
    std::vector<ParamSpec> specs;
    for (const ParamSpec& p : of_->params()) {
      specs.push_back(derived(p.name, p.shape, dtype_of(p.shape)));
    }
    return specs;
  }
  [[nodiscard]] std::int64_t flops(std::span<const Shape> x) const override {
    return of_->flops(x);
  }
  void forward(const ForwardArgs& args) const override { of_->forward(args); }
  void derive_params(Context& ctx, std::span<const ParamSource> from,
                     std::span<Tensor> to) const override {
    for (std::size_t i = 0; i < to.size(); ++i) {
      const Tensor& own = from[0].params[i];
      if (to[i].dtype() == DType::kBF16) {
        kernels::cast(ctx, own, to[i]);
      } else {
        kernels::copy(ctx, own, to[i]);
      }
    }
  }

 private:
  LayerPtr of_;
  DType y_;
};

class Bf16Cast final : public InferenceLayer {
 public:
  explicit Bf16Cast(DType to) : to_(to) {}
  [[nodiscard]] std::string_view kind() const override { return "Cast"; }
  [[nodiscard]] std::string attributes() const override { return "to " + std::string(name(to_)); }
  [[nodiscard]] LayerPlan plan(std::span<const Shape> x) const override {
    GRAFT_CHECK_EQ(x.size(), 1u, "Cast inputs");
    return {.y = x[0], .dtype = to_};
  }
  [[nodiscard]] std::int64_t flops(std::span<const Shape>) const override { return 0; }
  void forward(const ForwardArgs& a) const override { kernels::cast(a.ctx, a.x[0], a.y); }

 private:
  DType to_;
};

}  // namespace

Bf16Output bf16_output(const Layer& layer) {
  const auto* found = std::find_if(std::begin(kForms), std::end(kForms),
                                   [&](const Form& f) { return f.kind == layer.kind(); });
  return found == std::end(kForms) ? Bf16Output::kNone : found->y;
}

LayerPtr in_bf16(LayerPtr layer, DType y) { return std::make_shared<InBf16>(std::move(layer), y); }

LayerPtr bf16_cast(DType to) { return std::make_shared<Bf16Cast>(to); }

}  // namespace graft
