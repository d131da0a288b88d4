// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/probes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/core/error.h"
#include "runtime/data/batch.h"
#include "runtime/report/statistics.h"
#include "runtime/train/thumbnail.h"

namespace graft::train {
namespace {

constexpr std::int64_t kSample = 1024;      ///< training images whose losses are followed
constexpr std::int64_t kTestSample = 2000;  ///< test images
constexpr std::uint64_t kSampleSeed = 0;    ///< the same images whatever --seed
constexpr std::size_t kConfidenceGroups = 20;
constexpr int kFractions = 10;
constexpr std::size_t kWatched = 5;
constexpr std::size_t kExtremes = 12;
constexpr float kSmallGradient = 1e-5F;

/// `count` ids, all if there are not more, drawn without replacement; ascending.
std::vector<std::int64_t> draw(const data::Dataset& dataset, std::int64_t count) {
  auto ids = data::epoch_order(dataset.size(), kSampleSeed, 0);
  ids.resize(static_cast<std::size_t>(std::min(count, dataset.size())));
  std::sort(ids.begin(), ids.end());
  return ids;
}

/// f(batch) for the examples `ids`, at most `size` at a time.
template <class F>
void for_batches(const data::DatasetPtr& dataset, std::span<const std::int64_t> ids,
                 const data::AugmentOptions& augment, std::int64_t size, F&& f) {
  for (std::size_t i = 0; i < ids.size(); i += static_cast<std::size_t>(size)) {
    const auto part = ids.subspan(i, std::min(static_cast<std::size_t>(size), ids.size() - i));
    const std::vector<std::uint32_t> epochs(part.size());
    f(data::make_batch(dataset, part, epochs, augment, 0));
  }
}

/// Softmax probability of class `label` among the logits of one row.
double probability(std::span<const float> logits, std::int32_t label) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - top);
  return std::exp(static_cast<double>(logits[static_cast<std::size_t>(label)]) - top) / sum;
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

/// A loss that is not a number is the worst.
void nan_is_worst(std::vector<float>& losses) {
  for (float& loss : losses) {
    if (std::isnan(loss)) loss = std::numeric_limits<float>::infinity();
  }
}

int sign(float v) { return (v > 0 ? 1 : 0) - (v < 0 ? 1 : 0); }

Json curve_json(const std::vector<GradientSimilarity>& curve) {
  Json json;
  for (const GradientSimilarity& s : curve) {
    json["cosine"].push_back(s.cosine);
    json["sign"].push_back(s.sign);
    json["sign_small_agree"].push_back(s.sign_small_agree);
  }
  return json;
}

/// Puts the buffers (running statistics) back when it goes.
class BufferGuard {
 public:
  explicit BufferGuard(Network& network) : network_(network) {
    const Tensor& buffers = network.params().buffers();
    copy_.resize(static_cast<std::size_t>(buffers.numel()));
    if (!copy_.empty()) copy_to_host(network.context(), buffers, copy_.data());
  }
  BufferGuard(const BufferGuard&) = delete;
  BufferGuard& operator=(const BufferGuard&) = delete;
  ~BufferGuard() {
    if (!copy_.empty()) {
      copy_from_host(network_.context(), copy_.data(), network_.params().buffers());
    }
  }

 private:
  Network& network_;
  std::vector<float> copy_;
};

}  // namespace

Probes::Probes(Network& network, data::DatasetPtr train, data::DatasetPtr test, Options options)
    : network_(network),
      train_(std::move(train)),
      test_(std::move(test)),
      options_(std::move(options)),
      sample_(draw(*train_, kSample)),
      test_sample_(draw(*test_, kTestSample)),
      loss_sums_(sample_.size() + 1) {}

void Probes::restore(const std::vector<float>& state) {
  if (state.size() == loss_sums_.size()) loss_sums_ = state;
}

std::vector<Json> Probes::end_of_epoch(int epoch, bool last) {
  std::vector<Json> records;
  if (options_.which.confidence) records.push_back(confidence(epoch));
  if (options_.which.gradient_similarity) records.push_back(gradient_similarity(epoch));
  if (!options_.which.watch && !options_.which.extreme_losses) return records;
  const std::vector<float> losses = sample_losses();
  for (std::size_t i = 0; i < losses.size(); ++i) loss_sums_[i] += losses[i];
  loss_sums_.back() += 1;
  if (options_.which.watch) records.push_back(watch(epoch, losses));
  if (options_.which.extreme_losses) records.push_back(extreme_losses(epoch, last));
  return records;
}

