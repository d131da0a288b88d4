// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"

#include <set>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Errc kAll[] = {
    Errc::kInternal,    Errc::kUsage,           Errc::kConfig,     Errc::kData, Errc::kModel,
    Errc::kUnavailable, Errc::kOutOfMemory,     Errc::kNumerical,  Errc::kIo,   Errc::kInterrupted,
    Errc::kGate,        Errc::kInvalidArgument, Errc::kUnsupported};

/// The Error that `call` throws; fails the test if it throws none.
template <class F>
Error caught(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {Errc::kInternal, ""};
}

TEST(Check, SaysExpressionPlaceAndMessage) {
  const int channels = 3;
  const Error e = caught([&] { GRAFT_CHECK(channels == 4, "bn: expects 4, got ", channels); });
  EXPECT_EQ(e.code(), Errc::kInvalidArgument);
  EXPECT_THAT(e.what(), StartsWith("error_test.cpp:"));
  EXPECT_THAT(e.what(), HasSubstr("`channels == 4` failed: bn: expects 4, got 3"));
}

TEST(Check, WorksWithoutMessage) {
  EXPECT_THAT(caught([] { GRAFT_CHECK(1 > 2); }).what(), HasSubstr("`1 > 2` failed"));
}

TEST(Check, EvaluatesOnce) {
  int calls = 0;
  GRAFT_CHECK(++calls > 0, "never");
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(GRAFT_CHECK(++calls < 0, "always"), Error);
  EXPECT_EQ(calls, 2);
}

TEST(Check, DoesNotEvaluateItsMessageUnlessItFails) {
  int calls = 0;
  GRAFT_CHECK(true, ++calls);
  EXPECT_EQ(calls, 0);
}

// Compiles only if the macro is one statement; takes the else branch only if it swallows no else.
TEST(Check, IsOneStatement) {
  bool took_else = false;
  if (took_else)
    GRAFT_CHECK(true, "then");
  else
    took_else = true;
  EXPECT_TRUE(took_else);
  if (!took_else)
    GRAFT_CHECK_EQ(1, 1);
  else
    took_else = false;
  EXPECT_FALSE(took_else);
}

TEST(CheckEq, PrintsBothValues) {
  const int got = 128, want = 64;
  const Error e = caught([&] { GRAFT_CHECK_EQ(got, want, "channels of ", "bn1"); });
  EXPECT_EQ(e.code(), Errc::kInvalidArgument);
  EXPECT_THAT(e.what(), HasSubstr("`got == want` failed: 128 vs 64 channels of bn1"));
}

TEST(CheckEq, EvaluatesEachSideOnce) {
  int a = 0, b = 0;
  GRAFT_CHECK_EQ(++a, ++b);
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 1);
  EXPECT_THROW(GRAFT_CHECK_EQ(++a, b), Error);
  EXPECT_EQ(a, 2);
}

TEST(Dcheck, RunsInDebugBuildsOnly) {
  int calls = 0;
  [[maybe_unused]] const auto broken = [&] {
    ++calls;
    return false;
  };
#ifdef NDEBUG
  GRAFT_DCHECK(broken(), "never evaluated");
  EXPECT_EQ(calls, 0);
#else
  EXPECT_EQ(caught([&] { GRAFT_DCHECK(broken(), "invariant"); }).code(), Errc::kInternal);
  EXPECT_EQ(calls, 1);
#endif
}

TEST(Fail, CarriesTheMessageToTheUserVerbatim) {
  const Error e = caught([] { fail(Errc::kData, "data/train.bin: ", 12, " bytes missing"); });
  EXPECT_EQ(e.code(), Errc::kData);
  EXPECT_STREQ(e.what(), "data/train.bin: 12 bytes missing");
}

TEST(ExitCode, IsDocumented) {
  const std::pair<Errc, int> documented[] = {
      {Errc::kInternal, 1},     {Errc::kUsage, 2},     {Errc::kConfig, 3},
      {Errc::kData, 4},         {Errc::kModel, 5},     {Errc::kUnavailable, 6},
      {Errc::kOutOfMemory, 7},  {Errc::kNumerical, 8}, {Errc::kIo, 9},
      {Errc::kInterrupted, 10}, {Errc::kGate, 11},     {Errc::kInvalidArgument, 1},
      {Errc::kUnsupported, 6},
  };
  ASSERT_EQ(std::size(documented), std::size(kAll));
  for (const auto& [code, exit] : documented) EXPECT_EQ(exit_code(code), exit) << name(code);
}

TEST(ErrcName, IsDifferentForEveryCode) {
  std::set<std::string> names;
  for (const Errc code : kAll) names.insert(name(code));
  EXPECT_EQ(names.size(), std::size(kAll));
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace graft
