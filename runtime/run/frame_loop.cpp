// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/frame_loop.h"

#include <algorithm>
#include <utility>

#include "engine/core/log.h"
#include "engine/io/image.h"

namespace graft::run {
namespace {

using events::EndReason;
using video::DropReason;
using video::Taken;

/// How often the loop looks for a new tree or a stop where no frames come.
constexpr std::chrono::milliseconds kPatience{50};
constexpr double kUpdateEveryS = 10;
constexpr double kMsPerSecond = 1000;
constexpr std::chrono::seconds kSnapshotEvery{1};
constexpr int kSnapshotSide = 120, kSnapshotQuality = 75;
constexpr std::size_t kSnapshotsOfEvents = 3;

int votes_of(const ScheduledApp& app) { return app.votes.value_or(1); }

events::FrameTime time_of(const video::Frame& frame) {
  return {.index = frame.index, .pts_s = frame.pts, .captured_at = frame.captured_at};
}

std::string small_picture(const ImageU8& image) {
  return encode_jpeg(resize_short_side(image, kSnapshotSide), kSnapshotQuality);
}

double seconds_since(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - time).count();
}

}  // namespace

FrameLoop::FrameLoop(video::Capture& capture, std::unique_ptr<Deployment> first,
                     const FrameLoopOptions& options)
    : capture_(capture), options_(options), log_(options.journal), deployment_(std::move(first)) {
  if (!options_.scores.empty()) {
    scores_.emplace(options_.scores);
    scores_->truncate_to(0);
  }
  meet_deployment();
  thread_ = std::thread([this] { work(); });
}

FrameLoop::~FrameLoop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void FrameLoop::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void FrameLoop::work() {
  try {
    take_frames();
    const std::scoped_lock lock(mutex_);
    end_events(stop_ ? EndReason::kShutdown : EndReason::kSourceEnd);
    log_.close();
  } catch (...) {
    failure_ = std::current_exception();
  }
  const std::scoped_lock lock(swap_mutex_);
  ended_ = true;
  swapped_.notify_all();
}

void FrameLoop::take_frames() {
  video::Frame frame;
  while (!stop_) {
    take_over();
    switch (capture_.mailbox().take(frame, kPatience)) {
      case Taken::kFrame:
        handle(frame);
        break;
      case Taken::kNothing: {
        const std::scoped_lock lock(mutex_);
        log_.flush();
        break;
      }
      case Taken::kLost: {
        const std::scoped_lock lock(mutex_);
        end_events(EndReason::kSourceLost);
        break;
      }
      case Taken::kEnd:
        return;
    }
  }
}

void FrameLoop::handle(const video::Frame& frame) {
  const auto due = deployment_->due(frame.index);
  last_index_ = frame.index;
  const bool anyone = std::any_of(due.begin(), due.end(), [](std::uint8_t d) { return d != 0; });
  jpeg_.clear();
  bool answered = false;
  try {
    answered = anyone && run_networks(frame, due);
    const std::scoped_lock lock(mutex_);
    if (answered) {
      for (const AppResult& result : results_) answer(frame, result);
    }
    account_nodes();
  } catch (...) {
    capture_.mailbox().dropped(DropReason::kFailed);
    throw;
  }
  if (answered) {
    capture_.mailbox().processed();
  } else {
    capture_.mailbox().dropped(anyone ? DropReason::kFailed : DropReason::kNotDue);
  }
}

bool FrameLoop::run_networks(const video::Frame& frame, std::span<const std::uint8_t> due) {
  try {
    results_ = deployment_->run(frame.image, due);
    return true;
  } catch (const Error& e) {
    // One picture that cannot be prepared or gives no numbers does not end the run.
    if (e.code() != Errc::kData && e.code() != Errc::kNumerical) throw;
    constexpr std::int64_t kSayEvery = 1000;
    if (failures_++ % kSayEvery == 0) {
      log::warning("frame {} has no answer: {} ({} such frames)", frame.index, e.what(), failures_);
    }
    return false;
  }
}

