// SPDX-License-Identifier: Apache-2.0
// A trainer without records and checkpoints, small enough for a test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "layers/optim/lr_policy.h"
#include "models/spec/model_spec.h"
#include "runtime/data/loader.h"
#include "runtime/data/synthetic.h"
#include "runtime/train/network.h"
#include "runtime/train/selective_step.h"
#include "runtime/train/train_options.h"
#include "runtime/train/trainer.h"
#include "sampler/select/sampler.h"

namespace graft::testing {

struct SmallRunOptions {
  std::string model = "small_cnn";
  Norm norm = Norm::kBatch;
  CacheMode cache = CacheMode::kRecompute;
  RowSparseNorm row_sparse_norm = RowSparseNorm::kRefuse;
  std::string sampler = "traditional";
  Json sampler_options = Json::object();
  std::string optimizer = "sgd";
  std::int64_t examples = 300, batch = 32, select_batch = 32;
  int threads = 1, loader_threads = 1;
  std::uint64_t seed = 1;
  std::string lr_policy = "fixed";
  double lr = 0.05;
};

/// Synthetic data, a network, a sampler and the loop around them. Epochs are run by the caller.
class SmallRun {
 public:
  explicit SmallRun(const SmallRunOptions& options, MemoryResource& memory = host_memory());

  /// All slices of `epoch`, as Trainer runs them.
  void run_epoch(std::int64_t epoch);
  /// The next slice of the epoch in progress; false at its end.
  bool run_slice();
  void start_epoch(std::int64_t epoch);

  [[nodiscard]] train::Network& network() { return *network_; }
  [[nodiscard]] train::SelectiveStep& step() { return *step_; }
  [[nodiscard]] const Counters& counters() { return step_->counters(); }
  [[nodiscard]] Context& context() { return ctx_; }
  [[nodiscard]] std::int64_t examples() const { return options_.examples; }

 private:
  SmallRunOptions options_;
  Context ctx_;
  data::DatasetPtr data_;
  std::unique_ptr<train::Network> network_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<LrPolicy> lr_;
  std::unique_ptr<train::SelectiveStep> step_;
  std::unique_ptr<data::Loader> loader_;
  std::int64_t epoch_ = 0;
};

/// A network as SmallRun makes it.
[[nodiscard]] std::unique_ptr<train::Network> small_network(Context& ctx,
                                                            const SmallRunOptions& options);
[[nodiscard]] std::unique_ptr<train::Network> small_network(Context& ctx, const std::string& model,
                                                            std::uint64_t seed,
                                                            const std::string& optimizer = "sgd");

/// The bytes of a tensor in host memory.
[[nodiscard]] std::string bytes_of(const Tensor& t);
/// The bytes of weights, buffers and the optimizer's state.
[[nodiscard]] std::string state_of(train::Network& network);

/// A short run of `graft train`: three epochs of 300 images, no checkpoint but at the ends of
/// epochs.
[[nodiscard]] train::TrainOptions small_options(const std::string& out);

}  // namespace graft::testing
