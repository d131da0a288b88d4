// SPDX-License-Identifier: Apache-2.0
#include "layers/core/param.h"

#include <atomic>
#include <cmath>
#include <utility>

#include "engine/core/rng.h"

namespace graft {
namespace {

constexpr std::int64_t kAlignElements = MemoryResource::kAlignment / sizeof(float);

std::int64_t aligned(std::int64_t n) {
  return (n + kAlignElements - 1) / kAlignElements * kAlignElements;
}

double draw(const Init& init, Philox& rng) {
  switch (init.kind) {
    case Init::Kind::kConstant:
      return init.value;
    case Init::Kind::kNormal:
      return init.value * rng.normal();
    case Init::Kind::kUniform:
      return init.value * (2 * rng.uniform_double() - 1);
  }
  return 0;
}

/// Offset in memory order of archive element (k, c, r, s).
struct FilterIndex {
  std::int64_t k, r, s, c;
  explicit FilterIndex(const Shape& ohwi) : k(ohwi[0]), r(ohwi[1]), s(ohwi[2]), c(ohwi[3]) {}

  template <class F>
  void for_each(F&& f) const {  // f(archive offset, memory offset)
    std::int64_t to = 0;
    for (std::int64_t ik = 0; ik < k; ++ik)
      for (std::int64_t ic = 0; ic < c; ++ic)
        for (std::int64_t ir = 0; ir < r; ++ir)
          for (std::int64_t is = 0; is < s; ++is) f(to++, ((ik * r + ir) * s + is) * c + ic);
  }
};

}  // namespace

Init Init::kaiming_normal(std::int64_t fan) {
  return {Kind::kNormal, std::sqrt(2.0 / static_cast<double>(fan))};
}

Init Init::uniform_fan_in(std::int64_t fan) {
  return {Kind::kUniform, 1.0 / std::sqrt(static_cast<double>(fan))};
}

ParamStore::ParamStore(Context& ctx, std::vector<std::pair<std::string, ParamSpec>> named,
                       DType dtype, Gradients gradients) {
  bump_version();
  std::int64_t n_values = 0, n_buffers = 0;
  std::vector<std::int64_t> offset;
  for (auto& [name, spec] : named) {
    auto& total = spec.kind == ParamKind::kTrainable ? n_values : n_buffers;
    offset.push_back(total);
    if (spec.dtype == DType::kF32) total += aligned(spec.shape.numel());
    GRAFT_CHECK(spec.dtype == DType::kF32 || spec.kind == ParamKind::kBuffer, "parameter ", name,
                ": only buffers may be ", graft::name(spec.dtype));
    if (spec.kind == ParamKind::kTrainable) trainable_count_ += spec.shape.numel();
    const auto [it, fresh] = index_.emplace(name, static_cast<ParamId>(entries_.size()));
    GRAFT_CHECK(fresh, "two parameters are called ", name);
    entries_.push_back({std::move(name), std::move(spec), {}, {}});
  }
  values_ = Tensor::allocate(ctx.memory(), {n_values}, dtype);
  const bool has_grads = gradients == Gradients::kStored;
  grads_ = Tensor::allocate(ctx.memory(), {has_grads ? n_values : 0}, dtype);
  buffers_ = Tensor::allocate(ctx.memory(), {n_buffers}, dtype);
  for (Tensor* t : {&values_, &grads_, &buffers_}) fill_zero(ctx, *t);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& e = entries_[i];
    const std::int64_t n = e.spec.shape.numel();
    if (e.spec.kind == ParamKind::kTrainable) {
      e.value = values_.rows(offset[i], n).reshape(e.spec.shape);
      if (has_grads) e.grad = grads_.rows(offset[i], n).reshape(e.spec.shape);
    } else if (e.spec.dtype != DType::kF32) {
      e.value = Tensor::allocate(ctx.memory(), e.spec.shape, e.spec.dtype);
      fill_zero(ctx, e.value);
    } else {
      e.value = buffers_.rows(offset[i], n).reshape(e.spec.shape);
    }
  }
}

void ParamStore::bump_version() {
  static std::atomic<std::uint64_t> last = 0;
  version_ = ++last;
}

ParamId ParamStore::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? -1 : it->second;
}

std::size_t ParamStore::bytes() const {
  std::size_t bytes = values_.bytes() + grads_.bytes() + buffers_.bytes();
  for (const Entry& e : entries_) {
    if (e.spec.dtype != DType::kF32) bytes += e.value.bytes();
  }
  return bytes;
}

void ParamStore::initialise(Context& ctx, std::uint64_t seed) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& e = entries_[i];
    if (e.spec.dtype != DType::kF32) continue;
    Philox rng({.seed = seed, .purpose = RngPurpose::kInit, .epoch = 0, .id = i});
    std::vector<float> drawn(static_cast<std::size_t>(e.value.numel()));
    for (float& v : drawn) v = static_cast<float>(draw(e.spec.init, rng));
    from_archive_order(ctx, e.spec, drawn.data(), e.value);
  }
  bump_version();
}

Shape archive_shape(const ParamSpec& spec) {
  if (spec.order == ParamOrder::kPlain) return spec.shape;
  return {spec.shape[0], spec.shape[3], spec.shape[1], spec.shape[2]};
}

std::vector<float> to_archive_order(Context& ctx, const ParamSpec& spec, const Tensor& value,
                                    Shape& shape) {
  shape = archive_shape(spec);
  const auto n = static_cast<std::size_t>(value.numel());
  std::vector<float> memory(n);
  dispatch_float(value.dtype(), "archive", [&]<class T>(std::type_identity<T>) {
    std::vector<T> host(n);
    copy_to_host(ctx, value, host.data());
    for (std::size_t i = 0; i < n; ++i) memory[i] = static_cast<float>(host[i]);
  });
  if (spec.order == ParamOrder::kPlain) return memory;
  std::vector<float> out(n);
  FilterIndex(spec.shape).for_each([&](std::int64_t to, std::int64_t from) {
    out[static_cast<std::size_t>(to)] = memory[static_cast<std::size_t>(from)];
  });
  return out;
}

void from_archive_order(Context& ctx, const ParamSpec& spec, const float* elements, Tensor& value) {
  dispatch_float(value.dtype(), "archive", [&]<class T>(std::type_identity<T>) {
    std::vector<T> host(static_cast<std::size_t>(value.numel()));
    if (spec.order == ParamOrder::kPlain) {
      for (std::size_t i = 0; i < host.size(); ++i) host[i] = elements[i];
    } else {
      FilterIndex(spec.shape).for_each([&](std::int64_t from, std::int64_t to) {
        host[static_cast<std::size_t>(to)] = elements[from];
      });
    }
    copy_from_host(ctx, host.data(), value);
  });
}

}  // namespace graft
