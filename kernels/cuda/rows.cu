// SPDX-License-Identifier: Apache-2.0
// Moves and sums of whole rows: kernels/api/rows.h.
//
//   gather       out[i] = x[row[i]]           one thread 16 bytes of a row
//   compact      x[i] = x[row[i]] in place    one thread 16 bytes of a column, down the rows in
//                order, kAhead of them read before they are written: row[i] >= i, so what is read
//                later lies behind what is written
//   project_out  g[k] -= (<g,w>/<w,w>) w[k]   one block a row, sums in f64
//   scatter_add  out[row[i]] += x[i]          one thread a column, down i in order: rows
//                may repeat, so no other thread may touch it
//
// DRAM: gather and compact 2 bytes moved a byte kept; scatter_add 3 accesses an element. No
// atomics: bitwise repeatable. Reference: kernels/ref/rows.cpp. Source: textbook.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class U>
struct Gather {
  const U* x;
  const std::int32_t* row;
  U* out;
  std::uint32_t width;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const auto from = static_cast<std::uint64_t>(row[i / width]);
    out[i] = x[from * width + i % width];
  }
};

template <class U>
struct Compact {
  static constexpr std::uint32_t kAhead = 8;
  U* x;
  const std::int32_t* row;
  std::uint32_t rows, width;
  GRAFT_HD void operator()(std::uint32_t column) const {
    for (std::uint32_t begin = 0; begin < rows; begin += kAhead) {
      const std::uint32_t n = begin + kAhead < rows ? kAhead : rows - begin;
      U kept[kAhead];
      for (std::uint32_t j = 0; j < kAhead; ++j) {
        if (j < n) kept[j] = x[static_cast<std::uint64_t>(row[begin + j]) * width + column];
      }
      for (std::uint32_t j = 0; j < kAhead; ++j) {
        if (j < n) x[static_cast<std::uint64_t>(begin + j) * width + column] = kept[j];
      }
    }
  }
};

struct Products {
  double along = 0, squares = 0;
  GRAFT_HD Products operator+(const Products& o) const {
    return {along + o.along, squares + o.squares};
  }
};

struct ProjectOut {
  const float* w;
  float* g;
  std::uint32_t width;
  GRAFT_HD void operator()(const Team<kBlock>& team, std::uint32_t k) const {
    const float* from = w + k * width;
    float* to = g + k * width;
    const Products sum = team.reduce(
        width, Products{},
        [&](std::uint32_t j) {
          return Products{double{to[j]} * double{from[j]}, double{from[j]} * double{from[j]}};
        },
        Add{});
    if (sum.squares == 0) return;
    const double part = sum.along / sum.squares;
    team.each(width, [&](std::uint32_t j) {
      to[j] = static_cast<float>(double{to[j]} - part * double{from[j]});
    });
  }
};

template <class T>
struct ScatterAdd {
  const T* x;
  const std::int32_t* row;
  T* out;
  std::uint32_t rows, width;
  GRAFT_HD void operator()(std::uint32_t column) const {
    for (std::uint32_t i = 0; i < rows; ++i) {
      T* to = out + static_cast<std::uint64_t>(row[i]) * width + column;
      *to = from_float<T>(to_float(*to) + to_float(x[i * width + column]));
    }
  }
};

using Quad = Pack<std::uint32_t, 4>;

/// f(type_identity<U>): the widest unit that rows and addresses allow.
template <class F>
void with_unit(std::size_t row_bytes, const void* a, const void* b, F&& f) {
  const auto fits = [&](std::size_t unit) {
    return row_bytes % unit == 0 && reinterpret_cast<std::uintptr_t>(a) % unit == 0 &&
           reinterpret_cast<std::uintptr_t>(b) % unit == 0;
  };
  if (fits(sizeof(Quad))) {
    f(std::type_identity<Quad>{});
  } else if (fits(sizeof(std::uint32_t))) {
    f(std::type_identity<std::uint32_t>{});
  } else {
    f(std::type_identity<std::uint8_t>{});
  }
}

std::size_t row_bytes(const Tensor& t) {
  return static_cast<std::size_t>(t.shape().row_numel()) * size_of(t.dtype());
}

}  // namespace

void gather_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row, Tensor& out) {
  const Upload sent(ctx, {std::as_bytes(row)});
  with_unit(row_bytes(x), x.data(), out.data(), [&]<class U>(std::type_identity<U>) {
    const auto width = static_cast<std::uint32_t>(row_bytes(x) / sizeof(U));
    for_each(ctx, static_cast<std::uint32_t>(row.size()) * width,
             Gather<U>{static_cast<const U*>(x.data()), sent.part<std::int32_t>(0),
                       static_cast<U*>(out.data()), width});
  });
}

void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row) {
  const Upload sent(ctx, {std::as_bytes(row)});
  with_unit(row_bytes(x), x.data(), x.data(), [&]<class U>(std::type_identity<U>) {
    const auto width = static_cast<std::uint32_t>(row_bytes(x) / sizeof(U));
    for_each(ctx, width,
             Compact<U>{static_cast<U*>(x.data()), sent.part<std::int32_t>(0),
                        static_cast<std::uint32_t>(row.size()), width});
  });
}

void project_out_rows(Context& ctx, const Tensor& w, Tensor& g) {
  const auto width = static_cast<std::uint32_t>(w.shape().row_numel());
  for_teams<kBlock>(ctx, static_cast<std::uint32_t>(w.shape()[0]),
                    ProjectOut{w.ptr<const float>(), g.ptr<float>(), width});
}

void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out) {
  const Upload sent(ctx, {std::as_bytes(row)});
  const auto width = static_cast<std::uint32_t>(x.shape().row_numel());
  with_pack(x.dtype(), false, "scatter_add_rows",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, width,
                       ScatterAdd<T>{x.ptr<const T>(), sent.part<std::int32_t>(0), out.ptr<T>(),
                                     static_cast<std::uint32_t>(row.size()), width});
            });
}

}  // namespace graft::kernels::cuda
