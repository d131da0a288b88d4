// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft::testing {

/// For EXPECT_TRUE: `call` throws Error(code) whose message has every one of `parts` in it.
template <class F>
::testing::AssertionResult fails_with(Errc code, const std::vector<std::string>& parts, F&& call) {
  try {
    call();
  } catch (const Error& e) {
    const std::string message = e.what();
    if (e.code() != code) {
      return ::testing::AssertionFailure() << "code " << name(e.code()) << ": " << message;
    }
    for (const std::string& part : parts) {
      if (message.find(part) == std::string::npos) {
        return ::testing::AssertionFailure() << "no `" << part << "` in: " << message;
      }
    }
    return ::testing::AssertionSuccess() << message;
  }
  return ::testing::AssertionFailure() << "nothing was thrown";
}

}  // namespace graft::testing
