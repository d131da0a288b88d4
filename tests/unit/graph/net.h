// SPDX-License-Identifier: Apache-2.0
// A graph together with everything that running it needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device/context.h"
#include "graph/exec/executor.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"
#include "models/spec/model_spec.h"
#include "tests/support/tensors.h"

namespace graft::testing {

struct NetOptions {
  Backend backend = Backend::kRef;
  int threads = 1;
  DType dtype = DType::kF64;
  std::int64_t batch = 4;  ///< planned and bound
  std::uint64_t seed = 1;
  const ParamStore* weights = nullptr;  ///< copied by name instead of drawn
  bool training = true;
  Tape tape = Tape::kWhole;
  RowSparseNorm row_sparse_norm = RowSparseNorm::kRefuse;
  MemoryResource* memory = &host_memory();  ///< with kCuda: its kernels run on the host
};

/// The graph with drawn weights (no gamma is 1, no bias 0), a bound batch and an executor. Two nets
/// made from graphs with the same parameter names and one seed hold the same numbers.
class Net {
 public:
  explicit Net(const Graph& graph, const NetOptions& options = {});

  /// Rows [begin, begin + count) of the batch for the runs that follow.
  void bind_rows(std::int64_t begin, std::int64_t count);
  void forward(Phase phase) { executor.forward(phase, row_ids()); }
  void forward_and_select() { executor.forward_and_select(row_ids()); }
  /// Compacts to `rows` of the batch, then backward from weight[n] on loss n of these.
  void backward_rows(const std::vector<std::int32_t>& rows);
  /// From weight[n] on loss n, as bound.
  void backward(GradMode mode = GradMode::kOverwrite) {
    executor.backward(weight.rows(begin_, count_), row_ids(), mode);
  }
  /// A copy of an output of the last forward.
  [[nodiscard]] Tensor output(const std::string& name);
  [[nodiscard]] Tensor value(const std::string& param) const;
  [[nodiscard]] Tensor grad(const std::string& param) const;
  /// Copies every parameter and buffer from `other`, by name.
  void take_weights(const ParamStore& other);

  Context ctx;
  ParamStore params;
  Executor executor;
  Tensor image, label, weight;
  std::vector<std::int64_t> examples;
  std::vector<std::uint32_t> epochs;

 private:
  [[nodiscard]] RowIds row_ids() const;
  std::int64_t begin_ = 0, count_ = 0;
};

/// Worst relative error of the gradient against central differences along random directions of all
/// parameters at once, in f64.
[[nodiscard]] double network_gradient_gap(Net& net, int probes);

/// A model's text as the name of a test.
[[nodiscard]] std::string test_name(const std::string& model, Norm norm = Norm::kBatch);

/// The zoo's network of that name on small images.
[[nodiscard]] Graph zoo_graph(const std::string& spec, std::int64_t side, Norm norm = Norm::kBatch,
                              std::int64_t classes = 5);

/// `graph` with a Keep or Share node called `name` behind node `after`, read by all that read it.
[[nodiscard]] Graph with_identity(const Graph& graph, const std::string& after, NodeKind kind,
                                  const std::string& name);

/// max |a - b| / max(1, max |b|).
[[nodiscard]] double difference(const Tensor& a, const Tensor& b);

/// Layers of this kind.
[[nodiscard]] std::size_t count_of(const Graph& graph, std::string_view kind);

}  // namespace graft::testing
