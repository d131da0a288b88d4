// SPDX-License-Identifier: Apache-2.0
#include "engine/core/text.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace graft {
namespace {

TEST(Text, EditDistanceCountsSwapsOnce) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("resnet20", "resnet20"), 0u);
  EXPECT_EQ(edit_distance("renset", "resnet"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Text, DidYouMeanNamesTheNearest) {
  const std::vector<std::string> models = {"resnet20", "resnet32", "mobilenetv2"};
  EXPECT_EQ(did_you_mean("resent20", models), "; did you mean `resnet20`?");
  EXPECT_EQ(did_you_mean("resnet2", models), "; did you mean `resnet20`?");
}

TEST(Text, DidYouMeanStaysSilentWhenNothingIsNear) {
  const std::vector<std::string> models = {"resnet20", "lr"};
  EXPECT_EQ(did_you_mean("transformer", models), "");
  EXPECT_EQ(did_you_mean("xy", models), "");
  EXPECT_EQ(did_you_mean("", models), "");
}

TEST(Text, SplitAndJoinAreInverse) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(join(split("a,,b", ','), ","), "a,,b");
}

TEST(Text, NumbersAreReadWholeOrNotAtAll) {
  EXPECT_EQ(parse_int("-12"), -12);
  EXPECT_FALSE(parse_int("12x"));
  EXPECT_FALSE(parse_int(""));
  EXPECT_FALSE(parse_int("9223372036854775808"));
  EXPECT_EQ(parse_double("2.5e-1"), 0.25);
  EXPECT_FALSE(parse_double("nan"));
  EXPECT_FALSE(parse_double("1e999"));
  EXPECT_FALSE(parse_double(" 1"));
}

}  // namespace
}  // namespace graft