void FrameLoop::answer(const video::Frame& frame, const AppResult& result) {
  App& app = *by_index_[result.app];
  // Votes that were scheduled anew count from the end of an open event.
  const int votes = votes_of(deployment_->schedule().apps[result.app]);
  if (votes != app.detector.options().votes && !app.detector.open()) {
    app.detector = {options_.stream,
                    app.status.name,
                    app.sha256,
                    {.votes = votes, .update_every_s = kUpdateEveryS}};
  }
  const auto change = app.detector.observe(time_of(frame), result.positive, result.score);
  const bool opened = change && change->type == events::EventType::kNew;
  if (change) log_.add(*change);
  ++app.status.analysed;
  app.status.positives += result.positive ? 1 : 0;
  app.status.events += opened ? 1 : 0;
  app.status.event_open = app.detector.open();
  app.status.score = result.score;
  const RunApp& package = deployment_->apps()[result.app];
  app.status.label = package.package->header().labels[static_cast<std::size_t>(result.label)];
  app.status.age.add(seconds_since(frame.captured));
  if (options_.snapshots) keep_snapshot(app, frame, result, opened);
  if (scores_) write_score(app, frame, result);
}

void FrameLoop::keep_snapshot(App& app, const video::Frame& frame, const AppResult& result,
                              bool opened) {
  const auto now = Clock::now();
  if (!opened && now - app.snapshot_at < kSnapshotEvery) return;
  app.snapshot_at = now;
  const View& view = deployment_->apps()[result.app].view;
  std::string jpeg;
  if (!view.whole()) {
    jpeg = small_picture(cut(view, frame.image));
  } else if (jpeg_.empty()) {
    jpeg_ = small_picture(frame.image);
  }
  app.latest = {.index = frame.index,
                .pts = frame.pts,
                .score = result.score,
                .positive = result.positive,
                .jpeg = view.whole() ? jpeg_ : std::move(jpeg)};
  if (!opened) return;
  app.opened.push_front(app.latest);
  if (app.opened.size() > kSnapshotsOfEvents) app.opened.pop_back();
}

void FrameLoop::write_score(const App& app, const video::Frame& frame, const AppResult& result) {
  scores_->write({{"frame", frame.index},
                  {"pts", frame.pts},
                  {"app", app.status.name},
                  {"label", app.status.label},
                  {"score", result.score},
                  {"positive", result.positive},
                  {"event", app.status.event_open}});
}

void FrameLoop::account_nodes() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    const NodeStatistics before = std::exchange(node.now, deployment_->statistics(i));
    const int parent = node.node.parent;
    const bool came_in = parent < 0 || nodes_[static_cast<std::size_t>(parent)].ran;
    node.ran = node.now.runs > before.runs;
    node.frames_in += came_in ? 1 : 0;
    node.dropped += came_in && !node.ran ? 1 : 0;
    if (node.ran) node.latency.add((node.now.total_busy_ms - before.total_busy_ms) / kMsPerSecond);
  }
}

void FrameLoop::end_events(EndReason reason) {
  for (auto& [name, app] : apps_) {
    if (const auto change = app.detector.close(reason)) log_.add(*change);
    app.status.event_open = false;
  }
}

std::unique_ptr<Deployment> FrameLoop::swap(std::unique_ptr<Deployment> next) {
  std::unique_lock lock(swap_mutex_);
  next_ = std::move(next);
  swap_wanted_ = true;
  swapped_.wait(lock, [&] { return !swap_wanted_ || ended_; });
  if (swap_wanted_) {
    swap_wanted_ = false;
    next_.reset();
    fail(Errc::kUnavailable, "the stream is over; nothing can be changed any more");
  }
  return std::move(next_);
}

void FrameLoop::take_over() {
  if (!swap_wanted_) return;
  const std::scoped_lock lock(swap_mutex_, mutex_);
  std::swap(deployment_, next_);
  meet_deployment();
  swap_wanted_ = false;
  swapped_.notify_all();
}

