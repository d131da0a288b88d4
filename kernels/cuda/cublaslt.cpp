// SPDX-License-Identifier: Apache-2.0
// Linear layers through cuBLASLt: kernels/api/gemm.h. A row-major matrix is the transpose of a
// column-major one, so every product is written the other way round:
//
//   y (N,K) = x w^T + bias   y^T (K,N)  = op_T(w^T: C,K) x^T (C,N), epilogue BIAS over K
//   dx (N,C) = dy w          dx^T (C,N) = w^T (C,K) dy^T (K,N)
//   dw (K,C) = dy^T x        dw^T (C,K) = x^T (C,N) op_T(dy^T: K,N)
//
// Activations f32 (computed in f32, no TF32) or bf16; dw is f32 in both. Algorithms by heuristic,
// kept in a bounded LRU. Repeatable: cuBLASLt's are, on one stream with one workspace.
#include <cublasLt.h>

#include "engine/device/cuda_runtime.h"
#include "engine/device/handle.h"
#include "kernels/cuda/bf16_weights.h"
#include "kernels/cuda/cuda.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cuda {
namespace {

constexpr std::size_t kMaxPlans = 256;
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // cuBLAS' advice for Hopper

[[noreturn]] void cublas_failed(cublasStatus_t status, const char* call, const char* file,
                                int line) {
  const auto code = status == CUBLAS_STATUS_ALLOC_FAILED ? Errc::kOutOfMemory : Errc::kUnavailable;
  throw Error(code, graft::detail::cat("cuBLASLt: ", call, " at ", file, ":", line, ": ",
                                       cublasLtGetStatusName(status), ": ",
                                       cublasLtGetStatusString(status)));
}

/// A call of cuBLASLt; throws Error unless it succeeds.
#define GRAFT_CUBLAS(call)                                                                 \
  do {                                                                                     \
    if (const cublasStatus_t graft_status = (call); graft_status != CUBLAS_STATUS_SUCCESS) \
      cublas_failed(graft_status, #call, __FILE__, __LINE__);                              \
  } while (false)

void destroy_lt(cublasLtHandle_t h) { static_cast<void>(cublasLtDestroy(h)); }
void destroy_desc(cublasLtMatmulDesc_t d) { static_cast<void>(cublasLtMatmulDescDestroy(d)); }
void destroy_layout(cublasLtMatrixLayout_t l) { static_cast<void>(cublasLtMatrixLayoutDestroy(l)); }
void destroy_preference(cublasLtMatmulPreference_t p) {
  static_cast<void>(cublasLtMatmulPreferenceDestroy(p));
}
using LtHandle = Handle<cublasLtHandle_t, destroy_lt>;
using LtDesc = Handle<cublasLtMatmulDesc_t, destroy_desc>;
using LtLayout = Handle<cublasLtMatrixLayout_t, destroy_layout>;
using LtPreference = Handle<cublasLtMatmulPreference_t, destroy_preference>;

LtHandle make_lt() {
  cublasLtHandle_t h = nullptr;
  GRAFT_CUBLAS(cublasLtCreate(&h));
  return LtHandle(h);
}

cudaDataType_t type_of(DType t) { return t == DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F; }

/// d (m,n) = op(a) op(b) + beta * d, column-major; k is summed over.
struct Gemm {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  DType in, out;
  bool bias;  ///< f32, one a row of d
  std::int64_t alignment;

  static constexpr std::size_t kKeyWords = 9;
  [[nodiscard]] std::array<std::int64_t, kKeyWords> key() const {
    return {m,
            n,
            k,
            transpose_a,
            transpose_b,
            static_cast<std::int64_t>(in),
            static_cast<std::int64_t>(out),
            bias,
            alignment};
  }
};

LtLayout layout(DType type, bool transpose, std::int64_t rows, std::int64_t columns) {
  if (transpose) std::swap(rows, columns);
  cublasLtMatrixLayout_t l = nullptr;
  GRAFT_CUBLAS(cublasLtMatrixLayoutCreate(&l, type_of(type), static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), rows));
  return LtLayout(l);
}

template <class T>
void set(const LtDesc& d, cublasLtMatmulDescAttributes_t name, T value) {
  GRAFT_CUBLAS(cublasLtMatmulDescSetAttribute(d.get(), name, &value, sizeof value));
}

struct GemmPlan {
  LtDesc desc;
  LtLayout a, b, d;
  cublasLtMatmulAlgo_t algorithm{};
};

class LtState {
 public:
  explicit LtState(Context& ctx) : ctx_(ctx), handle_(make_lt()), plans_(kMaxPlans) {}

