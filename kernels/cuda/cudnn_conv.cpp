// SPDX-License-Identifier: Apache-2.0
// Convolution through cuDNN 9's graph interface: kernels/api/conv.h.
//
// Plans are kept per context in a bounded LRU by everything that decides them; making one costs
// milliseconds and happens in warm-up. Heuristics choose; VendorChoice::autotune times the
// candidates on the first call instead, and keeps the choice in a file (tuned_choices.h).
// VendorChoice::deterministic logs what each engine that it rules out would have saved. f32 takes
// only engines that multiply in f32 (no TF32). Where cuDNN has no engine, the direct kernels run.
#include <algorithm>
#include <limits>

#include "engine/core/log.h"
#include "engine/device/cuda_device.h"
#include "engine/device/cuda_runtime.h"
#include "kernels/cuda/bf16_weights.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/cudnn_graph.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/tuned_choices.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cuda {
namespace {

constexpr std::size_t kMaxPlans = 1024;
constexpr std::size_t kCandidates = 8;
constexpr int kTimedRuns = 3;

void destroy_handle(cudnnHandle_t h) { static_cast<void>(cudnnDestroy(h)); }
void destroy_event(cudaEvent_t e) { GRAFT_CUDA_NOTHROW(cudaEventDestroy(e)); }
using CudnnHandle = Handle<cudnnHandle_t, destroy_handle>;
using Event = Handle<cudaEvent_t, destroy_event>;

CudnnHandle make_handle(Context& ctx) {
  cudnnHandle_t h = nullptr;
  GRAFT_CUDNN(cudnnCreate(&h));
  CudnnHandle owner(h);
  GRAFT_CUDNN(cudnnSetStream(h, stream_of(ctx)));
  return owner;
}

Event make_event() {
  cudaEvent_t e = nullptr;
  GRAFT_CUDA(cudaEventCreate(&e));
  return Event(e);
}

/// All that decides what cuDNN proposes and how fast it is.
std::string device_text() {
  const CudaProbe cuda = probe_cuda();
  return graft::detail::cat(cuda.devices.empty() ? "none" : cuda.devices.front().name, ", driver ",
                            cuda.driver_version, ", cuDNN ", cudnnGetVersion());
}

/// Pointers of one call; null: not in the problem.
struct Arguments {
  const void *data, *other;
  void* out;
  const void *bias = nullptr, *residual = nullptr;
};

/// Plans and handle of one context.
class CudnnState {
 public:
  explicit CudnnState(Context& ctx)
      : ctx_(ctx),
        handle_(make_handle(ctx)),
        device_(device_properties(0)),
        tuned_(ctx.vendor_choice().autotune ? tuned_choices_file(device_text()) : "",
               device_text()),
        plans_(kMaxPlans) {}

  /// Runs `problem`; false if cuDNN has no engine for it.
  bool run(const CudnnConv& problem, const Arguments& args) {
    CudnnPlan& plan = plans_.get(problem.key(), [&] { return choose(problem, args); });
    if (plan.plan.get() == nullptr) return false;
    execute(plan, args);
    return true;
  }

 private:
  CudnnPlan choose(const CudnnConv& problem, const Arguments& args) {
    const VendorChoice& choice = ctx_.vendor_choice();
    const EngineFilter filter{.deterministic = choice.deterministic,
                              .exact_f32 = problem.dtype == DType::kF32};
    auto plans = cudnn_plans(device_, problem, filter, choice.autotune ? kCandidates : 1);
    if (plans.empty()) {
      log::info("cuDNN: no engine for a convolution of x {} w {} ({}); the direct kernel runs",
                graft::detail::cat(problem.x), graft::detail::cat(problem.w), name(problem.dtype));
      return {};
    }
    const std::size_t best = choice.autotune ? fastest(problem, plans, args) : 0;
    if (choice.deterministic) report_cost(problem, filter, plans[best], args);
    return std::move(plans[best]);
  }

  /// The candidate that was measured to be the fastest, now or in an earlier run.
  std::size_t fastest(const CudnnConv& problem, std::vector<CudnnPlan>& plans,
                      const Arguments& args) {
    const auto key = problem.key();
    std::vector<std::int64_t> of(key.begin(), key.end());
    of.push_back(ctx_.vendor_choice().deterministic ? 1 : 0);
    const auto known = tuned_.find(of);
    if (known && known->candidate >= 0 && known->candidate < std::ssize(plans)) {
      return static_cast<std::size_t>(known->candidate);
    }
    TunedChoices::Choice best{.ms = std::numeric_limits<double>::infinity()};
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const double ms = milliseconds(plans[i], args);
      if (ms < best.ms) best = {.candidate = static_cast<std::int64_t>(i), .ms = ms};
    }
    tuned_.put(of, best);
    return static_cast<std::size_t>(best.candidate);
  }

  /// Logs what repeatable engines cost, where cuDNN's first choice is not one.
  void report_cost(const CudnnConv& problem, EngineFilter filter, CudnnPlan& chosen,
                   const Arguments& args) {
    filter.deterministic = false;
    auto first = cudnn_plans(device_, problem, filter, 1);
    if (first.empty() || first.front().repeatable) return;
    const float with = milliseconds(chosen, args), without = milliseconds(first.front(), args);
    extra_ms_ += with - without;
    log::info(
        "deterministic: a convolution of x {} w {} takes {:.3f} ms instead of {:.3f}; so far "
        "{:+.3f} ms for all that differ",
        graft::detail::cat(problem.x), graft::detail::cat(problem.w), with, without, extra_ms_);
  }

