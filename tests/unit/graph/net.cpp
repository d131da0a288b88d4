// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/graph/net.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/core/rng.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/rows.h"
#include "tests/support/gradcheck.h"

namespace graft::testing {
namespace {

constexpr std::uint32_t kEpoch = 3;
constexpr std::uint64_t kSeed = 7;  // of dropout
constexpr double kNoise = 0.2;

/// One stream a name, so that a graph's place for a parameter does not change its numbers.
std::uint64_t seed_of(const std::string& name, std::uint64_t seed) {
  std::uint64_t h = 14695981039346656037ull ^ seed;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

/// Uniform around the parameter's start; filters as wide as He et al. 2015 want them.
void draw(const ParamSpec& spec, Philox rng, Tensor& to) {
  const bool filter = spec.shape.rank() > 1;
  const double fan = static_cast<double>(spec.shape.row_numel());
  const double centre = !filter && spec.init.kind == Init::Kind::kConstant ? spec.init.value : 0;
  const double reach = filter ? std::sqrt(6 / fan) : kNoise;
  dispatch_float(to.dtype(), "test", [&]<class T>(std::type_identity<T>) {
    std::generate_n(to.ptr<T>(), to.numel(), [&] {
      return static_cast<T>(static_cast<float>(centre + reach * (2 * rng.uniform() - 1)));
    });
  });
}

void draw_weights(ParamStore& params, std::uint64_t seed) {
  for (const auto& e : params.entries()) {
    Tensor value = e.value;
    draw(e.spec, Philox({.seed = seed_of(e.name, seed), .purpose = RngPurpose::kTest}), value);
  }
  params.bump_version();
}

}  // namespace

Net::Net(const Graph& graph, const NetOptions& o)
    : ctx(o.backend == Backend::kCuda ? Context(CudaOnHost{}, *o.memory)
                                      : Context(o.backend, o.threads, *o.memory)),
      params(ctx, graph.param_specs(), kernels::param_dtype(o.dtype)),
      executor(ctx, graph, params,
               {.max_batch = o.batch,
                .dtype = o.dtype,
                .loss = o.training ? graph.output("loss") : kNoValue,
                .tape = o.tape,
                .row_sparse_norm = o.row_sparse_norm}),
      examples(static_cast<std::size_t>(o.batch)),
      epochs(static_cast<std::size_t>(o.batch), kEpoch) {
  if (o.weights != nullptr) {
    take_weights(*o.weights);
  } else {
    draw_weights(params, o.seed);
  }
  std::iota(examples.begin(), examples.end(), 100);
  for (const Node& n : graph.nodes()) {
    if (n.kind != NodeKind::kInput) continue;
    const Shape shape = n.shape.with_batch(o.batch);
    if (n.dtype == DType::kI32) {
      const ValueId logits =
          graph.find("loss") == kNoValue ? kNoValue : graph.node(graph.find("loss")).inputs[0];
      const std::int64_t classes = logits == kNoValue ? 2 : graph.node(logits).shape[1];
      label = labels(o.batch, static_cast<std::uint32_t>(classes), o.seed + 1);
    } else {
      image = converted(normal(shape, o.seed), kernels::param_dtype(o.dtype), host_memory());
      if (o.dtype == DType::kBF16) {
        const Tensor exact = image;
        image = Tensor::allocate(host_memory(), shape, DType::kBF16);
        kernels::cast(ctx, exact, image);
      }
    }
  }
  weight = converted(uniform({o.batch}, o.seed + 2, 0.1, 1), kernels::param_dtype(o.dtype),
                     host_memory());
  bind_rows(0, o.batch);
}

void Net::bind_rows(std::int64_t begin, std::int64_t count) {
  begin_ = begin;
  count_ = count;
  const auto& nodes = executor.graph().nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].kind != NodeKind::kInput) continue;
    const Tensor& t = nodes[i].dtype == DType::kI32 ? label : image;
    executor.bind(static_cast<ValueId>(i), t.rows(begin, count));
  }
}

