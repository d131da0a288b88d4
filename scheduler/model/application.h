// SPDX-License-Identifier: Apache-2.0
// The applications that share a stream, and the candidates (fine-tuned networks) of each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "scheduler/model/event_model.h"

namespace graft {

/// One fine-tuned network of an application: its first `frozen` layers are those of the base.
struct Candidate {
  int frozen = 0;
  FrameDetector detector;
};

/// A task on the stream. Where it comes from (a JSON file, a package) is the reader's business.
struct Application {
  std::string name;
  EventStatistics events;
  std::vector<Candidate> candidates;
  double weight = 1;  ///< for the weighted objective, > 0
  double min_f1 = 0;  ///< the application is not admitted with less, [0, 1]
};

struct Workload {
  std::string id;  ///< may be empty; results repeat it
  double stream_fps = 0;
  std::vector<Application> apps;
  std::optional<double> budget;
};

/// Reads {"stream_fps", "apps": [{"name", "event_length_ms", "event_frequency", "correlation",
/// "candidates": [{"frozen", "accuracy", "fpr"}, ...]}, ...]}; optional: "id" and "budget" of the
/// workload, "weight" and "min_f1" of an application. `n_layers` of the base bounds "frozen".
/// For EventModel::kCode a correlation may be up to 1.1, which the recorded workloads contain.
/// Throws Error(kModel) that names `source` and the field.
[[nodiscard]] Workload parse_workload(const Json& json, std::string_view source, int n_layers,
                                      EventModel model);

/// Parses the text of such a document under limits of size, then as above.
[[nodiscard]] Workload read_workload(std::string_view text, std::string_view source, int n_layers,
                                     EventModel model);

}  // namespace graft
