// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/proto.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/core/error.h"
#include "models/onnx/wire.h"

namespace graft::onnx {
namespace {

std::string text(WireReader& r) {
  const std::string_view bytes = r.bytes();
  if (bytes.size() > Limits::kMaxNameBytes) {
    fail(Errc::kModel, "a name of ", bytes.size(), " bytes, at most ", Limits::kMaxNameBytes);
  }
  return std::string(bytes);
}

template <class T>
T& append(std::vector<T>& to, T value, std::size_t most, const char* what) {
  if (to.size() == most) fail(Errc::kModel, "more than ", most, " ", what);
  return to.emplace_back(std::move(value));
}

std::string external_location(std::string_view entry) {
  WireReader r(entry);
  std::string key, value;
  while (r.next()) {
    if (r.field() == 1) {
      key = text(r);
    } else if (r.field() == 2) {
      value = text(r);
    } else {
      r.skip();
    }
  }
  return key == "location" ? value : "";
}

TensorProto parse_tensor(std::string_view message) {
  constexpr auto kMost = static_cast<std::size_t>(Limits::kMaxElements);
  TensorProto t;
  bool outside = false;
  WireReader r(message);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        r.append_integers(t.dims, Limits::kMaxRank);
        break;
      case 2:
        t.type = static_cast<ElementType>(r.integer());
        break;
      case 4:
        r.append_reals(t.floats, kMost);
        break;
      case 5:
      case 7:
        r.append_integers(t.integers, kMost);
        break;
      case 8:
        t.name = text(r);
        break;
      case 9:
        t.raw = r.bytes();
        break;
      case 10:
        r.append_doubles(t.doubles, kMost);
        break;
      case 13: {
        const std::string location = external_location(r.bytes());
        if (!location.empty()) t.external = location;
        outside = true;
        break;
      }
      case 14:
        outside = r.integer() == 1 || outside;
        break;
      default:
        r.skip();
    }
  }
  if (outside && t.external.empty()) t.external = "?";
  (void)t.numel();
  return t;
}

AttributeProto parse_attribute(std::string_view message) {
  AttributeProto a;
  WireReader r(message);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        a.name = text(r);
        break;
      case 2:
        a.f = r.real();
        break;
      case 3:
        a.i = r.integer();
        break;
      case 4:
        a.s = std::string(r.bytes());
        break;
      case 5:
        append(a.tensors, parse_tensor(r.bytes()), 1, "tensors in an attribute");
        break;
      case 7:
        r.append_reals(a.floats, Limits::kMaxAttributeNumbers);
        break;
      case 8:
        r.append_integers(a.ints, Limits::kMaxAttributeNumbers);
        break;
      case 6:
      case 11:
        a.has_graph = true;
        r.skip();
        break;
      default:
        r.skip();
    }
  }
  return a;
}

NodeProto parse_node(std::string_view message) {
  NodeProto n;
  WireReader r(message);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        append(n.inputs, text(r), Limits::kMaxNodeValues, "inputs of a node");
        break;
      case 2:
        append(n.outputs, text(r), Limits::kMaxNodeValues, "outputs of a node");
        break;
      case 3:
        n.name = text(r);
        break;
      case 4:
        n.op = text(r);
        break;
      case 5:
        append(n.attributes, parse_attribute(r.bytes()), Limits::kMaxAttributes,
               "attributes of a node");
        break;
      case 7:
        n.domain = text(r);
        break;
      default:
        r.skip();
    }
  }
  return n;
}

std::int64_t parse_extent(std::string_view message) {
  std::int64_t extent = ValueInfoProto::kFree;
  WireReader r(message);
  while (r.next()) {
    if (r.field() == 1) {
      extent = r.integer();
    } else {
      r.skip();
    }
  }
  return extent;
}

/// TypeProto.Tensor, from within TypeProto.
void parse_tensor_type(std::string_view message, ValueInfoProto& v) {
  WireReader r(message);
  while (r.next()) {
    if (r.field() == 1) {
      v.type = static_cast<ElementType>(r.integer());
    } else if (r.field() == 2) {
      WireReader shape(r.bytes());
      while (shape.next()) {
        if (shape.field() == 1) {
          append(v.dims, parse_extent(shape.bytes()), Limits::kMaxRank, "dimensions");
        } else {
          shape.skip();
        }
      }
    } else {
      r.skip();
    }
  }
}

