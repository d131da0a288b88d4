// SPDX-License-Identifier: Apache-2.0
// PACKAGE.mpkg: a safetensors archive. Metadata: graft_package (the format's number), package
// (JSON, package_json.h) and sha256 of the two. Tensors: frozen-K/PARAMETER, under graft's own
// names.
#include "runtime/package/package.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/hash.h"
#include "engine/io/json.h"
#include "graph/ir/branch_points.h"
#include "runtime/package/layers.h"
#include "runtime/package/package_json.h"

namespace graft {
namespace {

constexpr const char* kFormatKey = "graft_package";
constexpr const char* kHeaderKey = "package";
constexpr const char* kHashKey = "sha256";
constexpr const char* kSafetensorsKey = "format";  // what other tools look for
constexpr const char* kSafetensorsValue = "pt";

using Params = std::vector<std::pair<std::string, ParamSpec>>;

std::string prefix_of(int frozen) { return "frozen-" + std::to_string(frozen) + "/"; }

std::vector<std::int64_t> dims_of(const ParamSpec& spec) {
  const Shape shape = archive_shape(spec);
  std::vector<std::int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

std::string header_hash(const std::string& format, const std::string& header) {
  return sha256(detail::cat(format, '\n', header.size(), '\n', header));
}

/// Parameters of a graph by layer.
class LayerParams {
 public:
  explicit LayerParams(const Graph& graph) : all_(graph.param_specs()) {
    for (const ValueId id : layers_of(graph)) {
      begin_.push_back(begin_.back() + graph.node(id).layer->params().size());
    }
  }
  /// Of the layers behind the first `frozen`.
  [[nodiscard]] std::span<const Params::value_type> behind(int frozen) const {
    return std::span(all_).subspan(begin_[static_cast<std::size_t>(frozen)]);
  }

 private:
  Params all_;
  std::vector<std::size_t> begin_ = {0};
};

/// Of all weights of a candidate, in the order of the graph.
class WeightsHash {
 public:
  void add(const std::string& name, std::span<const std::byte> bytes) {
    hash_.update(detail::cat(name, '\n', bytes.size(), '\n'));
    hash_.update(bytes.data(), bytes.size());
  }
  [[nodiscard]] std::string hex() { return hash_.hex(); }

 private:
  Sha256 hash_;
};

const std::string& text(const ArchiveMetadata& metadata, const char* key,
                        const std::string& source) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    fail(Errc::kModel, source, ": not a package of graft: no \"", key,
         "\" in its metadata; `graft package build` makes one");
  }
  return found->second;
}

void check_format(const std::string& text, const std::string& source) {
  const auto format = parse_int(text);
  if (!format || *format < 1) fail(Errc::kModel, source, ": package format '", text, "'");
  if (*format > kPackageFormat) {
    fail(Errc::kModel, source, ": package format ", *format, ", this build reads up to ",
         kPackageFormat, "; use a newer graft");
  }
}

PackageHeader read_header(const ArchiveMetadata& metadata, const std::string& source) {
  const std::string& format = text(metadata, kFormatKey, source);
  check_format(format, source);
  const std::string& header = text(metadata, kHeaderKey, source);
  if (header_hash(format, header) != text(metadata, kHashKey, source)) {
    fail(Errc::kModel, source, ": damaged, its header does not have the SHA-256 ",
         text(metadata, kHashKey, source), "; build or copy it again");
  }
  for (const auto& [key, value] : metadata) {
    const bool ours = key == kFormatKey || key == kHeaderKey || key == kHashKey;
    if (!ours && !(key == kSafetensorsKey && value == kSafetensorsValue)) {
      fail(Errc::kModel, source, ": unknown metadata \"", key, "\"");
    }
  }
  const JsonLimits limits{.max_bytes = ArchiveLimits::kMaxHeaderBytes, .max_depth = 8};
  return package_header_from_json(parse_json(header, source, Errc::kModel, limits), source);
}

/// The archive holds the weights of all candidates and nothing else.
void check_tensors(const ArchiveReader& archive, const PackageHeader& header,
                   const std::string& source) {
  std::size_t expected = 0;
  const LayerParams params(header.graph);
  for (const PackagedCandidate& c : header.candidates) {
    for (const auto& [param, spec] : params.behind(c.frozen)) {
      const std::string tensor = prefix_of(c.frozen) + param;
      const ArchiveInfo* info = archive.find(tensor);
      if (info == nullptr) fail(Errc::kModel, source, ": no tensor ", tensor);
      if (info->dtype != DType::kF32 || info->dims != dims_of(spec)) {
        fail(Errc::kModel, source, ": tensor ", tensor, " is not f32 of ", archive_shape(spec));
      }
      ++expected;
    }
  }
  if (expected != archive.tensors().size()) {
    fail(Errc::kModel, source, ": holds ", archive.tensors().size(),
         " tensors, its candidates have ", expected);
  }
}

void check_finite(std::span<const std::byte> bytes, const std::string& name,
                  const std::string& source) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  if (std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) return;
  fail(Errc::kModel, source, ": tensor ", name, " is not finite");
}