  void run(const Gemm& g, const void* a, const void* b, const void* bias, float beta, void* d) {
    GemmPlan& plan = plans_.get(g.key(), [&] { return make(g); });
    if (g.bias) set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    const float one = 1;
    GRAFT_CUBLAS(cublasLtMatmul(handle_.get(), plan.desc.get(), &one, a, plan.a.get(), b,
                                plan.b.get(), &beta, d, plan.d.get(), d, plan.d.get(),
                                &plan.algorithm, workspace_.get(kWorkspaceBytes), kWorkspaceBytes,
                                stream_of(ctx_)));
  }

 private:
  GemmPlan make(const Gemm& g) {
    cublasLtMatmulDesc_t raw = nullptr;
    GRAFT_CUBLAS(cublasLtMatmulDescCreate(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    GemmPlan p{LtDesc(raw), layout(g.in, g.transpose_a, g.m, g.k),
               layout(g.in, g.transpose_b, g.k, g.n), layout(g.out, false, g.m, g.n)};
    set(p.desc, CUBLASLT_MATMUL_DESC_TRANSA, g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(p.desc, CUBLASLT_MATMUL_DESC_TRANSB, g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (g.bias) set(p.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    cublasLtMatmulPreference_t preference = nullptr;
    GRAFT_CUBLAS(cublasLtMatmulPreferenceCreate(&preference));
    const LtPreference owner(preference);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
      GRAFT_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference, name, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    const auto bytes = static_cast<std::uint32_t>(g.alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, bytes);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, bytes);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, bytes);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, bytes);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    GRAFT_CUBLAS(cublasLtMatmulAlgoGetHeuristic(handle_.get(), p.desc.get(), p.a.get(), p.b.get(),
                                                p.d.get(), p.d.get(), preference, 1, &found,
                                                &count));
    if (count == 0) {
      fail(Errc::kUnsupported, "cuBLASLt: no algorithm for ", g.m, " x ", g.n, " x ", g.k);
    }
    p.algorithm = found.algo;
    return p;
  }

  Context& ctx_;
  LtHandle handle_;
  PlanCache<Gemm::kKeyWords, GemmPlan> plans_;
  Workspace workspace_{ctx_.memory()};
};

std::int64_t alignment(const Tensor& a, const Tensor& b, const Tensor& c) {
  std::uintptr_t bits = 256;
  for (const Tensor* t : {&a, &b, &c}) bits |= reinterpret_cast<std::uintptr_t>(t->data());
  return static_cast<std::int64_t>(bits & (~bits + 1));
}

float beta_of(GradMode mode) { return mode == GradMode::kAccumulate ? 1.0f : 0.0f; }

}  // namespace

const char* cublaslt_why_not(const Tensor& x) { return why_not<const Tensor&>(x); }

void cublaslt_linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                         std::uint64_t w_version, Tensor& y) {
  const Tensor weights = ctx.state<Bf16Weights>().like(x.dtype(), w, w_version);
  const bool fused = !bias.empty() && x.dtype() == DType::kF32;  // an f32 bias wants an f32 result
  ctx.state<LtState>().run({.m = w.shape()[0],
                            .n = x.shape()[0],
                            .k = x.shape()[1],
                            .transpose_a = true,
                            .transpose_b = false,
                            .in = x.dtype(),
                            .out = y.dtype(),
                            .bias = fused,
                            .alignment = alignment(x, weights, y)},
                           weights.data(), x.data(), bias.data(), 0, y.data());
  if (!fused) epilogue(ctx, Activation::kNone, bias, {}, y);
}

void cublaslt_linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w,
                              std::uint64_t w_version, GradMode mode, Tensor& dx) {
  const Tensor weights = ctx.state<Bf16Weights>().like(dy.dtype(), w, w_version);
  ctx.state<LtState>().run({.m = w.shape()[1],
                            .n = dy.shape()[0],
                            .k = w.shape()[0],
                            .transpose_a = false,
                            .transpose_b = false,
                            .in = dy.dtype(),
                            .out = dx.dtype(),
                            .bias = false,
                            .alignment = alignment(dy, weights, dx)},
                           weights.data(), dy.data(), nullptr, beta_of(mode), dx.data());
}

void cublaslt_linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode,
                                Tensor& dw, Tensor& dbias) {
  ctx.state<LtState>().run({.m = x.shape()[1],
                            .n = dy.shape()[1],
                            .k = x.shape()[0],
                            .transpose_a = false,
                            .transpose_b = true,
                            .in = x.dtype(),
                            .out = dw.dtype(),
                            .bias = false,
                            .alignment = alignment(x, dy, dw)},
                           x.data(), dy.data(), nullptr, beta_of(mode), dw.data());
  column_sums(ctx, dy, mode, dbias);
}

}  // namespace graft::kernels::cuda
