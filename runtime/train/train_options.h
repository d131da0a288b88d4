// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/io/json.h"

namespace graft::train {

/// Whether an option decides what a run computes.
enum class Scope : std::uint8_t {
  kRun,    ///< part of the run's fingerprint: a run directory made with another value is refused
  kLocal,  ///< where and how it runs; may differ between a run and its resume
};

/// Everything `graft train` can be told. One declaration serves command line, config file, run.json
/// and help (visit).
struct TrainOptions {
  std::string data = "synthetic";
  std::string model = "small_cnn";
  std::string norm = "batch";
  std::string sampler = "traditional";
  std::string sampler_preset = "default";
  std::optional<double> beta;
  std::string priority;
  std::optional<double> staleness;
  bool unbiased = false;
  std::string cache = "recompute";
  std::string cache_bn = "refuse";
  int epochs = 10;
  std::int64_t batch = 128;
  std::int64_t select_batch = 0;
  double lr = 0.1;
  std::string lr_policy = "auto";
  std::string lr_clock = "candidates";
  std::string optimizer = "sgd";
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  double label_noise = 0;
  std::string label_noise_kind = "uniform_flip";
  int crop_pad = -1;
  bool flip = true;
  int cutout = 0;
  std::int64_t train_limit = 0;
  std::int64_t test_limit = 0;
  std::uint64_t seed = 1;
  double stop_at_error = 0;
  double stop_at_cost = 0;
  std::int64_t holdout = 0;
  std::string init_from;
  bool ledger = false;
  std::string adapt_at;
  std::string select_dtype = "f32";
  double select_scale = 1;
  double flip_limit = 0.02;
  int pipeline = -1;
  std::int64_t pipeline_sync = 1;
  std::map<std::string, std::string> sampler_options;  ///< from --set sampler.KEY=VALUE
  std::map<std::string, std::string> adapt_options;    ///< from --set adapt.KEY=VALUE

  int seeds = 1;
  int threads = 0;
  std::string device = "auto";
  std::string precision = "f32";
  bool deterministic = false;
  bool autotune = false;
  bool data_on_device = true;
  bool step_graph = true;
  std::int64_t checkpoint_every = 0;
  double checkpoint_seconds = 60;
  std::int64_t loader_mib = 64;
  std::string probes = "none";
  std::string out;
  bool resume = false;
  bool force = false;

  /// Calls v(name, field, scope, help) for every option but the two maps. Names have
  /// underscores; the command line turns them into hyphens.
  template <class V>
  void visit(V&& v) {
    visit_task(v);
    visit_training(v);
    visit_run(v);
  }

  /// Options of scope kRun, for run.json and the fingerprint.
  [[nodiscard]] Json fingerprint() const;
  /// All options.
  [[nodiscard]] Json to_json() const;
  /// Inverse of to_json; what is missing keeps its default. Throws Error(kConfig) naming a field of
  /// the wrong type.
  static TrainOptions from_json(const Json& json);
  /// Throws Error(kUsage) naming option, value and range.
  void check() const;

