// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/checkpoint.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/io/archive.h"
#include "engine/io/file.h"
#include "engine/io/hash.h"
#include "runtime/train/weights.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kArrays = "arrays.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kTemporary = ".saving";
constexpr const char* kReplaced = ".replaced";
constexpr std::size_t kKept = 2;
constexpr std::size_t kDigits = 10;

std::string write_arrays(const std::map<std::string, std::vector<float>>& arrays,
                         const fs::path& path) {
  ArchiveWriter writer;
  for (const auto& [name, values] : arrays) {
    const std::int64_t size = static_cast<std::int64_t>(values.size());
    writer.add(name, DType::kF32, {&size, 1}, std::as_bytes(std::span(values)));
  }
  return writer.write(path);
}

std::map<std::string, std::vector<float>> read_arrays(const fs::path& path) {
  const ArchiveReader reader(path);
  std::map<std::string, std::vector<float>> arrays;
  for (const auto& info : reader.tensors()) {
    const ArchiveEntry entry = reader.read(info.name);
    auto& values = arrays[info.name];
    values.resize(entry.bytes.size() / sizeof(float));
    if (!values.empty())
      std::copy_n(entry.bytes.data(), entry.bytes.size(),
                  std::as_writable_bytes(std::span(values)).data());
  }
  return arrays;
}

bool is_checkpoint_name(const std::string& name) {
  return name.size() == kDigits && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

CheckpointManager::CheckpointManager(fs::path root) : root_(std::move(root)) {}

void CheckpointManager::save(Network& network, const CheckpointExtra& extra,
                             std::int64_t candidates) {
  const fs::path temporary = root_ / kTemporary;
  std::error_code ignored;
  fs::remove_all(temporary, ignored);  // what a killed save left
  try {
    make_folder(temporary);
    Context& ctx = network.context();
    Json files;
    files[kModel] = write_weights(ctx, network.params(), {{"format", "pt"}}, temporary / kModel);
    files[kOptimizer] =
        write_optimizer(ctx, network.params(), network.optimizer(), temporary / kOptimizer);
    files[kArrays] = write_arrays(extra.arrays, temporary / kArrays);
    const std::string state = extra.state.dump(1);
    atomic_write(temporary / kState, state);
    files[kState] = sha256(state);
    const Json manifest = {
        {"format", kCheckpointFormat}, {"candidates", candidates}, {"sha256", files}};
    atomic_write(temporary / kManifest, manifest.dump(1));
    const fs::path target = root_ / fmt::format("{:010}", candidates);
    const fs::path replaced = root_ / kReplaced;
    fs::remove_all(replaced, ignored);
    // Aside by one rename: removing it here could leave half a checkpoint under a checkpoint's
    // name.
    if (fs::exists(target)) rename_path(target, replaced);
    rename_path(temporary, target);
    fs::remove_all(replaced, ignored);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
  prune();
}

std::vector<fs::path> CheckpointManager::list() const {
  std::vector<fs::path> found;
  if (!fs::exists(root_)) return found;
  for (const auto& entry : fs::directory_iterator(root_)) {
    if (entry.is_directory() && is_checkpoint_name(entry.path().filename().string())) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

void CheckpointManager::prune() const {
  const auto all = list();
  std::error_code ignored;
  for (std::size_t i = kKept; i < all.size(); ++i) fs::remove_all(all[i], ignored);
}

void CheckpointManager::verify(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kManifest;
  if (!fs::exists(path))
    fail(Errc::kModel, path.string(), ": missing, the checkpoint is not whole");
  const Json manifest = parse_json(read_file(path), path.string(), Errc::kModel);
  if (!manifest.is_object() || !manifest.value("format", Json()).is_number_integer() ||
      !manifest.value("sha256", Json()).is_object()) {
    fail(Errc::kModel, path.string(), ": not a checkpoint manifest");
  }
  if (const int format = manifest.at("format"); format > kCheckpointFormat) {
    fail(Errc::kModel, path.string(), ": format ", format, ", this build reads up to ",
         kCheckpointFormat, "; use a newer graft");
  }
  for (const char* file : {kModel, kOptimizer, kArrays, kState}) {
    const fs::path part = checkpoint / file;
    if (!fs::exists(part)) fail(Errc::kModel, part.string(), ": missing");
    const std::string found = sha256_file(part);
    const Json entry = manifest.at("sha256").value(file, Json());
    const std::string wanted = entry.is_string() ? entry.get<std::string>() : "";
    if (found != wanted) {
      fail(Errc::kModel, part.string(), ": damaged: SHA-256 ", found.substr(0, 16),
           "..., the manifest says ", wanted.substr(0, 16), "...");
    }
  }
}

std::optional<fs::path> CheckpointManager::newest_sound() const {
  const auto all = list();
  std::string last_error;
  for (const fs::path& checkpoint : all) {
    try {
      verify(checkpoint);
      return checkpoint;
    } catch (const Error& e) {
      if (e.code() != Errc::kModel && e.code() != Errc::kIo) throw;
      last_error = e.what();
      log::warning("{}; trying the checkpoint before it", last_error);
    }
  }
  if (all.empty()) return std::nullopt;
  fail(Errc::kModel, root_.string(), ": no sound checkpoint among ", all.size(), ": ", last_error,
       "; start again with --force");
}

std::optional<CheckpointExtra> CheckpointManager::load_latest(Network& network) {
  const auto found = newest_sound();
  if (!found) return std::nullopt;
  const fs::path& checkpoint = *found;
  CheckpointExtra extra;
  extra.state =
      parse_json(read_file(checkpoint / kState), (checkpoint / kState).string(), Errc::kModel);
  extra.arrays = read_arrays(checkpoint / kArrays);
  read_weights(network.context(), network.params(), checkpoint / kModel);
  read_optimizer(network.context(), network.params(), network.optimizer(), checkpoint / kOptimizer);
  return extra;
}

std::map<std::string, std::vector<float>> CheckpointManager::load_arrays() const {
  const auto checkpoint = newest_sound();
  if (!checkpoint) fail(Errc::kModel, root_.string(), ": no checkpoint");
  return read_arrays(*checkpoint / kArrays);
}

void CheckpointManager::load_weights(Network& network) {
  const auto checkpoint = newest_sound();
  if (!checkpoint) fail(Errc::kModel, root_.string(), ": no checkpoint");
  read_weights(network.context(), network.params(), *checkpoint / kModel);
}

}  // namespace graft::train