void FrameLoop::meet_deployment() {
  deployment_->start_after(last_index_);
  std::map<std::string, App> kept;
  by_index_.clear();
  for (std::size_t i = 0; i < deployment_->apps().size(); ++i) {
    const RunApp& wanted = deployment_->apps()[i];
    auto old = apps_.find(wanted.name);
    if (old != apps_.end() && old->second.sha256 == wanted.sha256) {
      kept.insert(apps_.extract(old));
    } else {
      App app{.detector = {options_.stream,
                           wanted.name,
                           wanted.sha256,
                           {.votes = votes_of(deployment_->schedule().apps[i]),
                            .update_every_s = kUpdateEveryS}},
              .sha256 = wanted.sha256};
      app.status.name = wanted.name;
      kept.emplace(wanted.name, std::move(app));
    }
    by_index_.push_back(&kept.at(wanted.name));
  }
  end_events(EndReason::kAppRemoved);  // of those that are left in apps_
  apps_ = std::move(kept);
  nodes_.clear();
  for (const TreeNode& node : deployment_->nodes()) nodes_.push_back({.node = node});
  ++trees_;
  in_use_since_ = Clock::now();
}

void FrameLoop::add_status(RunStatus& status) const {
  status.frames = capture_.mailbox().counts();
  status.capture = capture_.state();
  status.ended = ended_;
  const std::scoped_lock lock(mutex_);
  status.tree = trees_;
  status.events_waiting = log_.waiting();
  const Schedule& schedule = deployment_->schedule();
  status.cost = schedule.cost;
  status.mean_f1 = 0;
  for (std::size_t i = 0; i < by_index_.size(); ++i) {
    status.apps.push_back(status_of(i));
    status.mean_f1 += status.apps.back().f1 / static_cast<double>(by_index_.size());
  }
  const double seconds = seconds_since(in_use_since_);
  for (const Node& node : nodes_) {
    status.nodes.push_back(
        {.parent = node.node.parent,
         .first = node.node.first,
         .last = node.node.last,
         .shared = node.node.shared,
         .fps = node.node.fps,
         .frames_in = node.frames_in,
         .run = node.now.runs,
         .dropped = node.dropped,
         .rows = deployment_->rows(status.nodes.size()),
         .busy_ms = node.now.busy_ms,
         .busy_share = seconds > 0 ? node.now.total_busy_ms / kMsPerSecond / seconds : 0,
         .latency = node.latency});
    NodeStatus& out = status.nodes.back();
    for (const int app : node.node.apps) {
      out.apps.push_back(by_index_[static_cast<std::size_t>(app)]->status.name);
    }
    out.name =
        fmt::format("{} {}-{}", node.node.shared ? "stem" : out.apps.front(), out.first, out.last);
  }
}

AppStatus FrameLoop::status_of(std::size_t index) const {
  const App& app = *by_index_[index];
  const ScheduledApp& scheduled = deployment_->schedule().apps[index];
  AppStatus out = app.status;
  out.sha256 = app.sha256;
  out.sharing = name(deployment_->sharing(index));
  out.view = deployment_->apps()[index].view;
  out.frozen = scheduled.place.frozen;
  out.fps = scheduled.place.fps;
  out.votes = app.detector.options().votes;
  out.f1 = scheduled.quality.f1;
  out.recall = scheduled.quality.recall;
  out.precision = scheduled.quality.precision;
  const auto add = [&out](Snapshot snapshot) {
    snapshot.jpeg.clear();
    out.snapshots.push_back(std::move(snapshot));
  };
  if (!app.latest.jpeg.empty()) add(app.latest);
  for (const Snapshot& snapshot : app.opened) add(snapshot);
  return out;
}

std::string FrameLoop::snapshot(const std::string& app, std::size_t number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = apps_.find(app);
  if (found == apps_.end()) return "";
  if (number == 0) return found->second.latest.jpeg;
  const auto& opened = found->second.opened;
  return number <= opened.size() ? opened[number - 1].jpeg : "";
}

}  // namespace graft::run
