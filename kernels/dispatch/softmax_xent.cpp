// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/softmax_xent.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/softmax_xent.h"

namespace graft::kernels {
namespace {

constexpr Impl<decltype(softmax_xent_fwd)> kSoftmaxXentFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::softmax_xent_fwd},
    {"simd", Backend::kCpu, unless_f32, cpu::softmax_xent_fwd},
    {"ref", Backend::kRef, never, ref::softmax_xent_fwd},
};
constexpr Impl<decltype(softmax_xent_bwd)> kSoftmaxXentBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::softmax_xent_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::softmax_xent_bwd},
    {"ref", Backend::kRef, never, ref::softmax_xent_bwd},
};
constexpr Impl<decltype(softmax_scores)> kSoftmaxScores[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::softmax_scores},
    {"ref", Backend::kRef, never, ref::softmax_scores},
};
constexpr Impl<decltype(softmax)> kSoftmax[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::softmax},
    {"simd", Backend::kCpu, unless_f32, cpu::softmax},
    {"ref", Backend::kRef, never, ref::softmax},
};

DType check_logits(const Door& door, const char* what, const Tensor& x) {
  const DType dtype = door.floating(what, x);
  door.require(x.shape().rank() == 2 && x.shape()[1] >= 1, what, " expects (N,C), got ", x.shape());
  return dtype;
}

void check_xent(const Door& door, const Context& ctx, double smoothing, const Tensor& logits,
                const Tensor& label) {
  check_logits(door, "logits", logits);
  door.require(smoothing >= 0 && smoothing <= 1, "smoothing must be in [0, 1], got ", smoothing);
  const std::int64_t n_rows = logits.shape()[0], n_classes = logits.shape()[1];
  door.expect("label", label, {n_rows}, DType::kI32);
  if (ctx.backend() == Backend::kCuda) return;  // labels are on the device
  const auto* ids = label.ptr<std::int32_t>();
  for (std::int64_t n = 0; n < n_rows; ++n) {
    door.require(ids[n] >= 0 && ids[n] < n_classes, "label[", n, "]=", ids[n], " is not in [0, ",
                 n_classes, "); does the data set have more classes than the model?");
  }
}

}  // namespace

void softmax_xent_fwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct) {
  const Door door("softmax_xent_fwd");
  check_xent(door, ctx, smoothing, logits, label);
  door.expect("loss", loss, {logits.shape()[0]}, param_dtype(logits.dtype()));
  door.expect_or_empty("correct", correct, {logits.shape()[0]}, DType::kU8);
  if (logits.numel() == 0) return;
  dispatch("softmax_xent_fwd", kSoftmaxXentFwd, ctx, smoothing, logits, label, loss, correct);
}

void softmax_xent_bwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits) {
  if (mode == GradMode::kSkip) return;
  const Door door("softmax_xent_bwd");
  check_xent(door, ctx, smoothing, logits, label);
  door.expect("weight", weight, {logits.shape()[0]}, param_dtype(logits.dtype()));
  door.expect("dlogits", dlogits, logits.shape(), logits.dtype());
  if (logits.numel() == 0) return;
  dispatch("softmax_xent_bwd", kSoftmaxXentBwd, ctx, smoothing, logits, label, weight, mode,
           dlogits);
}

void softmax_scores(Context& ctx, const Tensor& logits, const Tensor& label, Tensor& confidence,
                    Tensor& gradient_norm) {
  const Door door("softmax_scores");
  check_xent(door, ctx, 0, logits, label);
  door.expect("confidence", confidence, {logits.shape()[0]}, param_dtype(logits.dtype()));
  door.expect("gradient_norm", gradient_norm, {logits.shape()[0]}, param_dtype(logits.dtype()));
  if (logits.numel() == 0) return;
  dispatch("softmax_scores", kSoftmaxScores, ctx, logits, label, confidence, gradient_norm);
}

void softmax(Context& ctx, const Tensor& x, Tensor& y) {
  const Door door("softmax");
  const DType dtype = check_logits(door, "x", x);
  door.expect("y", y, x.shape(), dtype);
  if (x.numel() == 0) return;
  dispatch("softmax", kSoftmax, ctx, x, y);
}

}  // namespace graft::kernels
