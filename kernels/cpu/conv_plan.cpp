// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv_plan.h"

#include <algorithm>

namespace graft::kernels::cpu {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// A network of 100 convolutions has 300 plans a batch size; JIT code is shared by oneDNN's own
// cache.
constexpr std::size_t kMaxPlans = 2048;
constexpr std::size_t kMaxPackedWeights = 2048;

constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;

memory::data_type dnnl_type(DType dtype) {
  return dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

dnnl::convolution_forward::primitive_desc forward_desc(const ConvProblem& p,
                                                       const dnnl::engine& e) {
  return describe<dnnl::convolution_forward>(
      e, p.fused(), dnnl::prop_kind::forward_training, kAlgorithm, p.x_desc(), p.any_weights(),
      p.bias_desc(), p.y_desc(), p.strides(), p.dilations(), p.pad_begin(), p.pad_end());
}

dnnl::convolution_backward_data::primitive_desc backward_data_desc(const ConvProblem& p,
                                                                   const dnnl::engine& e) {
  return describe_backward<dnnl::convolution_backward_data>(
      e, user_scratchpad(), forward_desc(p, e), kAlgorithm, p.x_desc(), p.any_weights(), p.y_desc(),
      p.strides(), p.dilations(), p.pad_begin(), p.pad_end());
}

dnnl::convolution_backward_weights::primitive_desc backward_weight_desc(const ConvProblem& p,
                                                                        const dnnl::engine& e) {
  return describe_backward<dnnl::convolution_backward_weights>(
      e, user_scratchpad(), forward_desc(p, e), kAlgorithm, p.x_desc(), p.any_weights(),
      p.bias_desc(), p.y_desc(), p.strides(), p.dilations(), p.pad_begin(), p.pad_end());
}

}  // namespace

std::array<std::int64_t, ConvProblem::kKeyWords> ConvProblem::key() const {
  const ConvOptions& o = options;
  return {static_cast<std::int64_t>(pass),
          threads,
          bias ? 1 : 0,
          x[0],
          x[1],
          x[2],
          x[3],
          w[0],
          w[1],
          w[2],
          w[3],
          y[1],
          y[2],
          o.stride,
          o.pad_top,
          o.pad_left,
          o.pad_bottom,
          o.pad_right,
          o.dilation,
          o.groups,
          static_cast<std::int64_t>(activation),
          residual ? 1 : 0,
          static_cast<std::int64_t>(dtype),
          static_cast<std::int64_t>(w_dtype),
          static_cast<std::int64_t>(y_dtype)};
}

memory::desc ConvProblem::image(const Shape& s, DType dtype) {
  return {{s[0], s[3], s[1], s[2]}, dnnl_type(dtype), Tag::nhwc};
}

memory::desc ConvProblem::weights(bool any) const {
  const std::int64_t g = options.groups;
  const memory::data_type type = dnnl_type(any ? dtype : w_dtype);
  if (g == 1) {
    return {{w[0], w[3], w[1], w[2]}, type, any ? Tag::any : Tag::ohwi};
  }
  return {{g, w[0] / g, w[3], w[1], w[2]}, type, any ? Tag::any : Tag::gohwi};
}
memory::desc ConvProblem::master_weights() const { return weights(false); }
memory::desc ConvProblem::any_weights() const { return weights(true); }

memory::desc ConvProblem::bias_desc() const {
  return bias ? memory::desc({w[0]}, memory::data_type::f32, Tag::a) : memory::desc();
}
dnnl::primitive_attr ConvProblem::fused() const {
  const memory::desc added = residual_desc();
  return fused_attributes(activation, residual ? &added : nullptr);
}
memory::dims ConvProblem::strides() const { return {options.stride, options.stride}; }
memory::dims ConvProblem::dilations() const {
  return {options.dilation - 1, options.dilation - 1};  // oneDNN counts the gaps
}
memory::dims ConvProblem::pad_begin() const { return {options.pad_top, options.pad_left}; }
memory::dims ConvProblem::pad_end() const { return {options.pad_bottom, options.pad_right}; }

ConvState::ConvState(Context& ctx) : device_(ctx), plans_(kMaxPlans), packed_(kMaxPackedWeights) {}

ConvPlan& ConvState::plan(const char* op, const ConvProblem& problem) {
  return plans_.get(problem.key(), [&] { return guarded(op, [&] { return make_plan(problem); }); });
}

template <class Primitive, class Desc>
void ConvState::set_primitive(ConvPlan& plan, const ConvProblem& p, const Desc& desc,
                              const memory::desc& w) {
  const dnnl::engine& e = device_.engine;
  plan.primitive = Primitive(desc);
  plan.scratchpad = unbound(desc.scratchpad_desc(), e);
  plan.scratchpad_bytes = static_cast<std::int64_t>(desc.scratchpad_desc().get_size());
  plan.w_packed = unbound(w, e);
  const memory::desc master = p.master_weights();
  if (w == master) return;
  const bool unpack = p.pass == ConvPass::kBackwardWeight;
  const dnnl::reorder::primitive_desc reorder(e, unpack ? w : master, e, unpack ? master : w,
                                              user_scratchpad());
  plan.reorder.emplace(reorder);
  plan.reorder_scratchpad = unbound(reorder.scratchpad_desc(), e);
  plan.scratchpad_bytes = std::max(plan.scratchpad_bytes,
                                   static_cast<std::int64_t>(reorder.scratchpad_desc().get_size()));
  plan.packed_bytes = static_cast<std::int64_t>(w.get_size());
  plan.format = number_of(w);
}

ConvPlan ConvState::make_plan(const ConvProblem& p) {
  const dnnl::engine& e = device_.engine;
  ConvPlan plan;
  plan.x = unbound(p.x_desc(), e);
  plan.y = unbound(p.y_desc(), e);
  plan.w_master = unbound(p.master_weights(), e);
  if (p.bias) plan.bias = unbound(p.bias_desc(), e);
  if (p.residual) plan.residual = unbound(p.residual_desc(), e);
  switch (p.pass) {
    case ConvPass::kForward: {
      const auto d = forward_desc(p, e);
      set_primitive<dnnl::convolution_forward>(plan, p, d, d.weights_desc());
      break;
    }
    case ConvPass::kBackwardData: {
      const auto d = backward_data_desc(p, e);
      set_primitive<dnnl::convolution_backward_data>(plan, p, d, d.weights_desc());
      break;
    }
    case ConvPass::kBackwardWeight: {
      const auto d = backward_weight_desc(p, e);
      set_primitive<dnnl::convolution_backward_weights>(plan, p, d, d.diff_weights_desc());
      break;
    }
  }
  return plan;
}

std::int64_t ConvState::number_of(const memory::desc& format) {
  const auto found = std::find(formats_.begin(), formats_.end(), format);
  const auto number = found - formats_.begin();
  if (found == formats_.end()) formats_.push_back(format);
  return number;
}

const memory& ConvState::packed_weights(Context& ctx, const char* op, ConvPlan& plan,
                                        const Tensor& w, std::uint64_t version, void* scratchpad,
                                        void* temporary) {
  if (!plan.reorder) {
    point(op, plan.w_packed, w.data());
    return plan.w_packed;
  }
  const auto reorder_into = [&](const memory& to) {
    point(op, plan.w_master, w.data());
    point(op, plan.reorder_scratchpad, scratchpad);
    execute<3>(op, *plan.reorder, stream(),
               {{{DNNL_ARG_FROM, &plan.w_master},
                 {DNNL_ARG_TO, &to},
                 {DNNL_ARG_SCRATCHPAD, &plan.reorder_scratchpad}}});
  };
  if (version == 0) {
    point(op, plan.w_packed, temporary);
    reorder_into(plan.w_packed);
    return plan.w_packed;
  }
  const auto address = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(w.data()));
  auto& entry = packed_.get({address, plan.format}, [&] {
    PackedWeights made;
    made.buffer = KeptBuffer(ctx, plan.packed_bytes);
    made.packed = unbound(plan.w_packed.get_desc(), device_.engine);
    point(op, made.packed, made.buffer.data());
    return made;
  });
  if (entry.version != version) {
    reorder_into(entry.packed);
    entry.version = version;
  }
  return entry.packed;
}

PlanCacheStats conv_plan_stats(Context& ctx) { return ctx.state<ConvState>().plan_stats(); }
PlanCacheStats packed_weight_stats(Context& ctx) { return ctx.state<ConvState>().packed_stats(); }

}  // namespace graft::kernels::cpu
