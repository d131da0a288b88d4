// SPDX-License-Identifier: Apache-2.0
// Hot loops over ranges, without threads. Each source in this folder is compiled once per
// instruction set (namespace GRAFT_SIMD_ISA) and one set of tables is picked at run time, so that
// one binary runs everywhere. These sources include nothing with inline functions of other
// libraries: the linker could keep the copy that the running machine cannot execute.
#pragma once

#include <cstdint>

namespace graft::kernels::cpu::simd {

using Index = std::int64_t;

/// A bfloat16 value as stored; loops compute in float and round to the nearest, ties to even.
struct Bf16 {
  std::uint16_t bits;
};

/// Element-wise loops of the forward over n elements, float or Bf16. Bounds lo, hi are -inf, +inf
/// where there is no activation; NaN passes through. Outputs may be inputs.
template <class T>
struct ForwardLoops {
  void (*clamp)(const T* x, T* y, Index n, float lo, float hi);
  void (*add_clamp)(const T* a, const T* b, T* y, Index n, float lo, float hi);
};
struct PointwiseLoops {
  ForwardLoops<float> f32;
  ForwardLoops<Bf16> bf16;
  void (*narrow)(const float* x, Bf16* y, Index n);
  void (*widen)(const Bf16* x, float* y, Index n);
  /// y = clamp(scale[c] * x + shift[c], lo, hi) for rows of `width` channels.
  void (*scale_shift)(const Bf16* x, const float* scale, const float* shift, Bf16* y, Index rows,
                      Index width, float lo, float hi);
  /// dx = (0 < y && y < hi) ? dy : 0, or added to dx.
  void (*mask)(const float* y, const float* dy, float* dx, Index n, float hi, bool accumulate);
  void (*add)(const float* x, float* y, Index n);  ///< y += x
  double (*sum_squares)(const float* x, Index n);
};

/// One row of dropout: y[i] = kept(i) ? x[i] * scale : 0 for i in [begin, end); begin is a multiple
/// of
/// 4. Kept where the upper 24 bits of word i%4 of Philox block `counter0 + i/4` are >= threshold.
struct DropoutRow {
  std::uint32_t counter[4];  ///< of the row's element 0
  std::uint32_t key[2];
  std::uint32_t threshold;
  float scale;
};
struct DropoutLoops {
  void (*row)(const DropoutRow& row, const float* x, float* y, Index begin, Index end);
};

struct SgdCoefficients {
  float lr, momentum, weight_decay;
  bool nesterov;
};
struct AdamCoefficients {
  float beta1, beta2;
  float one_minus_beta1, one_minus_beta2;  ///< from f64: 1 - 0.999f is not 0.001f
  float weight_decay;                      ///< is added to the gradient
  float keep;                              ///< w *= keep first (1 unless decoupled)
  float step, inv_correction2, eps;        ///< w -= step * m / (sqrt(v) * inv_correction2 + eps)
};
struct OptimLoops {
  /// v may be null: no momentum.
  void (*sgd)(const SgdCoefficients& k, const float* g, float* w, float* v, Index n);
  void (*adam)(const AdamCoefficients& k, const float* g, float* w, float* m, float* v, Index n);
};

/// Loops over rows of channels, addressed as a flat range whose position p belongs to column
/// p % width; ranges begin at a multiple of width and may end anywhere. Where there are few
/// channels, the width is several rows: the coefficients repeat, and the vectors stay full.
struct NormForward {
  const float* x;
  const float* residual;  ///< or null
  float* y;               ///< clamp((x - mean) * scale + beta + residual, lo, hi)
  Index width;
  const float *mean, *scale, *beta;  ///< (width)
  float lo, hi;
};

/// Where the backward's mask comes from: nowhere, the recomputed pre-activation, or y.
enum class MaskFrom : std::uint8_t { kNothing, kX, kY };

/// What gradient_sums does with dz.
enum class DzMode : std::uint8_t { kNothing, kOverwrite, kAccumulate };

struct NormBackwardLoop {
  const float *x, *y, *dy;
  const float* dy2;  ///< or null
  float* dz;         ///< masked dy + dy2 goes here by dz_mode; may be dy
  DzMode dz_mode;
  float* dx;  ///< scale * dz - mean_term - (x - mean) * x_term
  bool dx_accumulate;
  MaskFrom mask;
  bool beyond_cache;  ///< the tensors are larger than the cache: worth prefetching
  float hi;           ///< the mask is 0 < v < hi
  Index width;
  const float *mean, *scale, *beta, *mean_term, *x_term;  ///< (width)
};

struct NormLoops {
  /// sum[j] += x - pivot[j], squares[j] += (x - pivot[j])^2 over n floats.
  void (*moments)(const float* x, Index n, Index width, const float* pivot, float* sum,
                  float* squares);
  void (*normalise)(const NormForward& a, Index begin, Index end);
  /// sum_g[j] += dz, sum_gx[j] += dz * (x - mean[j]); stores dz.
  void (*gradient_sums)(const NormBackwardLoop& a, Index begin, Index end, float* sum_g,
                        float* sum_gx);
  void (*gradient_input)(const NormBackwardLoop& a, Index begin, Index end);
};

/// Pooling of x (N,H,W,C) into y (N,P,Q,C).
struct PoolGeometry {
  Index h, w, c, p, q;
  Index window, stride, pad, pad_end;
  bool count_include_pad;
};
/// The forward on float or Bf16, whose sums are float.
template <class T>
struct PoolForwardLoops {
  /// Rows [begin, end) of the N*P output rows. index may be null.
  void (*max)(const PoolGeometry& g, const T* x, T* y, std::uint8_t* index, Index begin, Index end);
  void (*avg)(const PoolGeometry& g, const T* x, T* y, Index begin, Index end);
  /// y[n,:] = mean over hw rows, examples [begin, end).
  void (*global)(const T* x, Index hw, Index c, float* y, Index begin, Index end);
};
struct PoolLoops {
  PoolForwardLoops<float> f32;
  PoolForwardLoops<Bf16> bf16;
  /// Adds to dx of the examples [begin, end).
  void (*max_bwd)(const PoolGeometry& g, const float* dy, const std::uint8_t* index, float* dx,
                  Index begin, Index end);
  void (*avg_bwd)(const PoolGeometry& g, const float* dy, float* dx, Index begin, Index end);
  void (*global_bwd)(const float* dy, Index hw, Index c, bool accumulate, float* dx, Index begin,
                     Index end);
};

/// Channels of one pixel that the convolutions below take at a time.
inline constexpr Index kChannelLanes = 16;

/// Depthwise 3x3 convolution of x (N,H,W,C) into y (N,P,Q,C), dilation 1, C a multiple of
/// kChannelLanes. Weights are (3,3,C). Every output has at least one tap inside the input.
struct DepthwiseGeometry {
  Index h, w, c, p, q;
  Index stride, pad_top, pad_left;
};
struct DepthwiseLoops {
  /// Rows [begin, end) of the N*P output rows, clamped to [lo, hi]; NaN stays NaN. bias (C); zeros
  /// (C); sink: scratch (C).
  void (*forward)(const DepthwiseGeometry& g, const float* x, const float* w, const float* bias,
                  float lo, float hi, float* y, const float* zeros, float* sink, Index begin,
                  Index end);
  /// The same on bf16 images, stride 1 or 2; null without AVX-512.
  void (*forward_bf16)(const DepthwiseGeometry& g, const Bf16* x, const float* w, const float* bias,
                       float lo, float hi, Bf16* y, const Bf16* zeros, Bf16* sink, Index begin,
                       Index end);
  /// Rows [begin, end) of the N*H input rows, any stride. Stride 1 is faster as a forward.
  void (*backward_data)(const DepthwiseGeometry& g, const float* dy, const float* w, float* dx,
                        Index begin, Index end);
  /// Adds what rows [begin, end) of the N*P output rows give to dw (3,3,C).
  void (*backward_weight)(const DepthwiseGeometry& g, const float* x, const float* dy, float* dw,
                          Index begin, Index end);
};

/// Where sums of products go: y = clamp(sum + bias[k] + residual, lo, hi); NaN stays NaN.
struct ConvOutput {
  const float *bias, *residual;  ///< (K) or null; like y, may be y, or null
  float lo, hi;
  float* y;
};

/// 1x1 convolution of x (rows,C) into y (rows,K): rows are pixels.
struct Conv1x1Geometry {
  Index rows, c, k;
  Index threads = 1;  ///< that share the work
};
struct Conv1x1Loops {
  Index (*packed_floats)(const Conv1x1Geometry& g);
  /// w (K,C) in the order in which forward() reads it.
  void (*pack)(const Conv1x1Geometry& g, const float* w, float* packed);
  /// Into how many units, equally large, forward() cuts the work.
  Index (*units)(const Conv1x1Geometry& g);
  /// Units [begin, end). A result does not depend on the range, nor on the threads.
  void (*forward)(const Conv1x1Geometry& g, const float* x, const float* packed,
                  const ConvOutput& out, Index begin, Index end);
};

/// 3x3 convolution of x (N,H,W,C) into y (N,P,Q,K), stride 1, C and K multiples of kChannelLanes,
/// by tiles of kWinogradTile x kWinogradTile outputs.
inline constexpr Index kWinogradTile = 4;
struct WinogradGeometry {
  Index h, w, c, p, q, k;
  Index pad_top, pad_left;
};
struct WinogradLoops {
  Index (*filter_floats)(const WinogradGeometry& g);
  Index (*scratch_floats)(const WinogradGeometry& g);
  /// Transforms w (K,3,3,C), or w (C,3,3,K) rotated by half a turn, into u: the blocks [begin, end)
  /// of kChannelLanes out of K.
  void (*filters)(const WinogradGeometry& g, const float* w, bool rotated, float* u, Index begin,
                  Index end);
  /// Into how many parts the outputs' channels can be cut.
  Index (*panels)(const WinogradGeometry& g);
  /// Panels [first_panel, last_panel) of the tiles [begin, end) of all examples, row by row. A
  /// result does not depend on the ranges.
  void (*forward)(const WinogradGeometry& g, const float* x, const float* u, const ConvOutput& out,
                  float* scratch, Index begin, Index end, Index first_panel, Index last_panel);
};

/// Type of a tensor of the loops for 8-bit integers.
enum class Int8Type : std::uint8_t { kU8, kI8, kF32 };

/// y = narrow(clamp(scale[c] * x + shift[c], lo, hi)) for rows of `width` channels. Rounds to the
/// nearest even integer; lo and hi lie within the range of an 8-bit y.
struct Int8ScaleShift {
  const void* x;
  void* y;
  Int8Type x_type, y_type;
  Index width;
  const float *scale, *shift;
  float lo, hi;
};
struct Int8Loops {
  void (*scale_shift)(const Int8ScaleShift& a, Index rows);
  /// q = narrow(w / scale), n weights of one filter; returns the scale, max |w| / 127, or 1.
  float (*quantise_filter)(const float* w, Index n, std::int8_t* q);
  /// Rows [begin, end) of the N*P output rows.
  void (*max_pool)(const PoolGeometry& g, const void* x, void* y, bool is_signed, Index begin,
                   Index end);
  /// Likewise means; windows of at most 15 x 15. columns: scratch (w * c).
  void (*avg_pool)(const PoolGeometry& g, const void* x, void* y, bool is_signed,
                   std::uint16_t* columns, Index begin, Index end);
  /// y[n,:] = scale * sum over hw rows, examples [begin, end). sums: scratch (c).
  void (*global_avg)(const void* x, bool is_signed, Index hw, Index c, float scale,
                     std::int32_t* sums, float* y, Index begin, Index end);
};

/// Convolution of x (N,H,W,C) into y (N,P,Q,K) in 8-bit integers, dilation 1, one group, stride 1
/// or 2.
struct Int8ConvGeometry {
  Index h, w, c, p, q, k;
  Index r, s;  ///< of the filter
  Index stride, pad_top, pad_left;
  bool in_place = false;  ///< 1x1, stride 1, C a multiple of 16, x unsigned: x is read, not copied
  Index share = 1;        ///< bands are a multiple of it, where there are enough rows
};
/// y = narrow(clamp(scale[k] * (sum + start[k]) + shift[k] + residual_scale * residual, lo, hi)).
/// Rounds to the nearest even integer; kU8 wants lo >= 0. scale, shift and start are padded to
/// kChannelLanes.
struct Int8ConvArgs {
  const std::uint8_t* x;
  bool x_signed;         ///< the bytes of x are signed: `start` is -128 * row_sum, else 0
  const std::int8_t* w;  ///< packed
  const std::int32_t* start;
  const float *scale, *shift;
  const void* residual;  ///< like y, or null
  Int8Type residual_type;
  float residual_scale;
  float lo, hi;
  void* y;
  Int8Type y_type;
};
struct Int8ConvLoops {
  /// Bands of output rows that an example is done in, about equally long.
  Index (*bands)(const Int8ConvGeometry& g);
  /// Panels that the filters are done in.
  Index (*panels)(const Int8ConvGeometry& g);
  Index (*packed_bytes)(const Int8ConvGeometry& g);
  Index (*scratch_bytes)(const Int8ConvGeometry& g);
  /// Packs w (K,R,S,C); row_sum (K) gets the sum of every filter.
  void (*pack)(const Int8ConvGeometry& g, const std::int8_t* w, std::int8_t* packed,
               std::int32_t* row_sum);
  /// Panels [first_panel, last_panel) of the bands [begin, end) of all examples.
  void (*forward)(const Int8ConvGeometry& g, const Int8ConvArgs& args, std::uint8_t* scratch,
                  Index begin, Index end, Index first_panel, Index last_panel);
};

/// Depthwise 3x3 convolution in 8-bit integers, C a multiple of kChannelLanes, stride 1 or 2.
struct Int8DepthwiseLoops {
  /// Packs w (C,3,3) into 12 C bytes; sum (C) gets the sum of every filter.
  void (*pack)(Index c, const std::int8_t* w, std::int8_t* packed, std::int32_t* sum);
  /// Rows [begin, end) of the N*P output rows. zeros: W * C bytes of 0.
  void (*forward)(const DepthwiseGeometry& g, const Int8ConvArgs& args, const std::uint8_t* zeros,
                  Index begin, Index end);
};

/// The tables of the best instruction set that this processor has;
/// GRAFT_IMPL=simd:baseline|avx2|avx512 forces one.
[[nodiscard]] const char* isa_name();
[[nodiscard]] const PointwiseLoops& pointwise();
[[nodiscard]] const DropoutLoops& dropout();
[[nodiscard]] const OptimLoops& optim();
[[nodiscard]] const NormLoops& norm();
[[nodiscard]] const PoolLoops& pool();
[[nodiscard]] const DepthwiseLoops& depthwise();
[[nodiscard]] const Int8Loops& int8();
[[nodiscard]] const Conv1x1Loops* conv_1x1();              ///< null without AVX-512
[[nodiscard]] const WinogradLoops* winograd();             ///< null without AVX-512
[[nodiscard]] const Int8ConvLoops* int8_conv();            ///< null without AVX-512 VNNI
[[nodiscard]] const Int8DepthwiseLoops* int8_depthwise();  ///< null without AVX-512 VNNI

}  // namespace graft::kernels::cpu::simd
