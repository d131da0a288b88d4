// SPDX-License-Identifier: Apache-2.0
// Bounded cache of vendor plans by a complete key, least recently used out first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

namespace graft::kernels {

struct PlanCacheStats {
  std::int64_t hits = 0, misses = 0, evictions = 0;
  std::size_t size = 0;
};

/// A key is kWords integers that decide everything about the value. A hit does not allocate.
template <std::size_t kWords, class Value>
class PlanCache {
 public:
  using Key = std::array<std::int64_t, kWords>;

  explicit PlanCache(std::size_t capacity) : capacity_(capacity) {}

  /// The value of `key`, made by make() on a miss; valid until the next get().
  template <class Make>
  Value& get(const Key& key, const Make& make) {
    if (const auto found = index_.find(key); found != index_.end()) {
      ++stats_.hits;
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    ++stats_.misses;
    if (entries_.size() == capacity_) {
      ++stats_.evictions;
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, make());
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }
  [[nodiscard]] PlanCacheStats stats() const {
    PlanCacheStats s = stats_;
    s.size = entries_.size();
    return s;
  }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::uint64_t h = 0xCBF29CE484222325u;  // FNV-1a over words
      for (const std::int64_t word : key) {
        h = (h ^ static_cast<std::uint64_t>(word)) * 0x100000001B3u;
        h ^= h >> 29;
      }
      return static_cast<std::size_t>(h);
    }
  };
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t capacity_;
  Entries entries_;  // most recently used first
  std::unordered_map<Key, typename Entries::iterator, Hash> index_;
  PlanCacheStats stats_;
};

}  // namespace graft::kernels
