#include "compress/observe.hpp"

#include <map>

#include "op/builder.hpp"

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
