// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "models/onnx/wire.h"

namespace graft::onnx::detail {

/// One NodeProto.
class NodeWriter {
 public:
  NodeWriter(std::string_view op, const std::string& name) {
    node_.bytes(3, name);
    node_.bytes(4, op);
  }
  NodeWriter& inputs(std::span<const std::string> names) {
    for (const std::string& n : names) node_.bytes(1, n);
    return *this;
  }
  NodeWriter& output(const std::string& name) {
    node_.bytes(2, name);
    return *this;
  }
  NodeWriter& set(std::string_view name, std::int64_t value) {
    WireWriter a = attribute(name, kInt);
    a.integer(3, value);
    node_.message(5, a);
    return *this;
  }
  NodeWriter& set(std::string_view name, float value) {
    WireWriter a = attribute(name, kFloat);
    a.real(2, value);
    node_.message(5, a);
    return *this;
  }
  NodeWriter& set(std::string_view name, std::initializer_list<std::int64_t> values) {
    WireWriter a = attribute(name, kInts);
    for (const std::int64_t v : values) a.integer(8, v);
    node_.message(5, a);
    return *this;
  }
  [[nodiscard]] const WireWriter& message() const { return node_; }

 private:
  /// AttributeProto.AttributeType.
  enum AttributeType : std::int64_t { kFloat = 1, kInt = 2, kInts = 7 };

  static WireWriter attribute(std::string_view name, AttributeType type) {
    WireWriter a;
    a.bytes(1, name);
    a.integer(20, type);
    return a;
  }

  WireWriter node_;
};

}  // namespace graft::onnx::detail
