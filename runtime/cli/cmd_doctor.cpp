// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/device/cuda_device.h"
#include "kernels/api/backend_info.h"
#include "runtime/build_info.h"
#include "runtime/cli/commands.h"
#include "runtime/video/ffmpeg_plugin.h"

namespace graft::cli {
namespace {

/// One line of the report.
struct Finding {
  std::string what, found;
  std::string mend;  ///< empty: fine
};

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

double memory_gib() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<double>(sysconf(_SC_PAGE_SIZE)) / (1024.0 * 1024.0 * 1024.0);
}

std::string cuda_version(int v) { return fmt::format("{}.{}", v / 1000, v % 1000 / 10); }

std::string library_version(int v) {
  return fmt::format("{}.{}.{}", v / 10000, v % 10000 / 100, v % 100);
}

void examine_cuda(std::vector<Finding>& findings) {
  const CudaProbe cuda = probe_cuda();
  const auto libraries = kernels::cuda_backend_info();
  if (cuda.built) {
    findings.push_back({"CUDA toolkit", cuda_version(cuda.runtime_version), ""});
    findings.push_back({"cuDNN", library_version(libraries.cudnn), ""});
    findings.push_back({"cuBLASLt", library_version(libraries.cublaslt), ""});
    findings.push_back(
        {"NVIDIA driver",
         cuda.driver_version == 0 ? "none" : "supports CUDA " + cuda_version(cuda.driver_version),
         ""});
  }
  for (const auto& d : cuda.devices) {
    findings.push_back({"GPU",
                        fmt::format("{}, compute capability {}.{}, {:.1f} GiB", d.name, d.major,
                                    d.minor, static_cast<double>(d.memory_bytes) / (1 << 30)),
                        ""});
  }
  const bool works = cuda.reason.empty();
  findings.push_back({"--device cuda", works ? "available" : "unavailable: " + cuda.reason,
                      works ? "" : "only for --device cuda: " + cuda.mend});
}

std::vector<Finding> examine() {
  const auto cpu = kernels::cpu_backend_info();
  std::vector<Finding> findings;
  findings.push_back({"graft", build_info().at("version").get<std::string>(), ""});
  findings.push_back({"processor", cpu_model(), ""});
  findings.push_back({"cores", std::to_string(std::thread::hardware_concurrency()), ""});
  findings.push_back({"memory", fmt::format("{:.1f} GiB", memory_gib()), ""});
  findings.push_back({"CPU kernels", cpu.library + " (" + cpu.library_isa + "), own " + cpu.own_isa,
                      cpu.own_isa == "baseline"
                          ? "this processor has no AVX2: training works, several times slower"
                          : ""});
  std::string why_not;
  const bool video = video::ffmpeg_available(&why_not);
  findings.push_back({"video files", video ? "FFmpeg plug-in" : "none", why_not});
  examine_cuda(findings);
  return findings;
}

}  // namespace

std::vector<Command> add_doctor(CLI::App& root) {
  auto* app = root.add_subcommand(
      "doctor", "Say what this machine and build can do, and what mends the rest");
  auto json = std::make_shared<bool>(false);
  app->add_flag("--json", *json, "machine-readable");
  return {{app, [json] {
             Json list = Json::array();
             for (const Finding& f : examine()) {
               list.push_back({{"what", f.what}, {"found", f.found}, {"mend", f.mend}});
               if (!*json) {
                 std::cout << fmt::format("{:<15} {}\n", f.what, f.found);
                 if (!f.mend.empty()) std::cout << fmt::format("{:<15}   -> {}\n", "", f.mend);
               }
             }
             if (*json) std::cout << list.dump(2) << "\n";
             return 0;
           }}};
}

}  // namespace graft::cli
