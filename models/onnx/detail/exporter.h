// SPDX-License-Identifier: Apache-2.0
// The state of one export. Layers as they are written are in export.cpp, the fused and 8-bit ones
// of inference forms in export_inference.cpp.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/ir/graph.h"
#include "kernels/api/conv.h"
#include "kernels/api/pool.h"
#include "layers/core/param.h"
#include "models/onnx/detail/node_writer.h"
#include "models/onnx/export.h"
#include "models/onnx/proto.h"
#include "models/onnx/wire.h"

namespace graft::onnx::detail {

class Exporter {
 public:
  Exporter(Context& ctx, const Graph& graph, const ParamStore& params)
      : ctx_(ctx), source_(graph), params_(params) {}

  [[nodiscard]] std::string run(const ExportOptions& options);

 private:
  /// A convolution of either kind, besides its parameters.
  struct Conv {
    const kernels::ConvOptions& options;
    std::int64_t kernel_h, kernel_w;
    Activation activation = Activation::kNone;
    bool has_residual = false;
  };

  /// Of a u8 value.
  struct Steps {
    float scale;
    std::uint8_t zero;
  };

  [[nodiscard]] std::string value_name(ValueId id) const {
    return values_[static_cast<std::size_t>(id)];
  }
  /// The elements of parameter `name`, filters as (K,C/groups,R,S); `dims` become theirs.
  [[nodiscard]] std::vector<float> elements(const std::string& name,
                                            std::vector<std::int64_t>& dims) const;
  [[nodiscard]] float scalar(const std::string& name) const;

  template <class T>
  void tensor(const std::string& name, ElementType type, std::span<const std::int64_t> dims,
              std::span<const T> elements);
  void tensor(const std::string& name, std::span<const std::int64_t> dims,
              std::span<const float> elements) {
    tensor(name, ElementType::kFloat, dims, elements);
  }
  /// Writes parameter `part` of node `n`; returns its name.
  std::string weight(const Node& n, const std::string& part);
  void value_info(std::uint32_t field, const std::string& name, const Shape& nhwc);
  void output(const Graph::Output& o);

  /// Writes `writer` with the inputs of `n` and `parts` behind them, then `act`, which makes the
  /// value of `n`.
  void emit(const Node& n, NodeWriter& writer, const std::vector<std::string>& parts = {},
            Activation act = Activation::kNone);
  /// As emit(), for a node whose inputs are written.
  void finish(const Node& n, NodeWriter& writer, Activation act = Activation::kNone);
  /// Node `node` that makes `to` of `from`.
  void activate(const std::string& node, const std::string& from, const std::string& to,
                Activation act);
  void refuse(const Node& n, std::string_view why);

  void node(ValueId id);
  void layer(const Node& n);
  void written_conv(const Node& n);
  void conv(const Node& n, const Conv& conv, const std::vector<std::string>& parts);
  void batch_norm(const Node& n);
  void pool(const Node& n, const char* op, const kernels::PoolOptions& o, bool average);
  void global_pool(const Node& n);
  void gemm(const Node& n, const std::vector<std::string>& parts);
  void linear(const Node& n);
  /// The parameter-free shortcut, as a strided 1x1 convolution that copies channels.
  void subsample(const Node& n);

  // export_inference.cpp

  /// False if `n` is no layer of inference forms.
  bool inference_layer(const Node& n);
  void scale_shift(const Node& n, Activation act);
  /// Weights of 8-bit `n` with a DequantizeLinear behind them, and its bias, in f32, which ONNX
  /// Runtime (from 1.21 on) takes for its 8-bit operators too; returns the names.
  std::vector<std::string> quantised_parts(const Node& n);
  /// DequantizeLinear of a constant along axis 0; returns `name`, that of the result.
  std::string dequantised(const std::string& name, std::span<const std::int64_t> dims,
                          std::span<const std::int8_t> steps, std::span<const float> scales);
  /// What keeps the 8-bit inputs of `n` from being what `n` takes them for; empty if nothing does.
  [[nodiscard]] std::string scale_conflict(const Node& n) const;
  /// Scale of the value of `n`; 1 if it is f32.
  [[nodiscard]] float scale_of(const Node& n) const;
  /// The value made last, of 8-bit node `n`, through QuantizeLinear and DequantizeLinear.
  void quantise(const Node& n);
  /// `sum`, what 8-bit node `n` adds its residual to, likewise if that is 8-bit too. The range:
  /// what lies beyond it saturates the value of `n` whatever the residual is.
  std::string quantised_term(const Node& n, const std::string& sum);
  /// A pair called `name`; returns what DequantizeLinear makes.
  std::string quantised(const std::string& from, const std::string& name, const Steps& steps);

  Context& ctx_;
  const Graph& source_;
  const ParamStore& params_;
  WireWriter graph_;
  std::vector<std::string> values_;  // ONNX name of every value, in f32
  std::vector<float> scales_;        // of every value
  std::string problems_;
  bool has_bounds_ = false;
  std::set<int> zero_points_;  // written
};

template <class T>
void Exporter::tensor(const std::string& name, ElementType type, std::span<const std::int64_t> dims,
                      std::span<const T> elements) {
  WireWriter t;
  for (const std::int64_t d : dims) t.integer(1, d);
  t.integer(2, static_cast<std::int64_t>(type));
  t.bytes(8, name);
  t.bytes(9, {reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
  graph_.message(5, t);
}

}  // namespace graft::onnx::detail
