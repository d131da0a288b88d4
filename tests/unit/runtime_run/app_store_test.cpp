// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/app_store.h"

#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

using testing::fails_with;
using testing::never;

class RunAppStore : public testing::RunTest {
 protected:
  [[nodiscard]] std::filesystem::path journal() const { return folder_ / "events.jsonl"; }
  [[nodiscard]] std::filesystem::path list() const { return folder_ / "events.jsonl.apps.json"; }
  [[nodiscard]] AppStore store(const std::vector<std::string>& tasks) const {
    std::vector<RunApp> given;
    for (const std::string& task : tasks) given.push_back(load_app(package(task)));
    return {journal(), given};
  }
  /// Of what the folder keeps.
  [[nodiscard]] std::size_t packages() const {
    const auto folder = folder_ / "events.jsonl.apps";
    if (!std::filesystem::exists(folder)) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }
};

TEST_F(RunAppStore, GivesWhatWasWrittenAndKeepsOnlyWhatIsUsed) {
  const AppStore birds = store({"birds"});
  EXPECT_FALSE(birds.load()) << "nothing was changed yet";
  RunApp cars = load_app(package("cars")), dogs = load_app(package("dogs"));
  for (const RunApp& app : {cars, dogs}) birds.keep(app);
  cars.name = "cars#2";
  birds.write(std::vector<RunApp>{cars, load_app(package("birds")), dogs});
  const auto apps = store({"birds"}).load();
  ASSERT_TRUE(apps);
  ASSERT_EQ(apps->size(), 3u);
  EXPECT_EQ((*apps)[0].name, "cars#2");
  EXPECT_EQ((*apps)[0].sha256, cars.sha256);
  EXPECT_NE((*apps)[0].package->path(), cars.package->path()) << "a copy of its own";
  EXPECT_EQ((*apps)[1].name, "birds");
  EXPECT_EQ(packages(), 2u) << "the given one is not copied";
  birds.write(std::vector<RunApp>{dogs});
  EXPECT_EQ(packages(), 1u);
  birds.write({});
  EXPECT_EQ(store({"birds"}).load()->size(), 0u) << "all were removed";
  EXPECT_EQ(packages(), 0u);
}

TEST_F(RunAppStore, OtherPackagesOnTheCommandLineWin) {
  const AppStore birds = store({"birds"});
  birds.write({});
  EXPECT_TRUE(store({"birds"}).load());
  EXPECT_FALSE(store({"cars"}).load());
  EXPECT_FALSE(store({"birds", "cars"}).load());
  EXPECT_FALSE(store({}).load());
}

TEST_F(RunAppStore, DamageIsRefusedAndSaysHowToBegin) {
  const AppStore birds = store({"birds"});
  const RunApp cars = load_app(package("cars"));
  birds.keep(cars);
  birds.write(std::vector<RunApp>{cars});
  const auto kept = folder_ / "events.jsonl.apps" / (cars.sha256 + ".mpkg");
  const std::string bytes = read_file(kept), whole = read_file(list());
  const auto refused = [&](Errc code, const std::string& part) {
    EXPECT_TRUE(
        fails_with(code, {part, "remove", "events.jsonl.apps.json"}, [&] { (void)birds.load(); }));
  };
  atomic_write(kept, std::string_view(bytes).substr(0, bytes.size() / 2));
  refused(Errc::kModel, cars.sha256);
  atomic_write(kept, read_file(package("dogs")));
  refused(Errc::kModel, "not that of the package");
  std::filesystem::remove(kept);
  refused(Errc::kIo, cars.sha256);
  for (const char* text :
       {"{", "[]", "{\"schema\":2,\"given\":[],\"apps\":[]}", "{\"schema\":1,\"apps\":[]}"}) {
    atomic_write(list(), text);
    refused(Errc::kModel, "");
  }
  std::string path = whole;
  path.replace(path.find(cars.sha256), 8, "../../et");
  atomic_write(list(), path);
  refused(Errc::kModel, "no SHA-256");
}

TEST_F(RunAppStore, ThePackageThatIsCopiedIsTheOneThatWasChecked) {
  const auto path = folder_ / "changing.mpkg";
  atomic_write(path, read_file(package("cars")));
  const RunApp cars = load_app(path);
  atomic_write(path, read_file(package("dogs")));
  EXPECT_TRUE(fails_with(Errc::kModel, {"changing.mpkg", "has changed"},
                         [&] { store({"birds"}).keep(cars); }));
  EXPECT_EQ(packages(), 0u);
}

TEST_F(RunAppStore, AFailedWriteLeavesTheOldList) {
  const AppStore birds = store({"birds"});
  const RunApp cars = load_app(package("cars"));
  birds.keep(cars);
  birds.write(std::vector<RunApp>{cars});
  {
    const ScopedWriteFault full({.after_bytes = 10, .error_number = ENOSPC});
    EXPECT_TRUE(fails_with(Errc::kIo, {}, [&] { birds.write({}); }));
  }
  EXPECT_EQ(birds.load()->size(), 1u);
}

RunnerOptions live(RunnerOptions o) {
  o.mode = video::FrameMode::kLive;
  o.snapshots = false;
  return o;
}

std::vector<std::string> names(const Runner& runner) {
  std::vector<std::string> out;
  for (const AppStatus& app : runner.status().apps) out.push_back(app.name);
  return out;
}

using Names = std::vector<std::string>;
constexpr const char* kEndless = "synthetic:fps=50,width=48,height=40";

TEST_F(RunAppStore, ALiveRunBeginsWithWhatItHadAReplayWithWhatItIsGiven) {
  const RunnerOptions o = live(options(kEndless, {package("birds")}));
  {
    Runner runner(o, never);
    runner.add(load_app(package("cars")));
    runner.add(load_app(package("cars")));
    runner.remove("birds");
    runner.replace("cars", load_app(package("dogs")));
    EXPECT_EQ(names(runner), (Names{"dogs", "cars#2"}));
  }
  {
    Runner runner(o, never);
    EXPECT_EQ(names(runner), (Names{"dogs", "cars#2"}));
    runner.add(load_app(package("birds")));
    while (runner.status().apps[0].analysed == 0) std::this_thread::yield();
  }
  EXPECT_EQ(names(Runner(o, never)), (Names{"dogs", "cars#2", "birds"}));
  RunnerOptions other = o;
  other.mode = video::FrameMode::kReplay;
  EXPECT_EQ(names(Runner(other, never)), Names{"birds"});
  other = o;
  other.packages.push_back(package("cars"));
  EXPECT_EQ(names(Runner(other, never)), (Names{"birds", "cars"}));
}

TEST_F(RunAppStore, AChangeThatFailsIsNotRemembered) {
  const RunnerOptions o = live(options(kEndless, {package("birds")}));
  {
    Runner runner(o, never);
    const RunApp foreign = load_app(package("foreign", 77));
    EXPECT_TRUE(fails_with(Errc::kModel, {"part at layer 0"}, [&] { runner.add(foreign); }));
  }
  EXPECT_EQ(names(Runner(o, never)), Names{"birds"});
}

}  // namespace
}  // namespace graft::run
