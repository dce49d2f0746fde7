#include "compress/observe.hpp"

#include <map>

#include "op/builder.hpp"
#include "op/work.hpp"

namespace saha::compress {

Result<> observe(const ir::Graph& g, std::span<const ir::ValueId> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch, std::string_view what, const OnValues& on_values) {
  ir::Model model;
  SAHA_TRY(model.graph, op::rewrite(g, {}, {}, values));
  SAHA_TRY(auto program, engine.load(model, {.threads = threads, .precision = "float32", .file = {}}));
  for (std::int64_t at = 0; at < samples.size; at += samples.batch_size) {
    const std::int64_t n = std::min(samples.batch_size, samples.size - at);
    SAHA_DO(watch.at(what, at, samples.size));
    SAHA_TRY(const std::vector<Datum> in, samples.batch(at, n));
    auto out = program->run(in);
    if (!out) return std::move(out.error()).within("sample " + std::to_string(at + 1));
    SAHA_DO(on_values(n, *out));
  }
  return watch.at(what, samples.size, samples.size);
}

Result<ir::Graph> cut(const ir::Graph& g, std::span<const ir::ValueId> from, std::span<const ir::ValueId> to) {
  std::vector<char> needed(g.values().size(), 0), given(g.values().size(), 0);
  for (ir::ValueId v : from) given[std::size_t(v)] = 1;
  for (ir::ValueId v : to) needed[std::size_t(v)] = 1;
  const auto wanted = [&](const ir::Node& n) {
    for (std::size_t k = 0; k < n.num_results; ++k) if (needed[std::size_t(g.result(n, k))] && !given[std::size_t(g.result(n, k))]) return true;
    return false;
  };
  for (std::size_t i = g.nodes().size(); i-- > 0;)
    if (wanted(g.nodes()[i])) for (ir::ValueId v : g.operands(g.nodes()[i])) if (v != ir::ValueId::none) needed[std::size_t(v)] = 1;
  op::Builder b;
  std::vector<op::Val> here(g.values().size());
  for (ir::ValueId v : from) if (needed[std::size_t(v)]) here[std::size_t(v)] = b.input(g[v].type, g.name(v));
  for (std::size_t v = 0; v < here.size(); ++v) {
    const ir::Value& value = g.values()[v];
    if (!needed[v] || given[v] || value.producer >= 0) continue;
    if (!value.constant) return Error{ErrorCode::invalid_argument, "input '" + g.name(ir::ValueId(v)) + "' is needed where the graph is cut"};
    here[v] = b.constant(value.constant, value.type, value.name);
  }
  for (const ir::Node& n : g.nodes()) {
    if (!wanted(n)) continue;
    op::Vals in;
    for (ir::ValueId v : g.operands(n)) in.push_back(v == ir::ValueId::none ? op::Val{} : here[std::size_t(v)]);
    const op::Vals made = b.copy(g, n, in);
    for (std::size_t k = 0; k < n.num_results && !b.failed(); ++k) {
      op::Val& mine = here[std::size_t(g.result(n, k))];
      if (mine) continue;   // given
      mine = made[k];
      b.rename(mine, g[g.result(n, k)].name);
    }
  }
  op::Vals outputs;
  for (ir::ValueId v : to) outputs.push_back(here[std::size_t(v)]);
  return std::move(b).build(outputs);
}

Result<double> macs_of(const ir::Graph& g, const Samples& samples) {
  SAHA_TRY(const std::vector<Datum> in, samples.batch(0, 1));
  const std::vector<ir::ValueId> outputs(g.outputs().begin(), g.outputs().end());
  const auto input = [&](std::size_t i, op::Builder& b) {
    const ir::ValueId v = g.inputs()[i];
    if (i >= in.size() || !in[i].is_tensor() || in[i].tensor.dtype != g.type(v).dtype) return b.input(g[v].type, g[v].name);
    const Dims& d = in[i].tensor.dims;
    return b.input(ir::tensor_type(in[i].tensor.dtype, {d.begin(), d.end()}), g[v].name);
  };
  SAHA_TRY(const ir::Graph sized, op::rewrite(g, {}, input, outputs));
  double macs = 1;
  for (const ir::Node& n : sized.nodes()) macs += op::work(sized, n).macs;
  return macs;
}

std::vector<ir::ValueId> by_name(const ir::Graph& other, std::span<const ir::ValueId> values, const ir::Graph& g) {
  std::map<std::string, ir::ValueId> named;
  for (std::size_t i = 0; i < g.values().size(); ++i) if (g.values()[i].name) named.emplace(*g.values()[i].name, ir::ValueId(i));
  std::vector<ir::ValueId> r;
  for (ir::ValueId v : values) {
    const auto it = named.find(other.name(v));
    r.push_back(it == named.end() ? ir::ValueId::none : it->second);
  }
  return r;
}

}  // namespace saha::compress
