// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/http_server.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <httplib.h>

#include "engine/core/log.h"
#include "runtime/run/page_files.h"

namespace graft::run {
namespace {

using httplib::Request;
using httplib::Response;
using Handled = httplib::Server::HandlerResponse;

constexpr std::size_t kThreads = 8;
constexpr std::size_t kMaxJsonBytes = 65536;
constexpr int kTimeoutS = 10;

int http_status(Errc code) {
  switch (code) {
    case Errc::kUsage:
      return 400;
    case Errc::kConfig:
      return 409;
    case Errc::kModel:
    case Errc::kData:
      return 422;
    case Errc::kUnavailable:
      return 503;
    case Errc::kOutOfMemory:
    case Errc::kIo:
      return 507;
    default:
      return 500;
  }
}

void answer_json(Response& response, const Json& json) {
  response.set_content(json.dump(), "application/json");
}

void refuse(Response& response, int status, const std::string& why, Errc code) {
  response.status = status;
  answer_json(response, {{"error", why}, {"exit", exit_code(code)}});
}

/// Takes as long wherever the two differ.
bool same_secret(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(a[i] ^ b[i % std::max<std::size_t>(1, b.size())]);
  }
  return difference == 0;
}

/// So many requests a second, more for a moment.
class TokenBucket {
 public:
  TokenBucket(double per_s, double burst) : per_s_(per_s), burst_(burst), level_(burst) {}
  bool take() {
    const std::scoped_lock lock(mutex_);
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - at_).count();
    level_ = std::min(burst_, level_ + per_s_ * seconds);
    at_ = now;
    if (level_ < 1) return false;
    level_ -= 1;
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  double per_s_, burst_, level_;
  Clock::time_point at_ = Clock::now();
  std::mutex mutex_;
};

/// Counts itself while it lives.
class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count), number_(++count) {}
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }
  [[nodiscard]] int number() const { return number_; }

 private:
  std::atomic<int>& count_;
  int number_;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Runner& runner, const ListenAddress& address, std::string token, const Limits& limits)
      : runner_(runner),
        address_(address),
        token_(std::move(token)),
        limits_(limits),
        bucket_(limits.requests_per_s, limits.burst) {
    if (!address_.loopback() && token_.empty()) {
      fail(Errc::kConfig, "--listen ", address_.text(),
           ": others reach this address; it needs a token, by --token-file or GRAFT_TOKEN");
    }
    set_up();
    add_views();
    add_changes();
    const bool bound = address_.port != 0
                           ? server_.bind_to_port(address_.host, address_.port)
                           : (address_.port = server_.bind_to_any_port(address_.host)) > 0;
    if (!bound) fail(Errc::kIo, "--listen ", address_.text(), ": cannot be had; is it in use?");
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      listened_ = true;
    });
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    // stop() does nothing to a server that has not begun to listen.
    while (!server_.is_running() && !listened_) std::this_thread::yield();
    server_.stop();
    thread_.join();
  }

  [[nodiscard]] const ListenAddress& address() const { return address_; }

 private:
  void set_up() {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    // httplib's own choice would let a second server have the same port.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server_.set_payload_max_length(Upload::kMaxBytes);
    server_.set_read_timeout(kTimeoutS);
    server_.set_write_timeout(kTimeoutS);
    // A refused request leaves its body unread: nothing may follow it on the same connection.
    server_.set_keep_alive_max_count(1);
    server_.set_default_headers({{"X-Content-Type-Options", "nosniff"},
                                 {"Cache-Control", "no-store"},
                                 {"Content-Security-Policy",
                                  "default-src 'none'; script-src 'self'; style-src 'self'; "
                                  "img-src 'self' blob:; connect-src 'self'"}});
    server_.set_pre_routing_handler(
        [this](const Request& request, Response& response) { return admit(request, response); });
    server_.set_exception_handler(
        [](const Request&, Response& response, const std::exception_ptr& error) {
          try {
            std::rethrow_exception(error);
          } catch (const Error& e) {
            refuse(response, http_status(e.code()), video::redact(e.what()), e.code());
          } catch (const std::bad_alloc&) {
            refuse(response, http_status(Errc::kOutOfMemory), "out of memory", Errc::kOutOfMemory);
          } catch (const std::exception& e) {
            log::error("http: {}", e.what());
            refuse(response, 500, "internal error; the runner's log has it", Errc::kInternal);
          }
        });
  }

  Handled admit(const Request& request, Response& response) {
    if (!bucket_.take()) {
      response.set_header("Retry-After", "1");
      refuse(response, 429, "too many requests", Errc::kUnavailable);
      return Handled::Handled;
    }
    // A browser tells where a page comes from, and by which name it found us.
    const std::string host = request.get_header_value("Host");
    const std::string origin = request.get_header_value("Origin");
    const std::string port = ":" + std::to_string(address_.port);
    const bool known = !address_.loopback() || host == address_.text() ||
                       host == "localhost" + port || host == "127.0.0.1" + port;
    if (!known || (!origin.empty() && origin != "http://" + host && origin != "https://" + host)) {
      refuse(response, 403, "this page may not use the runner", Errc::kUsage);
      return Handled::Handled;
    }
    const bool open = request.path == "/healthz" || page_file(request.path) != nullptr;
    if (token_.empty() || open) return Handled::Unhandled;
    constexpr std::string_view kBearer = "Bearer ";
    const std::string given = request.get_header_value("Authorization");
    if (given.starts_with(kBearer) && same_secret(given.substr(kBearer.size()), token_)) {
      return Handled::Unhandled;
    }
    response.set_header("WWW-Authenticate", "Bearer");
    refuse(response, 401, "needs the token: --token-file or GRAFT_TOKEN", Errc::kConfig);
    return Handled::Handled;
  }

  void add_views() {
    for (const PageFile& file : page_files()) {
      server_.Get(file.path, [&file](const Request&, Response& response) {
        response.set_content(file.content, file.type);
      });
    }
    server_.Get("/healthz", [](const Request&, Response& response) {
      response.set_content("ok\n", "text/plain");
    });
    server_.Get("/readyz", [this](const Request&, Response& response) {
      const auto why = why_not_ready(runner_.status());
      response.status = why ? 503 : 200;
      response.set_content(why.value_or("ok") + "\n", "text/plain");
    });
    server_.Get("/metrics", [this](const Request&, Response& response) {
      response.set_content(to_prometheus(runner_.status()), "text/plain; version=0.0.4");
    });
    server_.Get("/api/status", [this](const Request&, Response& response) {
      answer_json(response, to_json(runner_.status()));
    });
    server_.Get(R"(/api/apps/([^/]+)/frame\.jpg)",
                [this](const Request& request, Response& response) {
                  const std::string number = request.get_param_value("n");
                  const bool digit = number.size() == 1 && number[0] >= '0' && number[0] <= '9';
                  const std::string jpeg = runner_.snapshot(
                      request.matches[1], digit ? static_cast<std::size_t>(number[0] - '0') : 0);
                  if (jpeg.empty()) {
                    refuse(response, 404, "no such picture", Errc::kUsage);
                  } else {
                    response.set_content(jpeg, "image/jpeg");
                  }
                });
  }

  using Change = std::function<std::string(RunApp)>;  // gives the name

  void add_changes() {
    server_.Post("/api/apps", [this](const Request& request, Response& response,
                                     const httplib::ContentReader& body) {
      change(request, response, body, [this](RunApp app) { return runner_.add(std::move(app)); });
    });
    server_.Put("/api/apps/([^/]+)", [this](const Request& request, Response& response,
                                            const httplib::ContentReader& body) {
      const std::string name = request.matches[1];
      change(request, response, body,
             [this, name](RunApp app) { return runner_.replace(name, std::move(app)); });
    });
    server_.Delete("/api/apps/([^/]+)", [this](const Request& request, Response& response) {
      const Counted one(changes_);
      if (busy(one, response)) return;
      const std::string name = request.matches[1];
      runner_.remove(name);
      answer_json(response, {{"name", name}});
    });
  }

  bool busy(const Counted& one, Response& response) const {
    if (one.number() <= limits_.changes) return false;
    refuse(response, 503, "other changes are under way; try again", Errc::kUnavailable);
    return true;
  }

  void change(const Request& request, Response& response, const httplib::ContentReader& body,
              const Change& apply) {
    const Counted one(changes_);
    if (busy(one, response)) return;
    const bool json = request.get_header_value("Content-Type") == "application/json";
    std::optional<Upload> upload;  // its file is there until the change is made, to be copied
    if (!json) upload.emplace(runner_.upload_folder());
    answer_json(response,
                {{"name", apply(json ? app_of_path(body) : app_of_bytes(body, *upload))}});
  }

  static RunApp app_of_path(const httplib::ContentReader& body) {
    std::string text;
    body([&text](const char* data, std::size_t size) {
      text.append(data, size);
      return text.size() <= kMaxJsonBytes;
    });
    const Json json = parse_json(text, "request", Errc::kUsage, {.max_bytes = kMaxJsonBytes});
    if (!json.is_object() || !json.contains("path") || !json["path"].is_string()) {
      fail(Errc::kUsage, "request: expected {\"path\": FILE} or the bytes of a package");
    }
    return load_app(json["path"].get<std::string>());
  }

  static RunApp app_of_bytes(const httplib::ContentReader& body, Upload& upload) {
    std::exception_ptr failure;  // not through httplib's reader
    const bool whole = body([&](const char* data, std::size_t size) {
      try {
        upload.append({data, size});
      } catch (...) {
        failure = std::current_exception();
      }
      return !failure;
    });
    if (failure) std::rethrow_exception(failure);
    if (!whole) fail(Errc::kUsage, "request: the package did not arrive whole");
    return upload.load();
  }

  Runner& runner_;
  ListenAddress address_;
  std::string token_;
  Limits limits_;
  TokenBucket bucket_;
  std::atomic<int> changes_ = 0;
  std::atomic<bool> listened_ = false;
  httplib::Server server_;
  std::thread thread_;
};

HttpServer::HttpServer(Runner& runner, const ListenAddress& address, std::string token,
                       const Limits& limits)
    : impl_(std::make_unique<Impl>(runner, address, std::move(token), limits)) {}

HttpServer::~HttpServer() = default;

const ListenAddress& HttpServer::address() const { return impl_->address(); }

}  // namespace graft::run
