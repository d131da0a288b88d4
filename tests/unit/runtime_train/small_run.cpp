// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime_train/small_run.h"

#include "graph/plan/fuse.h"
#include "runtime/data/augment.h"
#include "sampler/select/registry.h"

namespace graft::testing {
namespace {

constexpr std::int64_t kLargestBatch = 64;
constexpr std::int64_t kSide = data::Synthetic::kSide;

data::DatasetPtr synthetic(std::int64_t examples) {
  return std::make_shared<data::Synthetic>(data::SyntheticOptions{.train = examples, .test = 10},
                                           data::Split::kTrain);
}

}  // namespace

std::unique_ptr<train::Network> small_network(Context& ctx, const SmallRunOptions& options) {
  const Graph graph = fuse(build_model(parse_model_spec(options.model), {.norm = options.norm}));
  return std::make_unique<train::Network>(
      ctx, graph,
      train::Network::Options{.max_batch = kLargestBatch,
                              .optimizer = {.name = options.optimizer},
                              .seed = options.seed,
                              .cache = options.cache,
                              .row_sparse_norm = options.row_sparse_norm});
}

std::unique_ptr<train::Network> small_network(Context& ctx, const std::string& model,
                                              std::uint64_t seed, const std::string& optimizer) {
  return small_network(ctx, {.model = model, .optimizer = optimizer, .seed = seed});
}

SmallRun::SmallRun(const SmallRunOptions& options, MemoryResource& memory)
    : options_(options),
      ctx_(Backend::kCpu, options.threads, memory),
      data_(synthetic(options.examples)),
      network_(small_network(ctx_, options)),
      sampler_(make_sampler(options.sampler, options.sampler_options)),
      lr_(std::make_unique<LrPolicy>(
          parse_lr_spec(options.lr_policy, {.base_lr = options.lr, .epochs = 10}),
          LrClock::kCandidates, static_cast<double>(options.examples))),
      step_(std::make_unique<train::SelectiveStep>(
          *network_, *sampler_, *lr_,
          train::SelectiveStep::Options{.batch = options.batch,
                                        .select_batch = options.select_batch,
                                        .seed = options.seed,
                                        .image = {1, kSide, kSide, 3}})),
      loader_(std::make_unique<data::Loader>(
          data_,
          data::LoaderOptions{.batch = options.select_batch,
                              .threads = options.loader_threads,
                              .seed = options.seed,
                              .augment = data::training_augment(*data_)},
          memory)) {}

void SmallRun::start_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  (void)sampler_->before_epoch({.epoch = epoch, .examples = data_->size()});
  step_->reset_epoch();
  loader_->start(static_cast<std::uint32_t>(epoch));
}

bool SmallRun::run_slice() {
  const double done = static_cast<double>(loader_->cursor()) / static_cast<double>(data_->size());
  const data::Batch* batch = loader_->next();
  if (batch == nullptr) return false;
  step_->run({batch->x, batch->y, batch->ids, batch->epochs},
             loader_->cursor() == loader_->epoch_size(), static_cast<double>(epoch_) + done);
  return true;
}

void SmallRun::run_epoch(std::int64_t epoch) {
  start_epoch(epoch);
  while (run_slice()) {
  }
  sampler_->end_of_epoch({.epoch = epoch, .examples = data_->size()});
}

std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.data()), t.bytes());
}

std::string state_of(train::Network& network) {
  std::string bytes = bytes_of(network.params().values()) + bytes_of(network.params().buffers());
  for (const auto& state : network.optimizer().state()) bytes += bytes_of(state.block);
  return bytes;
}

train::TrainOptions small_options(const std::string& out) {
  train::TrainOptions o;
  o.data = "synthetic:train=300,test=40";
  o.model = "small_cnn";
  o.epochs = 3;
  o.batch = 32;
  o.select_batch = 48;
  o.lr = 0.05;
  o.threads = 1;
  o.device = "cpu";
  o.checkpoint_seconds = 0;
  o.out = out;
  return o;
}

}  // namespace graft::testing
