// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

namespace graft::train {
namespace {

constexpr std::size_t kMaxListed = 5;

/// A tensor of the process under the name that the archive gives it.
struct NamedTensor {
  std::string name;
  const ParamSpec* spec;
  Tensor value;
};

std::vector<NamedTensor> model_tensors(const ParamStore& params) {
  std::vector<NamedTensor> list;
  for (const auto& e : params.entries()) list.push_back({e.name, &e.spec, e.value});
  return list;
}

/// Views of the flat state blocks that lie as the trainable parameters do in their block.
std::vector<NamedTensor> optimizer_tensors(const ParamStore& params, const Optimizer& optimizer) {
  std::vector<NamedTensor> list;
  const auto* base = static_cast<const std::byte*>(const_cast<ParamStore&>(params).values().data());
  for (const auto& state : optimizer.state()) {
    for (const auto& e : params.entries()) {
      if (e.spec.kind != ParamKind::kTrainable) continue;
      const auto offset = static_cast<const std::byte*>(e.value.data()) - base;
      const auto first = offset / static_cast<std::ptrdiff_t>(size_of(state.block.dtype()));
      list.push_back({state.name + "/" + e.name, &e.spec,
                      state.block.rows(first, e.value.numel()).reshape(e.spec.shape)});
    }
  }
  return list;
}

/// A checkpoint must never hold what no training can go on from.
void check_finite(const std::string& name, const std::vector<float>& elements) {
  const auto bad =
      std::find_if_not(elements.begin(), elements.end(), [](float v) { return std::isfinite(v); });
  if (bad == elements.end()) return;
  fail(Errc::kNumerical, name, " is not finite (", *bad, " at element ", bad - elements.begin(),
       "); nothing is saved, the last checkpoint stays. Lower --lr");
}

std::string write(Context& ctx, const std::vector<NamedTensor>& list,
                  const ArchiveMetadata& metadata, const std::filesystem::path& path) {
  ArchiveWriter writer;
  for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
  std::vector<std::vector<float>> elements;  // live until the archive is written
  elements.reserve(list.size());
  for (const NamedTensor& t : list) {
    Shape shape;
    elements.push_back(to_archive_order(ctx, *t.spec, t.value, shape));
    check_finite(t.name, elements.back());
    std::vector<std::int64_t> dims;
    for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
    writer.add(t.name, DType::kF32, dims, std::as_bytes(std::span(elements.back())));
  }
  return writer.write(path);
}

std::string text_of(const std::vector<std::int64_t>& dims) {
  std::string s;
  for (const auto d : dims) s += (s.empty() ? "" : ", ") + std::to_string(d);
  return "(" + s + ")";
}

/// Everything that keeps `archive` from filling `list`, for one message.
std::vector<std::string> mismatches(const ArchiveReader& archive,
                                    const std::vector<NamedTensor>& list) {
  std::vector<std::string> bad;
  for (const NamedTensor& t : list) {
    const ArchiveInfo* info = archive.find(t.name);
    if (info == nullptr) {
      bad.push_back("no tensor " + t.name);
      continue;
    }
    const Shape want = archive_shape(*t.spec);
    std::vector<std::int64_t> dims;
    for (int i = 0; i < want.rank(); ++i) dims.push_back(want[i]);
    if (info->dims != dims || info->dtype != DType::kF32) {
      bad.push_back(t.name + " is " + std::string(name(info->dtype)) + text_of(info->dims) +
                    ", the model has f32" + text_of(dims));
    }
  }
  for (const auto& info : archive.tensors()) {
    const bool known = std::any_of(list.begin(), list.end(),
                                   [&](const NamedTensor& t) { return t.name == info.name; });
    if (!known) bad.push_back("the model has no " + info.name);
  }
  return bad;
}

void read(Context& ctx, std::vector<NamedTensor> list, const std::filesystem::path& path) {
  const ArchiveReader archive(path);
  const auto bad = mismatches(archive, list);
  if (!bad.empty()) {
    std::string shown;
    for (std::size_t i = 0; i < std::min(bad.size(), kMaxListed); ++i) shown += "\n  " + bad[i];
    fail(Errc::kModel, path.string(), ": ", bad.size(), " tensors do not fit this model:", shown,
         bad.size() > kMaxListed ? "\n  ..." : "",
         "\nCheck --model, --norm and the number of classes");
  }
  for (NamedTensor& t : list) {
    const ArchiveEntry entry = archive.read(t.name);
    std::vector<float> elements(entry.bytes.size() / sizeof(float));
    std::memcpy(elements.data(), entry.bytes.data(), entry.bytes.size());
    from_archive_order(ctx, *t.spec, elements.data(), t.value);
  }
}

}  // namespace

std::string write_weights(Context& ctx, const ParamStore& params, const ArchiveMetadata& metadata,
                          const std::filesystem::path& path) {
  return write(ctx, model_tensors(params), metadata, path);
}

void read_weights(Context& ctx, ParamStore& params, const std::filesystem::path& path) {
  read(ctx, model_tensors(params), path);
  params.bump_version();
}

std::string write_optimizer(Context& ctx, const ParamStore& params, const Optimizer& optimizer,
                            const std::filesystem::path& path) {
  return write(ctx, optimizer_tensors(params, optimizer), {}, path);
}

void read_optimizer(Context& ctx, const ParamStore& params, Optimizer& optimizer,
                    const std::filesystem::path& path) {
  read(ctx, optimizer_tensors(params, optimizer), path);
}

}  // namespace graft::train
