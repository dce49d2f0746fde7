#include "lifecycle/export_queries.hpp"

#include "base/figures.hpp"
#include "formats/onnx/onnx.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "verify/vnnlib.hpp"

namespace saha::lifecycle {
namespace {

std::vector<verify::Port> ports(const ir::Graph& g, std::span<const ir::ValueId> ids) {
  std::vector<verify::Port> out;
  for (ir::ValueId v : ids) {
    Dims shape;
    for (const ir::Dim& d : g.type(v).dims) shape.push_back(d.known().value_or(1));
    out.push_back({.name = g.name(v), .dtype = g.type(v).dtype, .shape = std::move(shape)});
  }
  return out;
}

}  // namespace

Result<> QueryWriter::write(const validate::Query& q) {
  SAHA_DO(system::make_folders(folder_));
  ir::Model model;
  model.graph = q.graph;
  model.name = q.name;
  SAHA_TRY(const std::string bytes, onnx::export_bytes(model));
  // Equal but for the model's name, which is the first query's: the graph decides.
  ir::Model unnamed = model;
  unnamed.name.clear();
  SAHA_TRY(const std::string content, onnx::export_bytes(unnamed));
  auto [network, fresh] = networks_.emplace(system::sha256_hex(content), q.name + ".onnx");
  if (fresh) SAHA_DO(system::write_file(folder_ / network->second, bytes));
  verify::Vnnlib file;
  file.property = q.property;
  file.version = version_;
  file.networks = {{.name = "N", .like = {}, .equal = false, .inputs = ports(q.graph, q.graph.inputs()), .outputs = ports(q.graph, q.graph.outputs())}};
  SAHA_DO(system::write_file(folder_ / (q.name + ".vnnlib"), verify::print(file)));
  instances_ += network->second + "," + q.name + ".vnnlib," + figures::significant(q.timeout_s, 3) + "\n";
  ++queries_;
  return {};
}

Result<> QueryWriter::finish() {
  if (queries_ == 0) return Error{ErrorCode::invalid_argument, "no requirement asks the prover anything"};
  return system::write_file(folder_ / "instances.csv", instances_);
}

}  // namespace saha::lifecycle
