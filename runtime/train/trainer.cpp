// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/core/rng.h"
#include "engine/core/text.h"
#include "models/spec/model_spec.h"
#include "runtime/build_info.h"
#include "runtime/data/open.h"
#include "runtime/report/statistics.h"
#include "runtime/train/irreducible_loss.h"
#include "runtime/train/stop_signal.h"
#include "runtime/train/trained_run.h"
#include "sampler/select/registry.h"

namespace graft::train {
namespace {

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

std::string lr_policy_text(const std::string& text, std::int64_t epochs) {
  constexpr double kWarmupShare = 0.1;
  if (text != "auto") return text;
  return fmt::format("cosine:warmup={}", std::min(1.0, kWarmupShare * static_cast<double>(epochs)));
}

}  // namespace

Trainer::Trainer(Context& ctx, const TrainOptions& options, const std::string& out,
                 std::unique_ptr<PrioritySchedule> schedule)
    : ctx_(ctx), options_(options), schedule_(std::move(schedule)) {
  options_.check();
  sampler_ = make_sampler(options_.sampler, sampler_json(options_));
  if (schedule_ && !sampler_->has_priority()) {
    fail(Errc::kUsage, "--adapt-at: sampler ", sampler_->name(),
         " does not draw by a priority function; use sb, stale, predicted or random");
  }
  data_ = open_train_data(options_);
  build_network();
  open_run(out);
}

void Trainer::build_network() {
  select_batch_ =
      options_.select_batch > 0 ? options_.select_batch : sampler_->slice_size(options_.batch);
  const auto size = data_.train->image_size();
  const Graph graph = training_graph(options_, *data_.train);
  log_memory(graph);
  network_ = std::make_unique<Network>(ctx_, graph, network_options());
  place_data();
  log_cache();
  lr_ = std::make_unique<LrPolicy>(make_lr_policy(options_.epochs, data_.train->size()));
  step_ = std::make_unique<SelectiveStep>(
      *network_, *sampler_, *lr_,
      SelectiveStep::Options{.batch = options_.batch,
                             .select_batch = select_batch_,
                             .seed = options_.seed,
                             .image = {1, size.height, size.width, 3}});
  build_selection(graph);
  if (options_.ledger) {
    ledger_ = std::make_unique<ExampleLedger>(data_.train->size());
    step_->observe(
        {.on_select = [this](const Network::Rows& slice, std::span<const float> losses,
                             const Selection&) { ledger_->add(slice.ids, losses); },
         .on_update = [this](const Network::Rows& batch, std::span<const float> losses, double,
                             const Counters&) { ledger_->add(batch.ids, losses); }});
  }
  make_loader();
  if (resident_) {
    step_->read_from(*resident_, options_.step_graph && options_.stop_at_cost == 0);
  }
  if (const ProbeOptions which = parse_probes(options_.probes); which.any()) {
    probes_ = std::make_unique<Probes>(*network_, data_.train, data_.test,
                                       Probes::Options{.which = which,
                                                       .batch = options_.batch,
                                                       .seed = options_.seed,
                                                       .train_augment = data_.train_augment,
                                                       .test_augment = data_.test_augment});
  }
}

void Trainer::build_selection(const Graph& graph) {
  const CheapSelection::Options how{.scorer = {.dtype = parse_select_dtype(options_.select_dtype),
                                               .scale = options_.select_scale,
                                               .max_batch = select_batch_},
                                    .monitor = {.flip_limit = options_.flip_limit}};
  const bool ahead = options_.pipeline >= 0;
  if (how.scorer.exact() && !ahead) return;
  if (!ahead) {
    cheap_ = std::make_unique<CheapSelection>(ctx_, graph, network_->params(), how);
    step_->score_with(cheap_.get(), nullptr);
    return;
  }
  selector_ctx_ = std::make_unique<Context>(
      ctx_.backend(), std::max(1, thread_budget(options_.threads) - ctx_.threads()));
  auto replica = std::make_unique<Network>(
      *selector_ctx_, graph,
      Network::Options{.max_batch = select_batch_, .optimizer = {}, .seed = options_.seed});
  Network& net = *replica;
  SelectionPipeline::Scorer scorer = [&net](const Network::Rows& rows, std::span<float> losses,
                                            std::vector<float>&) {
    net.score(rows, Phase::kEval, {.losses = losses});
  };
  if (!how.scorer.exact()) {
    cheap_ = std::make_unique<CheapSelection>(*selector_ctx_, graph, net.params(), how);
    scorer = [this](const Network::Rows& rows, std::span<float> losses, std::vector<float>& exact) {
      cheap_->score(rows, losses, exact);
    };
  }
  const auto size = data_.train->image_size();
  pipeline_ = std::make_unique<SelectionPipeline>(
      *network_, std::move(replica), std::move(scorer),
      SelectionPipeline::Options{.depth = options_.pipeline,
                                 .sync_updates = options_.pipeline_sync,
                                 .select_batch = select_batch_,
                                 .image = {1, size.height, size.width, 3}});
  step_->score_with(cheap_.get(), pipeline_.get());
}

void Trainer::log_cache() const {
  if (network_->cache() == CacheMode::kRecompute) return;
  constexpr double kMiB = 1024.0 * 1024.0;
  const double tape = static_cast<double>(tape_bytes(network_->executor().training_plan()));
  const auto rows = static_cast<double>(std::max(options_.batch, select_batch_));
  log::info("cache {}{}: the tape of {} candidates takes {:.1f} MiB, {:.2f} MiB each, planned",
            options_.cache,
            options_.cache_bn == "refuse" ? "" : fmt::format(" (batch norm {})", options_.cache_bn),
            rows, tape / kMiB, tape / kMiB / rows);
}

Network::Options Trainer::network_options() const {
  return {.max_batch = std::max(options_.batch, select_batch_),
          .optimizer = {.name = options_.optimizer,
                        .momentum = options_.momentum,
                        .nesterov = options_.nesterov,
                        .weight_decay = options_.weight_decay},
          .seed = options_.seed,
          .precision = options_.precision == "bf16" ? DType::kBF16 : DType::kF32,
          .cache = parse_cache_mode(options_.cache),
          .row_sparse_norm = parse_row_sparse_norm(options_.cache_bn),
          .record_steps = options_.step_graph};
}

LrPolicy Trainer::make_lr_policy(std::int64_t epochs, std::int64_t examples) const {
  const auto n = static_cast<double>(examples);
  const LrClock clock = parse_lr_clock(options_.lr_clock);
  const double units = clock == LrClock::kEpochs ? 1.0
                       : clock == LrClock::kUpdates
                           ? std::ceil(n / static_cast<double>(options_.batch))
                           : n;
  return {parse_lr_spec(lr_policy_text(options_.lr_policy, epochs),
                        {.base_lr = options_.lr, .epochs = static_cast<double>(epochs)}),
          clock, units};
}

Json Trainer::description() const {
  Json fingerprint = options_.fingerprint();
  // Where the data lie does not matter, what they are does.
  fingerprint.erase("data");
  fingerprint["train_data"] = data_.train->fingerprint();
  fingerprint["test_data"] = data_.test->fingerprint();
  return {{"format", 1},
          {"fingerprint", fingerprint},
          {"options", options_.to_json()},
          {"sampler", sampler_->describe()},
          {"lr_policy", print(lr_->spec())},
          {"data",
           {{"train", data_.train->size()},
            {"test", data_.test->size()},
            {"classes", data_.train->class_names()}}},
          {"preprocess", data::to_json(data_.preprocess())},
          {"parameters", network_->params().trainable_count()},
          {"arena_bytes", network_->executor().arena_bytes()},
          {"tape_bytes", tape_bytes(network_->executor().training_plan())},
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
  if (!provide_irreducible_losses()) {
    save_checkpoint();
    return result(RunResult::End::kInterrupted);
  }
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

bool Trainer::provide_irreducible_losses() {
  const std::int64_t epochs = sampler_->irreducible_epochs(options_.epochs);
  if (epochs == 0) return true;
  const auto found = irreducible_losses(ctx_, network_->graph(), data_.train,
                                        make_lr_policy(epochs, data_.train->size() / 2),
                                        {.network = network_options(),
                                         .epochs = epochs,
                                         .batch = options_.batch,
                                         .seed = options_.seed,
                                         .train_augment = data_.train_augment,
                                         .eval_augment = data_.test_augment});
  if (!found) return false;
  sampler_->set_irreducible_losses(found->by_id);
  step_->counters() += found->cost;
  save_checkpoint();
  return true;
}

void Trainer::begin_epoch() {
  if (schedule_) exchange_priority();
  std::vector<float> u(static_cast<std::size_t>(data_.train->size()));
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
  if (!epoch_plan_.all) {  // what the plan leaves out has passed through selection too
    step_->counters().candidates += data_.train->size() - std::ssize(epoch_plan_.ids);
  }
  step_->reset_epoch();
  epoch_open_ = true;
}

void Trainer::exchange_priority() {
  const auto swap = schedule_->before_epoch(epoch_, options_.epochs, step_->last_lr());
  if (!swap) return;
  sampler_->set_priority(swap->priority);
  dir_->metrics().write(swap->record());
  log::info("stage {}: the priority function is now {}", swap->stage, swap->priority.text());
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
      weights.assign(static_cast<std::size_t>(data_.train->size()), 1.0F);
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
  return {.epoch = epoch_, .epochs = options_.epochs, .examples = data_.train->size(), .u = u};
}

void Trainer::refresh_scores() {
  if (epoch_plan_.refresh.empty()) return;
  data::Loader loader(data_.train, {.batch = options_.batch, .augment = data_.test_augment});
  loader.start(static_cast<std::uint32_t>(epoch_), epoch_plan_.refresh);
  while (const data::Batch* batch = loader.next()) {
    step_->refresh(network_->rows_of(*batch));
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
    last_eval_ = evaluate(*network_, data_.test, data_.test_augment,
                          std::max(options_.batch, select_batch_));
  }
  best_error_ = std::min(best_error_, last_eval_.error);
  epoch_ += 1;
  epoch_open_ = false;
  finished_ = target_reached() || budget_spent();
  std::vector<Json> probed;
  if (probes_) probed = probes_->end_of_epoch(epoch_, finished_ || epoch_ == options_.epochs);
  account_other();
  Json record = epoch_record();
  if (cheap_) record.update(cheap_->end_epoch());
  if (pipeline_) record["staleness"] = pipeline_->staleness();
  dir_->metrics().write(record);
  dir_->metrics().write(loss_cdf_record());
  for (const Json& probe : probed) dir_->metrics().write(probe);
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
       .run_total = data_.train->size() * options_.epochs,
       .loss = losses.count > 0 ? losses.weighted_sum / static_cast<double>(losses.count) : 0,
       .kept = seen > 0 ? static_cast<double>(c.backprops - epoch_start_.backprops) /
                              static_cast<double>(seen)
                        : 1});
}

RunResult Trainer::result(RunResult::End end) {
  if (schedule_) schedule_->interrupt();
  return {.end = end,
          .epochs = epoch_,
          .test_error = last_eval_.error,
          .best_error = best_error_,
          .test_loss = last_eval_.loss,
          .counters = step_->counters(),
          .time = step_->time()};
}

void validate(const TrainOptions& options) {
  options.check();
  (void)data::parse_data_spec(options.data);
  (void)parse_model_spec(options.model);
  (void)parse_lr_clock(options.lr_clock);
  (void)parse_lr_spec(lr_policy_text(options.lr_policy, options.epochs),
                      {.base_lr = options.lr, .epochs = static_cast<double>(options.epochs)});
  (void)make_sampler(options.sampler, sampler_json(options));
}

}  // namespace graft::train
