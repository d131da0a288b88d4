// SPDX-License-Identifier: Apache-2.0
// The device that a trainer runs on, and what it asks of its memory.
#include <algorithm>
#include <thread>

#include "engine/core/log.h"
#include "engine/device/cuda_device.h"
#include "runtime/train/trainer.h"

namespace graft::train {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

double mib(std::size_t bytes) { return static_cast<double>(bytes) / kMiB; }

/// Of the first device; 0: there is none.
std::size_t device_bytes() {
  const CudaProbe cuda = probe_cuda();
  return cuda.devices.empty() ? 0 : cuda.devices.front().memory_bytes;
}

}  // namespace

void Trainer::log_memory(const Graph& graph) const {
  if (ctx_.backend() != Backend::kCuda) return;
  const Network::Options o = network_options();
  std::size_t weights = 0;
  for (const auto& [name, spec] : graph.param_specs()) {
    weights += static_cast<std::size_t>(spec.shape.numel()) * sizeof(float);
  }
  const std::size_t copies = o.optimizer.name == "sgd" ? 3 : 4;  // itself, gradient, momenta
  const std::size_t activations =
      plan_training(graph, graph.output("loss"), o.max_batch, o.precision,
                    o.cache == CacheMode::kReuse ? Tape::kCompactable : Tape::kWhole)
          .memory.bytes;
  const std::size_t data = options_.data_on_device ? data::ResidentData::bytes(*data_.train) : 0;
  log::info(
      "memory: weights, gradients and optimizer {:.0f} MiB, activations of {} examples {:.0f} MiB, "
      "data set {:.0f} MiB: {:.0f} of the device's {:.0f} MiB, without the libraries' workspaces",
      mib(weights * copies), o.max_batch, mib(activations), mib(data),
      mib(weights * copies + activations + data), mib(device_bytes()));
}

void Trainer::place_data() {
  if (ctx_.backend() != Backend::kCuda || !options_.data_on_device) return;
  const std::size_t bytes = data::ResidentData::bytes(*data_.train), room = device_bytes() / 4;
  if (ctx_.queue() != nullptr && bytes > room) {
    log::info(
        "the training set takes {:.0f} MiB, more than a quarter of the device ({:.0f} MiB): "
        "the loader sends its batches",
        mib(bytes), mib(room));
    return;
  }
  try {
    resident_ =
        std::make_unique<data::ResidentData>(ctx_, *data_.train, data_.train_augment, options_.seed,
                                             std::max(options_.batch, select_batch_));
  } catch (const Error& e) {
    if (e.code() != Errc::kOutOfMemory) throw;
    log::info("the loader sends the batches: {}", e.what());
  }
}

void Trainer::make_loader() {
  const data::LoaderOptions options{.batch = select_batch_,
                                    .ring_bytes = static_cast<std::size_t>(options_.loader_mib)
                                                  << 20,
                                    .seed = options_.seed,
                                    .augment = data_.train_augment,
                                    .pixels = resident_ == nullptr};
  if (ctx_.queue() == nullptr || resident_) {
    loader_ = std::make_unique<data::Loader>(data_.train, options);
    return;
  }
  loader_ = std::make_unique<data::Loader>(
      data_.train, options, pinned_memory(),
      std::make_unique<data::BatchUpload>(ctx_, make_cuda_copy_queue()));
}

int thread_budget(int threads) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return threads > 0 ? threads : cores;
}

std::unique_ptr<Context> make_context(const std::string& device, int threads) {
  const int budget = thread_budget(threads);
  if (device == "cuda") return std::make_unique<Context>(Backend::kCuda, budget);
  if (device == "auto") {
    const CudaProbe cuda = probe_cuda();
    if (cuda.reason.empty()) {
      log::info("device: cuda ({})", cuda.devices.front().name);
      return std::make_unique<Context>(Backend::kCuda, budget);
    }
    log::info("device: cpu with {} threads ({})", budget, cuda.reason);
  }
  return std::make_unique<Context>(Backend::kCpu, budget);
}

}  // namespace graft::train
