// SPDX-License-Identifier: Apache-2.0
// Small ONNX files, sound or not, field by field.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/onnx/wire.h"

namespace graft::testing {

class FileBuilder {
 public:
  explicit FileBuilder(std::int64_t opset = 17) : opset_(opset) {}

  using Ints = std::vector<std::int64_t>;
  using Names = std::vector<std::string>;
  struct Attribute {
    std::string name;
    std::int64_t i = 0;
    Ints ints = {};
    std::string s = {};
  };

  /// -1: a symbolic extent.
  void input(const std::string& name, const Ints& dims, std::int64_t type = 1) {
    graph_.message(11, value_info(name, dims, type));
  }
  void output(const std::string& name) { graph_.message(12, value_info(name, {1, 2}, 1)); }

  /// f32 zeros, or `bytes` as its raw data.
  void weight(const std::string& name, const Ints& dims) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    raw_weight(name, dims, 1, std::string(static_cast<std::size_t>(n) * sizeof(float), '\0'));
  }
  void raw_weight(const std::string& name, const Ints& dims, std::int64_t type,
                  const std::string& bytes) {
    graph_.message(5, tensor(name, dims, type, bytes));
  }
  /// A tensor whose data are said to be at `location`.
  void external_weight(const std::string& name, const std::string& location) {
    onnx::WireWriter entry, t = tensor(name, {4}, 1, "");
    entry.bytes(1, "location");
    entry.bytes(2, location);
    t.message(13, entry);
    t.integer(14, 1);
    graph_.message(5, t);
  }
  void integers(const std::string& name, const Ints& values) {
    std::string raw(reinterpret_cast<const char*>(values.data()),
                    values.size() * sizeof(values[0]));
    raw_weight(name, {static_cast<std::int64_t>(values.size())}, 7, raw);
  }
  void node(const std::string& op, const Names& inputs, const Names& outputs,
            const std::string& name, const std::vector<Attribute>& attributes = {}) {
    onnx::WireWriter n;
    for (const auto& in : inputs) n.bytes(1, in);
    for (const auto& out : outputs) n.bytes(2, out);
    n.bytes(3, name);
    n.bytes(4, op);
    for (const Attribute& a : attributes) {
      onnx::WireWriter w;
      w.bytes(1, a.name);
      if (!a.s.empty()) w.bytes(4, a.s);
      if (a.ints.empty()) w.integer(3, a.i);
      for (const std::int64_t i : a.ints) w.integer(8, i);
      n.message(5, w);
    }
    graph_.message(1, n);
  }
  onnx::WireWriter& graph() { return graph_; }

  [[nodiscard]] std::string bytes() const {
    onnx::WireWriter opset, model;
    opset.integer(2, opset_);
    model.integer(1, 8);
    model.message(7, graph_);
    model.message(8, opset);
    return model.take();
  }

 private:
  static onnx::WireWriter tensor(const std::string& name, const Ints& dims, std::int64_t type,
                                 const std::string& bytes) {
    onnx::WireWriter t;
    for (const std::int64_t d : dims) t.integer(1, d);
    t.integer(2, type);
    t.bytes(8, name);
    if (!bytes.empty()) t.bytes(9, bytes);
    return t;
  }
  static onnx::WireWriter value_info(const std::string& name, const Ints& dims, std::int64_t type) {
    onnx::WireWriter shape, tensor_type, value_type, info;
    for (const std::int64_t d : dims) {
      onnx::WireWriter extent;
      if (d >= 0) extent.integer(1, d);
      if (d < 0) extent.bytes(2, "n");
      shape.message(1, extent);
    }
    tensor_type.integer(1, type);
    tensor_type.message(2, shape);
    value_type.message(1, tensor_type);
    info.bytes(1, name);
    info.message(2, value_type);
    return info;
  }

  std::int64_t opset_;
  onnx::WireWriter graph_;
};

}  // namespace graft::testing
