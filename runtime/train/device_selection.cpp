// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/device_selection.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/optim.h"

namespace graft::train {
namespace {

template <class T>
Tensor bytes_of(Context& ctx) {
  return Tensor::allocate(ctx.memory(), {sizeof(T)}, DType::kU8);
}

template <class T>
std::vector<T> fetched(Context& ctx, const Tensor& t, std::int64_t n) {
  std::vector<T> host(static_cast<std::size_t>(n));
  if (n > 0) copy_to_host(ctx, t.rows(0, n), host.data());
  return host;
}

}  // namespace

DeviceSelection::DeviceSelection(Network& network, data::ResidentData& data, const Options& options)
    : network_(network), data_(data), options_(options) {
  GRAFT_CHECK(options.slice >= 1 && options.slice <= options.batch, "slice of ", options.slice,
              ", batch of ", options.batch);
  Context& ctx = network.context();
  MemoryResource& memory = ctx.memory();
  const auto allocate = [&](const Shape& shape, DType dtype) {
    return Tensor::allocate(memory, shape, dtype);
  };
  state_.queue_id = allocate({2 * options.batch}, DType::kI64);
  state_.queue_epoch = allocate({2 * options.batch}, DType::kI32);
  state_.seen = allocate({kMaxSlices * options.slice}, DType::kF32);
  state_.counts = bytes_of<kernels::SelectionCounts>(ctx);
  id_ = allocate({options.slice}, DType::kI64);
  epoch_ = allocate({options.slice}, DType::kI32);
  slice_x_ = allocate(options.image.with_batch(options.slice), DType::kF32);
  slice_y_ = allocate({options.slice}, DType::kI32);
  batch_x_ = allocate(options.image.with_batch(options.batch), DType::kF32);
  batch_y_ = allocate({options.batch}, DType::kI32);
  control_ = bytes_of<kernels::UpdateControl>(ctx);
}

void DeviceSelection::begin(std::span<const float> window, const PercentileRule& rule,
                            const TrainQueue::State& queue) {
  GRAFT_CHECK(!open_ && std::ssize(queue.ids) < options_.batch, "queue of ", queue.ids.size());
  Context& ctx = network_.context();
  const std::int64_t capacity = std::ssize(window);
  std::vector<std::int32_t> threshold;
  for (const double p : rule.probability) {
    threshold.push_back(static_cast<std::int32_t>(kernels::draw_threshold(p)));
  }
  GRAFT_CHECK_EQ(std::ssize(threshold), 2 * capacity + 1);
  if (state_.window.empty()) {
    state_.window = Tensor::allocate(ctx.memory(), {capacity});
    state_.threshold = Tensor::allocate(ctx.memory(), {2 * capacity + 1}, DType::kI32);
  }
  const auto n = std::ssize(queue.ids);
  const kernels::SelectionCounts counts{
      .queued = static_cast<std::uint32_t>(n),
      .idle = static_cast<std::uint32_t>(queue.candidates_since_update)};
  copy_from_host(ctx, window.data(), state_.window);
  copy_from_host(ctx, threshold.data(), state_.threshold);
  copy_from_host(ctx, &counts, state_.counts);
  Tensor to_id = state_.queue_id.rows(0, n), to_epoch = state_.queue_epoch.rows(0, n);
  copy_from_host(ctx, queue.ids.data(), to_id);
  copy_from_host(ctx, queue.epochs.data(), to_epoch);
  network_.weigh_equally(options_.batch);
  const bool same = rule.tie == rule_.tie && rule.include_self == rule_.include_self;
  rule_ = rule;
  if (slice_ == nullptr || !slice_->valid() || !same) record_slice();
  slices_ = 0;
  open_ = true;
  lr_.clear();
  ids_.clear();
}

void DeviceSelection::record_slice() {
  Context& ctx = network_.context();
  network_.params().bump_version();  // so that copies of the weights are made within the recording
  slice_ = record_if(
      ctx,
      [this, &ctx](const Branch& full) {
        data_.fill(id_, epoch_, slice_x_, slice_y_);
        const Tensor loss = network_.enqueue_scores({slice_x_, slice_y_, {}, {}});
        kernels::select_into_queue(ctx,
                                   {.tie = rule_.tie,
                                    .include_self = rule_.include_self,
                                    .seed = options_.seed,
                                    .example = {},
                                    .epoch = {}},
                                   options_.batch, loss, id_, epoch_, state_, full);
      },
      [this, &ctx] {
        const Tensor ids = state_.queue_id.rows(0, options_.batch);
        const Tensor epochs = state_.queue_epoch.rows(0, options_.batch);
        data_.fill(ids, epochs, batch_x_, batch_y_);
        const auto n = static_cast<std::size_t>(options_.batch);
        const Tensor loss =
            network_.enqueue_step({batch_x_,
                                   batch_y_,
                                   {ids.ptr<const std::int64_t>(), n},
                                   {static_cast<const std::uint32_t*>(epochs.data()), n},
                                   /*ids_on_device=*/true},
                                  control_);
        kernels::finish_batch(ctx, loss, control_, state_);
      });
}

void DeviceSelection::run(std::span<const std::int64_t> ids, std::span<const std::uint32_t> epochs,
                          double lr) {
  GRAFT_CHECK(open_ && slices_ < kMaxSlices && std::ssize(ids) == options_.slice &&
                  epochs.size() == ids.size(),
              "slice of ", ids.size(), ", planned for ", options_.slice);
  Context& ctx = network_.context();
  const kernels::UpdateControl control = network_.optimizer().control(lr, 1);
  copy_from_host(ctx, ids.data(), id_);
  copy_from_host(ctx, epochs.data(), epoch_);
  copy_from_host(ctx, &control, control_);
  slice_->run();
  network_.params().bump_version();
  ++slices_;
  lr_.push_back(lr);
  ids_.insert(ids_.end(), ids.begin(), ids.end());
}

DeviceSelection::Outcome DeviceSelection::end() {
  Context& ctx = network_.context();
  open_ = false;
  Outcome out;
  copy_to_host(ctx, state_.counts, &out.counts);
  out.window = fetched<float>(ctx, state_.window, state_.window.numel());
  std::rotate(out.window.begin(), out.window.begin() + out.counts.next, out.window.end());
  out.queue.ids = fetched<std::int64_t>(ctx, state_.queue_id, out.counts.queued);
  out.queue.epochs.resize(out.counts.queued);
  if (out.counts.queued > 0) {
    copy_to_host(ctx, state_.queue_epoch.rows(0, out.counts.queued), out.queue.epochs.data());
  }
  out.queue.weights.assign(out.counts.queued, 1.0F);
  out.queue.candidates_since_update = out.counts.idle;
  out.seen = fetched<float>(ctx, state_.seen, out.counts.seen);
  check(out);
  if (out.counts.updates > 0) {
    const auto slices_since = static_cast<std::size_t>(out.counts.idle / options_.slice);
    out.last_lr = lr_[lr_.size() - 1 - slices_since];
  }
  slices_ = 0;
  return out;
}

void DeviceSelection::check(const Outcome& outcome) const {
  for (std::size_t i = 0; i < outcome.seen.size(); ++i) {
    if (std::isfinite(outcome.seen[i])) continue;
    fail(Errc::kNumerical, "example ", ids_[i], " has the loss ", outcome.seen[i],
         " in the selection forward; lower --lr");
  }
  if (outcome.counts.refused == 0) return;
  fail(Errc::kNumerical, outcome.counts.refused, " of the last ",
       outcome.counts.updates + outcome.counts.refused,
       " batches had a loss or a gradient that is not finite and made no update; lower --lr");
}

}  // namespace graft::train
