// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime_data/count_allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::int64_t> g_allocations = 0;
}  // namespace

std::int64_t graft::testing::allocations() { return g_allocations; }

void* operator new(std::size_t bytes) {
  ++g_allocations;
  if (void* data = std::malloc(bytes == 0 ? 1 : bytes)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
