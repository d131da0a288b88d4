// SPDX-License-Identifier: Apache-2.0
// A recording is a stream capture. With a second part: one graph that captures `work`, behind it a
// conditional node whose body captures `then`. Source: CUDA programming guide, "CUDA Graphs",
// "Conditional Graph Nodes".
#include "engine/device/cuda_recording.h"

#include <vector>

#include "engine/device/cuda_runtime.h"
#include "engine/device/handle.h"

namespace graft::detail {
namespace {

void destroy_graph(cudaGraph_t g) { GRAFT_CUDA_NOTHROW(cudaGraphDestroy(g)); }
void destroy_exec(cudaGraphExec_t e) { GRAFT_CUDA_NOTHROW(cudaGraphExecDestroy(e)); }
using Graph = Handle<cudaGraph_t, destroy_graph>;
using GraphExec = Handle<cudaGraphExec_t, destroy_exec>;

class CudaRecording final : public Recording {
 public:
  CudaRecording(Context& ctx, Graph graph)
      : ctx_(ctx), graph_(std::move(graph)), frees_(frees_of_cuda_memory()) {
    cudaGraphExec_t exec = nullptr;
    GRAFT_CUDA(cudaGraphInstantiate(&exec, graph_.get(), 0));
    exec_ = GraphExec(exec);
    GRAFT_CUDA(cudaGraphUpload(exec, stream_of(ctx_)));
  }
  void run() override { GRAFT_CUDA(cudaGraphLaunch(exec_.get(), stream_of(ctx_))); }
  [[nodiscard]] bool valid() const override { return frees_ == frees_of_cuda_memory(); }

 private:
  Context& ctx_;
  Graph graph_;
  GraphExec exec_;
  std::uint64_t frees_;
};

/// Captures what `work` enqueues into `graph`.
void capture(Context& ctx, cudaGraph_t graph, const std::function<void()>& work) {
  const cudaStream_t stream = stream_of(ctx);
  GRAFT_CUDA(cudaStreamBeginCaptureToGraph(stream, graph, nullptr, nullptr, 0,
                                           cudaStreamCaptureModeThreadLocal));
  std::string reason;
  try {
    work();
  } catch (const Error& e) {
    reason = e.what();
  }
  cudaGraph_t same = nullptr;  // ends the capture also where it has failed
  const cudaError_t ended = cudaStreamEndCapture(stream, &same);
  if (ended == cudaSuccess && reason.empty()) return;
  (void)cudaGetLastError();
  fail(Errc::kUnsupported,
       "cannot be recorded as a CUDA graph: ", reason.empty() ? cudaGetErrorString(ended) : reason);
}

/// The nodes that nothing follows.
std::vector<cudaGraphNode_t> last_nodes(cudaGraph_t graph) {
  std::size_t count = 0;
  GRAFT_CUDA(cudaGraphGetNodes(graph, nullptr, &count));
  std::vector<cudaGraphNode_t> nodes(count), last;
  GRAFT_CUDA(cudaGraphGetNodes(graph, nodes.data(), &count));
  for (cudaGraphNode_t node : nodes) {
    std::size_t followers = 0;
#if CUDART_VERSION >= 13000
    GRAFT_CUDA(cudaGraphNodeGetDependentNodes(node, nullptr, nullptr, &followers));
#else
    GRAFT_CUDA(cudaGraphNodeGetDependentNodes(node, nullptr, &followers));
#endif
    if (followers == 0) last.push_back(node);
  }
  return last;
}

/// Adds a conditional node behind everything in `graph`; returns its body.
cudaGraph_t add_branch(cudaGraph_t graph, cudaGraphConditionalHandle handle) {
  const std::vector<cudaGraphNode_t> before = last_nodes(graph);
  cudaGraphNodeParams params{};
  params.type = cudaGraphNodeTypeConditional;
  params.conditional.handle = handle;
  params.conditional.type = cudaGraphCondTypeIf;
  params.conditional.size = 1;
  cudaGraphNode_t node = nullptr;
#if CUDART_VERSION >= 13000
  GRAFT_CUDA(cudaGraphAddNode(&node, graph, before.data(), nullptr, before.size(), &params));
#else
  GRAFT_CUDA(cudaGraphAddNode(&node, graph, before.data(), before.size(), &params));
#endif
  return params.conditional.phGraph_out[0];
}

}  // namespace

std::unique_ptr<Recording> record_cuda(Context& ctx, const std::function<void(const Branch&)>& work,
                                       const std::function<void()>& then) {
  cudaGraph_t raw = nullptr;
  GRAFT_CUDA(cudaGraphCreate(&raw, 0));
  Graph graph(raw);
  cudaGraphConditionalHandle handle = 0;
  if (then) {
    GRAFT_CUDA(cudaGraphConditionalHandleCreate(&handle, raw, 0, cudaGraphCondAssignDefault));
  }
  capture(ctx, raw, [&] { work({.handle = handle, .flag = nullptr}); });
  if (then) capture(ctx, add_branch(raw, handle), then);
  return std::make_unique<CudaRecording>(ctx, std::move(graph));
}

bool is_recording_cuda(Context& ctx) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  GRAFT_CUDA(cudaStreamIsCapturing(stream_of(ctx), &status));
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace graft::detail
