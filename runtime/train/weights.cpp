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
void check_finite(const std::string& name, const ArchivedParam& param) {
  if (param.dtype != DType::kF32) return;
  const std::span elements(reinterpret_cast<const float*>(param.bytes.data()),
                           param.bytes.size() / sizeof(float));
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
  std::vector<ArchivedParam> archived;  // live until the archive is written
  archived.reserve(list.size());
  for (const NamedTensor& t : list) {
    const ArchivedParam& p = archived.emplace_back(to_archived(ctx, *t.spec, t.value));
    check_finite(t.name, p);
    writer.add(t.name, p.dtype, p.dims, p.bytes);
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
    if (info->dims != dims || info->dtype != t.spec->dtype) {
      bad.push_back(t.name + " is " + std::string(name(info->dtype)) + text_of(info->dims) +
                    ", the model has " + std::string(name(t.spec->dtype)) + text_of(dims));
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
    if (t.spec->dtype != DType::kF32) {
      archive.read_into(t.name, t.value);
      continue;
    }
    const ArchiveEntry entry = archive.read(t.name);
    std::vector<float> elements(entry.bytes.size() / sizeof(float));
    std::memcpy(elements.data(), entry.bytes.data(), entry.bytes.size());
    from_archive_order(ctx, *t.spec, elements.data(), t.value);
  }
}

}  // namespace

ArchivedParam to_archived(Context& ctx, const ParamSpec& spec, const Tensor& value) {
  ArchivedParam out{.dtype = spec.dtype, .dims = {}, .bytes = {}};
  Shape shape = spec.shape;
  if (spec.dtype == DType::kF32) {
    const std::vector<float> elements = to_archive_order(ctx, spec, value, shape);
    const auto bytes = std::as_bytes(std::span(elements));
    out.bytes.assign(bytes.begin(), bytes.end());
  } else {
    GRAFT_CHECK(spec.order == ParamOrder::kPlain, "archive: a filter of ", name(spec.dtype));
    out.bytes.resize(value.bytes());
    copy_to_host(ctx, value, out.bytes.data());
  }
  for (int i = 0; i < shape.rank(); ++i) out.dims.push_back(shape[i]);
  return out;
}

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
