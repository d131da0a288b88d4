// SPDX-License-Identifier: Apache-2.0
// Files that somebody made to hurt: more than two hundred, each refused as a wrong model (exit code
// 5) within 100 ms of processor time.
#include <cmath>
#include <ctime>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/model/import.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/onnx/onnx_file.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::FileBuilder;
using Ints = FileBuilder::Ints;

struct Hostile {
  std::string id, bytes;
};

#ifdef __SANITIZE_ADDRESS__
constexpr double kMostSeconds = 2;
#else
constexpr double kMostSeconds = 0.1;
#endif

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Every one of `files` is refused by `read` within the time. Returns how many there were.
template <class F>
std::size_t expect_refused(const std::vector<Hostile>& files, const std::string& extension,
                           F&& read) {
  const testing::TempFolder folder;
  const auto path = folder / ("evil" + extension);
  for (const Hostile& h : files) {
    atomic_write(path, h.bytes);
    const double begin = cpu_seconds();
    EXPECT_TRUE(testing::fails_with(Errc::kModel, {path.string()}, [&] { read(path); })) << h.id;
    EXPECT_LT(cpu_seconds() - begin, kMostSeconds) << h.id;
  }
  return files.size();
}

/// A sound classifier with one convolution of these attributes and filter.
std::string with_conv(const std::vector<FileBuilder::Attribute>& attributes, const Ints& filter,
                      std::int64_t opset = 17) {
  FileBuilder f(opset);
  f.input("x", {1, 3, 8, 8});
  f.weight("w", filter);
  f.node("Conv", {"x", "w"}, {"c"}, "conv", attributes);
  f.node("GlobalAveragePool", {"c"}, {"y"}, "pool");
  f.output("y");
  return f.bytes();
}

std::string sound() { return with_conv({}, {4, 3, 3, 3}); }

/// A file that `build` fills, with a sound input, pool and output where it names none.
std::string built(const std::function<void(FileBuilder&)>& build) {
  FileBuilder f;
  f.input("x", {1, 3, 8, 8});
  build(f);
  f.output("y");
  return f.bytes();
}

std::string nested(int depth) {
  std::string inner;
  for (int i = 0; i < depth; ++i) {
    // AttributeProto.g holding a graph with one node holding an attribute ...
    onnx::WireWriter attribute, node, graph;
    attribute.bytes(6, inner);
    node.message(5, attribute);
    graph.message(1, node);
    inner = graph.take();
    if (inner.size() > 60000) break;
  }
  return built([&](FileBuilder& f) {
    onnx::WireWriter attribute, node;
    attribute.bytes(1, "body");
    attribute.bytes(6, inner);
    node.bytes(1, "x");
    node.bytes(2, "y");
    node.bytes(4, "Loop");
    node.message(5, attribute);
    f.graph().message(1, node);
  });
}

