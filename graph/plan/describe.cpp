// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/describe.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "graph/plan/execution_plan.h"

namespace graft {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

std::string text_of(const Shape& shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

bool has_output(const Graph& graph, const std::string& name) {
  return std::any_of(graph.outputs().begin(), graph.outputs().end(),
                     [&](const Graph::Output& o) { return o.name == name; });
}

/// Trainable parameters, or all of a layer that has no other: the inference forms.
std::vector<ParamSpec> counted_params(const Node& n) {
  if (n.layer == nullptr) return {};
  std::vector<ParamSpec> all = n.layer->params(), trainable;
  std::copy_if(all.begin(), all.end(), std::back_inserter(trainable),
               [](const ParamSpec& p) { return p.kind == ParamKind::kTrainable; });
  return trainable.empty() ? all : trainable;
}

std::int64_t param_count(const Node& n) {
  std::int64_t count = 0;
  for (const ParamSpec& p : counted_params(n)) count += p.shape.numel();
  return count;
}

/// What is known of one node, as text.
struct Row {
  std::string name, kind, attributes, shape, saved;
  std::int64_t params = 0, flops = 0;
};

std::string saved_of(const Graph& graph, const LayerPlan& plan, const Node& n) {
  std::string s;
  const auto item = [&s](const std::string& what) { s += (s.empty() ? "" : " ") + what; };
  if (plan.keeps_x) item("x=" + graph.node(n.inputs[0]).name);
  if (plan.keeps_y) item("y");
  for (const SavedSpec& spec : plan.saved) item(std::string(spec.name) + text_of(spec.shape));
  return s;
}

Row row_of(const Graph& graph, ValueId id) {
  const Node& n = graph.node(id);
  Row row{.name = n.name,
          .kind = name(n.kind),
          .attributes = n.label,
          .shape = text_of(n.shape),
          .saved = "",
          .params = param_count(n),
          .flops = 0};
  if (n.layer != nullptr) {
    const auto shapes = graph.input_shapes(id, 1);
    row.kind = n.layer->kind();
    row.attributes = n.layer->attributes();
    row.flops = n.layer->flops(shapes);
    row.saved = saved_of(graph, n.layer->plan(shapes), n);
  }
  if (n.frozen) row.attributes += " frozen";
  return row;
}

std::vector<Row> rows_of(const Graph& graph) {
  std::vector<Row> rows;
  for (ValueId i = 0; i < static_cast<ValueId>(graph.nodes().size()); ++i) {
    rows.push_back(row_of(graph, i));
  }
  return rows;
}

std::string memory_line(const char* what, const ExecutionPlan& plan) {
  return fmt::format("{:<22} {:10.2f} MiB planned ({:.2f} MiB alive at most, {} tensors)\n", what,
                     static_cast<double>(plan.memory.bytes) / kMiB,
                     static_cast<double>(plan.memory.peak_live) / kMiB, plan.tensors.size());
}

std::string totals(const Graph& graph, std::int64_t batch) {
  const bool trains = has_output(graph, "loss");
  std::int64_t params = 0;
  double param_bytes = 0;
  for (const Node& n : graph.nodes()) {
    params += param_count(n);
    for (const ParamSpec& p : counted_params(n)) {
      param_bytes += static_cast<double>(p.shape.numel()) * static_cast<double>(size_of(p.dtype));
    }
  }
  std::string s = fmt::format("parameters             {:10} {}({:.2f} MiB{})\n", params,
                              trains ? "trainable " : "", param_bytes / kMiB,
                              trains ? "; as much for gradients and momentum" : "");
  s += fmt::format("forward                {:10.1f} MFLOPs an example\n",
                   static_cast<double>(graph.flops()) * 1e-6);
  s += memory_line(fmt::format("forward, batch {}", batch).c_str(),
                   plan_forward(graph, batch, DType::kF32));
  if (trains) {
    const auto plan = plan_training(graph, graph.output("loss"), batch, DType::kF32);
    s += memory_line(fmt::format("training, batch {}", batch).c_str(), plan);
    const double tape = static_cast<double>(tape_bytes(plan)) / kMiB;
    s += fmt::format("tape for backward      {:10.2f} MiB, {:.3f} MiB an example\n", tape,
                     tape / static_cast<double>(batch));
    s += fmt::format("rows independent in backward: {}\n",
                     plan.row_separable ? "yes" : "no, since " + plan.first_inseparable);
  }
  return s;
}

std::string as_text(const Graph& graph, const std::string& title, std::int64_t batch) {
  std::string s = title + "\n\n";
  s += fmt::format("{:>4}  {:<40} {:<14} {:<44} {:<18} {:>10} {:>12}  {}\n", "#", "node",
                   "operator", "attributes", "output", "params", "FLOPs", "saved for backward");
  std::size_t i = 0;
  for (const Row& r : rows_of(graph)) {
    s += fmt::format("{:>4}  {:<40} {:<14} {:<44} {:<18} {:>10} {:>12}  {}\n", i++, r.name, r.kind,
                     r.attributes, r.shape, r.params, r.flops, r.saved);
  }
  return s + "\n" + totals(graph, batch);
}

const char* colour(NodeKind kind) {
  switch (kind) {
    case NodeKind::kInput:
      return "#e8e8e8";
    case NodeKind::kLayer:
      return "#ffffff";
    case NodeKind::kSelect:
      return "#ffd9b3";
    case NodeKind::kKeep:
      return "#cfe8cf";
    case NodeKind::kShare:
      return "#cfdcf5";
  }
  return "#ffffff";
}

std::string escaped(const std::string& s, bool xml) {
  std::string out;
  for (const char c : s) {
    if (xml && c == '&')
      out += "&amp;";
    else if (xml && c == '<')
      out += "&lt;";
    else if (xml && c == '>')
      out += "&gt;";
    else if (!xml && (c == '"' || c == '\\'))
      out += std::string("\\") + c;
    else
      out += c;
  }
  return out;
}

std::string as_dot(const Graph& graph, const std::string& title) {
  std::string s = "digraph \"" + escaped(title, false) +
                  "\" {\n  node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=10];\n";
  const auto rows = rows_of(graph);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    s += fmt::format("  n{} [label=\"{}\\n{} {}\\n{}\", fillcolor=\"{}\"];\n", i,
                     escaped(rows[i].name, false), rows[i].kind, escaped(rows[i].attributes, false),
                     rows[i].shape, colour(graph.nodes()[i].kind));
    for (const ValueId v : graph.nodes()[i].inputs) s += fmt::format("  n{} -> n{};\n", v, i);
  }
  return s + "}\n";
}

/// Nodes in one column; an edge to the next node is a line, a longer one an arc on the right.
std::string as_svg(const Graph& graph, const std::string& title) {
  constexpr int kRow = 34, kBox = 24, kLeft = 20, kTop = 50, kWidth = 560, kArc = 14;
  const auto rows = rows_of(graph);
  const int height = kTop + kRow * static_cast<int>(rows.size()) + 20;
  std::string s = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#ffffff\"/>\n<text x=\"{}\" y=\"28\" font-size=\"15\">{}</text>\n",
      kLeft + kWidth + 200, height, kLeft, escaped(title, true));
  const auto y_of = [&](std::size_t i) { return kTop + kRow * static_cast<int>(i); };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const ValueId v : graph.nodes()[i].inputs) {
      const auto from = static_cast<std::size_t>(v);
      const int y0 = y_of(from) + kBox, y1 = y_of(i);
      if (i == from + 1) {
        s += fmt::format("<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"#555\"/>\n",
                         kLeft + kWidth / 2, y0, y1);
      } else {
        const int x = kLeft + kWidth;
        const int reach = x + std::min(180, kArc * static_cast<int>(i - from));
        s += fmt::format(
            "<path d=\"M{0} {1} C{2} {1} {2} {3} {0} {3}\" fill=\"none\" stroke=\"#999\"/>\n", x,
            y0 - kBox / 2, reach, y1 + kBox / 2);
      }
    }
    s += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{}\" "
        "stroke=\"#555\"/>\n"
        "<text x=\"{}\" y=\"{}\">{}  {} {}  {}</text>\n",
        kLeft, y_of(i), kWidth, kBox, colour(graph.nodes()[i].kind), kLeft + 8, y_of(i) + 16,
        escaped(rows[i].name, true), rows[i].kind, escaped(rows[i].attributes, true),
        escaped(rows[i].shape, true));
  }
  return s + "</svg>\n";
}

}  // namespace

std::string describe(const Graph& graph, const std::string& title, std::int64_t batch,
                     GraphFormat format) {
  switch (format) {
    case GraphFormat::kText:
      return as_text(graph, title, batch);
    case GraphFormat::kDot:
      return as_dot(graph, title);
    case GraphFormat::kSvg:
      return as_svg(graph, title);
  }
  return {};
}

}  // namespace graft
