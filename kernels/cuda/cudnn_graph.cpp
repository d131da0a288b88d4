// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <array>
#include <memory>

namespace graft::kernels::cuda {
namespace detail {

void cudnn_failed(cudnnStatus_t status, const char* call, const char* file, int line) {
  std::array<char, 512> text{};
  cudnnGetLastErrorString(text.data(), text.size());
  const auto code = status == CUDNN_STATUS_ALLOC_FAILED ? Errc::kOutOfMemory : Errc::kUnavailable;
  throw Error(code, graft::detail::cat("cuDNN: ", call, " at ", file, ":", line, ": ",
                                       cudnnGetErrorString(status), ": ", text.data()));
}

}  // namespace detail

namespace {

constexpr std::int64_t kSpatial = 2;

cudnnDataType_t data_type(DType t) {
  return t == DType::kBF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/// Extents in cuDNN's order (N,C,H,W), of a tensor that lies (N,H,W,C) in memory.
CudnnDescriptor tensor(std::int64_t id, const Shape& s, cudnnDataType_t type,
                       std::int64_t alignment, bool is_virtual = false) {
  CudnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, {type});
  d.set<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, {s[0], s[3], s[1], s[2]});
  d.set<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
                      {s[1] * s[2] * s[3], 1, s[2] * s[3], s[3]});
  d.set<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {id});
  d.set<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, {alignment});
  d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, {is_virtual});
  d.finish();
  return d;
}

CudnnDescriptor convolution(const ConvOptions& o) {
  CudnnDescriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const auto pair = [&](cudnnBackendAttributeName_t name, std::int64_t a, std::int64_t b) {
    d.set<std::int64_t>(name, CUDNN_TYPE_INT64, {a, b});
  };
  d.set<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, {kSpatial});
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT});
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, {CUDNN_CROSS_CORRELATION});
  pair(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, o.pad_top, o.pad_left);
  pair(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, o.pad_bottom, o.pad_right);
  pair(CUDNN_ATTR_CONVOLUTION_DILATIONS, o.dilation, o.dilation);
  pair(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, o.stride, o.stride);
  d.finish();
  return d;
}

/// Attribute names of the three convolution operations.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t conv, data, other, out, alpha, beta;
};

PassNames names(ConvPass pass) {
  switch (pass) {
    case ConvPass::kForward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::kBackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::kBackwardWeight:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

/// The operations of one problem and all that they refer to.
class GraphBuilder {
 public:
  explicit GraphBuilder(const CudnnConv& p) : p_(p), type_(data_type(p.dtype)) {}

  CudnnDescriptor build() {
    const Shape& data = p_.pass == ConvPass::kBackwardData ? p_.y : p_.x;
    const Shape& other = p_.pass == ConvPass::kBackwardWeight ? p_.y : p_.w;
    out_ = p_.pass == ConvPass::kForward ? p_.y : p_.pass == ConvPass::kBackwardData ? p_.x : p_.w;
    follow_ =
        (p_.bias ? 1 : 0) + (p_.residual ? 1 : 0) + (p_.activation != Activation::kNone ? 1 : 0);
    const PassNames n = names(p_.pass);
    const CudnnDescriptor& conv = keep(convolution(p_.options));
    const CudnnDescriptor& data_tensor = keep(tensor(kData, data, type_, p_.alignment));
    const CudnnDescriptor& other_tensor = keep(tensor(kOther, other, type_, p_.alignment));
    const CudnnDescriptor* last = &next_result();
    CudnnDescriptor op(n.type);
    op.set(n.conv, conv);
    op.set(n.data, data_tensor);
    op.set(n.other, other_tensor);
    op.set(n.out, *last);
    op.set(n.alpha, CUDNN_TYPE_FLOAT, {1.0f});
    op.set(n.beta, CUDNN_TYPE_FLOAT, {0.0f});
    finish_operation(std::move(op));
    // The order of cuDNN's precompiled pattern: residual, bias, activation.
    if (p_.residual) last = &add(*last, keep(tensor(kResidual, out_, type_, p_.alignment)));
    if (p_.bias) {
      last = &add(*last, keep(tensor(kBias, {1, 1, 1, out_[3]}, type_, p_.alignment)));
    }
    if (p_.activation != Activation::kNone) activate(*last);
    CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
              static_cast<std::int64_t>(operations_.size()), operations_.data());
    if (!graph.try_finish()) return {};
    return graph;
  }

 private:
  const CudnnDescriptor& keep(CudnnDescriptor d) {
    parts_.push_back(std::make_unique<CudnnDescriptor>(std::move(d)));
    return *parts_.back();
  }
  /// The tensor that the next operation writes: virtual and f32 if another one follows.
  const CudnnDescriptor& next_result() {
    const bool is_last = follow_-- == 0;
    return is_last ? keep(tensor(kOut, out_, type_, p_.alignment))
                   : keep(tensor(kFirstVirtual + follow_, out_, CUDNN_DATA_FLOAT, 16, true));
  }
  void finish_operation(CudnnDescriptor op) {
    op.finish();
    operations_.push_back(keep(std::move(op)).get());
  }
  const CudnnDescriptor& pointwise(CudnnDescriptor& mode, const CudnnDescriptor& x,
                                   const CudnnDescriptor* b) {
    mode.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT});
    mode.finish();
    const CudnnDescriptor& y = next_result();
    CudnnDescriptor op(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode);
    op.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b != nullptr) op.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finish_operation(std::move(op));
    return y;
  }
  const CudnnDescriptor& add(const CudnnDescriptor& a, const CudnnDescriptor& b) {
    CudnnDescriptor mode(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    mode.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, {CUDNN_POINTWISE_ADD});
    return pointwise(mode, a, &b);
  }
  void activate(const CudnnDescriptor& x) {
    CudnnDescriptor mode(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    mode.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, {CUDNN_POINTWISE_RELU_FWD});
    if (p_.activation == Activation::kRelu6) {
      mode.set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, CUDNN_TYPE_DOUBLE, {6.0});
    }
    pointwise(mode, x, nullptr);
  }

  static constexpr std::int64_t kFirstVirtual = 100;

  const CudnnConv& p_;
  cudnnDataType_t type_;
  Shape out_;
  int follow_ = 0;  // operations behind the one that is being made
  std::vector<std::unique_ptr<CudnnDescriptor>> parts_;
  std::vector<cudnnBackendDescriptor_t> operations_;
};