Json Probes::confidence(int epoch) {
  std::vector<std::pair<float, std::uint8_t>> seen;  // confidence, whether it was right
  std::vector<float> logits;
  std::vector<std::uint8_t> correct;
  for_batches(test_, test_sample_, options_.test_augment, options_.batch, [&](const auto& b) {
    correct.resize(b.ids.size());
    network_.score(network_.rows_of(b), Phase::kEval, {.losses = {}, .correct = correct});
    const Tensor out = network_.executor().value(network_.graph().output("logits"));
    logits.resize(static_cast<std::size_t>(out.numel()));
    copy_to_host(network_.context(), out, logits.data());
    const std::size_t classes = logits.size() / b.ids.size();
    for (std::size_t i = 0; i < b.ids.size(); ++i) {
      const double p = probability(std::span(logits).subspan(i * classes, classes),
                                   b.y.template ptr<std::int32_t>()[i]);
      seen.emplace_back(static_cast<float>(p), correct[i]);
    }
  });
  std::sort(seen.begin(), seen.end());
  std::vector<float> sorted;
  for (const auto& s : seen) sorted.push_back(s.first);
  Json accuracy = Json::array();
  for (std::size_t g = 0; g < kConfidenceGroups; ++g) {
    const std::size_t begin = g * seen.size() / kConfidenceGroups;
    const std::size_t end = (g + 1) * seen.size() / kConfidenceGroups;
    double right = 0;
    for (std::size_t i = begin; i < end; ++i) right += seen[i].second;
    accuracy.push_back(begin < end ? Json(right / static_cast<double>(end - begin)) : Json());
  }
  return {{"event", "confidence"},
          {"epoch", epoch},
          {"examples", seen.size()},
          {"quantiles", report::quantiles(sorted)},
          {"accuracy", accuracy}};
}

std::vector<std::vector<float>> Probes::gradient(std::span<const std::int64_t> ids,
                                                 std::uint32_t epoch) {
  const std::vector<std::uint32_t> epochs(ids.size(), epoch);
  const data::Batch b =
      data::make_batch(train_, ids, epochs, options_.train_augment, options_.seed);
  Context& ctx = network_.context();
  Executor& executor = network_.executor();
  const RowIds rows{.seed = options_.seed, .example = b.ids, .epoch = b.epochs};
  const std::vector<float> weights(ids.size(), 1 / static_cast<float>(ids.size()));
  Tensor weight = Tensor::allocate(ctx.memory(), {b.size()});
  copy_from_host(ctx, weights.data(), weight);
  const Network::Rows inputs = network_.rows_of(b);
  executor.bind(network_.graph().find("image"), inputs.x);
  executor.bind(network_.graph().find("label"), inputs.y);
  executor.forward(Phase::kTrain, rows);
  executor.backward(weight, rows);
  std::vector<std::vector<float>> out;
  for (const auto& e : network_.params().entries()) {
    if (e.grad.empty()) continue;
    copy_to_host(ctx, e.grad, out.emplace_back(static_cast<std::size_t>(e.grad.numel())).data());
  }
  return out;
}

Json Probes::gradient_similarity(int epoch) {
  const BufferGuard guard(network_);
  const auto seen_epoch = static_cast<std::uint32_t>(epoch - 1);
  auto ids = data::epoch_order(train_->size(), options_.seed, seen_epoch);
  ids.resize(static_cast<std::size_t>(std::min(options_.batch, train_->size())));
  std::vector<float> losses(ids.size());
  const std::vector<std::uint32_t> epochs(ids.size(), seen_epoch);
  const data::Batch batch =
      data::make_batch(train_, ids, epochs, options_.train_augment, options_.seed);
  network_.score(network_.rows_of(batch), Phase::kEval, {.losses = losses});
  nan_is_worst(losses);
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return losses[a] > losses[b]; });
  std::vector<std::int64_t> by_loss;
  for (const std::size_t i : order) by_loss.push_back(ids[i]);

  const auto whole = gradient(ids, seen_epoch);
  std::vector<double> fractions;
  std::vector<GradientSimilarity> top, random;
  for (int k = 1; k <= kFractions; ++k) {
    fractions.push_back(static_cast<double>(k) / kFractions);
    const double wanted = fractions.back() * static_cast<double>(ids.size());
    const auto n = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(wanted)));
    // The batch is in random order: its beginning is a random part of it.
    random.push_back(similarity(gradient(std::span(ids).first(n), seen_epoch), whole));
    top.push_back(similarity(gradient(std::span(by_loss).first(n), seen_epoch), whole));
  }
  return {{"event", "gradient_similarity"}, {"epoch", epoch},
          {"examples", ids.size()},         {"fractions", fractions},
          {"top", curve_json(top)},         {"random", curve_json(random)}};
}

