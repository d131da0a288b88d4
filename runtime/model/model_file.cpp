// SPDX-License-Identifier: Apache-2.0
// MODEL.graft: a safetensors archive. Metadata: graft_model (the format's number), architecture or
// graph, norm, output and output_node, preprocess, labels (JSON), origin, folds, int8 (JSON, from
// format 3: the weights are those of the 8-bit form), bf16 ("yes", from format 4: those of the bf16
// form), sha256 of all the others and of the weights.
#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "engine/core/text.h"
#include "engine/io/archive.h"
#include "engine/io/hash.h"
#include "engine/io/json.h"
#include "graph/ir/prune.h"
#include "models/spec/graph_json.h"
#include "runtime/model/folding.h"
#include "runtime/model/model.h"
#include "runtime/train/weights.h"

namespace graft {
namespace {

constexpr const char* kFormatKey = "graft_model";
constexpr int kFloatFormat = 1, kInt8Format = 3, kBf16Format = 4;  // the first that hold them
constexpr const char* kHashKey = "sha256";
constexpr const char *kInt8Key = "int8", *kBf16Key = "bf16";
constexpr const char *kFoldsKey = "folds", *kYes = "yes", *kNo = "no";
constexpr std::size_t kMaxLabels = 1'000'000;

std::string content_hash(Context& ctx, const ArchiveMetadata& metadata, const ParamStore& params) {
  Sha256 hash;
  for (const auto& [key, value] : metadata) {
    if (key != kHashKey) hash.update(key + '\n' + std::to_string(value.size()) + '\n' + value);
  }
  for (const auto& e : params.entries()) {
    const train::ArchivedParam p = train::to_archived(ctx, e.spec, e.value);
    hash.update(e.name + '\n' + std::to_string(e.value.numel()) + '\n');
    hash.update(p.bytes.data(), p.bytes.size());
  }
  return hash.hex();
}

int format_of(const ModelHeader& h) {
  if (h.arithmetic() == DType::kF32) return kFloatFormat;
  return h.arithmetic() == DType::kBF16 ? kBf16Format : kInt8Format;
}

ArchiveMetadata metadata_of(const ModelHeader& h) {
  ArchiveMetadata m = {{"format", "pt"},
                       {kFormatKey, std::to_string(format_of(h))},
                       {"norm", name(h.norm)},
                       {"output", h.graph.outputs().front().name},
                       {"preprocess", data::to_json(h.preprocess).dump()},
                       {"labels", Json(h.labels).dump()},
                       {"origin", h.origin},
                       {kFoldsKey, h.folds ? kYes : kNo}};
  if (h.architecture.empty()) {
    m["graph"] = to_json(h.graph).dump();
  } else {
    m["architecture"] = h.architecture;
    m["output_node"] = h.graph.node(h.output()).name;
  }
  if (const auto& q = h.quantization) {
    m[kInt8Key] =
        Json{{"method", q->method}, {"floating", q->floating}, {"calibration", q->calibration}}
            .dump();
  }
  if (h.bf16) m[kBf16Key] = kYes;
  return m;
}

/// Metadata of a file, by key.
class Metadata {
 public:
  Metadata(const ArchiveMetadata& metadata, std::string source)
      : metadata_(metadata), source_(std::move(source)) {}

