// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/package.h"

#include <ctime>
#include <functional>

#include <gtest/gtest.h>

#include "engine/io/json.h"
#include "runtime/package/base_models.h"
#include "runtime/package/layers.h"
#include "runtime/package/package_json.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_package/drawn_family.h"

namespace graft {
namespace {

using testing::draw_family;
using testing::draw_package;
using testing::fails_with;
using testing::TempFolder;

std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

TEST(Package, HoldsWhatTheFamilyHolds) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const finetune::Family family = draw_family(ctx, "birds", folder / "birds");
  const PackageOptions options{.positive = {"birds2", "birds0"}, .event_length_ms = 400};
  const auto built = build_package(ctx, folder / "birds", options, folder / "birds.mpkg");
  EXPECT_TRUE(built.left_out.empty());
  const Package package(folder / "birds.mpkg");
  package.verify();
  const PackageHeader& h = package.header();
  EXPECT_EQ(h.task, "birds");
  EXPECT_EQ(h.labels, family.labels);
  EXPECT_EQ(h.positive, (std::vector<int>{0, 2}));
  EXPECT_EQ(h.base_sha256, family.base.sha256);
  EXPECT_EQ(h.preprocess, family.preprocess);
  EXPECT_EQ(h.events.length_ms, 400);
  EXPECT_EQ(h.events.correlation, kAssumedEvents.correlation);
  EXPECT_EQ(h.event_source, EventSource::kGiven);
  ASSERT_EQ(h.candidates.size(), family.candidates.size());
  for (std::size_t i = 0; i < h.candidates.size(); ++i) {
    EXPECT_EQ(h.candidates[i].frozen, family.candidates[i].frozen);
    EXPECT_EQ(h.candidates[i].accuracy, family.candidates[i].accuracy);
    EXPECT_EQ(h.candidates[i].fpr, family.candidates[i].fpr);
  }
  EXPECT_TRUE(std::filesystem::exists(folder / base_file_name(h.base_sha256)));
}

TEST(Package, GivesBackTheWeightsOfEveryCandidate) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const finetune::Family family = draw_family(ctx, "birds", folder / "birds");
  build_package(ctx, folder / "birds", {}, folder / "birds.mpkg");
  const Package package(folder / "birds.mpkg");
  BaseModels bases;
  const Model& base = bases.get(ctx, package);
  for (const finetune::Candidate& c : family.candidates) {
    const auto params = candidate_params(ctx, package, c.frozen, base);
    ParamStore own(ctx, finetune::branch_graph(family, c).param_specs(), DType::kF32);
    train::read_weights(ctx, own, folder / "birds" / c.weights);
    for (const auto& e : params->entries()) {
      const ParamId mine = own.find(e.name);
      const Tensor& want =
          mine >= 0 ? own.entry(mine).value : base.params().entry(base.params().find(e.name)).value;
      EXPECT_EQ(std::memcmp(e.value.data(), want.data(), want.bytes()), 0)
          << c.frozen << ' ' << e.name;
    }
  }
}

TEST(Package, PositiveLabelIsTheOneCalledAsTheTaskOrElseTheFirst) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  finetune::Family family = draw_family(ctx, "car", folder / "car");
  EXPECT_EQ(build_package(ctx, folder / "car", {}, folder / "a.mpkg").header.positive,
            std::vector<int>{0});
  family.labels = {"background", "car", "other"};
  finetune::write_family(family, folder / "car");
  EXPECT_EQ(build_package(ctx, folder / "car", {}, folder / "a.mpkg").header.positive,
            std::vector<int>{1});
  const PackageOptions wrong{.positive = {"caar"}};
  EXPECT_TRUE(fails_with(Errc::kUsage, {"--positive caar", "did you mean `car`"},
                         [&] { build_package(ctx, folder / "car", wrong, folder / "b.mpkg"); }));
  EXPECT_FALSE(std::filesystem::exists(folder / "b.mpkg"));
}

