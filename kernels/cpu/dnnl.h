// SPDX-License-Identifier: Apache-2.0
// The only way to oneDNN: what differs between 2.6 and 3.x, user-managed scratchpads, and calls
// that do not allocate argument maps.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <oneapi/dnnl/dnnl.hpp>

#include "engine/core/error.h"
#include "engine/device/context.h"
#include "kernels/api/common.h"
#include "kernels/cpu/parallel.h"

namespace graft::kernels::cpu {

/// Descriptor of primitive P, f32 or not, from what describes the operation. 3.x has no separate
/// operation descriptor and takes engine first, attributes last.
template <class P, class... A>
typename P::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                    const A&... operation) {
#if DNNL_VERSION_MAJOR >= 3
  return typename P::primitive_desc(engine, operation..., attr);
#else
  return typename P::primitive_desc(typename P::desc(operation...), attr, engine);
#endif
}

/// The same for a backward primitive, which wants its forward's descriptor.
template <class P, class Forward, class... A>
typename P::primitive_desc describe_backward(const dnnl::engine& engine,
                                             const dnnl::primitive_attr& attr,
                                             const Forward& forward, const A&... operation) {
#if DNNL_VERSION_MAJOR >= 3
  return typename P::primitive_desc(engine, operation..., forward, attr);
#else
  return typename P::primitive_desc(typename P::desc(operation...), attr, engine, forward);
#endif
}

/// Attributes of every primitive here: its scratchpad comes from the context's workspace.
inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

/// The same, for a primitive whose result is act(result + residual), `residual` like the result.
inline dnnl::primitive_attr fused_attributes(Activation act, const dnnl::memory::desc* residual) {
  constexpr float kMost = 6;
  dnnl::post_ops ops;
  if (residual != nullptr) ops.append_binary(dnnl::algorithm::binary_add, *residual);
  const auto append = [&](dnnl::algorithm algorithm, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(algorithm, alpha, beta);
#else
    ops.append_eltwise(1.0F, algorithm, alpha, beta);
#endif
  };
  if (act == Activation::kRelu) append(dnnl::algorithm::eltwise_relu, 0, 0);
  if (act == Activation::kRelu6) append(dnnl::algorithm::eltwise_clip, 0, kMost);
  dnnl::primitive_attr attr = user_scratchpad();
  attr.set_post_ops(ops);
  return attr;
}
/// Argument of execute() that gives the residual.
inline constexpr int kResidualArg = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

/// Turns a oneDNN status into an Error that names the operator.
inline void check(dnnl_status_t status, const char* op) {
  if (status == dnnl_success) return;
  const Errc code = status == dnnl_out_of_memory ? Errc::kOutOfMemory : Errc::kInternal;
  fail(code, op, ": oneDNN failed with status ", static_cast<int>(status));
}

/// Runs f, turning oneDNN's exceptions into an Error that names the operator.
template <class F>
decltype(auto) guarded(const char* op, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    const Errc code = e.status == dnnl_out_of_memory ? Errc::kOutOfMemory : Errc::kInternal;
    fail(code, op, ": oneDNN: ", e.what(), " (status ", static_cast<int>(e.status), ")");
  }
}

/// Memory that describes but holds nothing; point() gives it bytes.
inline dnnl::memory unbound(const dnnl::memory::desc& desc, const dnnl::engine& engine) {
  return {desc, engine, DNNL_MEMORY_NONE};
}
inline void point(const char* op, const dnnl::memory& memory, const void* data) {
  check(dnnl_memory_set_data_handle(memory.get(), const_cast<void*>(data)), op);
}

/// One argument of execute(), of which the first `count` are given: DNNL_ARG_... and the memory.
using DnnlArg = std::pair<int, const dnnl::memory*>;

template <std::size_t N>
void execute(const char* op, const dnnl::primitive& primitive, const dnnl::stream& stream,
             const std::array<DnnlArg, N>& args, std::size_t count = N) {
  std::array<dnnl_exec_arg_t, N> c_args;
  for (std::size_t i = 0; i < count; ++i) c_args[i] = {args[i].first, args[i].second->get()};
  check(
      dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(count), c_args.data()),
      op);
}

/// Engine and stream of one context.
struct DnnlDevice {
  explicit DnnlDevice(Context&) : engine(dnnl::engine::kind::cpu, 0), stream(engine) {}
  dnnl::engine engine;
  dnnl::stream stream;
};

}  // namespace graft::kernels::cpu