std::vector<Hostile> hostile_weights() {
  const auto weight = [](const Ints& dims, std::int64_t type, const std::string& raw) {
    return built([&](FileBuilder& f) {
      f.raw_weight("w", dims, type, raw);
      f.node("Conv", {"x", "w"}, {"c"}, "conv");
      f.node("GlobalAveragePool", {"c"}, {"y"}, "pool");
    });
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  std::vector<Hostile> all = {
      {"dims_negative", weight({4, 3, -3, 3}, 1, "abcd")},
      {"dims_overflow", weight({kHuge, 4, 4, 4}, 1, "abcd")},
      {"dims_wrap_to_small",
       weight({std::int64_t{1} << 32, std::int64_t{1} << 32, 1, 1}, 1, "abcd")},
      {"dims_without_data", weight({1000, 3, 300, 300}, 1, "abcd")},
      {"dims_zero", weight({0, 3, 3, 3}, 1, "")},
      {"rank_nine", weight({1, 1, 1, 1, 1, 1, 1, 1, 1}, 1, "abcd")},
      {"rank_two", weight({4, 3}, 1, std::string(48, 'x'))},
      {"rank_zero", weight({}, 1, "abcd")},
      {"data_short", weight({4, 3, 3, 3}, 1, std::string(431, 'x'))},
      {"data_long", weight({4, 3, 3, 3}, 1, std::string(433, 'x'))},
      {"type_string", weight({4, 3, 3, 3}, 8, std::string(432, 'x'))},
      {"type_unknown", weight({4, 3, 3, 3}, 99, std::string(432, 'x'))},
      {"type_int64", weight({4, 3, 3, 3}, 7, std::string(864, 'x'))},
      {"not_finite", weight({4, 3, 3, 3}, 1, std::string(432, '\xff'))},
  };
  for (const char* location : {"../../../../etc/passwd", "/etc/passwd", "weights.bin", "..",
                               "C:\\weights", "a/../../b", ".", "file:///etc/passwd"}) {
    all.push_back({std::string("external ") + location, built([&](FileBuilder& f) {
                     f.external_weight("w", location);
                     f.node("GlobalAveragePool", {"x"}, {"y"}, "pool");
                   })});
  }
  all.push_back({"shared_by_many", built([](FileBuilder& f) {
                   f.weight("w", {3, 3, 1, 1});
                   std::string from = "x";
                   for (int i = 0; i < 3000; ++i) {
                     const std::string to = "c" + std::to_string(i);
                     f.node("Conv", {from, "w"}, {to}, "");
                     from = to;
                   }
                   f.node("GlobalAveragePool", {from, std::string(1, 'q')}, {"y"}, "pool");
                   f.node("Exp", {"y"}, {"z"}, "last");
                 })});
  all.push_back({"initializer_twice", built([](FileBuilder& f) {
                   f.weight("w", {1});
                   f.weight("w", {1});
                 })});
  return all;
}

std::vector<Hostile> hostile_attributes() {
  using A = FileBuilder::Attribute;
  const Ints filter = {4, 3, 3, 3};
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  const std::vector<std::pair<const char*, std::vector<A>>> convs = {
      {"stride_zero", {A{"strides", 0, {0, 0}}}},
      {"stride_negative", {A{"strides", 0, {-1, -1}}}},
      {"stride_large", {A{"strides", 0, {kLarge, kLarge}}}},
      {"stride_uneven", {A{"strides", 0, {1, 2}}}},
      {"stride_three", {A{"strides", 0, {1, 1, 1}}}},
      {"dilation_zero", {A{"dilations", 0, {0, 0}}}},
      {"dilation_large", {A{"dilations", 0, {4000, 4000}}}},
      {"pads_negative", {A{"pads", 0, {-1, -1, -1, -1}}}},
      {"pads_large", {A{"pads", 0, {kLarge, 0, 0, 0}}}},
      {"pads_three", {A{"pads", 0, {1, 1, 1}}}},
      {"group_zero", {A{"group", 0}}},
      {"group_negative", {A{"group", -3}}},
      {"group_large", {A{"group", kLarge}}},
      {"group_three", {A{"group", 3}}},
      {"auto_pad_unknown", {A{"auto_pad", 0, {}, "SIDEWAYS"}}}};
  std::vector<Hostile> all;
  for (const auto& [id, attributes] : convs) all.push_back({id, with_conv(attributes, filter)});
  all.push_back({"filter_too_large", with_conv({}, {1, 3, 9, 9})});
  all.push_back({"filter_other_channels", with_conv({}, {4, 5, 3, 3})});
  for (const std::int64_t opset : {-1, 0, 1, 8, 22, 1000}) {
    all.push_back({"opset " + std::to_string(opset), with_conv({}, filter, opset)});
  }
  const auto pool = [](const std::vector<A>& attributes) {
    return built([&](FileBuilder& f) {
      f.node("MaxPool", {"x"}, {"p"}, "max", attributes);
      f.node("GlobalAveragePool", {"p"}, {"y"}, "pool");
    });
  };
  all.push_back({"pool_without_window", pool({})});
  all.push_back({"pool_window_zero", pool({A{"kernel_shape", 0, {0, 0}}})});
  all.push_back({"pool_window_16", pool({A{"kernel_shape", 0, {16, 16}}})});
  all.push_back({"pool_too_large", pool({A{"kernel_shape", 0, {9, 9}}})});
  all.push_back(
      {"pool_pads_large", pool({A{"kernel_shape", 0, {2, 2}}, A{"pads", 0, {2, 2, 2, 2}}})});
  all.push_back({"attribute_numbers", pool({A{"kernel_shape", 0, Ints(70000, 2)}})});
  all.push_back({"nested_graphs", nested(10000)});
  return all;
}

std::vector<Hostile> hostile_graphs() {
  const auto reshape = [](const Ints& to) {
    return built([&](FileBuilder& f) {
      f.integers("s", to);
      f.node("Reshape", {"x", "s"}, {"y"}, "reshape");
    });
  };
  std::vector<Hostile> all = {
      {"no_input", FileBuilder().bytes()},
      {"no_output",
       [] {
         FileBuilder f;
         f.input("x", {1, 3, 8, 8});
         return f.bytes();
       }()},
      {"output_is_missing", built([](FileBuilder&) {})},
      {"input_reads_itself", built([](FileBuilder& f) { f.node("Relu", {"y"}, {"y"}, "loop"); })},
      {"cycle", built([](FileBuilder& f) {
         f.node("Relu", {"b"}, {"a"}, "one");
         f.node("Relu", {"a"}, {"b"}, "two");
       })},
      {"made_twice", built([](FileBuilder& f) {
         f.node("Relu", {"x"}, {"y"}, "one");
         f.node("Relu", {"x"}, {"y"}, "two");
       })},
      {"makes_its_input", built([](FileBuilder& f) { f.node("Relu", {"x"}, {"x"}, "one"); })},
      {"node_without_output", built([](FileBuilder& f) { f.node("Relu", {"x"}, {}, "one"); })},
      {"node_without_input", built([](FileBuilder& f) { f.node("Relu", {}, {"y"}, "one"); })},
      {"code", built([](FileBuilder& f) { f.node("PyOp", {"x"}, {"y"}, "exec"); })},
      {"reshape_to_zero", reshape({0})},
      {"reshape_to_many", reshape(Ints(100, 1))},
      {"reshape_overflow", reshape({1, std::int64_t{1} << 62})},
      {"two_inputs", built([](FileBuilder& f) {
         f.input("z", {1, 3, 8, 8});
       })},
      {"long_name",
       built([](FileBuilder& f) { f.node("Relu", {"x"}, {"y"}, std::string(2000, 'n')); })},
      {"many_nodes", built([](FileBuilder& f) {
         for (int i = 0; i < 65537; ++i) f.node("", {}, {}, "");
       })},
      {"many_initializers", built([](FileBuilder& f) {
         onnx::WireWriter empty;
         for (int i = 0; i < 65537; ++i) f.graph().message(5, empty);
       })},
      {"many_inputs", built([](FileBuilder& f) {
         f.node("Concat", std::vector<std::string>(5000, "x"), {"y"}, "concat");
       })},
      {"many_attributes", built([](FileBuilder& f) {
         f.node("Relu", {"x"}, {"y"}, "", std::vector<FileBuilder::Attribute>(100, {"a", 1}));
       })},
      {"growing_without_end", built([](FileBuilder& f) {
         std::string from = "x";
         for (int i = 0; i < 40; ++i) {
           const std::string to = i == 39 ? "y" : "c" + std::to_string(i);
           f.node("Concat", {from, from}, {to}, "", {{"axis", 1}});
           from = to;
         }
       })},
      {"shapes_without_end", built([](FileBuilder& f) {
         f.node("Shape", {"x"}, {"s0"}, "");
         for (int i = 0; i < 30; ++i) {
           const std::string a = "s" + std::to_string(i), b = "s" + std::to_string(i + 1);
           f.node("Concat", {a, a}, {b}, "", {{"axis", 0}});
         }
         f.node("Reshape", {"x", "s30"}, {"y"}, "");
       })},
      {"sparse", built([](FileBuilder& f) { f.graph().bytes(15, ""); })},
  };
  for (const Ints& dims :
       {Ints{}, Ints{1, 3}, Ints{1, 4, 8, 8}, Ints{1, 3, 0, 8}, Ints{1, 3, 5000, 8},
        Ints{1, 3, -1, -1}, Ints(9, 1), Ints{1, 3, std::int64_t{1} << 62, 1}}) {
    FileBuilder f;
    f.input("x", dims);
    f.node("GlobalAveragePool", {"x"}, {"y"}, "pool");
    f.output("y");
    all.push_back({"input of rank " + std::to_string(dims.size()), f.bytes()});
  }
  return all;
}

/// What stands beside one 8-bit tensor, sound unless said.
struct Steps {
  Ints scale_dims = {};
  std::vector<float> scales = {0.5F};
  std::int64_t zero_type = kU8;
  std::string zeros = std::string(1, '\0');
  Ints zero_dims = {};
  std::vector<FileBuilder::Attribute> attributes = {};
  enum : std::int64_t { kFloat = 1, kU8 = 2, kI8 = 3, kI32 = 6, kI64 = 7 };
};

void add_steps(FileBuilder& f, const Steps& s) {
  f.raw_weight(
      "s", s.scale_dims, Steps::kFloat,
      std::string(reinterpret_cast<const char*>(s.scales.data()), s.scales.size() * sizeof(float)));
  f.raw_weight("z", s.zero_dims, s.zero_type, s.zeros);
}

/// The image through QuantizeLinear and DequantizeLinear.
std::string with_steps_of_image(const Steps& s) {
  return built([&](FileBuilder& f) {
    add_steps(f, s);
    f.node("QuantizeLinear", {"x", "s", "z"}, {"q"}, "quantise", s.attributes);
    f.node("DequantizeLinear", {"q", "s", "z"}, {"d"}, "dequantise", s.attributes);
    f.node("GlobalAveragePool", {"d"}, {"y"}, "pool");
  });
}

/// A convolution whose 8-bit filters (4,3,1,1) go through DequantizeLinear.
std::string with_steps_of_filters(const Steps& s) {
  return built([&](FileBuilder& f) {
    add_steps(f, s);
    f.raw_weight("w", {4, 3, 1, 1}, s.zero_type, std::string(12, '\1'));
    f.node("DequantizeLinear", {"w", "s", "z"}, {"d"}, "dequantise", s.attributes);
    f.node("Conv", {"x", "d"}, {"c"}, "conv");
    f.node("GlobalAveragePool", {"c"}, {"y"}, "pool");
  });
}

Steps steps_of_filters() {
  return {.scale_dims = {4},
          .scales = {1, 2, 3, 4},
          .zero_type = Steps::kI8,
          .zeros = std::string(4, '\0'),
          .zero_dims = {4},
          .attributes = {{"axis", 0}}};
}

/// Crafted scales, zero points and axes of QuantizeLinear and DequantizeLinear.
std::vector<Hostile> hostile_steps() {
  std::vector<Hostile> all;
  const auto add = [&](const std::string& id, const Steps& image, const Steps& filters) {
    all.push_back({"image: " + id, with_steps_of_image(image)});
    all.push_back({"filters: " + id, with_steps_of_filters(filters)});
  };
  const auto changed = [&](const std::string& id, auto&& change) {
    Steps image, filters = steps_of_filters();
    change(image);
    change(filters);
    add(id, image, filters);
  };
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), 0.0F, -0.0F, -0.5F, kInf, -kInf}) {
    changed("scale " + std::to_string(bad), [&](Steps& s) { s.scales.back() = bad; });
  }
  changed("no scale", [](Steps& s) { s.scale_dims = {0}, s.scales = {}; });
  changed("scales short of their dims", [](Steps& s) { s.scale_dims = {5}; });
  changed("two scales", [](Steps& s) { s.scale_dims = {2}, s.scales = {1, 1}; });
  changed("many scales", [](Steps& s) { s.scale_dims = {5000}, s.scales.assign(5000, 1.0F); });
  changed("no zero point", [](Steps& s) { s.zero_dims = {0}, s.zeros = ""; });
  changed("two zero points", [](Steps& s) { s.zero_dims = {2}, s.zeros = std::string(2, '\0'); });
  changed("zero points short of their dims", [](Steps& s) { s.zero_dims = {100}; });
  changed("f32 zero point", [](Steps& s) {
    s.zero_type = Steps::kFloat;
    s.zeros = std::string(s.zeros.size() * sizeof(float), '\0');
  });
  changed("axis beyond", [](Steps& s) {
    s.scale_dims = {4}, s.scales.assign(4, 1), s.zero_dims = {4}, s.zeros.assign(4, '\0');
    s.attributes = {{"axis", 4}};
  });
  changed("axis far below", [](Steps& s) {
    s.scale_dims = {4}, s.scales.assign(4, 1), s.zero_dims = {4}, s.zeros.assign(4, '\0');
    s.attributes = {{"axis", std::numeric_limits<std::int64_t>::min()}};
  });
  changed("blocks", [](Steps& s) { s.attributes.push_back({"block_size", 2}); });
  return all;
}

