// SPDX-License-Identifier: Apache-2.0
#include "engine/device/thread_budget.h"

#include <algorithm>

#include <sched.h>

#include "engine/core/error.h"

namespace graft {
namespace {

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

int checked(int threads) {
  GRAFT_CHECK(threads >= 1, "thread budget: must be >= 1, got ", threads);
  return threads;
}

}  // namespace

ThreadBudget& ThreadBudget::process() {
  static ThreadBudget budget(usable_processors());
  return budget;
}

ThreadBudget::ThreadBudget(int threads) : total_(checked(threads)) {}

int ThreadBudget::threads() const {
  const std::scoped_lock lock(mutex_);
  return total_;
}

void ThreadBudget::set(int threads) {
  {
    const std::scoped_lock lock(mutex_);
    total_ = checked(threads);
  }
  turn_.notify_all();
}

ThreadBudget::Lease::Lease(ThreadBudget& budget, int threads) : budget_(budget) {
  std::unique_lock lock(budget.mutex_);
  const std::uint64_t ticket = budget.next_ticket_++;
  budget.turn_.wait(lock, [&] {
    // The budget may change while this waits.
    threads_ = std::min(threads, budget.total_);
    return ticket == budget.serving_ && budget.leased_ + threads_ <= budget.total_;
  });
  budget.leased_ += threads_;
  ++budget.serving_;
  lock.unlock();
  budget.turn_.notify_all();  // the next may fit as well
}

ThreadBudget::Lease::~Lease() {
  {
    const std::scoped_lock lock(budget_.mutex_);
    budget_.leased_ -= threads_;
  }
  budget_.turn_.notify_all();
}

}  // namespace graft