 private:
  template <class V>
  void visit_task(V& v) {
    v("data", data, Scope::kRun,
      "cifar10:DIR | cifar100:DIR | folder:DIR[,size=64] | synthetic[:train=N,...]");
    v("model", model, Scope::kRun,
      "network, e.g. resnet20, wrn-16-2; `graft inspect models` lists them");
    v("norm", norm, Scope::kRun, "normalisation: batch or group");
    v("sampler", sampler, Scope::kRun,
      "which examples are backpropagated: traditional, sb, stale, kath18, infobatch, kakurenbo, "
      "rho, "
      "batchsb, predicted, topk, lowk, random");
    v("sampler_preset", sampler_preset, Scope::kRun, "paper (as published) or default");
    v("beta", beta, Scope::kRun, "selectivity: probability = percentile^beta; 2 keeps a third");
    v("priority", priority, Scope::kRun,
      "probability of a loss percentile: power:B | linear:X,../Y,.. | beta:P,Q | betacdf:P,Q");
    v("staleness", staleness, Scope::kRun, "of sampler stale: a loss serves this many epochs");
    v("unbiased", unbiased, Scope::kRun, "of sampler sb: weigh each loss by 1 / probability");
    v("cache", cache, Scope::kRun,
      "activations of selected examples: recompute (a second forward), reuse (the selection "
      "forward, in training mode), masked (as reuse, by a full backward: the oracle)");
    v("cache_bn", cache_bn, Scope::kRun,
      "how --cache reuse takes batch norm: refuse, or approximately by b1p, b2 or b2prime");
    v("label_noise", label_noise, Scope::kRun,
      "fraction of training labels replaced by wrong ones");
    v("label_noise_kind", label_noise_kind, Scope::kRun, "uniform_flip or permute_prefix");
    v("train_limit", train_limit, Scope::kRun,
      "use only N training examples, the same for every seed; 0: all");
    v("holdout", holdout, Scope::kRun,
      "hold N training examples out and evaluate on them instead of the test set; 0: off");
    v("test_limit", test_limit, Scope::kRun, "use only N test examples; 0: all");
    v("crop_pad", crop_pad, Scope::kRun,
      "random crop out of the image padded by this; 0: off, -1: an eighth of the side");
    v("flip", flip, Scope::kRun, "mirror half of the training images");
    v("cutout", cutout, Scope::kRun, "side of the square cut out of each training image; 0: off");
  }
  template <class V>
  void visit_training(V& v) {
    v("epochs", epochs, Scope::kRun, "passes over the training set");
    v("batch", batch, Scope::kRun, "examples of one update");
    v("select_batch", select_batch, Scope::kRun, "candidates of one selection; 0: as batch");
    v("adapt_at", adapt_at, Scope::kRun,
      "shares of the epochs, e.g. 0,0.33,0.66, at which a search of the priority function begins "
      "in the background; --set adapt.KEY=VALUE for the search");
    v("select_dtype", select_dtype, Scope::kRun,
      "arithmetic of the selection forward: f32, bf16 or int8");
    v("select_scale", select_scale, Scope::kRun,
      "side of the images in the selection forward: 1 or 0.5");
    v("flip_limit", flip_limit, Scope::kRun,
      "share of decisions that cheap selection may flip before it goes back to f32");
    v("pipeline", pipeline, Scope::kRun,
      "slices scored ahead in a thread of their own; 0: none ahead, -1: no such thread");
    v("pipeline_sync", pipeline_sync, Scope::kRun,
      "updates between two copies of the weights to the scoring thread");
    v("lr", lr, Scope::kRun, "peak learning rate");
    v("lr_policy", lr_policy, Scope::kRun,
      "fixed | step:gamma=0.1,at=60/120 | cosine:warmup=1 | poly:p=2 | LRBench text; auto: cosine "
      "behind a warm-up of one epoch, or of a tenth of a shorter run");
    v("lr_clock", lr_clock, Scope::kRun,
      "what moves the rate: candidates, backprops, updates, epochs");
    v("optimizer", optimizer, Scope::kRun, "sgd, adam or adamw");
    v("momentum", momentum, Scope::kRun, "of sgd");
    v("nesterov", nesterov, Scope::kRun, "Nesterov's form of the momentum");
    v("weight_decay", weight_decay, Scope::kRun, "on all parameters");
    v("label_smoothing", label_smoothing, Scope::kRun, "mass spread over all classes");
    v("seed", seed, Scope::kRun, "of weights, order, augmentation and selection");
    v("stop_at_error", stop_at_error, Scope::kRun,
      "stop at this test error: 0.1 or 10 both mean ten percent; 0: off");
    v("stop_at_cost", stop_at_cost, Scope::kLocal,
      "stop once so many cost units (training forwards) are spent, a resume may ask for more; "
      "0: off");
    v("ledger", ledger, Scope::kRun, "keep each example's mean loss, for `graft data mislabels`");
    v("init_from", init_from, Scope::kRun, "run directory whose last weights this run starts from");
  }
  template <class V>
  void visit_run(V& v) {
    v("seeds", seeds, Scope::kLocal, "repeat with seed, seed+1, ...: mean, sd and 95 % interval");
    v("threads", threads, Scope::kLocal, "compute threads; 0: all cores");
    v("device", device, Scope::kLocal, "cpu, cuda or auto; cuda never runs on the CPU");
    v("precision", precision, Scope::kLocal,
      "of activations in training: f32, or bf16 (cuda only; weights, losses and sums stay f32)");
    v("deterministic", deterministic, Scope::kLocal,
      "cuda: only library kernels that repeat bit for bit; the CPU always does");
    v("autotune", autotune, Scope::kLocal,
      "cuda: measure a convolution's candidates on first use instead of asking a heuristic; "
      "choices "
      "are kept for this GPU");
    v("data_on_device", data_on_device, Scope::kLocal,
      "cuda: keep the training set on the device as bytes, if it takes a quarter of it at most");
    v("step_graph", step_graph, Scope::kLocal,
      "cuda: run a training step, and a slice of sb with its step, as one CUDA graph");
    v("checkpoint_every", checkpoint_every, Scope::kLocal,
      "updates between checkpoints; 0: by time");
    v("checkpoint_seconds", checkpoint_seconds, Scope::kLocal, "seconds between checkpoints");
    v("loader_mib", loader_mib, Scope::kLocal, "memory of the batches read ahead");
    v("probes", probes, Scope::kLocal,
      "extra records at epoch ends, for reports: all, none or a list of confidence, "
      "gradient_similarity, watch, extreme_losses");
    v("out", out, Scope::kLocal, "run directory");
    v("resume", resume, Scope::kLocal, "go on from the run directory's last checkpoint");
    v("force", force, Scope::kLocal, "replace an existing run directory");
  }
};

}  // namespace graft::train
