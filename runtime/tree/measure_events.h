// SPDX-License-Identifier: Apache-2.0
// What an application's events are like and how well its candidates see them, from a labelled
// sequence of frames. Source: spec/mainstream.md section 1.6.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/events/evaluate.h"
#include "runtime/tree/tree_runner.h"
#include "runtime/video/frame_source.h"

namespace graft {

/// Pairs of frames of events, the one before the other, not only neighbours.
struct MissPairs {
  std::int64_t first_missed = 0, both_missed = 0;
};
/// Adds those of one event; `hits`: one a frame, 0 is a miss.
void add_miss_pairs(std::span<const std::uint8_t> hits, MissPairs& pairs);

/// The coefficient with which P(miss | miss) = both / first comes out of the event model for frames
/// hit with `hit_rate`: within [0, 1], 0 if nothing was missed.
[[nodiscard]] double error_correlation(const MissPairs& pairs, double hit_rate);

/// Replaces `header.events` by what the labels say (shortest event, share of event frames), the
/// candidates' tpr and fpr by their rates on these frames, and the correlation by the mean over the
/// candidates, weighted by their missed pairs. All candidates run on one stem. Frames that `frames`
/// has beyond the labels and unlabelled ones are left out. `fps` > 0 of the frames. Throws
/// Error(kData) if there is no event or no other frame among them.
void measure_events(Context& ctx, const std::shared_ptr<const Package>& package, BaseModels& bases,
                    video::FrameSource& frames, std::span<const events::FrameLabel> labels,
                    double fps, PackageHeader& header);

}  // namespace graft
