// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace graft::train {

/// Which probes a run carries.
struct ProbeOptions {
  bool confidence = false;
  bool gradient_similarity = false;
  bool watch = false;
  bool extreme_losses = false;

  /// Calls v(name, field) for every probe.
  template <class V>
  void visit(V&& v) {
    v("confidence", confidence);
    v("gradient_similarity", gradient_similarity);
    v("watch", watch);
    v("extreme_losses", extreme_losses);
  }
  [[nodiscard]] bool any() const {
    return confidence || gradient_similarity || watch || extreme_losses;
  }
};

/// "all", "none" or names with ',' between them. Throws Error(kUsage).
[[nodiscard]] ProbeOptions parse_probes(std::string_view text);

}  // namespace graft::train
