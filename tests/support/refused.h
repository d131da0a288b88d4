// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft::testing {

/// For EXPECT_TRUE: `call` throws Error(kInvalidArgument) whose message starts with "op: " and has
/// `detail` in it.
template <class F>
::testing::AssertionResult refused(std::string_view op, std::string_view detail, F&& call) {
  try {
    call();
  } catch (const Error& e) {
    const std::string_view message = e.what();
    const std::string start = std::string(op) + ": ";
    if (e.code() != Errc::kInvalidArgument) {
      return ::testing::AssertionFailure() << "code " << name(e.code()) << ": " << message;
    }
    if (message.substr(0, start.size()) != start || message.find(detail) == message.npos) {
      return ::testing::AssertionFailure() << "message is: " << message;
    }
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << op << " accepted it";
}

}  // namespace graft::testing
