// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/http_server.h"

#include <httplib.h>

#include "runtime/run/client.h"
#include "tests/unit/runtime_run/run_fixture.h"

namespace graft::run {
namespace {

using testing::fails_with;

constexpr const char* kToken = "0123456789abcdef";

class RunHttp : public testing::RunTest {
 protected:
  RunHttp()
      : runner_(options("synthetic:fps=10,width=48,height=40", {package("birds")}),
                testing::never) {}

  HttpServer& serve(const std::string& token = "", const HttpServer::Limits& limits = {}) {
    server_.emplace(runner_, ListenAddress{}, token, limits);
    client_.emplace("127.0.0.1", server_->address().port);
    return *server_;
  }
  httplib::Result get(const std::string& path, const httplib::Headers& headers = {}) {
    return client_->Get(path, headers);
  }
  [[nodiscard]] Client client(const std::string& token = "") const {
    return {server_->address(), token};
  }

  Runner runner_;
  std::optional<HttpServer> server_;
  std::optional<httplib::Client> client_;
};

TEST_F(RunHttp, ShowsTheRun) {
  serve();
  EXPECT_EQ(get("/healthz")->body, "ok\n");
  EXPECT_EQ(get("/readyz")->status, 200);
  EXPECT_NE(get("/")->body.find("<h2>Tree</h2>"), std::string::npos);
  EXPECT_EQ(get("/page.js")->status, 200);
  EXPECT_NE(get("/")->get_header_value("Content-Security-Policy").find("default-src 'none'"),
            std::string::npos);
  EXPECT_NE(get("/metrics")->body.find("graft_frames_total"), std::string::npos);
  EXPECT_EQ(client().status()["apps"][0]["name"], "birds");
  while (runner_.status().apps[0].snapshots.empty()) std::this_thread::yield();
  const auto picture = get("/api/apps/birds/frame.jpg");
  EXPECT_EQ(picture->get_header_value("Content-Type"), "image/jpeg");
  EXPECT_EQ(decode_image(picture->body, "frame.jpg").height, 120);
  EXPECT_EQ(get("/api/apps/none/frame.jpg")->status, 404);
  EXPECT_EQ(get("/nothing")->status, 404);
}

TEST_F(RunHttp, TakesChanges) {
  serve();
  EXPECT_EQ(client().add(package("cars")), "cars");
  EXPECT_EQ(client().replace("cars", package("dogs")), "dogs");
  EXPECT_EQ(client().remove("birds"), "birds");
  const Json status = client().status();
  ASSERT_EQ(status["apps"].size(), 1u);
  EXPECT_EQ(status["apps"][0]["name"], "dogs");
  const Json path = {{"path", package("birds").string()}};
  EXPECT_EQ(client_->Post("/api/apps", path.dump(), "application/json")->status, 200);
  EXPECT_EQ(client().status()["apps"].size(), 2u);
}

TEST_F(RunHttp, RefusesWithTheReasonAndGoesOn) {
  serve();
  std::string bytes = read_file(package("cars"));
  bytes[bytes.size() - 100] ^= 1;
  atomic_write(folder_ / "bad.mpkg", bytes);
  EXPECT_TRUE(fails_with(Errc::kModel, {}, [&] { (void)client().add(folder_ / "bad.mpkg"); }));
  atomic_write(folder_ / "empty.mpkg", "");
  EXPECT_TRUE(fails_with(Errc::kModel, {}, [&] { (void)client().add(folder_ / "empty.mpkg"); }));
  EXPECT_TRUE(fails_with(Errc::kConfig, {"no application 'cars' runs"},
                         [&] { (void)client().remove("cars"); }));
  EXPECT_EQ(client_->Post("/api/apps", "{}", "application/json")->status, 400);
  EXPECT_EQ(client_->Post("/api/apps", std::string(100000, ' '), "application/json")->status, 400);
  EXPECT_EQ(client().status()["tree"], 1);
  // Nothing of an upload is left beside the journal.
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().filename().string().find("upload"), std::string::npos) << entry.path();
  }
}

TEST_F(RunHttp, NeedsItsToken) {
  serve(kToken);
  EXPECT_EQ(get("/healthz")->status, 200);
  EXPECT_EQ(get("/")->status, 200) << "the page has nothing in it";
  for (const char* path : {"/api/status", "/metrics", "/readyz", "/api/apps/birds/frame.jpg"}) {
    EXPECT_EQ(get(path)->status, 401) << path;
    EXPECT_EQ(get(path, {{"Authorization", "Bearer 0123456789abcdeF"}})->status, 401) << path;
    EXPECT_EQ(get(path, {{"Authorization", "Bearer "}})->status, 401) << path;
  }
  EXPECT_EQ(client_->Delete("/api/apps/birds")->status, 401);
  EXPECT_EQ(get("/api/status", {{"Authorization", std::string("Bearer ") + kToken}})->status, 200);
  EXPECT_EQ(client(kToken).status()["apps"].size(), 1u);
  EXPECT_TRUE(fails_with(Errc::kConfig, {"token"}, [&] { (void)client().status(); }));
}

TEST_F(RunHttp, OthersReachItOnlyWithAToken) {
  EXPECT_TRUE(fails_with(Errc::kConfig, {"0.0.0.0", "--token-file"},
                         [&] { HttpServer server(runner_, {.host = "0.0.0.0"}, "", {}); }));
  const HttpServer server(runner_, {.host = "0.0.0.0"}, kToken, {});
  EXPECT_GT(server.address().port, 0);
}

TEST_F(RunHttp, PagesOfOthersCannotUseIt) {
  serve();
  const std::string host = server_->address().text();
  EXPECT_EQ(get("/api/status", {{"Origin", "http://evil.example"}})->status, 403);
  EXPECT_EQ(get("/api/status", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(get("/api/status", {{"Origin", "http://" + host}})->status, 200);
}

TEST_F(RunHttp, RequestsAreLimitedInRate) {
  serve("", {.requests_per_s = 0.001, .burst = 5});
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    const auto result = get("/healthz");
    good += result->status == 200 ? 1 : 0;
    EXPECT_EQ(result->status, i < 5 ? 200 : 429);
  }
  EXPECT_EQ(good, 5);
}

TEST_F(RunHttp, ChangesAreLimitedInNumber) {
  serve("", {.changes = 0});
  EXPECT_TRUE(
      fails_with(Errc::kUnavailable, {"under way"}, [&] { (void)client().remove("birds"); }));
}

TEST_F(RunHttp, AnAddressThatIsTakenIsAnError) {
  const ListenAddress taken = serve().address();
  EXPECT_TRUE(
      fails_with(Errc::kIo, {taken.text()}, [&] { HttpServer second(runner_, taken, "", {}); }));
}

TEST_F(RunHttp, NobodyThereIsSaidSo) {
  ListenAddress nobody;
  {
    nobody = serve().address();
    server_.reset();
  }
  EXPECT_TRUE(fails_with(Errc::kUnavailable, {"no runner answers"},
                         [&] { (void)Client(nobody, "").status(); }));
}

}  // namespace
}  // namespace graft::run