  float milliseconds(CudnnPlan& plan, const Arguments& args) {
    const Event begin = make_event(), end = make_event();
    execute(plan, args);  // warm
    GRAFT_CUDA(cudaEventRecord(begin.get(), stream_of(ctx_)));
    for (int i = 0; i < kTimedRuns; ++i) execute(plan, args);
    GRAFT_CUDA(cudaEventRecord(end.get(), stream_of(ctx_)));
    GRAFT_CUDA(cudaEventSynchronize(end.get()));
    float ms = 0;
    GRAFT_CUDA(cudaEventElapsedTime(&ms, begin.get(), end.get()));
    return ms / kTimedRuns;
  }

  void execute(CudnnPlan& plan, const Arguments& args) {
    std::vector<std::int64_t> ids;
    std::vector<const void*> pointers;
    const auto add = [&](CudnnSlot id, const void* p) {
      if (p == nullptr) return;
      ids.push_back(id);
      pointers.push_back(p);
    };
    add(kData, args.data);
    add(kOther, args.other);
    add(kOut, args.out);
    add(kBias, args.bias);
    add(kResidual, args.residual);
    const auto count = static_cast<std::int64_t>(ids.size());
    void* workspace = workspace_.get(static_cast<std::size_t>(plan.workspace_bytes));
    CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data());
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers.data());
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, {workspace});
    pack.finish();
    GRAFT_CUDNN(cudnnBackendExecute(handle_.get(), plan.plan.get(), pack.get()));
  }

  Context& ctx_;
  CudnnHandle handle_;
  CudnnDescriptor device_;
  TunedChoices tuned_;
  float extra_ms_ = 0;  // of repeatable engines
  PlanCache<CudnnConv::kKeyWords, CudnnPlan> plans_;
  Workspace workspace_{ctx_.memory()};  // the context's own holds what the callers below put there
};

std::int64_t alignment(std::initializer_list<const Tensor*> tensors) {
  std::uintptr_t bits = 16;
  for (const Tensor* t : tensors) bits |= reinterpret_cast<std::uintptr_t>(t->data());
  return static_cast<std::int64_t>(bits & (~bits + 1));  // the lowest bit that is set
}

}  // namespace

const char* cudnn_why_not(const Tensor& x) { return why_not<const Tensor&>(x); }

void cudnn_conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                          const Tensor& w, const Tensor& bias, const Tensor& residual,
                          std::uint64_t w_version, Tensor& y) {
  auto& cudnn = ctx.state<CudnnState>();
  auto& copies = ctx.state<Bf16Weights>();
  const Tensor weights = copies.like(x.dtype(), w, w_version);
  const Tensor shift = copies.like(x.dtype(), bias, w_version);
  CudnnConv problem{.pass = ConvPass::kForward,
                    .dtype = x.dtype(),
                    .options = options,
                    .x = x.shape(),
                    .w = w.shape(),
                    .y = y.shape(),
                    .alignment = alignment({&x, &weights, &y, &shift, &residual}),
                    .activation = act,
                    .bias = !bias.empty(),
                    .residual = !residual.empty()};
  const Arguments args{x.data(), weights.data(), y.data(), shift.data(), residual.data()};
  if (cudnn.run(problem, args)) return;
  if (problem.fused()) {
    problem.activation = Activation::kNone;
    problem.bias = problem.residual = false;
    if (cudnn.run(problem, {x.data(), weights.data(), y.data()})) {
      return epilogue(ctx, act, bias, residual, y);
    }
  }
  direct_conv_fused_fwd(ctx, options, act, x, w, bias, residual, w_version, y);
}

void cudnn_conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                    const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  cudnn_conv_fused_fwd(ctx, options, Activation::kNone, x, w, bias, {}, w_version, y);
}

void cudnn_conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy,
                         const Tensor& w, std::uint64_t w_version, GradMode mode, Tensor& dx) {
  auto& cudnn = ctx.state<CudnnState>();
  const Tensor weights = ctx.state<Bf16Weights>().like(dy.dtype(), w, w_version);
  Tensor out = dx;
  if (mode == GradMode::kAccumulate) {
    out = Tensor::borrow(scratch(ctx, dx.bytes()), dx.shape(), dx.dtype());
  }
  const CudnnConv problem{.pass = ConvPass::kBackwardData,
                          .dtype = dy.dtype(),
                          .options = options,
                          .x = dx.shape(),
                          .w = w.shape(),
                          .y = dy.shape(),
                          .alignment = alignment({&dy, &weights, &out})};
  if (!cudnn.run(problem, {dy.data(), weights.data(), out.data()})) {
    return direct_conv_bwd_data(ctx, options, dy, w, w_version, mode, dx);
  }
  if (mode == GradMode::kAccumulate) cuda::accumulate(ctx, out, dx);
}

void cudnn_conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x,
                           const Tensor& dy, GradMode mode, Tensor& dw, Tensor& dbias) {
  auto& cudnn = ctx.state<CudnnState>();
  const bool in_place = x.dtype() == DType::kF32 && mode == GradMode::kOverwrite;
  Tensor out = dw;
  if (!in_place) {
    out = Tensor::borrow(scratch(ctx, dw.bytes()), dw.shape(), x.dtype());
  }
  const CudnnConv problem{.pass = ConvPass::kBackwardWeight,
                          .dtype = x.dtype(),
                          .options = options,
                          .x = x.shape(),
                          .w = dw.shape(),
                          .y = dy.shape(),
                          .alignment = alignment({&x, &dy, &out})};
  if (!cudnn.run(problem, {x.data(), dy.data(), out.data()})) {
    return direct_conv_bwd_weight(ctx, options, x, dy, mode, dw, dbias);
  }
  if (x.dtype() == DType::kBF16) {
    cast_grad(ctx, out, mode, dw);
  } else if (!in_place) {
    cuda::accumulate(ctx, out, dw);
  }
  column_sums(ctx, dy, mode, dbias);
}

}  // namespace graft::kernels::cuda
