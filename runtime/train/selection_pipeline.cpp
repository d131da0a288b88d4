// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/selection_pipeline.h"

#include <algorithm>
#include <utility>

#include "kernels/api/rows.h"

namespace graft::train {
namespace {

constexpr const char* kLosses = "pipeline.losses";
constexpr const char* kExact = "pipeline.exact";
constexpr const char* kValues = "pipeline.values";
constexpr const char* kBuffers = "pipeline.buffers";

std::vector<float> read_all(Context& ctx, const Tensor& t) {
  std::vector<float> out(static_cast<std::size_t>(t.numel()));
  copy_to_host(ctx, t, out.data());
  return out;
}

}  // namespace

Network::Rows AheadSlice::rows() const {
  const auto n = static_cast<std::int64_t>(ids.size());
  return {x.rows(0, n), y.rows(0, n), ids, epochs};
}

SelectionPipeline::SelectionPipeline(Network& trained, std::unique_ptr<Network> replica,
                                     Scorer scorer, const Options& options)
    : trained_(trained),
      replica_(std::move(replica)),
      scorer_(std::move(scorer)),
      options_(options) {
  GRAFT_CHECK(options.depth >= 0 && options.sync_updates >= 1, "pipeline of depth ", options.depth,
              ", synchronised every ", options.sync_updates, " updates");
  auto& memory = trained.context().memory();
  for (int i = 0; i <= options.depth; ++i) {
    auto& slot = slots_.emplace_back(std::make_unique<Slot>());
    slot->slice.x = Tensor::allocate(memory, options.image.with_batch(options.select_batch));
    slot->slice.y = Tensor::allocate(memory, {options.select_batch}, DType::kI32);
    free_.push_back(slot.get());
  }
  auto& own = replica_->context().memory();
  packed_x_ = Tensor::allocate(own, options.image.with_batch(options.select_batch));
  packed_y_ = Tensor::allocate(own, {options.select_batch}, DType::kI32);
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

SelectionPipeline::~SelectionPipeline() = default;

AheadSlice& SelectionPipeline::prepare() {
  if (free_.empty()) fail(Errc::kInternal, "pipeline: ", size(), " slices are under way already");
  prepared_ = free_.back();
  return prepared_->slice;
}

SelectionPipeline::Slot& SelectionPipeline::take_prepared() {
  GRAFT_CHECK(prepared_ != nullptr, "pipeline: submit() without prepare()");
  Slot& slot = *std::exchange(prepared_, nullptr);
  free_.pop_back();
  slot.ready = false;
  slot.error = nullptr;
  order_.push_back(&slot);
  return slot;
}

void SelectionPipeline::submit(std::int64_t updates) {
  if (!weights_ || updates - synced_at_ >= options_.sync_updates) {
    weights_ = std::make_shared<Weights>(
        Weights{read_all(trained_.context(), trained_.params().values()),
                read_all(trained_.context(), trained_.params().buffers())});
    synced_at_ = updates;
  }
  Slot& slot = take_prepared();
  slot.weights = weights_;
  slot.slice.weights_update = synced_at_;
  {
    const std::lock_guard lock(mutex_);
    to_score_.push_back(&slot);
  }
  changed_.notify_all();
}

void SelectionPipeline::work(const std::stop_token& stop) {
  while (true) {
    Slot* slot = nullptr;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !to_score_.empty(); })) return;
      slot = to_score_.front();
      to_score_.pop_front();
    }
    try {
      score(*slot);
    } catch (...) {
      slot->error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      slot->ready = true;
    }
    changed_.notify_all();
  }
}

void SelectionPipeline::load(const std::shared_ptr<const Weights>& weights) {
  if (weights == loaded_) return;
  ParamStore& params = replica_->params();
  copy_from_host(replica_->context(), weights->values.data(), params.values());
  if (!weights->buffers.empty()) {
    copy_from_host(replica_->context(), weights->buffers.data(), params.buffers());
  }
  params.bump_version();
  loaded_ = weights;
}

