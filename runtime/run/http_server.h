// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "runtime/run/listen_address.h"
#include "runtime/run/runner.h"

namespace graft::run {

/// Shows a run and takes changes of it:
///   GET  /                            a page for people
///   GET  /healthz /readyz             200, or 503 and why
///   GET  /metrics                     Prometheus' text format
///   GET  /api/status                  to_json(RunStatus)
///   GET  /api/apps/NAME/frame.jpg?n=0 what it saw: 0 latest, then its events
///   POST /api/apps                    a package, or {"path": FILE} as JSON; answers {"name"}
///   PUT  /api/apps/NAME               the same, in its place
///   DELETE /api/apps/NAME
/// Errors answer {"error", "exit"} with the exit code of the error. Requests are limited in size
/// and rate; a page of another origin cannot use it. Without TLS: put a proxy in front of it where
/// others listen.
class HttpServer {
 public:
  struct Limits {
    double requests_per_s = 100;
    double burst = 200;
    int changes = 3;  ///< running or waiting at a time
  };

  /// Listens at once. With a token, all but /healthz and the page's own files need
  /// "Authorization: Bearer TOKEN". Throws Error(kConfig) for an address that others reach, without
  /// a token; Error(kIo) if the address cannot be had. `runner` must outlive the server.
  HttpServer(Runner& runner, const ListenAddress& address, std::string token, const Limits& limits);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// Answers what it is at, then stops.
  ~HttpServer();

  [[nodiscard]] const ListenAddress& address() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace graft::run
