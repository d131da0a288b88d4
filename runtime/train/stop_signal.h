// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace graft::train {

/// Takes SIGINT and SIGTERM while it lives: the first asks for a stop at the next step boundary,
/// the second ends the process at once (exit code 130). One inside another, as around several runs,
/// shares the outer one's request. Of one thread.
class StopSignal {
 public:
  StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal();
  [[nodiscard]] static bool requested();
};

}  // namespace graft::train
