// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/irreducible_loss.h"

#include <limits>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/data/loader.h"
#include "runtime/train/selective_step.h"
#include "runtime/train/stop_signal.h"
#include "sampler/select/traditional.h"

namespace graft::train {
namespace {

/// Ids with the parity, ascending.
std::vector<std::int64_t> ids_of(const data::Dataset& dataset, std::int64_t parity) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = parity; id < dataset.size(); id += 2) ids.push_back(id);
  return ids;
}

/// False if the process was asked to stop.
bool train(Network& network, SelectiveStep& step, data::Loader& loader, std::int64_t epochs) {
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    step.reset_epoch();
    loader.start(static_cast<std::uint32_t>(epoch));
    std::int64_t cursor = 0;
    while (const data::Batch* batch = loader.next()) {
      if (StopSignal::requested()) return false;
      const double size = static_cast<double>(loader.epoch_size());
      const bool last = loader.cursor() == loader.epoch_size();
      step.run(network.rows_of(*batch), last,
               static_cast<double>(epoch) + static_cast<double>(cursor) / size);
      cursor = loader.cursor();
    }
    const auto& losses = step.epoch_losses();
    log::info("irreducible loss: epoch {}/{}  train loss {:.4f}", epoch + 1, epochs,
              losses.weighted_sum / static_cast<double>(losses.count));
  }
  return true;
}

/// Evaluation losses of `ids`, by id; NaN elsewhere.
std::vector<float> losses_of(Network& network, const data::DatasetPtr& dataset,
                             std::vector<std::int64_t> ids, const IrreducibleLossOptions& options) {
  std::vector<float> by_id(static_cast<std::size_t>(dataset->size()),
                           std::numeric_limits<float>::quiet_NaN());
  data::Loader loader(dataset, {.batch = options.batch, .augment = options.eval_augment});
  loader.start(0, std::move(ids));
  std::vector<float> losses;
  while (const data::Batch* batch = loader.next()) {
    losses.resize(batch->ids.size());
    network.score(network.rows_of(*batch), Phase::kEval, {.losses = losses});
    for (std::size_t i = 0; i < losses.size(); ++i) {
      by_id[static_cast<std::size_t>(batch->ids[i])] = losses[i];
    }
  }
  return by_id;
}

}  // namespace

std::optional<IrreducibleLosses> irreducible_losses(Context& ctx, const Graph& graph,
                                                    const data::DatasetPtr& dataset,
                                                    const LrPolicy& lr,
                                                    const IrreducibleLossOptions& options) {
  if (dataset->size() < 2) {
    fail(Errc::kConfig, "irreducible losses need two halves of the training set, it has ",
         dataset->size(), " examples");
  }
  const auto half = std::make_shared<data::Subset>(dataset, ids_of(*dataset, 1));
  std::vector<std::int64_t> other = ids_of(*dataset, 0);
  Network network(ctx, graph, options.network);
  Traditional sampler;
  const auto size = dataset->image_size();
  SelectiveStep step(network, sampler, lr,
                     {.batch = options.batch,
                      .select_batch = options.batch,
                      .seed = options.seed,
                      .image = {1, size.height, size.width, 3}});
  data::Loader loader(
      half, {.batch = options.batch, .seed = options.seed, .augment = options.train_augment});
  if (!train(network, step, loader, options.epochs)) return std::nullopt;
  const Counters cost{.forward_select = std::ssize(other),
                      .forward_train = step.counters().forward_train,
                      .backprops = step.counters().backprops};
  return IrreducibleLosses{losses_of(network, dataset, std::move(other), options), cost};
}

}  // namespace graft::train
