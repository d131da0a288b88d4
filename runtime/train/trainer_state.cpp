// SPDX-License-Identifier: Apache-2.0
// What a checkpoint keeps of a trainer, and how a trainer goes on from it.
#include <algorithm>
#include <limits>

#include "engine/core/log.h"
#include "runtime/train/trainer.h"

namespace graft::train {
namespace {

Json queue_json(const TrainQueue::State& s) {
  return {{"ids", s.ids},
          {"epochs", s.epochs},
          {"weights", s.weights},
          {"candidates_since_update", s.candidates_since_update},
          {"batches_of_slice", s.batches_of_slice},
          {"slice_open", s.slice_open},
          {"last_of_epoch", s.last_of_epoch}};
}

TrainQueue::State queue_state(const Json& json) {
  return {.ids = json.at("ids"),
          .epochs = json.at("epochs"),
          .weights = json.at("weights"),
          .candidates_since_update = json.at("candidates_since_update"),
          .batches_of_slice = json.at("batches_of_slice"),
          .slice_open = json.at("slice_open"),
          .last_of_epoch = json.at("last_of_epoch")};
}

}  // namespace

void Trainer::resume_from(const CheckpointExtra& extra) {
  const Json& s = extra.state;
  epoch_ = s.at("epoch");
  epoch_open_ = s.at("epoch_open");
  cursor_ = s.at("cursor");
  best_error_ = s.at("best_error");
  const Json& test_loss = s.at("test_loss");  // null: it was not finite
  last_eval_ = {.loss = test_loss.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                            : test_loss.get<double>(),
                .error = s.at("test_error"),
                .examples = 0};
  epoch_plan_ = {.all = s.at("plan").at("all"),
                 .ids = s.at("plan").at("ids"),
                 .weights = s.at("plan").at("weights"),
                 .lr_scale = s.at("plan").at("lr_scale"),
                 .refresh = s.at("plan").at("refresh")};
  from_json(s.at("counters"), step_->counters());
  from_json(s.at("epoch_start"), epoch_start_);
  finished_ = !epoch_open_ && (target_reached() || budget_spent());  // the budget may have grown
  step_->time() = TimeSplit::from_json(s.at("seconds"));
  measured_before_ = step_->time().total();
  saved_update_ = step_->counters().updates;
  step_->set_last_lr(s.at("last_lr"));
  auto& losses = step_->epoch_losses();
  losses.weighted_sum = s.at("epoch_loss_sum");
  losses.count = s.at("epoch_loss_count");
  losses.seen = extra.arrays.at("trainer.epoch_losses");
  const auto probed = extra.arrays.find("probes.losses");
  if (probes_ && probed != extra.arrays.end()) probes_->restore(probed->second);
  SamplerState sampler{.meta = s.at("sampler"), .arrays = {}};
  for (const auto& [key, values] : extra.arrays) {
    if (key.rfind("sampler.", 0) == 0) sampler.arrays[key.substr(8)] = values;
  }
  sampler_->restore(sampler);
  if (ledger_) ledger_->restore(extra.arrays);
  resume_selection(extra);
  if (schedule_) schedule_->restore(s.at("priority_schedule"));
  refill_queue(s.at("queue"));
  if (s.contains("pending")) {  // not in checkpoints from before cached activations
    step_->restore_pending(PendingUpdate::from_json(s.at("pending")),
                           extra.arrays.at("trainer.pending_gradient"));
  }
  dir_->metrics().truncate_to(s.at("metrics_position").get<std::uint64_t>());
  log::info("resumed at epoch {} of {}, {} candidates into it, update {}", epoch_ + 1,
            options_.epochs, cursor_, step_->counters().updates);
}

void Trainer::resume_selection(const CheckpointExtra& extra) {
  if (cheap_) cheap_->restore(extra.state.at("cheap_selection"), extra.arrays);
  if (!pipeline_) return;
  const auto refill = [this](AheadSlice& slice) {
    const data::Batch batch =
        data::make_batch(data_.train, slice.ids, slice.epochs, data_.train_augment, options_.seed);
    Network::Rows rows = slice.rows();
    copy_from_host(ctx_, batch.x.ptr<float>(), rows.x);
    copy_from_host(ctx_, batch.y.ptr<std::int32_t>(), rows.y);
  };
  pipeline_->restore({.meta = extra.state.at("pipeline"), .arrays = extra.arrays}, refill);
}

void Trainer::refill_queue(const Json& queue) {
  const TrainQueue::State state = queue_state(queue);
  std::vector<std::int64_t> slots;
  if (resident_) {  // its images are read again when they are trained on
    step_->queue().restore(state, std::vector<std::int64_t>(state.ids.size(), 0));
    return;
  }
  const auto chunk = static_cast<std::size_t>(options_.batch);
  for (std::size_t i = 0; i < state.ids.size(); i += chunk) {
    const std::size_t n = std::min(chunk, state.ids.size() - i);
    const data::Batch rows =
        data::make_batch(data_.train, std::span(state.ids).subspan(i, n),
                         std::span(state.epochs).subspan(i, n), data_.train_augment, options_.seed);
    const Network::Rows staged = network_->rows_of(rows);
    for (std::int64_t r = 0; r < rows.size(); ++r) {
      slots.push_back(step_->put(staged.x, staged.y, r));
    }
  }
  step_->queue().restore(state, slots);
}

void Trainer::save_checkpoint() {
  step_->settle();
  account_other();
  dir_->metrics().sync();
  const SamplerState sampler = sampler_->state();
  CheckpointExtra extra;
  extra.state = {{"epoch", epoch_},
                 {"epoch_open", epoch_open_},
                 {"cursor", cursor_},
                 {"best_error", best_error_},
                 {"test_loss", last_eval_.loss},
                 {"test_error", last_eval_.error},
                 {"plan",
                  {{"all", epoch_plan_.all},
                   {"ids", epoch_plan_.ids},
                   {"weights", epoch_plan_.weights},
                   {"lr_scale", epoch_plan_.lr_scale},
                   {"refresh", epoch_plan_.refresh}}},
                 {"counters", step_->counters()},
                 {"epoch_start", epoch_start_},
                 {"seconds", step_->time().to_json()},
                 {"last_lr", step_->last_lr()},
                 {"epoch_loss_sum", step_->epoch_losses().weighted_sum},
                 {"epoch_loss_count", step_->epoch_losses().count},
                 {"sampler", sampler.meta},
                 {"queue", queue_json(step_->queue().state())},
                 {"pending", step_->pending().to_json()},
                 {"metrics_position", dir_->metrics().position()}};
  extra.arrays["trainer.pending_gradient"] = step_->pending_gradient();
  extra.arrays["trainer.epoch_losses"] = step_->epoch_losses().seen;
  if (probes_) extra.arrays["probes.losses"] = probes_->state();
  for (const auto& [key, values] : sampler.arrays) extra.arrays["sampler." + key] = values;
  if (ledger_) ledger_->save(extra.arrays);
  if (schedule_) extra.state["priority_schedule"] = schedule_->state();
  if (pipeline_) {
    auto ahead = pipeline_->state();
    extra.state["pipeline"] = ahead.meta;
    extra.arrays.merge(ahead.arrays);
  }
  // After the pipeline's, which waits for its thread: that thread changes this state.
  if (cheap_) extra.state["cheap_selection"] = cheap_->state(extra.arrays);
  checkpoints_->save(*network_, extra, step_->counters().candidates);
  saved_at_ = Clock::now();
  saved_update_ = step_->counters().updates;
}

}  // namespace graft::train
