// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/package_set.h"

#include <map>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kMaxEventFrames = 1e6;  // as in applications from JSON
constexpr double kMsPerSecond = 1000;

void check_one_base(const Package& package, const Package& first) {
  const PackageHeader &a = package.header(), &b = first.header();
  if (a.base_sha256 != b.base_sha256) {
    fail(Errc::kModel, package.path().string(), ": is of base ", a.base_sha256, ", ",
         first.path().string(), " of ", b.base_sha256, "; schedule them separately");
  }
  if (a.n_layers() != b.n_layers()) {
    fail(Errc::kModel, package.path().string(), ": has ", a.n_layers(), " layers, ",
         first.path().string(), " ", b.n_layers(), "; their heads must be alike");
  }
}

}  // namespace

bool is_package_file(const std::filesystem::path& path) { return path.extension() == ".mpkg"; }

std::vector<NamedPackage> open_packages(std::span<const std::filesystem::path> paths) {
  std::vector<NamedPackage> packages;
  std::map<std::filesystem::path, std::shared_ptr<const Package>> opened;
  std::map<std::string, int> count;
  for (const auto& path : paths) {
    auto& package = opened[path];
    if (!package) {
      package = std::make_shared<const Package>(path);
      package->verify();
    }
    const std::string& task = package->header().task;
    const int number = ++count[task];
    packages.push_back({number == 1 ? task : task + "#" + std::to_string(number), package});
    check_one_base(*package, *packages.front().package);
  }
  return packages;
}

Workload workload_of(std::span<const NamedPackage> packages, double stream_fps, int n_layers) {
  Workload workload;
  workload.stream_fps = stream_fps;
  for (const NamedPackage& p : packages) {
    const PackageHeader& h = p.package->header();
    if (h.n_layers() != n_layers) {
      fail(Errc::kModel, p.package->path().string(), ": has ", h.n_layers(),
           " layers, the cost file ", n_layers, "; `graft profile --model ",
           p.package->path().string(), " --costs COSTS.json` makes one that fits");
    }
    if (h.events.length_ms * stream_fps > kMaxEventFrames * kMsPerSecond) {
      fail(Errc::kModel, p.package->path().string(), ": events of ", h.events.length_ms,
           " ms are longer than ", kMaxEventFrames, " frames at ", stream_fps, " frames/s");
    }
    Application app = application_of(h);
    app.name = p.name;
    workload.apps.push_back(std::move(app));
  }
  return workload;
}

}  // namespace graft
