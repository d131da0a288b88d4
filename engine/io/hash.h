// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace graft {

/// SHA-256 of a sequence of bytes (FIPS 180-4, by OpenSSL).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(const void* data, std::size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  /// 64 lower-case hexadecimal digits of all bytes so far. Ends the object's use.
  [[nodiscard]] std::string hex();

 private:
  evp_md_ctx_st* context_;
};

[[nodiscard]] std::string sha256(const void* data, std::size_t bytes);
[[nodiscard]] std::string sha256(std::string_view text);
/// Of a file's contents, read in blocks. Throws Error(kIo).
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);

}  // namespace graft