/// What heuristics of `mode` propose; empty if they know nothing.
std::vector<CudnnDescriptor> proposals(const CudnnDescriptor& device, const CudnnDescriptor& graph,
                                       cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, {mode});
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  if (!heuristics.try_finish()) return {};
  std::int64_t count = 0;
  GRAFT_CUDNN(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
  std::vector<CudnnDescriptor> configs;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(configs.back().get());
  }
  GRAFT_CUDNN(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()));
  configs.resize(static_cast<std::size_t>(count));
  return configs;
}

/// What an engine is known for.
struct EngineNotes {
  bool repeatable, exact_f32;
};

EngineNotes notes_of(const CudnnDescriptor& config) {
  const CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  std::int64_t count = 0;
  GRAFT_CUDNN(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw));
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  GRAFT_CUDNN(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                       CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), &count,
                                       notes.data()));
  const auto has = [&](cudnnBackendNumericalNote_t note) {
    return std::find(notes.begin(), notes.begin() + count, note) != notes.begin() + count;
  };
  return {.repeatable = !has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC),
          .exact_f32 = !has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) &&
                       !has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)};
}

}  // namespace

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t raw = nullptr;
  GRAFT_CUDNN(cudnnBackendCreateDescriptor(type, &raw));
  handle_ = Handle<cudnnBackendDescriptor_t, detail::destroy_descriptor>(raw);
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          std::int64_t count, const void* values) {
  GRAFT_CUDNN(cudnnBackendSetAttribute(get(), name, type, count, values));
}

void CudnnDescriptor::finish() { GRAFT_CUDNN(cudnnBackendFinalize(get())); }

bool CudnnDescriptor::try_finish() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

CudnnDescriptor device_properties(int device) {
  CudnnDescriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set<std::int32_t>(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, {device});
  d.finish();
  return d;
}

CudnnDescriptor device_properties(std::string_view json) {
  CudnnDescriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        static_cast<std::int64_t>(json.size()), json.data());
  d.finish();
  return d;
}

std::array<std::int64_t, CudnnConv::kKeyWords> CudnnConv::key() const {
  const ConvOptions& o = options;
  return {static_cast<std::int64_t>(pass),
          static_cast<std::int64_t>(dtype),
          o.stride,
          o.pad_top,
          o.pad_left,
          o.pad_bottom,
          o.pad_right,
          o.dilation,
          o.groups,
          x[0],
          x[1],
          x[2],
          x[3],
          w[0],
          w[1],
          w[2],
          w[3],
          y[0],
          y[3],
          alignment,
          static_cast<std::int64_t>(activation),
          bias ? 1 : 0,
          residual ? 1 : 0};
}

std::vector<CudnnPlan> cudnn_plans(const CudnnDescriptor& device, const CudnnConv& problem,
                                   const EngineFilter& filter, std::size_t limit) {
  std::vector<CudnnPlan> plans;
  GraphBuilder builder(problem);
  const CudnnDescriptor graph = builder.build();
  if (graph.get() == nullptr) return plans;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const CudnnDescriptor& config : proposals(device, graph, mode)) {
      if (plans.size() == limit) return plans;
      const EngineNotes notes = notes_of(config);
      if (filter.deterministic && !notes.repeatable) continue;
      if (filter.exact_f32 && !notes.exact_f32) continue;
      CudnnPlan p{.plan = CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR),
                  .workspace_bytes = 0,
                  .repeatable = notes.repeatable};
      p.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      p.plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
      if (!p.plan.try_finish()) continue;
      std::int64_t count = 0;
      GRAFT_CUDNN(cudnnBackendGetAttribute(p.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                           CUDNN_TYPE_INT64, 1, &count, &p.workspace_bytes));
      plans.push_back(std::move(p));
    }
    if (!plans.empty()) return plans;
  }
  return plans;
}

}  // namespace graft::kernels::cuda
