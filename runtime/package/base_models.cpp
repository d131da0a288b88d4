// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/base_models.h"

#include "engine/core/error.h"
#include "engine/io/hash.h"
#include "kernels/api/pointwise.h"
#include "runtime/package/layers.h"

namespace graft {
namespace {

constexpr std::size_t kNameDigits = 16;

}  // namespace

std::string base_file_name(const std::string& sha256) {
  return "base-" + sha256.substr(0, kNameDigits) + ".graft";
}

std::vector<std::string> base_layer_hashes(Context& ctx, const Graph& graph, const Model& base,
                                           int count, const std::string& source) {
  try {
    return layer_hashes(ctx, graph, base.params(), count);
  } catch (const Error& e) {
    fail(Errc::kModel, source, ": the first ", count, " layers are not the base's: ", e.what());
  }
}

std::filesystem::path BaseModels::find(const Package& package) const {
  const std::string& hash = package.header().base_sha256;
  std::vector<std::filesystem::path> places;
  if (std::filesystem::is_directory(where_)) {
    places.push_back(where_ / base_file_name(hash));
  } else if (!where_.empty()) {
    places.push_back(where_);
  }
  places.push_back(package.path().parent_path() / base_file_name(hash));
  std::string looked;
  for (const auto& path : places) {
    if (std::filesystem::is_regular_file(path) && sha256_file(path) == hash) return path;
    looked += (looked.empty() ? "" : ", ") + path.string();
  }
  fail(Errc::kModel, package.path().string(), ": needs its base network, SHA-256 ", hash,
       "; not at ", looked, "; copy it there or give --base FILE or FOLDER");
}

const Model& BaseModels::get(Context& ctx, const Package& package) {
  const PackageHeader& header = package.header();
  auto& model = by_hash_[header.base_sha256];
  if (!model) model = std::make_unique<Model>(Model::load(ctx, find(package)));
  std::string claim = header.base_sha256;
  for (const std::string& hash : header.base_layers) claim += hash;
  if (checked_.contains(claim)) return *model;
  const std::vector<ValueId> layers = layers_of(header.graph);
  const auto hashes =
      base_layer_hashes(ctx, header.graph, *model, static_cast<int>(header.base_layers.size()),
                        package.path().string());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i] == header.base_layers[i]) continue;
    fail(Errc::kModel, package.path().string(), ": layer ", i, " (",
         header.graph.node(layers[i]).name, ") is not that of its base network");
  }
  checked_.insert(claim);
  return *model;
}

std::unique_ptr<ParamStore> candidate_params(Context& ctx, const Package& package, int frozen,
                                             const Model& base) {
  const Graph& graph = package.header().graph;
  auto params = std::make_unique<ParamStore>(ctx, graph.param_specs(), DType::kF32);
  int layer = 0;
  for (const ValueId id : layers_of(graph)) {
    if (layer++ == frozen) break;
    for (const ParamSpec& spec : graph.node(id).layer->params()) {
      const std::string name = graph.node(id).name + "." + spec.name;
      Tensor to = params->entry(params->find(name)).value;
      kernels::copy(ctx, base.params().entry(base.params().find(name)).value, to);
    }
  }
  package.read_candidate(ctx, frozen, *params);
  return params;
}

}  // namespace graft
