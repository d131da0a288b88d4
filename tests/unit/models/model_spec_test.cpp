// SPDX-License-Identifier: Apache-2.0
#include "models/spec/model_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string refusal(const std::string& text) {
  try {
    (void)parse_model_spec(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUsage) << text;
    return e.what();
  }
  ADD_FAILURE() << text << " was accepted";
  return {};
}

TEST(ModelSpec, ReadsNameNumbersAndOptions) {
  const ModelSpec s = parse_model_spec("wrn-16-2:dropout=0.3");
  EXPECT_EQ(s.name, "wrn-16-2");
  EXPECT_THAT(s.numbers, ElementsAre(16, 2));
  EXPECT_THAT(s.options, ElementsAre(Pair("dropout", "0.3")));
  EXPECT_EQ(s.number("dropout", 0), 0.3);
  EXPECT_EQ(s.number("alpha", 7), 7);
}

TEST(ModelSpec, PrintsCanonically) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"resnet20", "resnet20"},
      {"ResNet20", "resnet20"},
      {"resnet20:shortcut=b", "resnet20:shortcut=B"},
      {"resnet20:shortcut=A", "resnet20"},
      {"mobilenetv2:stem=cifar,width=1.40", "mobilenet_v2:width=1.4,stem=cifar"},
      {"mobilenet_v1:alpha=0.25", "mobilenet_v1:alpha=0.25"},
      {"mobilenet_v1:alpha=1.0", "mobilenet_v1"},
      {"densenet-bc-100-12:dropout=2e-1", "densenet-bc-100-12:dropout=0.2"},
      {"squeezenet1_1:dropout=0", "squeezenet1_1:dropout=0"},
      {"squeezenet1_1:dropout=0.5", "squeezenet1_1"},
      {"densenet121", "densenet121"},
      {"small_cnn", "small_cnn"}};
  for (const auto& [text, canonical] : cases) {
    const ModelSpec s = parse_model_spec(text);
    EXPECT_EQ(print(s), canonical);
    EXPECT_EQ(parse_model_spec(print(s)), s) << text;
  }
}

TEST(ModelSpec, UnknownModelSaysWhatWasMeantAndWhatThereIs) {
  EXPECT_THAT(refusal("resnet2O"),
              AllOf(HasSubstr("did you mean `resnet20`?"), HasSubstr("wrn-DEPTH-K")));
  EXPECT_THAT(refusal("mobilnet_v2"), HasSubstr("did you mean `mobilenet_v2`?"));
  EXPECT_THAT(refusal("small-cnn"), HasSubstr("did you mean `small_cnn`?"));
  EXPECT_THAT(refusal("transformer"),
              AllOf(HasSubstr("unknown model 'transformer'"), HasSubstr("graft inspect models")));
  EXPECT_THAT(refusal(""), HasSubstr("unknown model ''"));
}

TEST(ModelSpec, ADepthThatDoesNotExistIsExplained) {
  EXPECT_THAT(refusal("resnet21"), AllOf(HasSubstr("6n+2"), HasSubstr("18, 34")));
  EXPECT_THAT(refusal("wrn-17-2"), HasSubstr("6n+4"));
  EXPECT_THAT(refusal("densenet-bc-101-12"), HasSubstr("6n+4"));
  EXPECT_THAT(refusal("densenet120"), HasSubstr("121"));
  for (const char* name : {"wrn-16", "wrn-16-2-1", "wrn-16-0", "wrn--16-2", "resnet", "resnet020",
                           "resnet-20", "resnet20 ", "resnet99999999999999999999"}) {
    EXPECT_FALSE(refusal(name).empty());
  }
}

TEST(ModelSpec, OptionsAreChecked) {
  EXPECT_THAT(refusal("wrn-16-2:dropuot=0.3"),
              AllOf(HasSubstr("dropuot"), HasSubstr("did you mean `dropout`?")));
  EXPECT_THAT(refusal("small_cnn:width=2"), HasSubstr("it has no options"));
  EXPECT_THAT(refusal("wrn-16-2:dropout=1.5"), HasSubstr("from 0 to 0.95"));
  EXPECT_THAT(refusal("wrn-16-2:dropout=nan"), HasSubstr("expected a number"));
  EXPECT_THAT(refusal("wrn-16-2:dropout"), HasSubstr("dropout=VALUE"));
  EXPECT_THAT(refusal("wrn-16-2:dropout=0.1,dropout=0.2"), HasSubstr("twice"));
  EXPECT_THAT(refusal("wrn-16-2:"), HasSubstr("unknown option ''"));
  EXPECT_THAT(refusal("resnet18:stem=cifr"),
              AllOf(HasSubstr("cifar or imagenet"), HasSubstr("did you mean `cifar`?")));
  EXPECT_THAT(refusal("mobilenet_v1:alpha=0"), HasSubstr("alpha is '0'"));
}

TEST(ModelSpec, ListsEveryFamilyWithNamesThatParse) {
  const auto all = models();
  EXPECT_EQ(all.size(), 10u);
  for (const ModelInfo& m : all) {
    EXPECT_FALSE(m.description.empty());
    ASSERT_FALSE(m.published.empty());
    for (const auto& name : m.published) EXPECT_EQ(print(parse_model_spec(name)), name);
  }
}

TEST(ModelSpec, NormsAreReadByName) {
  EXPECT_EQ(parse_norm("batch"), Norm::kBatch);
  EXPECT_EQ(parse_norm(name(Norm::kGroup)), Norm::kGroup);
  try {
    (void)parse_norm("bacth");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUsage);
    EXPECT_THAT(e.what(), HasSubstr("did you mean `batch`?"));
  }
}

}  // namespace
}  // namespace graft