void Net::backward_rows(const std::vector<std::int32_t>& rows) {
  std::vector<std::int64_t> of_rows;
  Tensor chosen = Tensor::allocate(host_memory(), {std::ssize(rows)}, weight.dtype());
  kernels::gather_rows(ctx, weight.rows(begin_, count_), rows, chosen);
  const RowIds ids = row_ids();
  for (const std::int32_t r : rows) of_rows.push_back(ids.example[static_cast<std::size_t>(r)]);
  executor.compact(rows);
  executor.backward(chosen, {ids.seed, of_rows, ids.epoch.first(rows.size())});
}

Tensor Net::output(const std::string& name) {
  return executor.value(executor.graph().output(name)).clone(host_memory());
}

Tensor Net::value(const std::string& param) const {
  const ParamId id = params.find(param);
  GRAFT_CHECK(id >= 0, "no parameter ", param);
  return params.entry(id).value;
}

Tensor Net::grad(const std::string& param) const {
  const ParamId id = params.find(param);
  GRAFT_CHECK(id >= 0, "no parameter ", param);
  return params.entry(id).grad;
}

void Net::take_weights(const ParamStore& other) {
  for (const auto& e : params.entries()) {
    const ParamId id = other.find(e.name);
    GRAFT_CHECK(id >= 0, "no weights for ", e.name);
    std::memcpy(e.value.data(), other.entry(id).value.data(), e.value.bytes());
  }
  params.bump_version();
}

RowIds Net::row_ids() const {
  const auto begin = static_cast<std::size_t>(begin_), count = static_cast<std::size_t>(count_);
  return {.seed = kSeed,
          .example = std::span(examples).subspan(begin, count),
          .epoch = std::span(epochs).subspan(begin, count)};
}

double network_gradient_gap(Net& net, int probes) {
  const auto set = [&net](const Tensors& x) {
    std::memcpy(net.params.values().data(), x[0].data(), x[0].bytes());
    net.params.bump_version();
    net.forward(Phase::kTrain);
  };
  const auto forward = [&](const Tensors& x) {
    set(x);
    return Tensors{net.output("loss")};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) {
    set(x);
    net.executor.backward(u[0], {.seed = kSeed, .example = net.examples, .epoch = net.epochs});
    return Tensors{net.params.grads().clone(host_memory())};
  };
  // Small against the distance of any ReLU from its kink, also behind the norms of a deep network,
  // which amplify it; rounding then costs about 1e-8.
  constexpr double kStep = 1e-8;
  return vjp_gap(forward, backward, {net.params.values().clone(host_memory())},
                 {.probes = probes, .eps = kStep});
}

std::string test_name(const std::string& model, Norm norm) {
  std::string s = model + "_" + name(norm);
  std::replace_if(
      s.begin(), s.end(), [](unsigned char ch) { return std::isalnum(ch) == 0; }, '_');
  return s;
}

Graph zoo_graph(const std::string& spec, std::int64_t side, Norm norm, std::int64_t classes) {
  return build_model(parse_model_spec(spec),
                     {.classes = classes, .height = side, .width = side, .norm = norm});
}

Graph with_identity(const Graph& graph, const std::string& after, NodeKind kind,
                    const std::string& name) {
  Graph out;
  std::vector<ValueId> map;
  for (const Node& n : graph.nodes()) {
    std::vector<ValueId> inputs;
    for (const ValueId v : n.inputs) inputs.push_back(map[static_cast<std::size_t>(v)]);
    ValueId v = out.append(n, inputs);
    if (n.name == after) v = kind == NodeKind::kKeep ? out.keep(name, v) : out.share(name, v);
    map.push_back(v);
  }
  for (const auto& o : graph.outputs()) {
    out.mark_output(o.name, map[static_cast<std::size_t>(o.value)]);
  }
  return out;
}

double difference(const Tensor& a, const Tensor& b) {
  GRAFT_CHECK_EQ(a.shape(), b.shape(), "difference");
  double worst = 0, largest = 1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double gap = std::abs(element(a, i) - element(b, i));
    if (!(gap <= worst)) worst = gap;  // also NaN
    largest = std::max(largest, std::abs(element(b, i)));
  }
  return worst / largest;
}

std::size_t count_of(const Graph& graph, std::string_view kind) {
  std::size_t n = 0;
  for (const Node& node : graph.nodes()) n += node.layer && node.layer->kind() == kind ? 1 : 0;
  return n;
}

}  // namespace graft::testing