/// Damage to the wire format itself.
std::vector<Hostile> hostile_bytes() {
  const std::string whole = sound();
  std::vector<Hostile> all;
  for (std::size_t length = 0; length < whole.size(); length += whole.size() / 40) {
    all.push_back({"cut at " + std::to_string(length), whole.substr(0, length)});
  }
  const std::vector<std::pair<const char*, std::string>> raw = {
      {"wire_type_3", "\x0b"},
      {"wire_type_4", "\x0c"},
      {"wire_type_6", "\x0e"},
      {"wire_type_7", "\x0f"},
      {"field_zero", std::string("\0\1", 2)},
      {"varint_endless", std::string(30, '\xff')},
      {"length_beyond_end", "\x3a\x7f"},
      {"length_max", "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
      {"field_beyond_limit", "\xf8\xff\xff\xff\xff\x7f\x01"},
      {"graph_is_a_number", "\x38\x01"},
      {"two_graphs", "\x3a\x00\x3a\x00"},
      {"pickle", "\x80\x04\x95"},
      {"zip", "PK\x03\x04"},
      {"text", "not a model"}};
  for (const auto& [id, bytes] : raw) all.push_back({id, bytes + whole.substr(0, 0)});
  for (std::size_t i = 0; i < 6; ++i) all.push_back({"prefix", raw[i].second + whole});
  return all;
}

TEST(HostileFiles, OnnxIsRefusedWhateverItClaims) {
  Context ctx(Backend::kCpu);
  const auto read = [&](const std::filesystem::path& path) { (void)import_onnx(ctx, path, {}); };
  std::size_t count = 0;
  for (const auto& files : {hostile_weights(), hostile_attributes(), hostile_graphs(),
                            hostile_steps(), hostile_bytes()}) {
    count += expect_refused(files, ".onnx", read);
  }
  EXPECT_GE(count, 170u);
}

TEST(HostileFiles, TheSoundFileBehindThemIsRead) {
  const testing::TempFolder folder;
  Context ctx(Backend::kCpu);
  atomic_write(folder / "x.onnx", sound());
  Model model = import_onnx(ctx, folder / "x.onnx", {});
  EXPECT_EQ(model.classify(testing::test_image(), 4).size(), 4u);
  atomic_write(folder / "q.onnx", with_steps_of_filters(steps_of_filters()));
  EXPECT_EQ(import_onnx(ctx, folder / "q.onnx", {}).classes(), 4);
  atomic_write(folder / "q.onnx", with_steps_of_image({}));
  EXPECT_EQ(import_onnx(ctx, folder / "q.onnx", {}).classes(), 3);
}

/// Whatever one byte is changed to, the file is read or refused; nothing else happens.
TEST(HostileFiles, EveryByteOfAnOnnxFileMayBeWrong) {
  const testing::TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto damage = [&](const std::string& whole) {
    for (std::size_t at = 0; at<whole.size(); at += whole.size()> 300 && at > 250 ? 17 : 1) {
      for (const int flip : {1, 0x10, 0x80}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        atomic_write(folder / "x.onnx", damaged);
        try {
          (void)import_onnx(ctx, folder / "x.onnx", {});
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), Errc::kModel) << "byte " << at << ": " << e.what();
        }
      }
    }
  };
  damage(sound());
  damage(with_steps_of_filters(steps_of_filters()));
  damage(with_steps_of_image({}));
}