std::vector<float> Probes::sample_losses() {
  std::vector<float> losses;
  for_batches(train_, sample_, options_.test_augment, options_.batch, [&](const auto& b) {
    const std::size_t before = losses.size();
    losses.resize(before + b.ids.size());
    network_.score(network_.rows_of(b), Phase::kEval,
                   {.losses = std::span(losses).subspan(before)});
  });
  nan_is_worst(losses);
  return losses;
}

Json Probes::watch(int epoch, std::span<const float> losses) const {
  Json ids = Json::array(), own = Json::array(), percentiles = Json::array();
  const std::size_t count = std::min(kWatched, losses.size());
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = k * losses.size() / count;
    const auto below =
        std::count_if(losses.begin(), losses.end(), [&](float loss) { return loss < losses[i]; });
    ids.push_back(sample_[i]);
    own.push_back(losses[i]);
    percentiles.push_back(static_cast<double>(below) / static_cast<double>(losses.size()));
  }
  return {{"event", "watch"}, {"epoch", epoch}, {"sample", losses.size()},
          {"ids", ids},       {"losses", own},  {"percentiles", percentiles}};
}

Json Probes::extreme_losses(int epoch, bool with_images) const {
  std::vector<std::size_t> order(sample_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return loss_sums_[a] < loss_sums_[b]; });
  const std::size_t count = std::min(kExtremes, order.size());
  const auto entry = [&](std::size_t i) {
    const auto label = static_cast<std::size_t>(train_->label(sample_[i]));
    Json json = {{"id", sample_[i]},
                 {"label", train_->class_names()[label]},
                 {"mean_loss", loss_sums_[i] / loss_sums_.back()}};
    if (with_images) json["image"] = thumbnail(*train_, sample_[i]);
    return json;
  };
  Json lowest = Json::array(), highest = Json::array();
  for (std::size_t k = 0; k < count; ++k) {
    lowest.push_back(entry(order[k]));
    highest.push_back(entry(order[order.size() - 1 - k]));
  }
  return {{"event", "extreme_losses"},
          {"epoch", epoch},
          {"epochs", loss_sums_.back()},
          {"lowest", lowest},
          {"highest", highest}};
}

GradientSimilarity similarity(const std::vector<std::vector<float>>& a,
                              const std::vector<std::vector<float>>& b) {
  GRAFT_CHECK_EQ(a.size(), b.size());
  GradientSimilarity out;
  double cosines = 0, tensors = 0, equal = 0, agreeing = 0, elements = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    GRAFT_CHECK_EQ(a[t].size(), b[t].size());
    const double norms = std::sqrt(dot(a[t], a[t]) * dot(b[t], b[t]));
    if (norms > 0) {
      cosines += dot(a[t], b[t]) / norms;
      tensors += 1;
    }
    for (std::size_t i = 0; i < a[t].size(); ++i) {
      const bool small = std::fabs(a[t][i]) < kSmallGradient || std::fabs(b[t][i]) < kSmallGradient;
      const bool same = sign(a[t][i]) == sign(b[t][i]);
      equal += same ? 1 : 0;
      agreeing += same || small ? 1 : 0;
    }
    elements += static_cast<double>(a[t].size());
  }
  if (tensors > 0) out.cosine = cosines / tensors;
  if (elements > 0) {
    out.sign = equal / elements;
    out.sign_small_agree = agreeing / elements;
  }
  return out;
}

}  // namespace graft::train
