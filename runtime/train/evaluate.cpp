// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/evaluate.h"

#include <numeric>
#include <vector>

#include "runtime/data/loader.h"

namespace graft::train {

Evaluation evaluate(Network& network, const data::DatasetPtr& dataset,
                    const data::AugmentOptions& augment, std::int64_t batch) {
  data::Loader loader(dataset, {.batch = batch, .augment = augment});
  std::vector<std::int64_t> ids(static_cast<std::size_t>(dataset->size()));
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  loader.start(0, std::move(ids));
  Evaluation result;
  std::vector<float> loss;
  std::vector<std::uint8_t> correct;
  double loss_sum = 0;
  std::int64_t right = 0;
  while (const data::Batch* b = loader.next()) {
    loss.resize(b->ids.size());
    correct.resize(b->ids.size());
    network.score(network.rows_of(*b), Phase::kEval, {.losses = loss, .correct = correct});
    loss_sum = std::accumulate(loss.begin(), loss.end(), loss_sum);
    right = std::accumulate(correct.begin(), correct.end(), right);
    result.examples += b->size();
  }
  if (result.examples > 0) {
    const auto n = static_cast<double>(result.examples);
    result.loss = loss_sum / n;
    result.error = 1 - static_cast<double>(right) / n;
  }
  return result;
}

}  // namespace graft::train
