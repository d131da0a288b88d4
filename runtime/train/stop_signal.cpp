// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/stop_signal.h"

#include <csignal>

#include <unistd.h>

namespace graft::train {
namespace {

volatile std::sig_atomic_t requested_flag = 0;
using Handler = void (*)(int);
int depth = 0;
Handler previous_int = SIG_DFL;
Handler previous_term = SIG_DFL;

extern "C" void on_stop_signal(int) {
  constexpr int kSecondSignalExit = 130;
  if (requested_flag != 0) ::_exit(kSecondSignalExit);
  requested_flag = 1;
}

}  // namespace

StopSignal::StopSignal() {
  if (depth++ > 0) return;
  requested_flag = 0;
  previous_int = std::signal(SIGINT, on_stop_signal);
  previous_term = std::signal(SIGTERM, on_stop_signal);
}

StopSignal::~StopSignal() {
  if (--depth > 0) return;
  std::signal(SIGINT, previous_int);
  std::signal(SIGTERM, previous_term);
}

bool StopSignal::requested() { return requested_flag != 0; }

}  // namespace graft::train
