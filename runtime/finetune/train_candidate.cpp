// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/train_candidate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "runtime/train/progress_bar.h"
#include "runtime/train/stop_signal.h"

namespace graft::finetune {
namespace {

/// Updates of one epoch. A last batch of less than half is left out: its statistics would be those
/// of a handful of images.
std::int64_t updates_of(std::int64_t examples, std::int64_t batch) {
  const std::int64_t rest = examples % batch;
  return std::max<std::int64_t>(1, examples / batch + (2 * rest >= batch ? 1 : 0));
}

LrPolicy policy_of(const TrainSettings& s, std::int64_t updates) {
  return {parse_lr_spec(s.lr_policy, {.base_lr = s.lr, .epochs = static_cast<double>(s.epochs)}),
          LrClock::kUpdates, static_cast<double>(updates)};
}

}  // namespace

CandidateTrainer::CandidateTrainer(Context& ctx, const Graph& graph, const ParamStore& weights,
                                   const BranchPoint& start, const BranchPoint& frozen,
                                   const Examples& examples, InputRows& rows,
                                   const TrainSettings& settings)
    : ctx_(ctx),
      examples_(examples),
      input_(rows),
      settings_(settings),
      lr_(policy_of(settings, updates_of(std::ssize(examples.train), settings.batch))),
      name_(fmt::format("frozen {}", frozen.frozen)),
      // No weight decay: it would move frozen weights, whose gradients are zero.
      network_(ctx, training_graph(graph, start, frozen),
               {.max_batch = settings.batch,
                .optimizer = {.name = "adam", .weight_decay = 0},
                .seed = settings.seed}),
      labels_(Tensor::allocate(ctx.memory(), {settings.batch}, DType::kI32)),
      epochs_(static_cast<std::size_t>(settings.batch)) {
  copy_params(ctx, weights, network_.params());
}

train::Network::Rows CandidateTrainer::rows_of(std::span<const std::int64_t> ids) {
  auto* label = labels_.ptr<std::int32_t>();
  for (const std::int64_t id : ids) *label++ = examples_.images->label(id);
  return {.x = input_.read(ids),
          .y = labels_.rows(0, std::ssize(ids)),
          .ids = ids,
          .epochs = std::span(epochs_).first(ids.size())};
}

std::optional<double> CandidateTrainer::train_epoch(int epoch, EpochResult& result) {
  const auto n = std::ssize(examples_.train);
  std::vector<std::int64_t> ids;
  for (const std::int64_t i :
       data::epoch_order(n, settings_.seed, static_cast<std::uint32_t>(epoch))) {
    ids.push_back(examples_.train[static_cast<std::size_t>(i)]);
  }
  std::fill(epochs_.begin(), epochs_.end(), static_cast<std::uint32_t>(epoch));
  train::ProgressBar progress;
  train::TimeSplit time;
  double loss = 0;
  std::int64_t seen = 0;
  for (std::int64_t u = 0; u < updates_of(n, settings_.batch); ++u) {
    if (train::StopSignal::requested()) return std::nullopt;
    const auto count = std::min(settings_.batch, n - seen);
    const auto batch =
        std::span(ids).subspan(static_cast<std::size_t>(seen), static_cast<std::size_t>(count));
    const std::vector<float> weights(batch.size(), 1.0F / static_cast<float>(count));
    std::vector<float> losses(batch.size());
    result.lr = lr_.at(static_cast<double>(step_));
    network_.step(rows_of(batch), weights, result.lr, ++step_, {.losses = losses}, time);
    loss = std::accumulate(losses.begin(), losses.end(), loss);
    seen += count;
    progress.show({.done = seen,
                   .total = n,
                   .run_done = seen,
                   .run_total = n,
                   .what = fmt::format("{}, epoch {}", name_, epoch + 1)});
  }
  return loss / static_cast<double>(seen);
}

void CandidateTrainer::validate(EpochResult& result) {
  const auto n = static_cast<double>(examples_.validation.size());
  const Scores scores = score(examples_.validation);
  const std::size_t classes = scores.logits.size() / scores.losses.size();
  double right = 0;
  for (std::size_t i = 0; i < examples_.validation.size(); ++i) {
    const auto row = scores.logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
    if (best == examples_.images->label(examples_.validation[i])) ++right;
  }
  result.validation_loss = std::accumulate(scores.losses.begin(), scores.losses.end(), 0.0) / n;
  result.validation_accuracy = right / n;
  if (!std::isfinite(result.validation_loss)) {
    fail(Errc::kNumerical, name_, ": the validation loss is ", result.validation_loss,
         "; lower --lr");
  }
}

std::optional<CandidateTrainer::Training> CandidateTrainer::train() {
  Training training;
  double best = std::numeric_limits<double>::infinity();
  int since_best = 0;
  Tensor values, buffers;
  for (int epoch = 0; epoch < settings_.epochs && since_best < settings_.patience; ++epoch) {
    EpochResult result;
    const auto loss = train_epoch(epoch, result);
    if (!loss) return std::nullopt;
    result.train_loss = *loss;
    validate(result);
    log::debug("{}, epoch {}: loss {:.4f}, validation loss {:.4f}, accuracy {:.2f} %", name_,
               epoch + 1, result.train_loss, result.validation_loss,
               100 * result.validation_accuracy);
    training.history.push_back(result);
    ++since_best;
    if (result.validation_loss < best) {
      best = result.validation_loss;
      since_best = 0;
      training.best_epoch = epoch + 1;
      values = network_.params().values().clone(host_memory());
      buffers = network_.params().buffers().clone(host_memory());
    }
  }
  copy_from_host(ctx_, values.data(), network_.params().values());
  if (!buffers.empty()) copy_from_host(ctx_, buffers.data(), network_.params().buffers());
  network_.params().bump_version();
  return training;
}

CandidateTrainer::Scores CandidateTrainer::score(std::span<const std::int64_t> ids) {
  Scores all;
  const ValueId logits = network_.graph().output("logits");
  const auto classes = static_cast<std::size_t>(network_.graph().node(logits).shape[1]);
  all.losses.resize(ids.size());
  all.logits.resize(ids.size() * classes);
  for (std::size_t i = 0; i < ids.size(); i += static_cast<std::size_t>(settings_.batch)) {
    const std::size_t count = std::min(static_cast<std::size_t>(settings_.batch), ids.size() - i);
    network_.score(rows_of(ids.subspan(i, count)), Phase::kEval,
                   {.losses = std::span(all.losses).subspan(i, count)});
    copy_to_host(ctx_, network_.executor().value(logits), all.logits.data() + i * classes);
  }
  return all;
}

}  // namespace graft::finetune
