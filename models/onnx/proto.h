// SPDX-License-Identifier: Apache-2.0
// The part of ONNX's messages that a classifier needs. Source: onnx/onnx.proto, IR version 10.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft::onnx {

/// TensorProto.DataType.
enum class ElementType : std::int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kBfloat16 = 16,
};

/// What a file may claim.
struct Limits {
  static constexpr std::size_t kMaxNodes = 65536;
  static constexpr std::size_t kMaxInitializers = 65536;
  static constexpr std::size_t kMaxNodeValues = 4096;  ///< inputs or outputs of a node or graph
  static constexpr std::size_t kMaxAttributes = 64;
  static constexpr std::size_t kMaxAttributeNumbers = 65536;
  static constexpr std::size_t kMaxNameBytes = 1024;
  static constexpr std::size_t kMaxRank = 8;
  static constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;  ///< of a tensor
};

/// A constant. `raw` points into the bytes that were parsed.
struct TensorProto {
  std::string name;
  std::vector<std::int64_t> dims;
  ElementType type = ElementType::kUndefined;
  std::string_view raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> integers;  ///< int32_data, int64_data: also 16-bit floats' bits
  std::string external;                ///< where the data are if not in this file
  bool in_steps = false;               ///< made of 8-bit steps, by the importer

  [[nodiscard]] std::int64_t numel() const;
  /// The elements as f32 (floating types). Throws Error(kModel) naming the tensor.
  [[nodiscard]] std::vector<float> as_floats() const;
  /// The elements of an integer or boolean tensor.
  [[nodiscard]] std::vector<std::int64_t> as_integers() const;
  [[nodiscard]] bool is_floating() const;
};

struct AttributeProto {
  std::string name;
  float f = 0;
  std::int64_t i = 0;
  std::string s;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::vector<TensorProto> tensors;  ///< one at most
  bool has_graph = false;            ///< sub-graphs are not descended into
};

struct NodeProto {
  std::string name, op, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<AttributeProto> attributes;

  /// nullptr if there is none.
  [[nodiscard]] const AttributeProto* find(std::string_view attribute) const;
  [[nodiscard]] std::int64_t integer(std::string_view attribute, std::int64_t fallback) const;
  [[nodiscard]] float real(std::string_view attribute, float fallback) const;
};

struct ValueInfoProto {
  static constexpr std::int64_t kFree = -1;  ///< a symbolic extent
  std::string name;
  ElementType type = ElementType::kUndefined;
  std::vector<std::int64_t> dims;
};

struct GraphProto {
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initializers;
  std::vector<ValueInfoProto> inputs, outputs;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::int64_t opset = 0;  ///< of the default domain
  std::string producer;
  GraphProto graph;
};

/// Parses within Limits; `bytes` must outlive the result. Throws Error(kModel) naming `source`.
/// Data outside the file are refused, wherever they are said to be.
[[nodiscard]] ModelProto parse_model(std::string_view bytes, std::string_view source);

}  // namespace graft::onnx
