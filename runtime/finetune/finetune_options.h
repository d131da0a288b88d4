// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "engine/io/json.h"
#include "runtime/finetune/examples.h"
#include "runtime/finetune/train_candidate.h"
#include "runtime/train/train_options.h"

namespace graft::finetune {

using train::Scope;

/// Everything `graft finetune` can be told.
struct FinetuneOptions {
  std::string base, data, task, out;
  std::string branchpoints = "auto";
  std::int64_t hidden = 0;
  int epochs = 40, patience = 5;
  std::int64_t batch = 32;
  double lr = 1e-3;
  std::string lr_policy = "fixed";
  double validation = 0.1;
  std::uint64_t seed = 1337;
  std::uint64_t cache_bytes = std::uint64_t{8} << 30;
  int jobs = 1, threads = 0;
  bool resume = false, force = false;

  /// Calls v(name, field, scope, help) for every option. Of scope kRun: what a resumed candidate
  /// must have been trained with; base and data count by their contents.
  template <class V>
  void visit(V&& v) {
    v("base", base, Scope::kLocal,
      "model file, run directory, or zoo:NAME for a network with random weights");
    v("data", data, Scope::kLocal,
      "folder:DIR, with DIR/CLASS/FILE or DIR/{train,test[,val]}/CLASS/FILE");
    v("task", task, Scope::kRun, "what the candidates recognise, e.g. flowers");
    v("out", out, Scope::kLocal, "output folder");
    v("branchpoints", branchpoints, Scope::kLocal,
      "auto (ends of blocks where few activations cross), all, or a list of numbers of frozen "
      "layers, e.g. 0,57,75");
    v("hidden", hidden, Scope::kRun, "units of a hidden layer in the new head; 0: none");
    v("epochs", epochs, Scope::kRun, "passes over the training images, at most");
    v("patience", patience, Scope::kRun, "epochs without a smaller validation loss before the end");
    v("batch", batch, Scope::kRun, "images of one update");
    v("lr", lr, Scope::kRun, "learning rate of Adam");
    v("lr_policy", lr_policy, Scope::kRun,
      "as of graft train, clock in updates; Keras' decay 0.5 of 1e-4: "
      "lrPolicy_INV+k0_0.0001+gamma_0.5+p_1");
    v("validation", validation, Scope::kRun,
      "share of the training images set aside to decide when to stop");
    v("seed", seed, Scope::kRun, "of the split, the new head and the order of the images");
    v("cache_bytes", cache_bytes, Scope::kLocal,
      "room for activations of the frozen layers, in OUT/cache; 0: compute them anew each time");
    v("jobs", jobs, Scope::kLocal, "candidates at a time, each in a process of its own");
    v("threads", threads, Scope::kLocal, "compute threads of all jobs together; 0: all cores");
    v("resume", resume, Scope::kLocal, "train the candidates that are not finished yet");
    v("force", force, Scope::kLocal, "replace an existing output folder");
  }

  /// Throws Error(kUsage) naming option, value and range.
  void check() const;
  [[nodiscard]] TrainSettings settings() const;
  [[nodiscard]] ExampleOptions example_options() const {
    return {.data = data, .validation = validation, .seed = seed};
  }
  /// Options of scope kRun.
  [[nodiscard]] Json fingerprint() const;
};

}  // namespace graft::finetune
