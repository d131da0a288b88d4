// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox4x32-10, addressed and never shared.
// Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define GRAFT_HD __host__ __device__
#else
#define GRAFT_HD
#endif

namespace graft {

/// What a random number is for. Two purposes never see the same stream.
enum class RngPurpose : std::uint32_t {
  kInit = 1,
  kShuffle = 2,
  kAugment = 3,
  kSelect = 4,
  kDropout = 5,
  kLabelNoise = 6,
  kSynthetic = 7,
  kTest = 8,
  kEpochPlan = 9,
  kMonteCarlo = 10,
  kSearch = 11,
  kBackOff = 12,
  kDropFrame = 13,
};

/// Address of a stream: results do not depend on threads, batching, caching or resume.
struct RngKey {
  std::uint64_t seed = 0;
  RngPurpose purpose = RngPurpose::kTest;
  std::uint32_t epoch = 0;
  std::uint64_t id = 0;  ///< example id, parameter index ...; below 2^56
};

/// The 10-round Philox4x32 bijection of `counter` under `key`.
GRAFT_HD inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Where block `index` of the stream at `k` is: what philox4x32 takes. Counter word 0 is the index.
GRAFT_HD inline std::array<std::uint32_t, 4> philox_counter(const RngKey& k, std::uint32_t index) {
  return {index, static_cast<std::uint32_t>(k.id), k.epoch,
          (static_cast<std::uint32_t>(k.purpose) << 24) |
              (static_cast<std::uint32_t>(k.id >> 32) & 0xFFFFFFu)};
}
GRAFT_HD inline std::array<std::uint32_t, 2> philox_key(const RngKey& k) {
  return {static_cast<std::uint32_t>(k.seed), static_cast<std::uint32_t>(k.seed >> 32)};
}

/// Block `index` (four 32-bit words) of the stream at `k`.
GRAFT_HD inline std::array<std::uint32_t, 4> philox_block(const RngKey& k, std::uint32_t index) {
  return philox4x32(philox_counter(k, index), philox_key(k));
}

/// 24 random bits to [0, 1): exactly representable in f32.
GRAFT_HD inline float to_unit_float(std::uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1.0p-24f;
}

/// Reads one stream in order. A value: copy it to replay.
class Philox {
 public:
  explicit Philox(const RngKey& key) : key_(key) {}

  /// Uniform over all 32-bit words.
  std::uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox_block(key_, index_++);
      used_ = 0;
    }
    return block_[used_++];
  }
  /// Uniform in [0, 1), 24 bits.
  float uniform() { return to_unit_float(next_u32()); }
  /// Uniform in [0, 1), 53 bits.
  double uniform_double() {
    const std::uint64_t hi = next_u32() >> 5, lo = next_u32() >> 6;
    return (static_cast<double>(hi) * 67108864.0 + static_cast<double>(lo)) * 0x1.0p-53;
  }
  /// Uniform in [0, n), n > 0; bias below 2^-32 * n.
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((std::uint64_t{next_u32()} * n) >> 32);
  }
  /// Standard normal (Box-Muller, one of the pair is dropped).
  double normal() {
    constexpr double kTwoPi = 6.283185307179586;
    const double u = 1.0 - uniform_double();  // (0, 1]: log is finite
    return std::sqrt(-2.0 * std::log(u)) * std::cos(kTwoPi * uniform_double());
  }

 private:
  RngKey key_;
  std::array<std::uint32_t, 4> block_{};
  std::uint32_t index_ = 0;
  std::uint32_t used_ = 4;
};

}  // namespace graft