TEST(HostileFiles, SafetensorsAndModelFilesAreRefused) {
  const testing::TempFolder folder;
  Context ctx(Backend::kCpu);
  testing::small_model(ctx, true).save(folder / "m.graft");
  const std::string whole = read_file(folder / "m.graft");
  constexpr std::size_t kHeader = 2000, kEach = 40;
  std::vector<Hostile> sizes, flips;
  for (std::size_t i = 0; i < kEach; ++i) {
    sizes.push_back({"cut", whole.substr(0, i * kHeader / kEach)});
    sizes.push_back({"longer", whole + std::string(i + 1, 'x')});
    std::string damaged = whole;
    damaged[i * 50] = static_cast<char>(damaged[i * 50] ^ 0x20);
    flips.push_back({"flip at " + std::to_string(i * 50), damaged});
  }
  const auto load = [&](const std::filesystem::path& p) { (void)Model::load(ctx, p); };
  const auto import = [&](const std::filesystem::path& p) {
    (void)import_weights(ctx, "small_cnn", p, {});
  };
  EXPECT_EQ(expect_refused(sizes, ".graft", load), 2 * kEach);
  EXPECT_EQ(expect_refused(flips, ".graft", load), kEach);
  EXPECT_EQ(expect_refused(sizes, ".safetensors", import), 2 * kEach);
}

}  // namespace
}  // namespace graft
