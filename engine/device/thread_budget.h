// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace graft {

/// The compute threads of the whole process, however many models there are and however many
/// threads call them: what is at work at one time never sums to more. Who wants more than is free
/// waits its turn, first come first served.
class ThreadBudget {
 public:
  /// That of the process: the processors that it may run on, unless set.
  [[nodiscard]] static ThreadBudget& process();

  /// Throws Error(kInvalidArgument) unless threads >= 1.
  explicit ThreadBudget(int threads);
  ThreadBudget(const ThreadBudget&) = delete;
  ThreadBudget& operator=(const ThreadBudget&) = delete;

  [[nodiscard]] int threads() const;
  /// For leases from now on. Throws as the constructor.
  void set(int threads);

  /// Some threads of the budget for as long as it lives. More than the whole budget gets all of it,
  /// so it is then alone at work. A thread must not take a second lease while it holds one.
  class Lease {
   public:
    Lease(ThreadBudget& budget, int threads);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    /// How many it got.
    [[nodiscard]] int threads() const { return threads_; }
    /// Gives the threads back for as long as those who wait now need theirs; at once if none does.
    /// For long work that can stand still between two pieces.
    void give_way();

   private:
    void wait_for_turn(std::unique_lock<std::mutex>& lock);

    ThreadBudget& budget_;
    int wanted_;
    int threads_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::condition_variable turn_;
  int total_;
  int leased_ = 0;
  std::uint64_t next_ticket_ = 0, serving_ = 0;  // of those who wait
};

}  // namespace graft
