// SPDX-License-Identifier: Apache-2.0
// oneDNN's convolution primitives and packed weights, kept per context.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/api/conv.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/kept_buffer.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cpu {

enum class ConvPass : std::int64_t { kForward, kBackwardData, kBackwardWeight };

/// A convolution as oneDNN wants it described. x, y: nhwc. w: (K,R,S,C/groups) is ohwi, with groups
/// gohwi.
struct ConvProblem {
  static constexpr std::size_t kKeyWords = 25;

  ConvPass pass;
  const ConvOptions& options;
  const Shape &x, &w, &y;
  bool bias;
  int threads;
  Activation activation = Activation::kNone;  ///< forward only, as is `residual`
  bool residual = false;
  DType dtype = DType::kF32;    ///< of x and the residual: bf16 forward only
  DType w_dtype = DType::kF32;  ///< of the master weights
  DType y_dtype = DType::kF32;  ///< of y: `dtype`, or f32

  /// Everything above as integers.
  [[nodiscard]] std::array<std::int64_t, kKeyWords> key() const;

  [[nodiscard]] dnnl::memory::desc x_desc() const { return image(x, dtype); }
  [[nodiscard]] dnnl::memory::desc y_desc() const { return image(y, y_dtype); }
  [[nodiscard]] dnnl::memory::desc residual_desc() const { return image(y, dtype); }
  [[nodiscard]] dnnl::memory::desc master_weights() const;
  /// In the format that the primitive likes best.
  [[nodiscard]] dnnl::memory::desc any_weights() const;
  [[nodiscard]] dnnl::memory::desc bias_desc() const;
  /// Attributes with what follows the convolution.
  [[nodiscard]] dnnl::primitive_attr fused() const;
  [[nodiscard]] dnnl::memory::dims strides() const;
  [[nodiscard]] dnnl::memory::dims dilations() const;
  [[nodiscard]] dnnl::memory::dims pad_begin() const;
  [[nodiscard]] dnnl::memory::dims pad_end() const;

 private:
  [[nodiscard]] static dnnl::memory::desc image(const Shape& shape, DType dtype);
  [[nodiscard]] dnnl::memory::desc weights(bool any) const;
};

/// A primitive and its memories; the caller points them at the arguments of each call.
struct ConvPlan {
  dnnl::primitive primitive;
  dnnl::memory x, w_master, w_packed, bias, residual, y, scratchpad;
  std::optional<dnnl::reorder> reorder;  ///< none: the primitive works on the master weights
  dnnl::memory reorder_scratchpad;
  std::int64_t scratchpad_bytes = 0;  ///< enough for the primitive and for the reorder
  std::int64_t packed_bytes = 0;      ///< 0 if there is no reorder
  std::int64_t format = 0;            ///< number of w_packed's format in this context
};

class ConvState {
 public:
  explicit ConvState(Context& ctx);

  [[nodiscard]] ConvPlan& plan(const char* op, const ConvProblem& problem);
  /// w in the plan's format: kept from an earlier call if `version` is the same and not 0.
  /// `scratchpad` and `temporary` have the plan's scratchpad_bytes and packed_bytes; the result may
  /// live in the latter.
  [[nodiscard]] const dnnl::memory& packed_weights(Context& ctx, const char* op, ConvPlan& plan,
                                                   const Tensor& w, std::uint64_t version,
                                                   void* scratchpad, void* temporary);
  [[nodiscard]] const dnnl::stream& stream() const { return device_.stream; }
  [[nodiscard]] PlanCacheStats plan_stats() const { return plans_.stats(); }
  [[nodiscard]] PlanCacheStats packed_stats() const { return packed_.stats(); }

 private:
  struct PackedWeights {
    KeptBuffer buffer;
    dnnl::memory packed;
    std::uint64_t version = 0;
  };

  [[nodiscard]] ConvPlan make_plan(const ConvProblem& problem);
  template <class Primitive, class Desc>
  void set_primitive(ConvPlan& plan, const ConvProblem& problem, const Desc& desc,
                     const dnnl::memory::desc& w);
  [[nodiscard]] std::int64_t number_of(const dnnl::memory::desc& format);

  DnnlDevice device_;
  std::vector<dnnl::memory::desc> formats_;
  PlanCache<ConvProblem::kKeyWords, ConvPlan> plans_;
  PlanCache<2, PackedWeights> packed_;  // by master address and format
};

/// Statistics of a context's convolution plans, and of the weights kept in oneDNN's own formats.
[[nodiscard]] PlanCacheStats conv_plan_stats(Context& ctx);
[[nodiscard]] PlanCacheStats packed_weight_stats(Context& ctx);

}  // namespace graft::kernels::cpu
