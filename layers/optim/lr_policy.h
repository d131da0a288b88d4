// SPDX-License-Identifier: Apache-2.0
// Learning-rate policies: pure functions of how far a run has come. Nothing here counts calls, so
// resuming, skipping and asking twice give the same rate.
// Source of the functions and of their text form: LRBench (Wu et al., IEEE BigData 2019).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

/// How far a run has come; everything counts from its start.
struct Progress {
  std::int64_t step = 0;         ///< optimizer updates done
  std::int64_t forwarded = 0;    ///< candidates seen: every example drawn counts, selected or not
  std::int64_t backpropped = 0;  ///< examples backpropagated
  double epoch = 0;              ///< epochs done, with the fraction of the present one
  double seconds = 0;            ///< wall time; no policy reads it, so that runs can be repeated
};

/// What a policy's t is. With candidates (the default) "epoch 60" is 60 passes over the data for
/// every sampler, and a selective one makes fewer updates per phase.
enum class LrClock : std::uint8_t { kCandidates, kBackprops, kUpdates, kEpochs };

/// "candidates", "backprops", "updates" or "epochs".
[[nodiscard]] std::string_view name(LrClock clock);
/// Inverse of name(). Throws Error(kUsage) that lists the four.
[[nodiscard]] LrClock parse_lr_clock(std::string_view text);
[[nodiscard]] double clock_value(const Progress& progress, LrClock clock);

/// The four ways to compute a family's g(t): plain, halved once a cycle, decayed by gamma^t.
enum class LrShape : std::uint8_t {
  kFix,
  kStep,
  kNstep,
  kExp,
  kInv,
  kPoly,
  kSig,
  kTri,
  kDtri,
  kSin,
  kDsin,
  kCos,
  kUpcos,
  kRsw,
  kSinrsw,
  kCosrsw,
};
enum class LrDecay : std::uint8_t { kNone, kHalve, kExp };

/// A stretch of the clock: in its own units, or in epochs.
struct LrSpan {
  double value = 0;
  bool in_epochs = false;
  bool operator==(const LrSpan&) const = default;
};

/// One function, g(t) in [0, 1]. With x = t / l, from the start of the segment:
///
///   FIX    k0                       STEP   k0 * gamma^floor(x)
///   NSTEP  k0 * gamma^#{l_j <= t}   EXP    k0 * gamma^t
///   INV    k0 * (1 + gamma t)^-p    SIG    k0 / (1 + exp(-gamma (t - l)))
///   POLY   k0 + (k1 - k0) (1 - x)^p, held at k0 from t = l
///
/// and, as min(k0, k1) + |k1 - k0| * g:
///
///   TRI    triangle of period 2 l, from 0    DTRI   the same, from 1
///   SIN    |sin(pi x / 2)|                   DSIN   the same, from 1
///   COS    (1 + cos(pi x)) / 2, from 1       UPCOS  the same, from 0
///   RSW    y = 1 - frac(x), saw tooth        SINRSW sin(pi y / 2)
///   COSRSW (1 - cos(pi y)) / 2
///
/// A name ending in 2 halves g once a cycle, one ending in EXP multiplies it by gamma^t.
struct LrFunction {
  LrShape shape = LrShape::kFix;
  LrDecay decay = LrDecay::kNone;
  double k0 = 0, k1 = 0, gamma = 0, p = 0;
  std::vector<LrSpan> l;  ///< one span; NSTEP: its boundaries, ascending
  bool operator==(const LrFunction&) const = default;
};

/// Functions one after the other. Segment i > 0 starts at boundaries[i - 1] with its own t = 0.
struct LrSpec {
  std::vector<LrFunction> segments;
  std::vector<LrSpan> boundaries;  ///< ascending, one fewer than segments
  /// LRBench's code where it differs from its paper: a saw tooth is at its lowest, not its highest,
  /// at exact multiples of l (also at t = 0); k1 < k0 mirrors g; POLY is not held after t = l.
  bool lrbench_compat = false;
  bool operator==(const LrSpec&) const = default;
};

/// What the short forms of parse_lr_spec are relative to.
struct LrDefaults {
  double base_lr = 0.1;  ///< the peak rate
  double epochs = 1;     ///< of the whole run
};

/// Reads either form.
///
/// Short, relative to `defaults`, in epochs:
///   fixed | step:gamma=0.1,at=30/60 | step:gamma=0.2,every=30 | cosine:warmup=1,end=0,from=0.05 |
///   poly:p=2,end=0,warmup=0
/// `end` and `from` (where a warm-up starts) are fractions of the peak.
///
/// Long, as LRBench writes it: `k1_0.006+k0_0.001+lrPolicy_UPCOS+l_2000`; lists are joined by `+`,
/// segments by `-`, boundaries follow `-AT-`, e.g. `...-AT-10+20`. A span may end in `ep` (epochs);
/// otherwise it counts in units of the clock. `-COMPAT-lrbench` at the end sets lrbench_compat.
/// Throws Error(kUsage) that names the part it cannot read, and what it expected.
[[nodiscard]] LrSpec parse_lr_spec(std::string_view text, const LrDefaults& defaults);

/// The long form; parse_lr_spec(print(spec)) == spec.
[[nodiscard]] std::string print(const LrSpec& spec);

/// Throws Error(kUsage) for l <= 0, unordered boundaries, a missing segment, a rate that is not
/// finite or is negative.
void check(const LrSpec& spec);

/// A checked spec bound to a clock.
class LrPolicy {
 public:
  /// units_per_epoch: clock units in one epoch, > 0: N for candidates and backprops (N examples),
  /// ceil(N / batch) for updates, 1 for epochs.
  LrPolicy(LrSpec spec, LrClock clock, double units_per_epoch);

  /// The rate at t >= 0, in clock units. f64 throughout.
  [[nodiscard]] double at(double t) const;
  [[nodiscard]] double operator()(const Progress& progress) const {
    return at(clock_value(progress, clock_));
  }

  [[nodiscard]] const LrSpec& spec() const { return spec_; }
  [[nodiscard]] LrClock clock() const { return clock_; }

 private:
  LrSpec spec_;  ///< every span in clock units
  LrClock clock_;
};

}  // namespace graft
