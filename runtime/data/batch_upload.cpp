// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/batch_upload.h"

namespace graft::data {
namespace {

void send_to(Tensor& place, Tensor& t, Context& ctx, CopyQueue& copies) {
  if (place.bytes() < t.bytes()) place = Tensor::allocate(ctx.memory(), t.shape(), t.dtype());
  Tensor to = place.rows(0, t.shape()[0]);
  copies.copy(t.data(), to.data(), t.bytes());
  t = to;
}

}  // namespace

void BatchUpload::send(Batch& batch) {
  Place& place = places_[sent_++ % places_.size()];
  copies_->follow(ctx_);
  send_to(place.x, batch.x, ctx_, *copies_);
  send_to(place.y, batch.y, ctx_, *copies_);
}

}  // namespace graft::data
