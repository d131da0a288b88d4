// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "engine/device/copy_queue.h"
#include "runtime/data/batch.h"

namespace graft::data {

/// Where a loader's batches lie on a device: two places, so that one batch is copied while the
/// other is worked on. Host memory of the batches: pinned_memory().
class BatchUpload {
 public:
  /// `ctx` must outlive the upload.
  BatchUpload(Context& ctx, std::unique_ptr<CopyQueue> copies)
      : ctx_(ctx), copies_(std::move(copies)) {}

  /// Enqueues the copy of a batch, behind all that ctx has been given so far, to the place that the
  /// last batch but one had. Its tensors are those on the device from here on; their bytes come
  /// from what they were, which must hold until wait(). Does not synchronise.
  void send(Batch& batch);
  /// What ctx is given from now on sees the batches sent so far.
  void publish() { copies_->precede(ctx_); }
  /// Returns when the batches sent have left the host's memory.
  void wait() { copies_->synchronize(); }

 private:
  Context& ctx_;
  std::unique_ptr<CopyQueue> copies_;
  struct Place {
    Tensor x, y;
  };
  std::array<Place, 2> places_;
  std::size_t sent_ = 0;
};

}  // namespace graft::data