/// Adds `params` from the archive at `path`, which holds nothing else; returns their SHA-256.
std::string add_weights(ArchiveWriter& writer, const std::filesystem::path& path,
                        std::span<const Params::value_type> params, const std::string& prefix) {
  const ArchiveReader archive(path);
  WeightsHash hash;
  for (const auto& [param, spec] : params) {
    const ArchiveInfo* info = archive.find(param);
    if (info == nullptr) fail(Errc::kModel, path.string(), ": no tensor ", param);
    if (info->dtype != DType::kF32 || info->dims != dims_of(spec)) {
      fail(Errc::kModel, path.string(), ": tensor ", param, " is not f32 of ", archive_shape(spec));
    }
    const Tensor values = Tensor::allocate(host_memory(), archive_shape(spec));
    archive.read_into(param, values);
    const std::span bytes(static_cast<const std::byte*>(values.data()), values.bytes());
    check_finite(bytes, param, path.string());
    hash.add(param, bytes);
    writer.add(prefix + param, values);
  }
  if (archive.tensors().size() != params.size()) {
    fail(Errc::kModel, path.string(), ": holds ", archive.tensors().size(),
         " tensors, the layers behind its cut have ", params.size());
  }
  return hash.hex();
}

}  // namespace

int PackageHeader::n_layers() const { return count_layers(graph); }

const PackagedCandidate& PackageHeader::candidate(int frozen) const {
  std::string known;
  for (const PackagedCandidate& c : candidates) {
    if (c.frozen == frozen) return c;
    known += (known.empty() ? "" : ", ") + std::to_string(c.frozen);
  }
  fail(Errc::kModel, task, ": no candidate with ", frozen, " frozen layers, there are ", known);
}

Package::Package(std::filesystem::path path)
    : path_(std::move(path)),
      archive_(path_),
      header_(read_header(archive_.metadata(), path_.string())) {
  check_tensors(archive_, header_, path_.string());
}

void Package::for_each_weight(const PackagedCandidate& c, const UseWeight& use) const {
  WeightsHash hash;
  const LayerParams params(header_.graph);
  for (const auto& [param, spec] : params.behind(c.frozen)) {
    const ArchiveEntry entry = archive_.read(prefix_of(c.frozen) + param);
    check_finite(entry.bytes, entry.name, path_.string());
    hash.add(param, entry.bytes);
    use(param, entry);
  }
  if (hash.hex() == c.sha256) return;
  fail(Errc::kModel, path_.string(), ": damaged, the weights of frozen-", c.frozen,
       " do not have the SHA-256 ", c.sha256, "; build or copy it again");
}

void Package::verify() const {
  for (const PackagedCandidate& c : header_.candidates) {
    for_each_weight(c, [](const std::string&, const ArchiveEntry&) {});
  }
}

void Package::read_candidate(Context& ctx, int frozen, ParamStore& to) const {
  for_each_weight(header_.candidate(frozen), [&](const std::string& param, const ArchiveEntry& e) {
    const ParamId id = to.find(param);
    GRAFT_CHECK(id >= 0, "package: the parameters lack ", param);
    const ParamStore::Entry& entry = to.entry(id);
    std::vector<float> values(e.bytes.size() / sizeof(float));
    std::memcpy(values.data(), e.bytes.data(), e.bytes.size());
    Tensor value = entry.value;
    from_archive_order(ctx, entry.spec, values.data(), value);
  });
  to.bump_version();
}

ArchiveWriter package_archive(PackageHeader header,
                              const std::vector<std::filesystem::path>& weights) {
  GRAFT_CHECK_EQ(weights.size(), header.candidates.size(), "package: archives and candidates");
  ArchiveWriter writer;
  const LayerParams params(header.graph);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    PackagedCandidate& c = header.candidates[i];
    c.sha256 = add_weights(writer, weights[i], params.behind(c.frozen), prefix_of(c.frozen));
  }
  header.made_by = std::string("graft ") + GRAFT_VERSION;
  const std::string format = std::to_string(kPackageFormat), text = to_json(header).dump();
  // What would not be read again is not written.
  static_cast<void>(package_header_from_json(parse_json(text, header.task), header.task));
  writer.set_metadata(kSafetensorsKey, kSafetensorsValue);
  writer.set_metadata(kFormatKey, format);
  writer.set_metadata(kHeaderKey, text);
  writer.set_metadata(kHashKey, header_hash(format, text));
  return writer;
}

Application application_of(const PackageHeader& header) {
  Application app;
  app.name = header.task;
  app.events = header.events;
  const bool measured = header.event_source == EventSource::kMeasured;
  for (const PackagedCandidate& c : header.candidates) {
    app.candidates.push_back({c.frozen, {measured ? c.tpr : c.accuracy, c.fpr}});
  }
  return app;
}

}  // namespace graft
