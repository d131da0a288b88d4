// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "engine/core/config.h"
#include "engine/core/error.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu::simd {
namespace {

struct Tables {
  const char* isa;
  const PointwiseLoops& pointwise;
  const DropoutLoops& dropout;
  const OptimLoops& optim;
  const NormLoops& norm;
  const PoolLoops& pool;
  const DepthwiseLoops& depthwise;
  const Int8Loops& int8;
  const Conv1x1Loops* conv_1x1;
  const WinogradLoops* winograd;
};

}  // namespace

#define GRAFT_DECLARE_TABLES(isa, ...)                                     \
  namespace isa {                                                          \
  extern const PointwiseLoops kPointwise;                                  \
  extern const DropoutLoops kDropout;                                      \
  extern const OptimLoops kOptim;                                          \
  extern const NormLoops kNorm;                                            \
  extern const PoolLoops kPool;                                            \
  extern const DepthwiseLoops kDepthwise;                                  \
  extern const Int8Loops kInt8;                                            \
  }                                                                        \
  constexpr Tables tables_##isa{                                           \
      #isa,       isa::kPointwise, isa::kDropout, isa::kOptim, isa::kNorm, \
      isa::kPool, isa::kDepthwise, isa::kInt8,    __VA_ARGS__};

GRAFT_DECLARE_TABLES(baseline, nullptr, nullptr)
#if defined(GRAFT_SIMD_X86)
namespace avx512 {
extern const Conv1x1Loops kConv1x1;
extern const WinogradLoops kWinograd;
}  // namespace avx512
namespace avx512vnni {
extern const Int8ConvLoops kInt8Conv;
extern const Int8DepthwiseLoops kInt8Depthwise;
}  // namespace avx512vnni
GRAFT_DECLARE_TABLES(avx2, nullptr, nullptr)
GRAFT_DECLARE_TABLES(avx512, &avx512::kConv1x1, &avx512::kWinograd)
#endif

#undef GRAFT_DECLARE_TABLES

namespace {

#if defined(GRAFT_SIMD_X86)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

const Tables& pick() {
  const std::string_view forced = env_config().forced("simd");
  if (forced == tables_baseline.isa) return tables_baseline;
#if defined(GRAFT_SIMD_X86)
  if (has_avx512() && (forced.empty() || forced == tables_avx512.isa)) return tables_avx512;
  if (has_avx2() && (forced.empty() || forced == tables_avx2.isa)) return tables_avx2;
#endif
  if (!forced.empty()) {
    fail(Errc::kUnsupported, "simd: GRAFT_IMPL forces `", forced,
         "`, which this processor or build does not have; use simd:baseline");
  }
  return tables_baseline;
}

const Tables& tables() {
  static const Tables& picked = pick();
  return picked;
}

}  // namespace

const char* isa_name() { return tables().isa; }
const PointwiseLoops& pointwise() { return tables().pointwise; }
const DropoutLoops& dropout() { return tables().dropout; }
const OptimLoops& optim() { return tables().optim; }
const NormLoops& norm() { return tables().norm; }
const PoolLoops& pool() { return tables().pool; }
const DepthwiseLoops& depthwise() { return tables().depthwise; }
const Int8Loops& int8() { return tables().int8; }
const Conv1x1Loops* conv_1x1() { return tables().conv_1x1; }
const WinogradLoops* winograd() { return tables().winograd; }
#if defined(GRAFT_SIMD_X86)
namespace {
/// On top of the AVX-512 tables, which may not have been picked.
bool has_vnni() {
  static const bool has = tables().winograd != nullptr && __builtin_cpu_supports("avx512vnni");
  return has;
}
}  // namespace
const Int8ConvLoops* int8_conv() { return has_vnni() ? &avx512vnni::kInt8Conv : nullptr; }
const Int8DepthwiseLoops* int8_depthwise() {
  return has_vnni() ? &avx512vnni::kInt8Depthwise : nullptr;
}
#else
const Int8ConvLoops* int8_conv() { return nullptr; }
const Int8DepthwiseLoops* int8_depthwise() { return nullptr; }
#endif

}  // namespace graft::kernels::cpu::simd
