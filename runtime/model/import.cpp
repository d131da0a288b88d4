// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/import.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/io/archive.h"
#include "graph/ir/prune.h"
#include "models/onnx/import.h"
#include "models/spec/weight_names.h"
#include "runtime/model/folding.h"
#include "runtime/model/import_int8.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/run_dir.h"

namespace graft {
namespace {

constexpr std::int64_t kImageNetClasses = 1000;

constexpr std::size_t kMaxListed = 12;

/// A published tensor under graft's name.
struct Published {
  const ArchiveInfo* info;
  WeightAxes axes;
};
using PublishedWeights = std::map<std::string, Published>;

PublishedWeights by_native_name(const ModelSpec& spec, const ArchiveReader& archive,
                                const std::string& source) {
  PublishedWeights weights;
  for (const ArchiveInfo& info : archive.tensors()) {
    const auto [name, axes] = native_name(spec, info.name, static_cast<int>(info.dims.size()));
    if (name.empty()) continue;
    const auto [at, fresh] = weights.emplace(name, Published{&info, axes});
    if (!fresh) {
      fail(Errc::kModel, source, ": ", info.name, " and ", at->second.info->name,
           " both stand for ", name);
    }
  }
  return weights;
}

std::vector<std::int64_t> dims_of(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

/// Classes of the classifier in `weights`, if it is there.
std::optional<std::int64_t> classes_of(const Graph& graph, const PublishedWeights& weights) {
  const auto specs = graph.param_specs();
  const auto classifier = std::find_if(specs.rbegin(), specs.rend(),
                                       [](const auto& s) { return s.first.ends_with(".weight"); });
  const auto found = weights.find(classifier->first);
  if (found == weights.end()) return std::nullopt;
  const AxisMap map = axis_map(found->second.axes, found->second.info->dims);
  return map.dims.empty() ? std::nullopt : std::optional(map.dims[0]);
}

std::string listed(const std::vector<std::string>& lines) {
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), kMaxListed); ++i) text += "\n  " + lines[i];
  if (lines.size() > kMaxListed) text += fmt::format("\n  and {} more", lines.size() - kMaxListed);
  return text;
}

/// How weights and a network differ.
struct Difference {
  std::vector<std::string> missing, unfit;
};

Difference compare(const Graph& graph, const PublishedWeights& weights) {
  Difference d;
  std::map<std::string, bool> used;
  for (const auto& [name, spec] : graph.param_specs()) {
    const auto found = weights.find(name);
    used[name] = true;
    if (found == weights.end()) {
      d.missing.push_back(name);
      continue;
    }
    const AxisMap map = axis_map(found->second.axes, found->second.info->dims);
    if (map.dims != dims_of(archive_shape(spec))) {
      d.unfit.push_back(fmt::format("{} is ({}), the network has {} ({})", found->second.info->name,
                                    fmt::join(found->second.info->dims, ", "), name,
                                    fmt::join(dims_of(archive_shape(spec)), ", ")));
    }
  }
  for (const auto& [name, published] : weights) {
    if (!used.contains(name)) d.unfit.push_back("the network has no " + published.info->name);
  }
  return d;
}

/// The last node that needs none of the missing weights.
ValueId last_complete(const Graph& graph, const std::vector<std::string>& missing) {
  std::vector<bool> complete;
  ValueId last = kNoValue;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& n = graph.nodes()[i];
    bool here = true;
    for (const ValueId in : n.inputs) here = here && complete[static_cast<std::size_t>(in)];
    for (const ParamSpec& spec : n.layer ? n.layer->params() : std::vector<ParamSpec>{}) {
      here = here &&
             std::find(missing.begin(), missing.end(), n.name + "." + spec.name) == missing.end();
    }
    complete.push_back(here);
    if (here && n.kind == NodeKind::kLayer) last = static_cast<ValueId>(i);
  }
  return last;
}

/// `graph` as far as `weights` reach, or a refusal that lists what is wrong.
Graph fitted(const Graph& graph, const PublishedWeights& weights, bool trunk,
             const std::string& source) {
  const Difference d = compare(graph, weights);
  const bool has_trunk = !d.missing.empty() && d.unfit.empty();
  if (d.missing.empty() && d.unfit.empty()) return graph;
  const ValueId last = has_trunk ? last_complete(graph, d.missing) : kNoValue;
  if (last != kNoValue && trunk) return prune(graph, last, kFeatures);
  std::string hint;
  if (last != kNoValue) {
    hint = fmt::format(
        "\nThe weights are complete up to {}; --trunk makes a feature extractor of them",
        graph.node(last).name);
  }
  std::vector<std::string> lines = d.unfit;
  for (const std::string& name : d.missing) lines.push_back("missing: " + name);
  fail(Errc::kModel, source, ": ", lines.size(), " weights do not fit the network:", listed(lines),
       hint);
}

