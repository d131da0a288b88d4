// SPDX-License-Identifier: Apache-2.0
// Stands in for cudnn_conv.cpp and cublaslt.cpp in a build without CUDA: every entry declines.
#include "kernels/api/backend_info.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels {

CudaBackendInfo cuda_backend_info() { return {}; }

}  // namespace graft::kernels

namespace graft::kernels::cuda {
namespace {

[[noreturn]] void not_built(const char* op) {
  fail(Errc::kUnsupported, op, ": this build has no CUDA");
}

}  // namespace

const char* cudnn_why_not(const Tensor&) { return "not in this build"; }
const char* cublaslt_why_not(const Tensor&) { return "not in this build"; }

void cudnn_conv_fwd(Context&, const ConvOptions&, const Tensor&, const Tensor&, const Tensor&,
                    std::uint64_t, Tensor&) {
  not_built("conv_fwd");
}
void cudnn_conv_fused_fwd(Context&, const ConvOptions&, Activation, const Tensor&, const Tensor&,
                          const Tensor&, const Tensor&, std::uint64_t, Tensor&) {
  not_built("conv_fused_fwd");
}
void cudnn_conv_bwd_data(Context&, const ConvOptions&, const Tensor&, const Tensor&, std::uint64_t,
                         GradMode, Tensor&) {
  not_built("conv_bwd_data");
}
void cudnn_conv_bwd_weight(Context&, const ConvOptions&, const Tensor&, const Tensor&, GradMode,
                           Tensor&, Tensor&) {
  not_built("conv_bwd_weight");
}
void cublaslt_linear_fwd(Context&, const Tensor&, const Tensor&, const Tensor&, std::uint64_t,
                         Tensor&) {
  not_built("linear_fwd");
}
void cublaslt_linear_bwd_data(Context&, const Tensor&, const Tensor&, std::uint64_t, GradMode,
                              Tensor&) {
  not_built("linear_bwd_data");
}
void cublaslt_linear_bwd_weight(Context&, const Tensor&, const Tensor&, GradMode, Tensor&,
                                Tensor&) {
  not_built("linear_bwd_weight");
}

}  // namespace graft::kernels::cuda
