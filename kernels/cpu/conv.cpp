// SPDX-License-Identifier: Apache-2.0
// Convolution by oneDNN on nhwc activations. Weights are packed once per version; gradients that
// are to be accumulated go through the workspace, since oneDNN can only overwrite. Measured (Zen 5,
// AVX-512, one thread, N=128, GFLOP/s forward, data, weights), 3x3: 32x32x16 180, 236, 216;
// 16x16x32 228, 260, 219; 8x8x64 296, 261, 231; first layer 92, 38, 213. 1x1 with 16-144 channels:
// 95-165, 168-208, 64-88.
#include "kernels/cpu/conv_plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/scratch.h"

namespace graft::kernels::cpu {
namespace {

/// Floats of a temporary that is needed only to accumulate.
std::int64_t temporary_size(GradMode mode, const Tensor& t) {
  return mode == GradMode::kAccumulate && !t.empty() ? t.numel() : 0;
}

void add_if(Context& ctx, GradMode mode, float* temporary, Tensor& t) {
  if (mode != GradMode::kAccumulate || t.empty()) return;
  accumulate(ctx, Tensor::borrow(temporary, t.shape()), t);
}

struct ForwardInputs {
  const Tensor &x, &w, &bias, &residual;
};

void run_forward(Context& ctx, const char* op, const ConvOptions& options, Activation act,
                 const ForwardInputs& in, std::uint64_t w_version, Tensor& y) {
  use_threads_of(ctx);
  auto& state = ctx.state<ConvState>();
  auto& plan = state.plan(op, {.pass = ConvPass::kForward,
                               .options = options,
                               .x = in.x.shape(),
                               .w = in.w.shape(),
                               .y = y.shape(),
                               .bias = !in.bias.empty(),
                               .threads = ctx.threads(),
                               .activation = act,
                               .residual = !in.residual.empty(),
                               .dtype = in.x.dtype(),
                               .w_dtype = in.w.dtype(),
                               .y_dtype = y.dtype()});
  Scratch scratch;
  const auto pad = scratch.array<std::byte>(plan.scratchpad_bytes);
  const auto packed = scratch.array<std::byte>(w_version == 0 ? plan.packed_bytes : 0);
  scratch.open(ctx);
  const dnnl::memory& weights =
      state.packed_weights(ctx, op, plan, in.w, w_version, pad.get(), packed.get());
  point(op, plan.x, in.x.data());
  point(op, plan.y, y.data());
  point(op, plan.scratchpad, pad.get());
  std::array<DnnlArg, 6> args = {{{DNNL_ARG_SRC, &plan.x},
                                  {DNNL_ARG_WEIGHTS, &weights},
                                  {DNNL_ARG_DST, &plan.y},
                                  {DNNL_ARG_SCRATCHPAD, &plan.scratchpad}}};
  std::size_t count = 4;
  const auto add = [&](int arg, const dnnl::memory& memory, const Tensor& t) {
    if (t.empty()) return;
    point(op, memory, t.data());
    args[count++] = {arg, &memory};
  };
  add(DNNL_ARG_BIAS, plan.bias, in.bias);
  add(kResidualArg, plan.residual, in.residual);
  execute(op, plan.primitive, state.stream(), args, count);
}

}  // namespace

void conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
              const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  run_forward(ctx, "conv_fwd", options, Activation::kNone, {x, w, bias, Tensor()}, w_version, y);
}

void conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                    const Tensor& w, const Tensor& bias, const Tensor& residual,
                    std::uint64_t w_version, Tensor& y) {
  run_forward(ctx, "conv_fused_fwd", options, act, {x, w, bias, residual}, w_version, y);
}

void conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                   std::uint64_t w_version, GradMode mode, Tensor& dx) {
  constexpr const char* kOp = "conv_bwd_data";
  use_threads_of(ctx);
  auto& state = ctx.state<ConvState>();
  auto& plan = state.plan(kOp, {.pass = ConvPass::kBackwardData,
                                .options = options,
                                .x = dx.shape(),
                                .w = w.shape(),
                                .y = dy.shape(),
                                .bias = false,
                                .threads = ctx.threads()});
  Scratch scratch;
  const auto pad = scratch.array<std::byte>(plan.scratchpad_bytes);
  const auto packed = scratch.array<std::byte>(w_version == 0 ? plan.packed_bytes : 0);
  const auto temporary = scratch.array<float>(temporary_size(mode, dx));
  scratch.open(ctx);
  const dnnl::memory& weights =
      state.packed_weights(ctx, kOp, plan, w, w_version, pad.get(), packed.get());
  point(kOp, plan.x, mode == GradMode::kAccumulate ? temporary.get() : dx.data());
  point(kOp, plan.y, dy.data());
  point(kOp, plan.scratchpad, pad.get());
  execute<4>(kOp, plan.primitive, state.stream(),
             {{{DNNL_ARG_DIFF_DST, &plan.y},
               {DNNL_ARG_WEIGHTS, &weights},
               {DNNL_ARG_DIFF_SRC, &plan.x},
               {DNNL_ARG_SCRATCHPAD, &plan.scratchpad}}});
  add_if(ctx, mode, temporary.get(), dx);
}

void conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw, Tensor& dbias) {
  constexpr const char* kOp = "conv_bwd_weight";
  use_threads_of(ctx);
  auto& state = ctx.state<ConvState>();
  auto& plan = state.plan(kOp, {.pass = ConvPass::kBackwardWeight,
                                .options = options,
                                .x = x.shape(),
                                .w = dw.shape(),
                                .y = dy.shape(),
                                .bias = !dbias.empty(),
                                .threads = ctx.threads()});
  Scratch scratch;
  const auto pad = scratch.array<std::byte>(plan.scratchpad_bytes);
  const auto packed = scratch.array<std::byte>(plan.packed_bytes);
  const auto dw_temporary = scratch.array<float>(temporary_size(mode, dw));
  const auto dbias_temporary = scratch.array<float>(temporary_size(mode, dbias));
  scratch.open(ctx);
  const bool add = mode == GradMode::kAccumulate;
  void* dw_target = add ? dw_temporary.get() : dw.data();
  point(kOp, plan.x, x.data());
  point(kOp, plan.y, dy.data());
  point(kOp, plan.scratchpad, pad.get());
  point(kOp, plan.w_packed, plan.reorder ? packed.get() : dw_target);
  const DnnlArg from_x = {DNNL_ARG_SRC, &plan.x}, from_dy = {DNNL_ARG_DIFF_DST, &plan.y},
                to_dw = {DNNL_ARG_DIFF_WEIGHTS, &plan.w_packed},
                scratchpad = {DNNL_ARG_SCRATCHPAD, &plan.scratchpad};
  if (dbias.empty()) {
    execute<4>(kOp, plan.primitive, state.stream(), {{from_x, from_dy, to_dw, scratchpad}});
  } else {
    point(kOp, plan.bias, add ? dbias_temporary.get() : dbias.data());
    execute<5>(kOp, plan.primitive, state.stream(),
               {{from_x, from_dy, to_dw, {DNNL_ARG_DIFF_BIAS, &plan.bias}, scratchpad}});
  }
  if (plan.reorder) {
    point(kOp, plan.w_master, dw_target);
    point(kOp, plan.reorder_scratchpad, pad.get());
    execute<3>(kOp, *plan.reorder, state.stream(),
               {{{DNNL_ARG_FROM, &plan.w_packed},
                 {DNNL_ARG_TO, &plan.w_master},
                 {DNNL_ARG_SCRATCHPAD, &plan.reorder_scratchpad}}});
  }
  add_if(ctx, mode, dw_temporary.get(), dw);
  add_if(ctx, mode, dbias_temporary.get(), dbias);
}

}  // namespace graft::kernels::cpu