ValueInfoProto parse_value_info(std::string_view message) {
  ValueInfoProto v;
  WireReader r(message);
  while (r.next()) {
    if (r.field() == 1) {
      v.name = text(r);
    } else if (r.field() == 2) {
      WireReader type(r.bytes());
      while (type.next()) {
        if (type.field() == 1) {
          parse_tensor_type(type.bytes(), v);
        } else {
          type.skip();
        }
      }
    } else {
      r.skip();
    }
  }
  return v;
}

GraphProto parse_graph(std::string_view message) {
  GraphProto g;
  WireReader r(message);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        append(g.nodes, parse_node(r.bytes()), Limits::kMaxNodes, "nodes");
        break;
      case 5:
        append(g.initializers, parse_tensor(r.bytes()), Limits::kMaxInitializers, "initializers");
        break;
      case 11:
        append(g.inputs, parse_value_info(r.bytes()), Limits::kMaxInitializers, "graph inputs");
        break;
      case 12:
        append(g.outputs, parse_value_info(r.bytes()), Limits::kMaxNodeValues, "graph outputs");
        break;
      case 15:
        fail(Errc::kModel, "sparse initializers are not read");
      default:
        r.skip();
    }
  }
  return g;
}

/// Version of the default domain in an OperatorSetIdProto, or 0.
std::int64_t parse_opset(std::string_view message) {
  std::string domain;
  std::int64_t version = 0;
  WireReader r(message);
  while (r.next()) {
    if (r.field() == 1) {
      domain = text(r);
    } else if (r.field() == 2) {
      version = r.integer();
    } else {
      r.skip();
    }
  }
  return domain.empty() || domain == "ai.onnx" ? version : 0;
}

ModelProto parse(std::string_view bytes) {
  ModelProto m;
  bool has_graph = false;
  WireReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        m.ir_version = r.integer();
        break;
      case 2:
        m.producer = text(r);
        break;
      case 7:
        if (has_graph) fail(Errc::kModel, "two graphs");
        m.graph = parse_graph(r.bytes());
        has_graph = true;
        break;
      case 8:
        if (const auto version = parse_opset(r.bytes()); version != 0) m.opset = version;
        break;
      default:
        r.skip();
    }
  }
  if (!has_graph || m.ir_version <= 0)
    fail(Errc::kModel, "not an ONNX model: no graph or IR version");
  return m;
}

void refuse_external(const TensorProto& t) {
  if (t.external.empty()) return;
  fail(Errc::kModel, "tensor ", t.name, " has its data in another file (", t.external,
       "), which is not opened; save the model in one file");
}

float half_to_float(std::uint16_t bits) {
  constexpr unsigned kExponentAt = 10, kExponentBits = 0x1f, kMantissaBits = 0x3ff;
  constexpr int kBias = 15, kSubnormal = -24;
  const unsigned exponent = bits >> kExponentAt & kExponentBits, mantissa = bits & kMantissaBits;
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), kSubnormal);
  if (exponent == kExponentBits) return mantissa == 0 ? sign * HUGE_VALF : std::nanf("");
  return sign * std::ldexp(1.0F + static_cast<float>(mantissa) / 1024.0F,
                           static_cast<int>(exponent) - kBias);
}

/// `count` elements of type T in the raw bytes, each through `convert`.
template <class T, class Out, class F>
std::vector<Out> from_raw(const TensorProto& t, F&& convert) {
  const auto count = static_cast<std::size_t>(t.numel());
  if (t.raw.size() != count * sizeof(T)) {
    fail(Errc::kModel, "tensor ", t.name, " has ", t.raw.size(), " bytes, its shape takes ",
         count * sizeof(T));
  }
  std::vector<Out> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    T raw;
    std::memcpy(&raw, t.raw.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(raw);
  }
  return out;
}

