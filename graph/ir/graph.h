// SPDX-License-Identifier: Apache-2.0
// The graph: nodes in execution order, each with one output value.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/tensor/tensor.h"
#include "layers/core/layer.h"

namespace graft {

/// A value is known by the node that makes it.
using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;

enum class NodeKind : std::uint8_t {
  kInput,   ///< bound by the caller before each run
  kLayer,   ///< an operator
  kSelect,  ///< per-example losses (N) -> rows and weights; the policy is plugged into the
            ///< executor. Runs in Phase::kSelect only; passes the losses on.
  kKeep,    ///< identity; its value outlives the step, stamped with the parameter version, and can
            ///< be gathered by rows (graph/exec/saved_set.h)
  kShare,   ///< identity; end of a prefix that is run once for several suffixes
};

[[nodiscard]] const char* name(NodeKind kind);

struct Node {
  NodeKind kind = NodeKind::kLayer;
  std::string name;  ///< unique; prefix of its parameters' names
  LayerPtr layer;    ///< kLayer only
  std::vector<ValueId> inputs;
  Shape shape;  ///< of the output, for a batch of 1
  DType dtype = DType::kF32;
  bool frozen = false;  ///< parameters and statistics stand still, no gradient passes
  std::string label;    ///< kSelect: name of the policy slot; kShare: the suffixes, for people
  std::uint32_t ordinal =
      0;  ///< place in the graph it was first added to: dropout's key, the same fused or split
};

/// A static graph. Built once by appending nodes whose inputs exist already, so the order of nodes
/// is an execution order; shapes are checked while it is built. A value type: copying shares the
/// layers.
class Graph {
 public:
  /// `shape`: of one example, with a leading 1.
  ValueId input(const std::string& name, const Shape& shape, DType dtype = DType::kF32);
  /// Throws Error(kInvalidArgument) naming the node if the layer refuses the shapes.
  ValueId add(const std::string& name, LayerPtr layer, std::vector<ValueId> inputs);
  ValueId select(const std::string& name, ValueId losses, const std::string& policy_slot);
  ValueId keep(const std::string& name, ValueId value);
  ValueId share(const std::string& name, ValueId value, const std::string& label = "");
  /// Appends a copy of `node` whose inputs are `inputs`; attributes, frozen, label and ordinal are
  /// kept.
  ValueId append(const Node& node, std::vector<ValueId> inputs);

  /// Names a value that callers read after a run; it lives to the end of the step.
  void mark_output(const std::string& name, ValueId value);

  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
  [[nodiscard]] const Node& node(ValueId id) const;
  /// kNoValue if there is none.
  [[nodiscard]] ValueId find(const std::string& node_name) const;
  struct Output {
    std::string name;
    ValueId value;
  };
  [[nodiscard]] const std::vector<Output>& outputs() const { return outputs_; }
  /// Value of output `name`; throws Error(kInvalidArgument) listing the outputs there are.
  [[nodiscard]] ValueId output(const std::string& name) const;

  /// Freezes the node that makes `value` and everything it depends on: no gradients, running
  /// statistics. With a branch point this is how a stem is kept for sharing.
  void freeze(ValueId value);

  /// Indices of the nodes that read each value.
  [[nodiscard]] std::vector<std::vector<ValueId>> consumers() const;

  /// Shape of a value for a batch of `n`.
  [[nodiscard]] Shape shape(ValueId id, std::int64_t n) const {
    return node(id).shape.with_batch(n);
  }
  [[nodiscard]] std::vector<Shape> input_shapes(ValueId id, std::int64_t n) const;

  /// Declarations of every parameter, named node.param, in node order.
  [[nodiscard]] std::vector<std::pair<std::string, ParamSpec>> param_specs() const;
  /// Forward FLOPs for one example.
  [[nodiscard]] std::int64_t flops() const;

 private:
  ValueId push(Node node);
  ValueId identity(NodeKind kind, const std::string& name, ValueId value, const std::string& label);

  std::vector<Node> nodes_;
  std::unordered_map<std::string, ValueId> index_;  // node name -> value
  std::vector<Output> outputs_;
  std::uint32_t next_ordinal_ = 0;
};

}  // namespace graft
