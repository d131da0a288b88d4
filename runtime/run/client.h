// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "engine/io/json.h"
#include "runtime/run/listen_address.h"

namespace graft::run {

/// Talks to the HttpServer of a running graft. What the runner refuses is thrown with the code that
/// it gives; Error(kUnavailable) if it does not answer.
class Client {
 public:
  Client(ListenAddress address, std::string token)
      : address_(std::move(address)), token_(std::move(token)) {}

  [[nodiscard]] Json status() const;
  /// Sends the package; returns the application's name. Throws Error(kIo) if it cannot be read.
  std::string add(const std::filesystem::path& package) const;
  std::string replace(const std::string& app, const std::filesystem::path& package) const;
  std::string remove(const std::string& app) const;

 private:
  enum class Method { kGet, kPost, kPut, kDelete };
  [[nodiscard]] Json ask(Method method, const std::string& path, const std::string& body) const;

  ListenAddress address_;
  std::string token_;
};

}  // namespace graft::run