TEST(Package, CutsInsideAFusedOperationAreLeftOut) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto family =
      draw_family(ctx, "all", folder / "all", {.architecture = "resnet8", .all_cuts = true});
  const auto built = build_package(ctx, folder / "all", {}, folder / "all.mpkg");
  EXPECT_FALSE(built.left_out.empty());
  const std::vector<bool> deployable = deployable_cuts(family.graph);
  const auto layers = layers_of(family.graph);
  for (const int frozen : built.left_out) {
    EXPECT_FALSE(deployable[static_cast<std::size_t>(frozen)]);
  }
  for (const PackagedCandidate& c : built.header.candidates) {
    if (c.frozen == 0) continue;
    const Node& next = family.graph.node(layers[static_cast<std::size_t>(c.frozen)]);
    EXPECT_FALSE(next.layer->is_affine() && next.inputs.size() == 1) << c.branch;
  }
}

TEST(Package, ApplicationUsesAccuracyUnlessTheEventWasMeasured) {
  PackageHeader h;
  h.task = "t";
  PackagedCandidate& c = h.candidates.emplace_back();
  c.accuracy = 0.9;
  c.tpr = 0.8;
  c.fpr = 0.1;
  EXPECT_EQ(application_of(h).candidates[0].detector.hit_rate, 0.9);
  h.event_source = EventSource::kMeasured;
  EXPECT_EQ(application_of(h).candidates[0].detector.hit_rate, 0.8);
  EXPECT_EQ(application_of(h).candidates[0].detector.false_alarm_rate, 0.1);
}

TEST(LayerHashes, DifferWhereWeightsOrAttributesDo) {
  Context ctx(Backend::kCpu);
  Model a = testing::drawn_model(ctx, "resnet8", 32, 10);
  Model b = testing::drawn_model(ctx, "resnet8", 32, 10);
  const int n = count_layers(a.header().graph);
  const auto of = [&](Model& m) { return layer_hashes(ctx, m.header().graph, m.params(), n); };
  const auto first = of(a);
  EXPECT_EQ(first, of(b));
  const ParamId id = b.params().find(b.params().entry(6).name);
  auto* bits = static_cast<std::uint32_t*>(b.params().entry(id).value.data());
  bits[0] ^= 1u;  // the last bit of one weight
  const auto second = of(b);
  int differ = 0;
  for (std::size_t i = 0; i < first.size(); ++i) differ += first[i] == second[i] ? 0 : 1;
  EXPECT_EQ(differ, 1);
}

TEST(BaseModels, LooksBesideThePackageThenSaysWhereItLooked) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  const auto base = folder / base_file_name(package->header().base_sha256);
  EXPECT_NO_THROW(static_cast<void>(BaseModels().get(ctx, *package)));
  make_folder(folder / "elsewhere");
  std::filesystem::rename(base, folder / "elsewhere" / base.filename());
  EXPECT_TRUE(fails_with(Errc::kModel, {base.string(), "--base"},
                         [&] { static_cast<void>(BaseModels().get(ctx, *package)); }));
  EXPECT_NO_THROW(static_cast<void>(BaseModels(folder / "elsewhere").get(ctx, *package)));
  EXPECT_NO_THROW(
      static_cast<void>(BaseModels(folder / "elsewhere" / base.filename()).get(ctx, *package)));
}

TEST(BaseModels, RefusesAnotherBaseUnderTheRightName) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  Model other = testing::drawn_model(ctx, "mobilenet_v1:alpha=0.25", 32, 10);
  other.save(folder / base_file_name(package->header().base_sha256));
  EXPECT_TRUE(fails_with(Errc::kModel, {package->path().string(), package->header().base_sha256},
                         [&] { static_cast<void>(BaseModels().get(ctx, *package)); }));
}

/// Writes a package whose header is `change`d and hashed anew: only its checks can refuse it.
std::filesystem::path changed_package(const std::filesystem::path& path,
                                      const std::function<void(Json&)>& change, int format = 1) {
  const ArchiveReader reader(path);
  Json header = parse_json(reader.metadata().at("package"), "test");
  change(header);
  ArchiveWriter writer;
  std::vector<ArchiveEntry> entries;
  for (const ArchiveInfo& info : reader.tensors()) entries.push_back(reader.read(info.name));
  for (const ArchiveEntry& e : entries) writer.add(e.name, e.dtype, e.dims, e.bytes);
  const std::string text = header.dump();
  writer.set_metadata("format", "pt");
  writer.set_metadata("graft_package", std::to_string(format));
  writer.set_metadata("package", text);
  writer.set_metadata("sha256", sha256(detail::cat(format, '\n', text.size(), '\n', text)));
  const auto out = path.parent_path() / "changed.mpkg";
  writer.write(out);
  return out;
}

