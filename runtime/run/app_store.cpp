// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/app_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/core/log.h"
#include "engine/io/file.h"
#include "engine/io/hash.h"
#include "scheduler/model/json_field.h"

namespace graft::run {

namespace fs = std::filesystem;

namespace {

constexpr int kSchema = 1;
constexpr std::uint64_t kMaxListBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMaxApps = 4096, kSha256Digits = 64;

/// Part of a file's name: nothing but the digits that it is.
std::string sha256_of(const JsonField& field) {
  std::string text = field.text();
  const bool digits = text.find_first_not_of("0123456789abcdef") == text.npos;
  if (text.size() != kSha256Digits || !digits) field.reject("is no SHA-256");
  return text;
}

}  // namespace

AppStore::AppStore(const fs::path& journal, std::vector<RunApp> given)
    : list_(journal.string() + ".apps.json"),
      folder_(journal.string() + ".apps"),
      given_(std::move(given)) {}

bool AppStore::is_given(const std::string& sha256) const {
  return std::any_of(given_.begin(), given_.end(),
                     [&sha256](const RunApp& app) { return app.sha256 == sha256; });
}

fs::path AppStore::package_path(const std::string& sha256) const {
  return folder_ / (sha256 + ".mpkg");
}

std::optional<std::vector<RunApp>> AppStore::load() const {
  if (!fs::exists(list_)) return std::nullopt;
  try {
    return read();
  } catch (const Error& e) {
    fail(e.code(), e.what(), "; to begin with the applications of --apps, remove ", list_.string());
  }
}

std::optional<std::vector<RunApp>> AppStore::read() const {
  const std::string source = list_.string();
  const Json json = parse_json(read_file(list_, kMaxListBytes), source, Errc::kModel);
  const JsonField root(json, source);
  static_cast<void>(root.at("schema").integer(kSchema, kSchema));
  const auto given = root.at("given").elements(kMaxApps);
  const bool same = std::equal(
      given.begin(), given.end(), given_.begin(), given_.end(),
      [](const JsonField& then, const RunApp& now) { return sha256_of(then) == now.sha256; });
  if (!same) {
    log::warning(
        "{}: --apps names other packages than when applications were last changed; that list is "
        "left aside",
        source);
    return std::nullopt;
  }
  std::vector<RunApp> apps;
  for (const JsonField& field : root.at("apps").elements(kMaxApps)) {
    const std::string sha256 = sha256_of(field.at("sha256"));
    const auto known = std::find_if(given_.begin(), given_.end(),
                                    [&sha256](const RunApp& app) { return app.sha256 == sha256; });
    apps.push_back(known != given_.end() ? *known : load_app(package_path(sha256)));
    if (apps.back().sha256 != sha256) field.at("sha256").reject("is not that of the package");
    apps.back().name = field.at("name").text();
  }
  return apps;
}

void AppStore::keep(const RunApp& app) const {
  const fs::path path = package_path(app.sha256);
  if (is_given(app.sha256) || fs::exists(path)) return;
  const std::string bytes = read_file(app.package->path());
  if (graft::sha256(bytes) != app.sha256) {
    fail(Errc::kModel, app.package->path().string(), ": has changed since it was checked");
  }
  make_folder(folder_);
  atomic_write(path, bytes);
}

void AppStore::write(std::span<const RunApp> apps) const {
  Json given = Json::array(), list = Json::array();
  std::set<fs::path> used;
  for (const RunApp& app : given_) given.push_back(app.sha256);
  for (const RunApp& app : apps) {
    list.push_back({{"name", app.name}, {"sha256", app.sha256}});
    used.insert(package_path(app.sha256));
  }
  const Json json = {{"schema", kSchema}, {"given", given}, {"apps", list}};
  atomic_write(list_, json.dump() + "\n");
  if (!fs::exists(folder_)) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::error_code ignored;  // it is removed at the next change
    if (!used.contains(entry.path())) fs::remove(entry.path(), ignored);
  }
}

}  // namespace graft::run