void SelectionPipeline::score(Slot& slot) {
  load(slot.weights);
  AheadSlice& slice = slot.slice;
  const auto wanted = static_cast<std::int64_t>(slice.scored_rows.size());
  slice.losses.resize(slice.scored_rows.size());
  slice.exact.clear();
  if (wanted == 0) return;
  Network::Rows rows = slice.rows();
  std::vector<std::int64_t> ids;
  std::vector<std::uint32_t> epochs;
  if (wanted < static_cast<std::int64_t>(slice.ids.size())) {
    for (const std::int32_t row : slice.scored_rows) {
      ids.push_back(slice.ids[static_cast<std::size_t>(row)]);
      epochs.push_back(slice.epochs[static_cast<std::size_t>(row)]);
    }
    Network::Rows packed{packed_x_.rows(0, wanted), packed_y_.rows(0, wanted), ids, epochs};
    kernels::gather_rows(replica_->context(), rows.x, slice.scored_rows, packed.x);
    kernels::gather_rows(replica_->context(), rows.y, slice.scored_rows, packed.y);
    rows = packed;
  }
  scorer_(rows, slice.losses, slice.exact);
}

void SelectionPipeline::wait_for(const Slot& slot) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&slot] { return slot.ready; });
  lock.unlock();
  if (slot.error) std::rethrow_exception(slot.error);
}

const AheadSlice& SelectionPipeline::front(std::int64_t updates) {
  GRAFT_CHECK(!order_.empty(), "pipeline: nothing is under way");
  const Slot& slot = *order_.front();
  wait_for(slot);
  const std::int64_t age = updates - slot.slice.weights_update;
  staleness_ = std::max(staleness_, age);
  if (age > max_staleness()) {
    fail(Errc::kInternal, "pipeline: a slice was scored with weights ", age,
         " updates old, at most ", max_staleness(), " are allowed");
  }
  return slot.slice;
}

void SelectionPipeline::pop() {
  free_.push_back(order_.front());
  order_.pop_front();
}

SelectionPipeline::State SelectionPipeline::state() {
  State out{
      .meta = {{"synced_at", synced_at_}, {"staleness", staleness_}, {"slices", Json::array()}},
      .arrays = {}};
  auto &losses = out.arrays[kLosses], &exact = out.arrays[kExact];
  for (const Slot* slot : order_) {
    wait_for(*slot);
    const AheadSlice& s = slot->slice;
    out.meta["slices"].push_back({{"ids", s.ids},
                                  {"epochs", s.epochs},
                                  {"scored_rows", s.scored_rows},
                                  {"compared", !s.exact.empty()},
                                  {"weights_update", s.weights_update},
                                  {"last", s.last},
                                  {"epoch_progress", s.epoch_progress}});
    losses.insert(losses.end(), s.losses.begin(), s.losses.end());
    exact.insert(exact.end(), s.exact.begin(), s.exact.end());
  }
  out.arrays[kValues] = weights_ ? weights_->values : std::vector<float>{};
  out.arrays[kBuffers] = weights_ ? weights_->buffers : std::vector<float>{};
  return out;
}

void SelectionPipeline::restore(const State& state, const Refill& refill) {
  synced_at_ = state.meta.at("synced_at");
  staleness_ = state.meta.at("staleness");
  if (const auto& values = state.arrays.at(kValues); !values.empty()) {
    weights_ = std::make_shared<Weights>(Weights{values, state.arrays.at(kBuffers)});
  }
  std::span<const float> losses = state.arrays.at(kLosses), exact = state.arrays.at(kExact);
  const auto take = [](std::span<const float>& from, std::size_t n) {
    if (n > from.size()) fail(Errc::kModel, "checkpoint: the pipeline's losses are cut short");
    std::vector<float> out(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
    from = from.subspan(n);
    return out;
  };
  for (const Json& saved : state.meta.at("slices")) {
    AheadSlice& slice = prepare();
    slice.ids = saved.at("ids").get<std::vector<std::int64_t>>();
    slice.epochs = saved.at("epochs").get<std::vector<std::uint32_t>>();
    slice.scored_rows = saved.at("scored_rows").get<std::vector<std::int32_t>>();
    slice.weights_update = saved.at("weights_update");
    slice.last = saved.at("last");
    slice.epoch_progress = saved.at("epoch_progress");
    slice.losses = take(losses, slice.scored_rows.size());
    slice.exact = take(exact, saved.at("compared").get<bool>() ? slice.losses.size() : 0);
    refill(slice);
    take_prepared().ready = true;
  }
}

std::int64_t SelectionPipeline::max_staleness() const {
  return options_.depth * updates_per_slice_ + options_.sync_updates - 1;
}

}  // namespace graft::train