struct Damage {
  const char* field;  ///< that the message names
  std::function<void(Json&)> change;
};

std::vector<Damage> damages() {
  constexpr std::size_t kMany = 60000;  // ten candidates a kilobyte: the file's own limit is 16 MiB
  return {
      {"task", [](Json& j) { j["task"] = "../../etc/passwd"; }},
      {"task", [](Json& j) { j["task"] = ".."; }},
      {"task", [](Json& j) { j["task"] = ""; }},
      {"task", [](Json& j) { j["task"] = std::string(200, 't'); }},
      {"task", [](Json& j) { j["task"] = "line\nbreak"; }},
      {"made_by", [](Json& j) { j.erase("made_by"); }},
      {"labels", [](Json& j) { j["labels"] = Json::array(); }},
      {"labels[1]", [](Json& j) { j["labels"][1] = j["labels"][0]; }},
      {"labels[0]", [](Json& j) { j["labels"][0] = std::string(1000, 'x'); }},
      {"positive", [](Json& j) { j["positive"] = Json::array(); }},
      {"positive[0]", [](Json& j) { j["positive"] = {3}; }},
      {"positive[1]",
       [](Json& j) {
         j["positive"] = {1, 1};
       }},
      {"events.length_ms", [](Json& j) { j["events"]["length_ms"] = 0; }},
      {"events.frequency", [](Json& j) { j["events"]["frequency"] = 1.5; }},
      {"events.correlation", [](Json& j) { j["events"]["correlation"] = -0.1; }},
      {"events.source", [](Json& j) { j["events"]["source"] = "dreamt"; }},
      {"candidates", [](Json& j) { j["candidates"] = Json::array(); }},
      {"candidates", [](Json& j) { j["candidates"] = Json(kMany, j["candidates"][0]); }},
      {"candidates[0].accuracy", [](Json& j) { j["candidates"][0]["accuracy"] = 1.01; }},
      {"candidates[1].fpr", [](Json& j) { j["candidates"][1]["fpr"] = "low"; }},
      {"candidates[1].branch", [](Json& j) { j["candidates"][1]["branch"] = "../conv"; }},
      {"candidates[1].frozen", [](Json& j) { j["candidates"][1]["frozen"] = 1; }},
      {"candidates[1].frozen", [](Json& j) { j["candidates"][1]["frozen"] = 1000; }},
      {"candidates[1].frozen", [](Json& j) { j["candidates"][1]["frozen"] = 0; }},
      {"candidates[0].sha256", [](Json& j) { j["candidates"][0]["sha256"] = "abc"; }},
      {"base.sha256", [](Json& j) { j["base"]["sha256"] = std::string(64, 'G'); }},
      {"base.layers", [](Json& j) { j["base"]["layers"].erase(0); }},
      {"preprocess", [](Json& j) { j.erase("preprocess"); }},
      {"graph", [](Json& j) { j["graph"]["nodes"].erase(3); }},
      {"graph",
       [](Json& j) {
         j["graph"]["outputs"] = Json{{"other", 3}};
       }},
      {"graph", [](Json& j) { j["graph"] = 7; }},
  };
}

TEST(HostilePackages, EveryWrongFieldIsNamed) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  EXPECT_NO_THROW(Package(changed_package(package->path(), [](Json&) {})));
  for (const Damage& d : damages()) {
    const auto path = changed_package(package->path(), d.change);
    const std::clock_t start = std::clock();
    EXPECT_TRUE(fails_with(Errc::kModel, {path.string(), d.field}, [&] { Package p(path); }))
        << d.field;
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
  }
}

TEST(HostilePackages, NewerFormatAsksForANewerGraft) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  const auto path = changed_package(
      package->path(), [](Json&) {}, kPackageFormat + 1);
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"package format 2", "newer graft"}, [&] { Package p(path); }));
}

