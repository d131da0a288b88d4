// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/client.h"

#include <httplib.h>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "runtime/video/source_uri.h"

namespace graft::run {
namespace {

constexpr int kConnectS = 5;
constexpr int kAnswerS = 300;  // a change measures costs, builds and warms a tree
constexpr const char* kBytes = "application/octet-stream";

Errc code_of(const Json& answer) {
  const int exit = answer.value("exit", 1);
  return exit >= 1 && exit <= static_cast<int>(Errc::kGate) ? static_cast<Errc>(exit)
                                                            : Errc::kInternal;
}

std::string app_path(const std::string& app) { return "/api/apps/" + video::percent_encoded(app); }

}  // namespace

Json Client::ask(Method method, const std::string& path, const std::string& body) const {
  httplib::Client client(address_.host, address_.port);
  client.set_connection_timeout(kConnectS);
  client.set_read_timeout(kAnswerS);
  if (!token_.empty()) client.set_bearer_token_auth(token_);
  const httplib::Result result = method == Method::kGet    ? client.Get(path)
                                 : method == Method::kPost ? client.Post(path, body, kBytes)
                                 : method == Method::kPut  ? client.Put(path, body, kBytes)
                                                           : client.Delete(path);
  if (!result) {
    fail(Errc::kUnavailable, address_.text(), ": no runner answers (",
         httplib::to_string(result.error()), "); start graft run --listen ", address_.text());
  }
  const std::string source = address_.text() + path;
  Json answer = parse_json(result->body, source, Errc::kIo);
  if (result->status == 200) return answer;
  fail(code_of(answer), answer.value("error", "refused"));
}

Json Client::status() const { return ask(Method::kGet, "/api/status", ""); }

std::string Client::add(const std::filesystem::path& package) const {
  return ask(Method::kPost, "/api/apps", read_file(package)).value("name", "");
}

std::string Client::replace(const std::string& app, const std::filesystem::path& package) const {
  return ask(Method::kPut, app_path(app), read_file(package)).value("name", "");
}

std::string Client::remove(const std::string& app) const {
  return ask(Method::kDelete, app_path(app), "").value("name", "");
}

}  // namespace graft::run
