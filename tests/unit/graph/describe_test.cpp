// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

std::string described(GraphFormat format) {
  return describe(testing::zoo_graph("resnet8", 32, Norm::kBatch, 10), "resnet8", 128, format);
}

TEST(DescribeGraph, TextShowsNodesParametersAndPlannedMemory) {
  const std::string s = described(GraphFormat::kText);
  for (const char* part : {"layer2.0.conv1", "Conv2d", "16->32 3x3 stride 2", "(1, 16, 16, 32)",
                           "Select", "sampler", "75290", "training, batch 128", "MiB planned",
                           "tape for backward", "no, since layer3.0.bn2"}) {
    EXPECT_THAT(s, HasSubstr(part));
  }
}

TEST(DescribeGraph, DotAndSvgNameEveryNode) {
  const std::string dot = described(GraphFormat::kDot), svg = described(GraphFormat::kSvg);
  EXPECT_THAT(dot, ::testing::StartsWith("digraph"));
  EXPECT_THAT(svg, HasSubstr("</svg>"));
  const Graph g = testing::zoo_graph("resnet8", 32);
  for (const Node& n : g.nodes()) {
    EXPECT_THAT(dot, HasSubstr(n.name));
    EXPECT_THAT(svg, HasSubstr(n.name));
  }
}

}  // namespace
}  // namespace graft