TEST(HostilePackages, AMillionCandidatesDoNotFitTheHeader) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto package = draw_package(ctx, "birds", folder.path());
  std::string header = R"({"__metadata__":{"graft_package":"1","package":")";
  for (int i = 0; i < 1'000'000; ++i) header += R"({\"frozen\":1},)";
  header += R"("}})";
  std::string file(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(file.data(), &size, sizeof size);
  atomic_write(folder / "many.mpkg", file + header);
  EXPECT_TRUE(fails_with(Errc::kModel, {"many.mpkg"}, [&] { Package p(folder / "many.mpkg"); }));
}

TEST(HostilePackages, AnyFlippedBitIsFound) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  draw_family(ctx, "birds", folder / "birds", {.architecture = "small_cnn"});
  build_package(ctx, folder / "birds", {}, folder / "birds.mpkg");
  const std::string whole = read_file(folder / "birds.mpkg");
  const auto flip = folder / "flipped.mpkg";
  constexpr std::size_t kFlips = 300;
  for (std::size_t i = 0; i < kFlips; ++i) {
    std::string damaged = whole;
    const std::size_t at = i < kFlips / 2 ? i * 37 % 9000 : i * whole.size() / kFlips;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (i % 8)));
    atomic_write(flip, damaged);
    EXPECT_TRUE(fails_with(Errc::kModel, {flip.string()}, [&] { Package(flip).verify(); }))
        << "byte " << at;
  }
  for (std::size_t i = 0; i < 40; ++i) {
    atomic_write(flip, whole.substr(0, i * whole.size() / 40));
    EXPECT_TRUE(fails_with(Errc::kModel, {flip.string()}, [&] { Package p(flip); }));
  }
}

TEST(BuildPackage, RefusesAFamilyThatIsNotAsItSays) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  const auto refuses = [&](const std::vector<std::string>& parts,
                           const std::function<void(const std::filesystem::path&)>& damage) {
    std::filesystem::remove_all(folder / "birds");
    draw_family(ctx, "birds", folder / "birds");
    damage(folder / "birds");
    make_folder(folder / "out");
    EXPECT_TRUE(fails_with(Errc::kModel, parts, [&] {
      build_package(ctx, folder / "birds", {}, folder / "out" / "birds.mpkg");
    }));
    EXPECT_EQ(files_in(folder / "out"), 0u);
  };
  const auto edit = [](const std::function<void(Json&)>& change) {
    return [change](const std::filesystem::path& family) {
      Json json = parse_json(read_file(family / finetune::kFamilyFile), "test");
      change(json);
      atomic_write(family / finetune::kFamilyFile, json.dump());
    };
  };
  const std::string weights = "candidates/frozen-0.safetensors";
  refuses({weights, "SHA-256"}, [&](const auto& family) {
    std::string bytes = read_file(family / weights);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    atomic_write(family / weights, bytes);
  });
  refuses({"base.graft", "SHA-256"},
          [&](const auto& family) { atomic_write(family / "base.graft", "no model"); });
  refuses({"weights"}, edit([](Json& j) { j["candidates"][0]["weights"] = "../../x"; }));
  refuses({"base.file"}, edit([](Json& j) { j["base"]["file"] = "/etc/passwd"; }));
  refuses({"task"}, edit([](Json& j) { j["task"] = "../escape"; }));
  refuses({"format"}, edit([](Json& j) { j["format"] = 99; }));
  refuses({"no tensor"}, [&](const auto& family) {
    // The weights of another candidate under its name, with the hash that they have.
    std::filesystem::copy_file(family / "candidates/frozen-3.safetensors", family / weights,
                               std::filesystem::copy_options::overwrite_existing);
    const std::string hash = sha256_file(family / weights);
    edit([&](Json& j) { j["candidates"][0]["sha256"] = hash; })(family);
  });
}

TEST(BuildPackage, AFullDiskLeavesNoHalfPackage) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  draw_family(ctx, "birds", folder / "birds");
  build_package(ctx, folder / "birds", {}, folder / "birds.mpkg");
  const std::string before = read_file(folder / "birds.mpkg");
  const ScopedWriteFault fault({.after_bytes = 10000, .error_number = ENOSPC});
  const PackageOptions options{.event_length_ms = 5};
  EXPECT_TRUE(fails_with(Errc::kIo, {"birds.mpkg"}, [&] {
    build_package(ctx, folder / "birds", options, folder / "birds.mpkg");
  }));
  EXPECT_EQ(read_file(folder / "birds.mpkg"), before);
}

}  // namespace
}  // namespace graft