  [[nodiscard]] const std::string& text(const char* key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail(Errc::kModel, source_, ": no \"", key, "\" in the metadata");
    return found->second;
  }
  [[nodiscard]] Json json(const char* key) const {
    return parse_json(text(key), source_ + ": " + key, Errc::kModel);
  }
  [[nodiscard]] bool has(const char* key) const { return metadata_.contains(key); }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  const ArchiveMetadata& metadata_;
  std::string source_;
};

void check_format(const Metadata& m) {
  if (!m.has(kFormatKey)) {
    fail(Errc::kModel, m.source(),
         ": a safetensors file, but not a model of graft; `graft import --arch NAME --weights ",
         m.source(), " --out MODEL.graft` makes one");
  }
  const auto format = parse_int(m.text(kFormatKey));
  if (!format || *format < 1)
    fail(Errc::kModel, m.source(), ": model format '", m.text(kFormatKey), "'");
  if (*format > kModelFormat) {
    fail(Errc::kModel, m.source(), ": model format ", *format, ", this build reads up to ",
         kModelFormat, "; use a newer graft");
  }
  // Which layers are 8-bit, and so what the file holds, follows from the network and the format.
  if (m.has(kInt8Key) && *format < kInt8Format) {
    fail(Errc::kModel, m.source(), ": an int8 model of format ", *format,
         ", when fewer layers were 8-bit; run `graft quantize` again on the f32 model that it was "
         "made of");
  }
}

std::vector<std::string> read_labels(const Metadata& m) {
  const Json json = m.json("labels");
  if (!json.is_array() || json.size() > kMaxLabels) {
    fail(Errc::kModel, m.source(), ": labels are not a list");
  }
  std::vector<std::string> labels;
  for (const Json& label : json) {
    if (!label.is_string()) fail(Errc::kModel, m.source(), ": a label is ", label.dump());
    labels.push_back(label.get<std::string>());
  }
  return labels;
}

/// The network that the file names, up to its output.
Graph rebuild(const Metadata& m, const ModelHeader& h) {
  constexpr std::int64_t kFewestClasses = 2;
  const Graph graph =
      build_model(parse_model_spec(h.architecture),
                  {.classes = std::max(kFewestClasses, static_cast<std::int64_t>(h.labels.size())),
                   .height = h.preprocess.height,
                   .width = h.preprocess.width,
                   .norm = h.norm});
  const ValueId output = graph.find(m.text("output_node"));
  if (output == kNoValue) {
    fail(Errc::kModel, m.source(), ": ", h.architecture, " has no node ", m.text("output_node"));
  }
  return prune(graph, output, m.text("output"));
}

std::optional<Quantization> read_quantization(const Metadata& m) {
  if (!m.has(kInt8Key)) return std::nullopt;
  const Json json = m.json(kInt8Key);
  try {
    return Quantization{.method = json.at("method").get<std::string>(),
                        .floating = json.at("floating").get<std::vector<std::string>>(),
                        .calibration = json.at("calibration").get<std::string>()};
  } catch (const Json::exception& e) {
    fail(Errc::kModel, m.source(), ": ", kInt8Key, ": ", e.what());
  }
}

/// Kernels divide by the scales.
void check_scales(const ParamStore& params, const std::string& source) {
  for (const auto& e : params.entries()) {
    if (!e.name.ends_with("_scale")) continue;
    for (std::int64_t i = 0; i < e.value.numel(); ++i) {
      const float scale = e.value.ptr<const float>()[i];
      if (!(scale > 0) || !std::isfinite(scale)) {
        fail(Errc::kModel, source, ": ", e.name, " holds ", scale, ", a scale must be above 0");
      }
    }
  }
}

ModelHeader read_header(const Metadata& m) {
  check_format(m);
  ModelHeader h;
  h.norm = parse_norm(m.text("norm"));
  h.preprocess = data::preprocess_from_json(m.json("preprocess"), m.source());
  h.labels = read_labels(m);
  h.origin = m.text("origin");
  h.folds = !m.has(kFoldsKey) || m.text(kFoldsKey) == kYes;
  if (m.has("architecture")) {
    h.architecture = m.text("architecture");
    h.graph = rebuild(m, h);
  } else {
    h.graph = graph_from_json(m.json("graph"), m.source());
  }
  h.quantization = read_quantization(m);
  h.bf16 = m.has(kBf16Key) && m.text(kBf16Key) == kYes;
  if (h.bf16 && h.quantization) fail(Errc::kModel, m.source(), ": both int8 and bf16");
  return h;
}

/// Nothing is allocated for weights that the file does not have.
void check_weights_are_there(const Graph& graph, const ArchiveReader& archive,
                             const std::string& source) {
  std::uint64_t have = 0, want = 0;
  for (const ArchiveInfo& info : archive.tensors()) have += info.bytes;
  for (const auto& [name, spec] : graph.param_specs()) {
    want += static_cast<std::uint64_t>(spec.shape.numel()) * size_of(spec.dtype);
  }
  if (want != have) {
    fail(Errc::kModel, source, ": holds ", have, " bytes of weights, its network has ", want);
  }
}

}  // namespace

Model Model::load(Context& ctx, const std::filesystem::path& path) {
  const ArchiveReader archive(path);
  const Metadata metadata(archive.metadata(), path.string());
  try {
    ModelHeader header = read_header(metadata);
    check_weights_are_there(stored_graph(header), archive, path.string());
    Model model(ctx, std::move(header));
    train::read_weights(ctx, *model.params_, path);
    if (content_hash(ctx, archive.metadata(), *model.params_) != metadata.text(kHashKey)) {
      fail(Errc::kModel, path.string(), ": damaged, its contents do not have the SHA-256 ",
           metadata.text(kHashKey), "; import or copy it again");
    }
    if (model.header_.quantization) check_scales(*model.params_, path.string());
    // Files from before the check was made at import.
    if (!metadata.has(kFoldsKey)) check_folding(model);
    return model;
  } catch (const Error& e) {
    // What a caller would be blamed for elsewhere is here the file's fault.
    if (e.code() != Errc::kUsage && e.code() != Errc::kInvalidArgument) throw;
    fail(Errc::kModel, path.string(), ": ", e.what());
  }
}

std::string Model::save(const std::filesystem::path& path) const {
  ArchiveMetadata metadata = metadata_of(header_);
  metadata[kHashKey] = content_hash(*ctx_, metadata, *params_);
  return train::write_weights(*ctx_, *params_, metadata, path);
}

}  // namespace graft
