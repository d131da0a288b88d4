// SPDX-License-Identifier: Apache-2.0
#include "runtime/tree/measure_events.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/core/error.h"

namespace graft {
namespace {

using events::FrameLabel;
using events::FrameSpan;

constexpr double kMsPerSecond = 1000;

/// All candidates of a package as applications of one tree, each on every frame.
std::vector<TreeApp> all_candidates(const std::shared_ptr<const Package>& package) {
  std::vector<TreeApp> apps;
  for (const PackagedCandidate& c : package->header().candidates) {
    apps.push_back(
        {.name = "frozen-" + std::to_string(c.frozen), .package = package, .place = {c.frozen, 1}});
  }
  return apps;
}

/// [candidate][frame]: whether it says positive; as many frames as there are, `limit` at most.
std::vector<std::vector<std::uint8_t>> predict(Context& ctx, TreeRunner& tree,
                                               video::FrameSource& frames, std::size_t limit) {
  std::vector<std::vector<std::uint8_t>> hits(tree.apps().size());
  const std::vector<std::uint8_t> due(hits.size(), 1);
  const data::Preprocess& p = tree.preprocess();
  Tensor image = Tensor::allocate(ctx.memory(), {1, p.height, p.width, ImageU8::kChannels});
  std::vector<float> values(static_cast<std::size_t>(image.numel()));
  video::Frame frame;
  while (hits.front().size() < limit && frames.next(frame)) {
    data::apply(p, frame.image, values);
    copy_from_host(ctx, values.data(), image);
    for (const AppResult& r : tree.run(image, due)) hits[r.app].push_back(r.positive ? 1 : 0);
  }
  return hits;
}

double share(std::span<const std::uint8_t> hits, std::span<const FrameLabel> labels,
             FrameLabel of) {
  std::int64_t n = 0, positive = 0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (labels[i] != of) continue;
    ++n;
    positive += hits[i];
  }
  return static_cast<double>(positive) / static_cast<double>(n);
}

void set_statistics(std::span<const FrameLabel> labels, const std::vector<FrameSpan>& spans,
                    double fps, EventStatistics& events) {
  const auto positive = std::count(labels.begin(), labels.end(), FrameLabel::kPositive);
  const auto negative = std::count(labels.begin(), labels.end(), FrameLabel::kNegative);
  if (positive == 0 || negative == 0) {
    fail(Errc::kData, "labelled frames: ", positive, " of events and ", negative,
         " others; events can only be measured where there are both");
  }
  std::int64_t shortest = spans.front().last - spans.front().first + 1;
  for (const FrameSpan& s : spans) shortest = std::min(shortest, s.last - s.first + 1);
  events.length_ms = kMsPerSecond * static_cast<double>(shortest) / fps;
  events.frequency = static_cast<double>(positive) / static_cast<double>(positive + negative);
}

}  // namespace

void add_miss_pairs(std::span<const std::uint8_t> hits, MissPairs& pairs) {
  std::int64_t missed_behind = 0;
  for (std::size_t i = hits.size(); i-- > 0;) {
    if (hits[i] != 0) continue;
    pairs.first_missed += static_cast<std::int64_t>(hits.size() - 1 - i);
    pairs.both_missed += missed_behind;
    ++missed_behind;
  }
}

double error_correlation(const MissPairs& pairs, double hit_rate) {
  if (pairs.first_missed == 0 || hit_rate <= 0) return 0;
  const double again =
      static_cast<double>(pairs.both_missed) / static_cast<double>(pairs.first_missed);
  return std::clamp((again - (1 - hit_rate)) / hit_rate, 0.0, 1.0);
}

void measure_events(Context& ctx, const std::shared_ptr<const Package>& package, BaseModels& bases,
                    video::FrameSource& frames, std::span<const FrameLabel> labels, double fps,
                    PackageHeader& header) {
  TreeRunner tree(ctx, all_candidates(package), bases);
  const auto hits = predict(ctx, tree, frames, labels.size());
  labels = labels.first(hits.front().size());
  const std::vector<FrameSpan> spans = events::true_events(labels);
  set_statistics(labels, spans, fps, header.events);
  double sum = 0, weight = 0;
  for (std::size_t c = 0; c < hits.size(); ++c) {
    PackagedCandidate& candidate = header.candidates[c];
    candidate.tpr = share(hits[c], labels, FrameLabel::kPositive);
    candidate.fpr = share(hits[c], labels, FrameLabel::kNegative);
    MissPairs pairs;
    for (const FrameSpan& s : spans) {
      add_miss_pairs(std::span(hits[c]).subspan(static_cast<std::size_t>(s.first),
                                                static_cast<std::size_t>(s.last - s.first + 1)),
                     pairs);
    }
    const auto missed = static_cast<double>(pairs.first_missed);
    sum += missed * error_correlation(pairs, candidate.tpr);
    weight += missed;
  }
  header.events.correlation = weight > 0 ? sum / weight : 0;
  header.event_source = EventSource::kMeasured;
}

}  // namespace graft