template <class Out, class In, class F>
std::vector<Out> from_list(const TensorProto& t, const std::vector<In>& list, F&& convert) {
  if (static_cast<std::int64_t>(list.size()) != t.numel()) {
    fail(Errc::kModel, "tensor ", t.name, " has ", list.size(), " elements, its shape ", t.numel());
  }
  std::vector<Out> out;
  out.reserve(list.size());
  for (const In& value : list) out.push_back(convert(value));
  return out;
}

}  // namespace

std::int64_t TensorProto::numel() const {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(n, d, &n) || n > Limits::kMaxElements) {
      fail(Errc::kModel, "tensor ", name, ": its shape is negative or too large");
    }
  }
  return n;
}

bool TensorProto::is_floating() const {
  return type == ElementType::kFloat || type == ElementType::kDouble ||
         type == ElementType::kFloat16 || type == ElementType::kBfloat16;
}

std::vector<float> TensorProto::as_floats() const {
  const auto narrow = [](double v) { return static_cast<float>(v); };
  const auto half = [](auto v) { return half_to_float(static_cast<std::uint16_t>(v)); };
  const auto brain = [](auto v) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(v)) << 16);
  };
  const bool is_raw = !raw.empty();
  switch (type) {
    case ElementType::kFloat:
      if (is_raw) return from_raw<float, float>(*this, [](float v) { return v; });
      return from_list<float>(*this, floats, [](float v) { return v; });
    case ElementType::kDouble:
      return is_raw ? from_raw<double, float>(*this, narrow)
                    : from_list<float>(*this, doubles, narrow);
    case ElementType::kFloat16:
      return is_raw ? from_raw<std::uint16_t, float>(*this, half)
                    : from_list<float>(*this, integers, half);
    case ElementType::kBfloat16:
      return is_raw ? from_raw<std::uint16_t, float>(*this, brain)
                    : from_list<float>(*this, integers, brain);
    default:
      fail(Errc::kModel, "tensor ", name, " has element type ", static_cast<int>(type),
           ", not a floating one");
  }
}

std::vector<std::int64_t> TensorProto::as_integers() const {
  const auto wide = [](auto v) { return static_cast<std::int64_t>(v); };
  if (raw.empty() && type != ElementType::kUndefined && !is_floating()) {
    return from_list<std::int64_t>(*this, integers, wide);
  }
  switch (type) {
    case ElementType::kInt64:
      return from_raw<std::int64_t, std::int64_t>(*this, wide);
    case ElementType::kInt32:
      return from_raw<std::int32_t, std::int64_t>(*this, wide);
    case ElementType::kBool:
    case ElementType::kUint8:
      return from_raw<std::uint8_t, std::int64_t>(*this, wide);
    case ElementType::kInt8:
      return from_raw<std::int8_t, std::int64_t>(*this, wide);
    default:
      fail(Errc::kModel, "tensor ", name, " has element type ", static_cast<int>(type),
           ", not an integer one");
  }
}

const AttributeProto* NodeProto::find(std::string_view attribute) const {
  for (const AttributeProto& a : attributes) {
    if (a.name == attribute) return &a;
  }
  return nullptr;
}

std::int64_t NodeProto::integer(std::string_view attribute, std::int64_t fallback) const {
  const AttributeProto* a = find(attribute);
  return a == nullptr ? fallback : a->i;
}

float NodeProto::real(std::string_view attribute, float fallback) const {
  const AttributeProto* a = find(attribute);
  return a == nullptr ? fallback : a->f;
}

ModelProto parse_model(std::string_view bytes, std::string_view source) {
  try {
    ModelProto model = parse(bytes);
    for (const TensorProto& t : model.graph.initializers) refuse_external(t);
    for (const NodeProto& n : model.graph.nodes) {
      for (const AttributeProto& a : n.attributes) {
        for (const TensorProto& t : a.tensors) refuse_external(t);
      }
    }
    return model;
  } catch (const Error& e) {
    fail(Errc::kModel, source, ": ", e.what());
  }
}

}  // namespace graft::onnx
