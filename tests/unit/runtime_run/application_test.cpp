// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/application.h"

#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

using testing::fails_with;

class RunApplication : public testing::RunTest {};

TEST_F(RunApplication, AnUploadIsThePackageAndLeavesNoFile) {
  const std::string bytes = read_file(package("birds"));
  const RunApp of_file = load_app(package("birds"));
  RunApp sent;
  {
    Upload upload(folder_.path());
    const std::size_t half = bytes.size() / 2;
    upload.append(std::string_view(bytes).substr(0, half));
    upload.append(std::string_view(bytes).substr(half));
    sent = upload.load();
  }
  EXPECT_EQ(sent.sha256, of_file.sha256);
  EXPECT_EQ(sent.name, "birds");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  sent.package->verify();
}

TEST_F(RunApplication, ADamagedUploadIsRefusedAndLeavesNoFile) {
  std::string bytes = read_file(package("birds"));
  bytes[bytes.size() - 100] ^= 1;
  {
    Upload upload(folder_.path());
    upload.append(bytes);
    EXPECT_TRUE(
        fails_with(Errc::kModel, {"the package that was sent"}, [&] { (void)upload.load(); }));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(RunApplication, NamesAreApart) {
  std::vector<RunApp> apps;
  for (const char* name : {"birds", "birds#2", "birds#3"}) {
    RunApp app = load_app(package("birds"));
    name_apart(app, apps);
    EXPECT_EQ(app.name, name);
    apps.push_back(app);
  }
  apps.erase(apps.begin() + 1);
  RunApp app = load_app(package("birds"));
  name_apart(app, apps);
  EXPECT_EQ(app.name, "birds#2");
}

}  // namespace
}  // namespace graft::run
