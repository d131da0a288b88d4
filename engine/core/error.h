// SPDX-License-Identifier: Apache-2.0
// The one exception type, its codes, and the checking macros.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace graft {

/// What went wrong. Values 1..11 are the documented exit codes of the `graft` binary.
enum class Errc {
  kInternal = 1,
  kUsage = 2,
  kConfig = 3,       ///< configuration or run-directory fingerprint
  kData = 4,         ///< data set missing, truncated, too many bad files
  kModel = 5,        ///< checkpoint, weights or package rejected
  kUnavailable = 6,  ///< device or backend not present or not built
  kOutOfMemory = 7,
  kNumerical = 8,         ///< non-finite loss, gradient or input
  kIo = 9,                ///< disk full, permission, short write
  kInterrupted = 10,      ///< stopped by a signal, resumable checkpoint saved
  kGate = 11,             ///< an acceptance gate failed
  kInvalidArgument = 12,  ///< a library caller broke a contract
  kUnsupported = 13,      ///< no implementation accepts these arguments
};

/// Exit code of the process that stops with `code`: 1..11; contract violations are internal (1),
/// kUnsupported is 6.
[[nodiscard]] int exit_code(Errc code) noexcept;

/// Short lower-case name of `code`, e.g. "data".
[[nodiscard]] const char* name(Errc code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] Errc code() const noexcept { return code_; }

 private:
  Errc code_;
};

namespace detail {

template <class... Ts>
std::string cat(const Ts&... parts) {
  std::ostringstream out;
  (static_cast<void>(out << parts), ...);
  return out.str();
}

/// Throws Error(code, "file:line: `expr` failed: message").
[[noreturn]] void fail(Errc code, const char* file, int line, const char* expr,
                       const std::string& message);

}  // namespace detail

/// Throws an Error whose message is meant for the user: no file, no line.
/// Say what, where, the numbers and the next step.
template <class... Ts>
[[noreturn]] void fail(Errc code, const Ts&... parts) {
  throw Error(code, detail::cat(parts...));
}

}  // namespace graft

/// Caller's contract: evaluated once, in every build.
#define GRAFT_CHECK(cond, ...)                                                          \
  do {                                                                                  \
    if (!(cond)) [[unlikely]]                                                           \
      ::graft::detail::fail(::graft::Errc::kInvalidArgument, __FILE__, __LINE__, #cond, \
                            ::graft::detail::cat(__VA_ARGS__));                         \
  } while (false)

/// As GRAFT_CHECK(a == b), and prints both values.
#define GRAFT_CHECK_EQ(a, b, ...)                                                              \
  do {                                                                                         \
    const auto& graft_check_a = (a);                                                           \
    const auto& graft_check_b = (b);                                                           \
    if (!(graft_check_a == graft_check_b)) [[unlikely]]                                        \
      ::graft::detail::fail(::graft::Errc::kInvalidArgument, __FILE__, __LINE__, #a " == " #b, \
                            ::graft::detail::cat(graft_check_a, " vs ", graft_check_b,         \
                                                 " " __VA_OPT__(, ) __VA_ARGS__));             \
  } while (false)

/// Own invariants; debug builds only.
#ifdef NDEBUG
#define GRAFT_DCHECK(cond, ...) \
  do {                          \
  } while (false)
#else
#define GRAFT_DCHECK(cond, ...)                                                  \
  do {                                                                           \
    if (!(cond)) [[unlikely]]                                                    \
      ::graft::detail::fail(::graft::Errc::kInternal, __FILE__, __LINE__, #cond, \
                            ::graft::detail::cat(__VA_ARGS__));                  \
  } while (false)
#endif
