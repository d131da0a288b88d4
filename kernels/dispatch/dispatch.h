// SPDX-License-Identifier: Apache-2.0
// Picks the implementation of an operator from its table: best first, reference last, each may
// decline with a reason. A context of kRef runs the reference, kCpu the first host entry that
// accepts, kCuda only CUDA entries. GRAFT_IMPL=op:name forces one entry on kCpu and kCuda
// (never on kRef: the oracle stays the oracle); GRAFT_VERBOSE=dispatch logs every new choice.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/core/config.h"
#include "engine/device/context.h"
#include "kernels/api/norm.h"

namespace graft::kernels {

/// One way to run the operator whose function type is `Signature`, e.g. decltype(conv_fwd).
template <class Signature>
struct Impl;

template <class R, class... A>
struct Impl<R(Context&, A...)> {
  const char* name;
  Backend backend;
  const char* (*why_not)(A...);  ///< nullptr: accepts; else a few words
  R (*run)(Context&, A...);
};

/// why_not of an implementation that takes everything.
template <class... A>
const char* never(A...) {
  return nullptr;
}

namespace detail {

inline bool not_f32(const Tensor& t) {
  return !t.empty() && (t.dtype() == DType::kF64 || t.dtype() == DType::kBF16);
}
inline bool not_f32(const NormBackward& args) { return not_f32(args.x); }
template <class T>
bool not_f32(const T&) {
  return false;
}
inline bool is_f64(const Tensor& t) { return !t.empty() && t.dtype() == DType::kF64; }
template <class T>
bool is_f64(const T&) {
  return false;
}

bool usable(Backend context, Backend impl);
std::string_view forced(const char* op, Backend context);
void log_choice(const char* op, const std::string& skipped, const char* chosen);
[[noreturn]] void nothing_accepts(const char* op, Backend context, std::string_view forced,
                                  const std::string& skipped);

}  // namespace detail

/// why_not of kernels for f32 only: looks at every tensor among the arguments.
template <class... A>
const char* unless_f32(A... args) {
  return (!detail::not_f32(args) && ...) ? nullptr : "dtype is not f32";
}

/// why_not of kernels for f32 and bf16.
template <class... A>
const char* if_f64(A... args) {
  return (!detail::is_f64(args) && ...) ? nullptr : "dtype is f64";
}

/// Runs the first entry of `table` that may run on `ctx` and accepts; throws Error(kUnsupported)
/// that names `op` if there is none.
template <class R, class... A, std::size_t N>
R dispatch(const char* op, const Impl<R(Context&, A...)> (&table)[N], Context& ctx,
           std::type_identity_t<A>... args) {
  const bool verbose = env_config().verbose_dispatch;
  const std::string_view forced = detail::forced(op, ctx.backend());
  const char* declined_by = nullptr;
  const char* reason = nullptr;
  std::string skipped;
  const auto note = [&] {
    if (declined_by != nullptr) skipped += std::string(declined_by) + " (" + reason + ") ";
  };
  for (const auto& impl : table) {
    if (!detail::usable(ctx.backend(), impl.backend)) continue;
    if (!forced.empty() && forced != impl.name) continue;
    if (const char* why = impl.why_not(args...); why != nullptr) {
      if (verbose) note();
      declined_by = impl.name;
      reason = why;
      continue;
    }
    if (verbose) {
      note();
      detail::log_choice(op, skipped, impl.name);
    }
    return impl.run(ctx, args...);
  }
  note();
  detail::nothing_accepts(op, ctx.backend(), forced, skipped);
}

}  // namespace graft::kernels
