// SPDX-License-Identifier: Apache-2.0
// SelectiveStep with a data set that lies on the device, and slices that pass without the host.
#include "engine/core/log.h"
#include "runtime/train/selective_step.h"

namespace graft::train {

void SelectiveStep::read_from(data::ResidentData& data, bool on_device) {
  resident_ = &data;
  auto& memory = network_.context().memory();
  slice_x_ = Tensor::allocate(memory, options_.image.with_batch(options_.select_batch));
  slice_y_ = Tensor::allocate(memory, {options_.select_batch}, DType::kI32);
  const bool rate_is_known = lr_.clock() == LrClock::kCandidates || lr_.clock() == LrClock::kEpochs;
  if (!on_device || !rate_is_known || network_.cache() != CacheMode::kRecompute ||
      network_.optimizer().options().name != "sgd" || options_.select_batch > options_.batch ||
      sampler_.queue_options().mode == QueueMode::kFlushSlice || cheap_ != nullptr ||
      pipeline_ != nullptr || dynamic_cast<SelectiveBackprop*>(&sampler_) == nullptr) {
    return;
  }
  device_ = std::make_unique<DeviceSelection>(network_, data,
                                              DeviceSelection::Options{
                                                  .batch = options_.batch,
                                                  .slice = options_.select_batch,
                                                  .seed = options_.seed,
                                                  .image = options_.image,
                                              });
}

Network::Rows SelectiveStep::loaded(const Network::Rows& slice) {
  if (resident_ == nullptr) return slice;
  Stopwatch watch(time_.data);
  resident_->fill(slice.ids, slice.epochs, slice_x_, slice_y_);
  const auto n = std::ssize(slice.ids);
  return {slice_x_.rows(0, n), slice_y_.rows(0, n), slice.ids, slice.epochs};
}

bool SelectiveStep::device_takes(const Network::Rows& slice, bool last) {
  constexpr int kWarmSlices = 2;
  if (device_ == nullptr || last || std::ssize(slice.ids) != options_.select_batch ||
      host_slices_ < kWarmSlices || !example_weights_.empty() || observer_.on_select ||
      observer_.on_update) {
    return false;
  }
  if (device_->slices() == DeviceSelection::kMaxSlices) settle();
  if (device_->running()) return true;
  const auto& sampler = dynamic_cast<const SelectiveBackprop&>(sampler_);
  const auto rule = sampler.percentile_rule();
  if (!rule || queue_.size() >= options_.batch ||
      sampler.history().capacity() < options_.select_batch) {
    return false;
  }
  try {
    device_->begin(sampler.history().values(), *rule, queue_.state());
    return true;
  } catch (const Error& e) {
    if (e.code() != Errc::kUnsupported) throw;
    log::info("the host chooses the examples: {}", e.what());
    device_ = nullptr;
    network_.params().bump_version();  // copies that were made in a recording hold nothing
    return false;
  }
}

void SelectiveStep::settle() {
  if (device_ == nullptr || !device_->running()) return;
  Stopwatch watch(time_.select);
  const DeviceSelection::Outcome done = device_->end();
  const std::int64_t trained = std::int64_t{done.counts.updates} * options_.batch;
  counters_.candidates += done.counts.seen;
  counters_.forward_select += done.counts.seen;
  counters_.forward_train += trained;
  counters_.backprops += trained;
  counters_.updates += done.counts.updates;
  epoch_losses_.weighted_sum += done.counts.loss_sum;
  epoch_losses_.count += trained;
  epoch_losses_.seen.insert(epoch_losses_.seen.end(), done.seen.begin(), done.seen.end());
  if (done.counts.updates > 0) last_lr_ = done.last_lr;
  SamplerState state = sampler_.state();
  state.arrays["history"] = done.window;
  sampler_.restore(state);
  queue_.restore(done.queue, std::vector<std::int64_t>(done.queue.ids.size(), 0));
}

}  // namespace graft::train
