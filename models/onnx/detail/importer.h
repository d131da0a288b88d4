// SPDX-License-Identifier: Apache-2.0
// The state of one import, and what the operators' handlers ask of it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/onnx/import.h"
#include "models/onnx/proto.h"

namespace graft::onnx::detail {

/// An extent that stands for the batch in folded shape arithmetic.
inline constexpr std::int64_t kBatch = std::int64_t{-1} << 40;

/// Numbers that shape arithmetic may have in one list.
inline constexpr std::size_t kMaxShapeNumbers = 64;

/// Rows and columns, begin and end, as ONNX orders them.
struct Pads {
  int top = 0, left = 0, bottom = 0, right = 0;
  [[nodiscard]] bool any() const { return top > 0 || left > 0 || bottom > 0 || right > 0; }
};

/// What stands behind a name of the file.
struct Value {
  enum class Form : std::uint8_t {
    kNone,       ///< could not be made: an unsupported node before it
    kImage,      ///< (N,C,H,W), held as (N,H,W,C)
    kPooled,     ///< (N,C,1,1), held as (N,C)
    kRow,        ///< (N,C)
    kFlattened,  ///< (N,C*H*W) of an image, still held as (N,H,W,C)
    kConstant,   ///< weights
    kIntegers,   ///< folded shape arithmetic
  };
  Form form = Form::kNone;
  ValueId id = kNoValue;
  Pads pads = {};  ///< zeros around an image that the next node takes in
  const TensorProto* constant = nullptr;
  std::vector<std::int64_t> integers = {};
  bool is_list = true;       ///< integers: a list, or one number
  std::int64_t columns = 0;  ///< integers: of a matrix, row by row; 0: no matrix
  bool quantised = false;    ///< between QuantizeLinear and DequantizeLinear
};

/// Why a node cannot be imported; caught by the importer, which goes on to the next.
struct Unsupported {
  std::string reason;
};

class Importer;

/// Appends what a node stands for and names its outputs.
using Handler = void (*)(Importer& importer, const NodeProto& node);

struct Operator {
  std::string_view op;
  Handler handle;
  std::string_view note;
};
[[nodiscard]] const std::vector<Operator>& operators();

class Importer {
 public:
  /// `file_bytes`: what weights may take is in proportion to it.
  Importer(const ModelProto& model, std::size_t file_bytes, const ImportOptions& options);

  [[nodiscard]] Imported run();

  // For handlers.

  /// Input `index` of a node; throws Unsupported if it is not there.
  [[nodiscard]] const Value& input(const NodeProto& node, std::size_t index) const;
  [[nodiscard]] bool has_input(const NodeProto& node, std::size_t index) const;
  /// As input(), of this form.
  [[nodiscard]] const Value& input(const NodeProto& node, std::size_t index,
                                   Value::Form form) const;
  [[nodiscard]] const TensorProto& constant(const NodeProto& node, std::size_t index) const;
  /// Integers that are a constant or folded.
  [[nodiscard]] std::vector<std::int64_t> integers(const NodeProto& node, std::size_t index) const;

  void define(const std::string& name, Value value);
  /// Appends a layer and defines output 0 of `node` as it.
  void add(const NodeProto& node, const std::string& name, LayerPtr layer,
           std::vector<ValueId> inputs, Value::Form form);
  /// Appends a layer between the file's nodes.
  ValueId add(const std::string& name, LayerPtr layer, std::vector<ValueId> inputs);
  /// A free node name: that of the module whose weight `weight` is, or of the node.
  [[nodiscard]] std::string name_for(const NodeProto& node, const TensorProto* weight);
  void weight(const std::string& name, std::vector<float> elements);
  /// The filters of node `name`, from constant `w`.
  void filters(const std::string& name, const TensorProto& w, std::vector<float> elements);
  /// Keeps a constant that was computed; what they take is limited as weights are.
  [[nodiscard]] const TensorProto* keep(TensorProto constant);
  /// Notes that a value was 8-bit in the file.
  void count_quantised() { ++n_quantised_; }
  /// Notes how activation `id` was.
  void note_steps(ValueId id, const Steps& steps);

  /// A constant that the only reader of output 0 adds to every one of `channels` channels: a bias
  /// written as a node of its own, which is then passed over.
  [[nodiscard]] const TensorProto* take_bias_behind(const NodeProto& node, std::int64_t channels);
  /// Whether output 0 of `node` is what the model puts out.
  [[nodiscard]] bool is_model_output(const NodeProto& node) const;

  [[nodiscard]] const Shape& shape(const Value& value) const { return graph_.node(value.id).shape; }
  /// Whether a value cannot be below 0, as far as its makers tell.
  [[nodiscard]] bool is_nonnegative(ValueId id);
  [[nodiscard]] std::int64_t opset() const { return model_.opset; }

 private:
  void read_constants();
  void read_input();
  void handle(const NodeProto& node);
  void finish();
  [[nodiscard]] bool poisoned(const NodeProto& node) const;
  [[nodiscard]] std::string free_name(std::string wanted);
  [[noreturn]] void list_problems() const;

  const ModelProto& model_;
  std::size_t max_weights_;  // elements
  std::size_t n_weights_ = 0, n_kept_ = 0;
  int n_quantised_ = 0;
  std::map<ValueId, Steps> steps_;
  std::set<std::string> layers_in_steps_;
  ImportOptions options_;
  Graph graph_;
  std::map<std::string, std::vector<float>> weights_;
  std::vector<bool> nonnegative_;  // by node, as far as somebody has asked
  std::deque<TensorProto> kept_;
  std::unordered_map<std::string, Value> values_;
  std::unordered_map<std::string, std::vector<const NodeProto*>> readers_;
  std::unordered_map<const NodeProto*, std::string> passed_over_;  // node -> input that it hands on
  std::unordered_map<std::string, int> name_counts_;
  std::vector<std::string> problems_;
};

/// A clear name for messages.
[[nodiscard]] std::string_view name(Value::Form form);

}  // namespace graft::onnx::detail
