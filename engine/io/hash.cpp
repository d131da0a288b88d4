// SPDX-License-Identifier: Apache-2.0
#include "engine/io/hash.h"

#include <array>
#include <vector>

#include <openssl/evp.h>

#include "engine/core/error.h"
#include "engine/io/file.h"

namespace graft {
namespace {

void require(int status) {
  if (status != 1) fail(Errc::kInternal, "sha256: OpenSSL refused; is its FIPS set-up broken?");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) fail(Errc::kOutOfMemory, "sha256: no memory for a digest context");
  require(EVP_DigestInit_ex(context_, EVP_sha256(), nullptr));
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::update(const void* data, std::size_t bytes) {
  if (bytes > 0) require(EVP_DigestUpdate(context_, data, bytes));
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  require(EVP_DigestFinal_ex(context_, digest.data(), &size));
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(std::size_t{2} * size);
  for (unsigned i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string sha256(const void* data, std::size_t bytes) {
  Sha256 hash;
  hash.update(data, bytes);
  return hash.hex();
}

std::string sha256(std::string_view text) { return sha256(text.data(), text.size()); }

std::string sha256_file(const std::filesystem::path& path) {
  constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
  const FileReader file(path);
  std::vector<char> block(kBlock);
  Sha256 hash;
  for (std::uint64_t at = 0; at < file.size(); at += kBlock) {
    const std::uint64_t count = std::min(kBlock, file.size() - at);
    file.read_at(at, block.data(), count);
    hash.update(block.data(), count);
  }
  return hash.hex();
}

}  // namespace graft
