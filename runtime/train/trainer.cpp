// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/core/rng.h"
#include "engine/core/text.h"
#include "engine/device/cuda_device.h"
#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"
#include "runtime/build_info.h"
#include "runtime/data/label_noise.h"
#include "runtime/data/open.h"
#include "runtime/report/statistics.h"
#include "runtime/train/stop_signal.h"
#include "sampler/select/registry.h"

namespace graft::train {
namespace {

constexpr std::uint64_t kLimitSeed = 0;  // --train-limit takes the same examples whatever --seed

/// Options from text: numbers and booleans as such, the rest as strings.
Json sampler_json(const TrainOptions& o) {
  Json json = {{"preset", o.sampler_preset}};
  if (o.beta) json["beta"] = *o.beta;
  if (!o.priority.empty()) json["priority"] = o.priority;
  if (o.staleness) json["staleness"] = *o.staleness;
  if (o.unbiased) json["unbiased"] = true;
  for (const auto& [key, text] : o.sampler_options) {
    if (text == "true" || text == "false")
      json[key] = text == "true";
    else if (const auto whole = parse_int(text))
      json[key] = *whole;
    else if (const auto number = parse_double(text))
      json[key] = *number;
    else
      json[key] = text;
  }
  return json;
}

double target_error(const TrainOptions& o) {
  return o.stop_at_error > 1 ? o.stop_at_error / 100 : o.stop_at_error;
}

std::string lr_policy_text(const TrainOptions& o) {
  constexpr double kWarmupShare = 0.1;
  if (o.lr_policy != "auto") return o.lr_policy;
  return fmt::format("cosine:warmup={}", std::min(1.0, kWarmupShare * o.epochs));
}

}  // namespace

Trainer::Trainer(Context& ctx, const TrainOptions& options, const std::string& out)
    : ctx_(ctx), options_(options) {
  options_.check();
  sampler_ = make_sampler(options_.sampler, sampler_json(options_));
  open_data();
  build_network();
  open_run(out);
}

void Trainer::open_data() {
  auto [train, test] = data::open_datasets(data::parse_data_spec(options_.data));
  train_data_ = std::move(train);
  test_data_ = std::move(test);
  if (options_.train_limit > 0) {
    train_data_ = data::limit_examples(train_data_, options_.train_limit, kLimitSeed);
  }
  if (options_.test_limit > 0) {
    test_data_ = data::limit_examples(test_data_, options_.test_limit, kLimitSeed);
  }
  if (options_.label_noise > 0) {
    const auto kind = options_.label_noise_kind == "uniform_flip"
                          ? data::LabelNoiseKind::kUniformFlip
                          : data::LabelNoiseKind::kPermutePrefix;
    train_data_ =
        std::make_shared<data::LabelNoise>(train_data_, kind, options_.label_noise, options_.seed);
  }
  if (options_.holdout > 0) {
    auto [kept, held] = data::hold_out(train_data_, options_.holdout, kLimitSeed);
    train_data_ = std::move(kept);
    test_data_ = std::move(held);
  }
  train_augment_ = data::training_augment(*train_data_);
  if (options_.crop_pad >= 0) train_augment_.pad = options_.crop_pad;
  train_augment_.flip = train_augment_.flip && options_.flip;
  train_augment_.cutout = options_.cutout;
  test_augment_ = data::evaluation_augment(*train_data_);
}

void Trainer::build_network() {
  select_batch_ =
      options_.select_batch > 0 ? options_.select_batch : sampler_->slice_size(options_.batch);
  const auto size = train_data_->image_size();
  const Graph graph = fuse(
      build_model(parse_model_spec(options_.model), {.classes = train_data_->classes(),
                                                     .height = size.height,
                                                     .width = size.width,
                                                     .norm = parse_norm(options_.norm),
                                                     .label_smoothing = options_.label_smoothing}));
  network_ = std::make_unique<Network>(
      ctx_, graph,
      Network::Options{.max_batch = std::max(options_.batch, select_batch_),
                       .optimizer = {.name = options_.optimizer,
                                     .momentum = options_.momentum,
                                     .nesterov = options_.nesterov,
                                     .weight_decay = options_.weight_decay},
                       .seed = options_.seed});
  const auto n = static_cast<double>(train_data_->size());
  const LrClock clock = parse_lr_clock(options_.lr_clock);
  const double units = clock == LrClock::kEpochs ? 1.0
                       : clock == LrClock::kUpdates
                           ? std::ceil(n / static_cast<double>(options_.batch))
                           : n;
  lr_ = std::make_unique<LrPolicy>(
      parse_lr_spec(lr_policy_text(options_),
                    {.base_lr = options_.lr, .epochs = static_cast<double>(options_.epochs)}),
      clock, units);
  step_ = std::make_unique<SelectiveStep>(
      *network_, *sampler_, *lr_,
      SelectiveStep::Options{.batch = options_.batch,
                             .select_batch = select_batch_,
                             .seed = options_.seed,
                             .image = {1, size.height, size.width, 3}});
  loader_ = std::make_unique<data::Loader>(
      train_data_,
      data::LoaderOptions{.batch = select_batch_,
                          .ring_bytes = static_cast<std::size_t>(options_.loader_mib) << 20,
                          .seed = options_.seed,
                          .augment = train_augment_});
}

data::Preprocess Trainer::preprocess() const {
  const auto size = train_data_->image_size();
  return {.side = std::min(size.height, size.width),
          .height = size.height,
          .width = size.width,
          .normalization = test_augment_.normalization};
}

Json Trainer::description() const {
  Json fingerprint = options_.fingerprint();
  // Where the data lie does not matter, what they are does.
  fingerprint.erase("data");
  fingerprint["train_data"] = train_data_->fingerprint();
  fingerprint["test_data"] = test_data_->fingerprint();
  return {{"format", 1},
          {"fingerprint", fingerprint},
          {"options", options_.to_json()},
          {"sampler", sampler_->describe()},
          {"lr_policy", print(lr_->spec())},
          {"data",
           {{"train", train_data_->size()},
            {"test", test_data_->size()},
            {"classes", train_data_->class_names()}}},
          {"preprocess", data::to_json(preprocess())},
          {"parameters", network_->params().trainable_count()},
          {"arena_bytes", network_->executor().arena_bytes()},
          {"device", name(ctx_.backend())},
          {"threads", ctx_.threads()},
          {"build", build_info()}};
}

void Trainer::open_run(const std::string& out) {
  const auto how = options_.resume  ? RunDir::Open::kResume
                   : options_.force ? RunDir::Open::kForce
                                    : RunDir::Open::kNew;
  dir_ = std::make_unique<RunDir>(out, description(), how);
  log::set_file((dir_->path() / "log.txt").string());
  checkpoints_ = std::make_unique<CheckpointManager>(dir_->checkpoints());
  if (dir_->resumed()) {
    if (const auto extra = checkpoints_->load_latest(*network_)) {
      resume_from(*extra);
      return;
    }
    log::info("{}: no checkpoint yet, starting at the beginning", out);
  }
  dir_->metrics().truncate_to(0);
  if (!options_.init_from.empty()) {
    CheckpointManager(std::filesystem::path(options_.init_from) / "ckpt").load_weights(*network_);
  }
}

void Trainer::account_other() {
  TimeSplit& time = step_->time();
  const double elapsed = std::chrono::duration<double>(Clock::now() - run_start_).count();
  time.other += elapsed - (time.total() - measured_before_);
}

RunResult Trainer::run() {
  run_start_ = saved_at_ = Clock::now();
  if (finished_ || epoch_ >= options_.epochs) {
    log::info("nothing left to train: {} of {} epochs are done", epoch_, options_.epochs);
    return result(RunResult::End::kNothingLeft);
  }
  const StopSignal signals;
  while (epoch_ < options_.epochs && !finished_) {
    if (!epoch_open_) begin_epoch();
    if (!run_epoch()) {
      save_checkpoint();
      return result(RunResult::End::kInterrupted);
    }
    finish_epoch();
    save_checkpoint();
  }
  return result(target_reached() ? RunResult::End::kTargetReached : RunResult::End::kFinished);
}

void Trainer::begin_epoch() {
  std::vector<float> u(static_cast<std::size_t>(train_data_->size()));
  for (std::size_t i = 0; i < u.size(); ++i) {
    u[i] = Philox({.seed = options_.seed,
                   .purpose = RngPurpose::kEpochPlan,
                   .epoch = static_cast<std::uint32_t>(epoch_),
                   .id = i})
               .uniform();
  }
  epoch_plan_ = sampler_->before_epoch(epoch_info(u));
  cursor_ = 0;
  epoch_start_ = step_->counters();
  step_->reset_epoch();
  epoch_open_ = true;
}

bool Trainer::run_epoch() {
  const auto epoch = static_cast<std::uint32_t>(epoch_);
  std::vector<float> weights;
  if (epoch_plan_.all) {
    loader_->start(epoch, cursor_);
  } else {
    std::vector<std::int64_t> ids;
    const auto n = static_cast<std::int64_t>(epoch_plan_.ids.size());
    for (const std::int64_t i : data::epoch_order(n, options_.seed, epoch)) {
      ids.push_back(epoch_plan_.ids[static_cast<std::size_t>(i)]);
    }
    if (!epoch_plan_.weights.empty()) {
      weights.assign(static_cast<std::size_t>(train_data_->size()), 1.0F);
      for (std::size_t i = 0; i < epoch_plan_.ids.size(); ++i) {
        weights[static_cast<std::size_t>(epoch_plan_.ids[i])] = epoch_plan_.weights[i];
      }
    }
    loader_->start(epoch, std::move(ids), cursor_);
  }
  step_->set_example_weights(std::move(weights));
  step_->set_lr_scale(epoch_plan_.lr_scale);
  while (true) {
    if (StopSignal::requested()) return false;
    Stopwatch watch(step_->time().data);
    const data::Batch* batch = loader_->next();
    watch.stop();
    if (batch == nullptr) return true;
    const double size = static_cast<double>(loader_->epoch_size());
    const bool last = loader_->cursor() == loader_->epoch_size();
    step_->run({batch->x, batch->y, batch->ids, batch->epochs}, last,
               epoch_ + static_cast<double>(cursor_) / size);
    cursor_ = loader_->cursor();
    show_progress();
    if (budget_spent()) return true;
    if (!last && checkpoint_is_due()) save_checkpoint();
  }
}

bool Trainer::checkpoint_is_due() const {
  if (options_.checkpoint_every > 0) {
    return step_->counters().updates - saved_update_ >= options_.checkpoint_every;
  }
  const double since = std::chrono::duration<double>(Clock::now() - saved_at_).count();
  return options_.checkpoint_seconds > 0 && since >= options_.checkpoint_seconds;
}

EpochInfo Trainer::epoch_info(std::span<const float> u) const {
  return {.epoch = epoch_, .epochs = options_.epochs, .examples = train_data_->size(), .u = u};
}

void Trainer::refresh_scores() {
  if (epoch_plan_.refresh.empty()) return;
  data::Loader loader(train_data_, {.batch = options_.batch, .augment = test_augment_});
  loader.start(static_cast<std::uint32_t>(epoch_), epoch_plan_.refresh);
  while (const data::Batch* batch = loader.next()) {
    step_->refresh({batch->x, batch->y, batch->ids, batch->epochs});
  }
}

bool Trainer::budget_spent() const {
  return options_.stop_at_cost > 0 && cost_units(step_->counters()) >= options_.stop_at_cost;
}

bool Trainer::target_reached() const {
  return options_.stop_at_error > 0 && last_eval_.error <= target_error(options_);
}

void Trainer::finish_epoch() {
  if (!budget_spent()) refresh_scores();
  sampler_->end_of_epoch(epoch_info({}));
  {
    Stopwatch watch(step_->time().eval);
    last_eval_ =
        evaluate(*network_, test_data_, test_augment_, std::max(options_.batch, select_batch_));
  }
  best_error_ = std::min(best_error_, last_eval_.error);
  epoch_ += 1;
  epoch_open_ = false;
  finished_ = target_reached() || budget_spent();
  account_other();
  const Json record = epoch_record();
  dir_->metrics().write(record);
  dir_->metrics().write(loss_cdf_record());
  cursor_ = 0;
  progress_.clear();
  const auto& c = step_->counters();
  log::info(
      "epoch {}/{}  test error {:.2f} %  test loss {:.4f}  train loss {:.4f}  kept {:.0f} %  lr "
      "{:.4g}",
      epoch_, options_.epochs, 100 * last_eval_.error, last_eval_.loss,
      record.at("train_loss").is_null() ? NAN : record.at("train_loss").get<double>(),
      100.0 * static_cast<double>(c.backprops - epoch_start_.backprops) /
          static_cast<double>(std::max<std::int64_t>(c.candidates - epoch_start_.candidates, 1)),
      step_->last_lr());
  for (const auto& bad : loader_->stats().bad_files) {
    log::warning("skipped {}: {}", bad.path, bad.reason);
  }
  if (on_epoch_) on_epoch_(record);
}

Json Trainer::epoch_record() const {
  const Counters& c = step_->counters();
  const auto& losses = step_->epoch_losses();
  const Json train_loss = losses.count > 0
                              ? Json(losses.weighted_sum / static_cast<double>(losses.count))
                              : Json(nullptr);
  return {{"event", "epoch"},
          {"epoch", epoch_},
          {"candidates", c.candidates},
          {"forward_select", c.forward_select},
          {"forward_train", c.forward_train},
          {"backprops", c.backprops},
          {"updates", c.updates},
          {"cost_units", cost_units(c)},
          {"seconds", step_->time().to_json()},
          {"lr", step_->last_lr()},
          {"train_loss", train_loss},
          {"test_loss", last_eval_.loss},
          {"test_error", last_eval_.error}};
}

Json Trainer::loss_cdf_record() const {
  return {{"event", "loss_cdf"},
          {"epoch", epoch_},
          {"quantiles", report::quantiles(step_->epoch_losses().seen)}};
}

void Trainer::show_progress() {
  const Counters& c = step_->counters();
  const auto& losses = step_->epoch_losses();
  const auto seen = c.candidates - epoch_start_.candidates;
  progress_.show(
      {.epoch = epoch_,
       .epochs = options_.epochs,
       .done = cursor_,
       .total = loader_->epoch_size(),
       .run_done = c.candidates,
       .run_total = train_data_->size() * options_.epochs,
       .loss = losses.count > 0 ? losses.weighted_sum / static_cast<double>(losses.count) : 0,
       .kept = seen > 0 ? static_cast<double>(c.backprops - epoch_start_.backprops) /
                              static_cast<double>(seen)
                        : 1});
}

RunResult Trainer::result(RunResult::End end) const {
  return {.end = end,
          .epochs = epoch_,
          .test_error = last_eval_.error,
          .best_error = best_error_,
          .test_loss = last_eval_.loss,
          .counters = step_->counters(),
          .time = step_->time()};
}

std::unique_ptr<Context> make_context(const std::string& device, int threads) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int budget = threads > 0 ? threads : cores;
  if (device == "cuda") return std::make_unique<Context>(Backend::kCuda, budget);
  if (device == "auto") {
    log::info("device: cpu with {} threads ({})", budget, probe_cuda().reason);
  }
  return std::make_unique<Context>(Backend::kCpu, budget);
}

}  // namespace graft::train