std::vector<float> read_f32(const ArchiveReader& archive, const ArchiveInfo& info,
                            const std::string& source) {
  const ArchiveEntry entry = archive.read(info.name);
  std::vector<float> out(entry.bytes.size() / size_of(info.dtype));
  const auto convert = [&]<class T>(std::type_identity<T>, auto&& value) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      T raw;
      std::memcpy(&raw, entry.bytes.data() + i * sizeof(T), sizeof(T));
      out[i] = value(raw);
    }
  };
  switch (info.dtype) {
    case DType::kF32:
      convert(std::type_identity<float>{}, [](float v) { return v; });
      return out;
    case DType::kF64:
      convert(std::type_identity<double>{}, [](double v) { return static_cast<float>(v); });
      return out;
    case DType::kBF16:
      convert(std::type_identity<std::uint16_t>{},
              [](std::uint16_t v) { return std::bit_cast<float>(std::uint32_t{v} << 16); });
      return out;
    default:
      fail(Errc::kModel, source, ": ", info.name, " is ", name(info.dtype),
           "; weights are read as f32, f64 or bf16");
  }
}

void store(Context& ctx, const ParamStore::Entry& e, const std::vector<float>& elements,
           const std::string& source) {
  GRAFT_CHECK_EQ(static_cast<std::int64_t>(elements.size()), e.value.numel(), "import: ", e.name);
  const auto bad =
      std::find_if_not(elements.begin(), elements.end(), [](float v) { return std::isfinite(v); });
  if (bad != elements.end()) fail(Errc::kModel, source, ": ", e.name, " holds ", *bad);
  Tensor value = e.value;
  from_archive_order(ctx, e.spec, elements.data(), value);
}

void fill(Context& ctx, ParamStore& params, const PublishedWeights& weights,
          const ArchiveReader& archive, const std::string& source) {
  for (const auto& e : params.entries()) {
    const Published& p = weights.at(e.name);
    std::vector<float> elements = read_f32(archive, *p.info, source);
    const AxisMap map = axis_map(p.axes, p.info->dims);
    std::vector<float> moved(map.from.size());
    for (std::size_t i = 0; i < moved.size(); ++i) {
      moved[i] = elements[static_cast<std::size_t>(map.from[i])];
    }
    if (!map.from.empty()) elements = std::move(moved);
    store(ctx, e, elements, source);
  }
  params.bump_version();
}

int default_size(const ModelSpec& spec) {
  constexpr int kImageNet = 224, kInception = 299, kCifar = 32;
  if (spec.name == "inception_v3") return kInception;
  const bool cifar = spec.name == "small_cnn" || spec.name.starts_with("wrn-") ||
                     spec.name.starts_with("densenet-bc-") || spec.text("stem", "") == "cifar" ||
                     (spec.name.starts_with("resnet") && spec.numbers[0] % 6 == 2 &&
                      spec.numbers[0] != 50 && spec.numbers[0] != 152);
  return cifar ? kCifar : kImageNet;
}

/// What the published weights were trained with.
const char* usual_preprocess(const ModelSpec& spec) {
  return spec.name == "mobilenet_v1" ? "keras" : "torchvision";
}

std::vector<std::string> numbered(std::int64_t classes) {
  std::vector<std::string> labels;
  for (std::int64_t i = 0; i < classes; ++i) labels.push_back(std::to_string(i));
  return labels;
}

}  // namespace

Model import_weights(Context& ctx, const std::string& architecture,
                     const std::filesystem::path& weights_path, const ImportOptions& options) {
  const ModelSpec spec = parse_model_spec(architecture);
  const std::string source = weights_path.string();
  const int size = options.size > 0 ? options.size : default_size(spec);
  ModelContext context{.classes = kImageNetClasses, .height = size, .width = size};
  const ArchiveReader archive(weights_path);
  const PublishedWeights weights = by_native_name(spec, archive, source);
  const auto labelled = static_cast<std::int64_t>(options.labels.size());
  const auto found = classes_of(build_model(spec, context), weights);
  if (found && labelled > 0 && *found != labelled) {
    fail(Errc::kModel, source, ": has ", *found, " classes, there are ", labelled, " labels");
  }
  if (found || labelled > 0) context.classes = found ? *found : labelled;
  const Graph whole = build_model(spec, context);
  ModelHeader header{
      .architecture = print(spec),
      .norm = context.norm,
      .graph = fitted(prune(whole, whole.output(kLogits), kLogits), weights, options.trunk, source),
      .preprocess = {},
      .labels = {},
      .origin = weights_path.filename().string()};
  header.preprocess = data::parse_preprocess(
      options.preprocess.empty() ? usual_preprocess(spec) : options.preprocess, size, size);
  if (header.classifies()) {
    header.labels = labelled > 0 ? options.labels : numbered(context.classes);
  }
  Model model(ctx, std::move(header));
  fill(ctx, model.params(), weights, archive, source);
  check_folding(model);
  return model;
}

