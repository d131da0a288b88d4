// SPDX-License-Identifier: Apache-2.0
#include "kernels/dispatch/dispatch.h"

#include <mutex>
#include <set>

#include "engine/core/error.h"
#include "engine/core/log.h"

namespace graft::kernels::detail {

bool usable(Backend context, Backend impl) {
  switch (context) {
    case Backend::kRef:
      return impl == Backend::kRef;
    case Backend::kCpu:
      return impl == Backend::kCpu || impl == Backend::kRef;
    case Backend::kCuda:
      return impl == Backend::kCuda;
  }
  return false;
}

std::string_view forced(const char* op, Backend context) {
  return context == Backend::kRef ? std::string_view() : env_config().forced(op);
}

void log_choice(const char* op, const std::string& skipped, const char* chosen) {
  static std::mutex mutex;
  static std::set<std::string> seen;
  std::string line = std::string(op) + ": ";
  if (!skipped.empty()) line += "skipped " + skipped;
  line += std::string("-> ") + chosen;
  const std::scoped_lock lock(mutex);
  if (seen.insert(line).second) log::write(log::Level::kInfo, line);
}

void nothing_accepts(const char* op, Backend context, std::string_view forced,
                     const std::string& skipped) {
  std::string why = skipped.empty() ? std::string("there is none") : "declined: " + skipped;
  if (!forced.empty()) {
    why = "GRAFT_IMPL forces `" + std::string(forced) + "`, " +
          (skipped.empty() ? std::string("which this operator does not have") : why);
  }
  fail(Errc::kUnsupported, op, ": no implementation for backend ", name(context), "; ", why);
}

}  // namespace graft::kernels::detail
