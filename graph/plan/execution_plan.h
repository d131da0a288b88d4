// SPDX-License-Identifier: Apache-2.0
// Everything that can be decided before a step: which tensors exist, when, where, and how gradients
// meet. Pure data; no memory is touched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "graph/plan/memory_plan.h"

namespace graft {

/// Index into ExecutionPlan::tensors.
using SlotId = std::int32_t;
inline constexpr SlotId kNoSlot = -1;

enum class TensorRole : std::uint8_t { kValue, kSaved, kGradient };

/// A tensor with a place in the arena.
struct PlannedTensor {
  TensorRole role = TensorRole::kValue;
  ValueId node = kNoValue;  ///< that makes it (values, saved) or whose value it is the gradient of
  std::string name;         ///< saved tensors: SavedSpec::name
  Shape shape;              ///< for the largest batch
  DType dtype = DType::kF32;
  bool per_row = true;
  Lifetime lifetime;
};

/// Slots of one node.
struct NodePlan {
  SlotId y = kNoSlot;  ///< kNoSlot: bound by the caller (inputs)
  std::vector<SlotId> saved;
  SlotId kept_rows = kNoSlot;  ///< inputs that backward reads, in a Tape::kCompactable plan: where
                               ///< the rows that stay are copied to
  bool runs_backward = false;
  SlotId dy = kNoSlot;  ///< kNoSlot where runs_backward: the caller's weights (the loss)
  SlotId dy2 = kNoSlot;
  std::vector<SlotId> dx;
  std::vector<GradMode> dx_mode;
};

struct ExecutionPlan {
  std::vector<PlannedTensor> tensors;
  std::vector<NodePlan> nodes;    ///< one a graph node
  MemoryPlan memory;              ///< offsets of `tensors`
  std::vector<SlotId> tape;       ///< of what the forward makes, what backward reads and outputs,
                                  ///< each once; inputs not included
  bool row_separable = true;      ///< of all nodes with a backward
  std::string first_inseparable;  ///< name of the first node that is not
};

/// Plans forward only: tensors live until their last reader, outputs and kept values to the end.
[[nodiscard]] ExecutionPlan plan_forward(const Graph& graph, std::int64_t max_batch, DType dtype);

/// Whether backward may be asked for some of the forward's rows.
enum class Tape : std::uint8_t {
  kWhole,        ///< no
  kCompactable,  ///< yes: with room for those rows of the inputs, whose memory is the caller's
};

/// Plans forward and the backward from `loss` (N). Gradients flow where a parameter that is not
/// frozen wants them. Throws Error(kInvalidArgument) if no parameter does.
[[nodiscard]] ExecutionPlan plan_training(const Graph& graph, ValueId loss, std::int64_t max_batch,
                                          DType dtype, Tape tape = Tape::kWhole);

/// Bytes that the tape takes for the largest batch, rows of inputs included.
[[nodiscard]] std::size_t tape_bytes(const ExecutionPlan& plan);

/// The node whose storage `value` uses: identities (Keep, Share, Select) pass it through.
[[nodiscard]] ValueId storage_of(const Graph& graph, ValueId value);

}  // namespace graft