Model random_model(Context& ctx, const std::string& architecture, std::uint64_t seed) {
  const ModelSpec spec = parse_model_spec(architecture);
  const int size = default_size(spec);
  const Graph whole =
      build_model(spec, {.classes = kImageNetClasses, .height = size, .width = size});
  Model model(ctx, {.architecture = print(spec),
                    .graph = prune(whole, whole.output(kLogits), kLogits),
                    .preprocess = data::parse_preprocess(usual_preprocess(spec), size, size),
                    .labels = numbered(kImageNetClasses),
                    .origin = detail::cat("random weights, seed ", seed)});
  model.params().initialise(ctx, seed);
  return model;
}

Model import_onnx(Context& ctx, const std::filesystem::path& path, const ImportOptions& options) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{2} << 30;  // protobuf's own limit
  const std::string source = path.string();
  const std::string bytes = read_file(path, kMaxBytes);
  onnx::Imported imported = onnx::import_model(bytes, source, {.size = options.size});
  ModelHeader header;
  header.graph = std::move(imported.graph);
  header.origin =
      fmt::format("{} ({}, opset {})", path.filename().string(), imported.producer, imported.opset);
  const Shape& image = header.graph.node(header.graph.find(kImageInput)).shape;
  header.preprocess =
      data::parse_preprocess(options.preprocess.empty() ? "torchvision" : options.preprocess,
                             static_cast<int>(image[1]), static_cast<int>(image[2]));
  if (header.classifies()) {
    const std::int64_t classes = header.graph.node(header.output()).shape[1];
    header.labels = options.labels.empty() ? numbered(classes) : options.labels;
    if (static_cast<std::int64_t>(header.labels.size()) != classes) {
      fail(Errc::kModel, source, ": has ", classes, " classes, there are ", header.labels.size(),
           " labels");
    }
  }
  Model model(ctx, std::move(header));
  for (const auto& e : model.params().entries()) {
    store(ctx, e, imported.weights.at(e.name), source);
  }
  model.params().bump_version();
  check_folding(model);
  if (imported.quantised == 0) return model;
  if (auto int8 = int8_of_steps(ctx, model, {imported.steps, imported.layers_in_steps})) {
    log::info("{}: 8-bit as in the file, with {} layers in f32", source,
              int8->header().quantization->floating.size());
    return std::move(*int8);
  }
  log::info(
      "{}: {} values are 8-bit in the file, but not as graft has them; the model has the same "
      "weights and f32 activations, `graft quantize` makes it int8",
      source, imported.quantised);
  return model;
}

Model import_run(Context& ctx, const std::filesystem::path& run_dir) {
  const Json description = train::RunDir::read_description(run_dir);
  const Json& options = description.at("options");
  if (!description.contains("preprocess")) {
    fail(Errc::kConfig, run_dir.string(),
         ": run.json names no preprocessing, the run is of an older graft; train it again");
  }
  ModelHeader header;
  header.architecture = print(parse_model_spec(options.at("model").get<std::string>()));
  header.norm = parse_norm(options.at("norm").get<std::string>());
  header.preprocess = data::preprocess_from_json(description.at("preprocess"), run_dir.string());
  header.labels = description.at("data").at("classes").get<std::vector<std::string>>();
  header.origin = "graft run " + run_dir.filename().string();
  const Graph whole = build_model(parse_model_spec(header.architecture),
                                  {.classes = static_cast<std::int64_t>(header.labels.size()),
                                   .height = header.preprocess.height,
                                   .width = header.preprocess.width,
                                   .norm = header.norm});
  header.graph = prune(whole, whole.output(kLogits), kLogits);
  train::Network network(ctx, whole, {.max_batch = 1, .optimizer = {}, .seed = 0});
  train::CheckpointManager(run_dir / "ckpt").load_weights(network);
  Model model(ctx, std::move(header));
  for (const auto& e : model.params().entries()) {
    const ParamStore& trained = network.params();
    Tensor value = e.value;
    copy_from_host(ctx, trained.entry(trained.find(e.name)).value.data(), value);
  }
  model.params().bump_version();
  check_folding(model);
  return model;
}

std::vector<std::string> read_label_file(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 20;
  const std::string text = read_file(path, kMaxBytes);
  std::vector<std::string> labels;
  if (path.extension() != ".json") {
    for (std::string& line : split(text, '\n')) {
      if (line.ends_with('\r')) line.pop_back();
      labels.push_back(std::move(line));
    }
    if (labels.back().empty()) labels.pop_back();
    return labels;
  }
  const Json json = parse_json(text, path.string(), Errc::kData);
  for (const Json& item : json.is_array() ? json : Json::array()) {
    const Json& name = item.is_array() && item.size() == 2 ? item[1] : item;
    if (!name.is_string()) {
      fail(Errc::kData, path.string(), ": label ", labels.size(), " is ", name.dump(),
           "; expected a list of names or of [id, name] pairs");
    }
    labels.push_back(name.get<std::string>());
  }
  if (labels.empty()) fail(Errc::kData, path.string(), ": no list of labels");
  return labels;
}

}  // namespace graft
