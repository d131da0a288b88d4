// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/backend_info.h"

#include "engine/core/error.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/kept_buffer.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels {
namespace {

std::string isa_name(dnnl_cpu_isa_t isa) {
  switch (isa) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    default:
      return detail::cat("isa 0x", std::hex, static_cast<int>(isa));
  }
}

}  // namespace

CpuBackendInfo cpu_backend_info() {
  const dnnl_version_t* v = dnnl_version();
  return {.library = detail::cat("oneDNN ", v->major, ".", v->minor, ".", v->patch),
          .library_isa = isa_name(dnnl_get_effective_cpu_isa()),
          .own_isa = cpu::simd::isa_name()};
}

const char* why_not_fast(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return nullptr;
    case DType::kI8:
      return cpu::simd::int8_conv() == nullptr ? "no AVX-512 VNNI" : nullptr;
    case DType::kBF16:
      return dnnl_get_effective_cpu_isa() < dnnl_cpu_isa_avx512_core_bf16
                 ? "no AVX512_BF16, the processor would emulate it"
                 : nullptr;
    default:
      return "no inference form";
  }
}

std::size_t kept_bytes(Context& ctx) {
  return *ctx.state<cpu::KeptBytes>().total + ctx.workspace().bytes();
}

}  // namespace graft::kernels
