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

ThreadBudget::Lease::Lease(ThreadBudget& budget, int threads) : budget_(budget), wanted_(threads) {
  std::unique_lock lock(budget.mutex_);
  wait_for_turn(lock);
}

void ThreadBudget::Lease::wait_for_turn(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t ticket = budget_.next_ticket_++;
  budget_.turn_.wait(lock, [&] {
    // The budget may change while this waits.
    threads_ = std::min(wanted_, budget_.total_);
    return ticket == budget_.serving_ && budget_.leased_ + threads_ <= budget_.total_;
  });
  budget_.leased_ += threads_;
  ++budget_.serving_;
  lock.unlock();
  budget_.turn_.notify_all();  // the next may fit as well
}

void ThreadBudget::Lease::give_way() {
  std::unique_lock lock(budget_.mutex_);
  if (budget_.serving_ == budget_.next_ticket_) return;
  budget_.leased_ -= threads_;
  budget_.turn_.notify_all();
  wait_for_turn(lock);
}

ThreadBudget::Lease::~Lease() {
  {
    const std::scoped_lock lock(budget_.mutex_);
    budget_.leased_ -= threads_;
  }
  budget_.turn_.notify_all();
}

}  // namespace graft
