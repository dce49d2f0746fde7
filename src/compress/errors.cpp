#include "compress/errors.hpp"

#include <algorithm>
#include <cmath>

#include "op/builder.hpp"

namespace saha::compress {

void Sqnr::add(std::span<const float> reference, std::span<const float> other) {
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double d = double(reference[i]) - double(other[i]);
    power += double(reference[i]) * double(reference[i]);
    error += d * d;
  }
}
double Sqnr::db() const {
  if (!(error > 0)) return error == 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  return power > 0 ? 10 * std::log10(power / error) : 0;
}
double mean_db(std::span<const Sqnr> s) {
  double sum = 0;
  for (const Sqnr& x : s) sum += std::clamp(x.db(), -100.0, 200.0);
  return s.empty() ? 0 : sum / double(s.size());
}

Result<> observe_both(const ir::Graph& reference, const ir::Graph& other, std::span<const ValuePair> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch,
                      std::string_view what, const OnPairs& on_pairs) {
  std::vector<ir::ValueId> a, b;
  for (const ValuePair& p : values) a.push_back(p.reference), b.push_back(p.other);
  ir::Model model;
  SAHA_TRY(model.graph, op::rewrite(other, {}, {}, b));
  SAHA_TRY(auto program, engine.load(model, {.threads = threads, .precision = "float32", .file = {}}));
  std::int64_t at = 0;
  return observe(reference, a, engine, threads, samples, watch, what, [&](std::int64_t n, std::span<const Datum> seen) -> Result<> {
    SAHA_TRY(const std::vector<Datum> in, samples.batch(at, n));
    at += n;
    SAHA_TRY(const auto out, program->run(in));
    return on_pairs(n, seen, out);
  });
}

Result<std::vector<Sqnr>> compare(const ir::Graph& reference, const ir::Graph& other, std::span<const ValuePair> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch,
                                  std::string_view what) {
  std::vector<Sqnr> r(values.size());
  SAHA_DO(observe_both(reference, other, values, engine, threads, samples, watch, what, [&](std::int64_t, std::span<const Datum> a, std::span<const Datum> b) -> Result<> {
    for (std::size_t k = 0; k < r.size(); ++k) {
      if (!a[k].is_tensor() || !b[k].is_tensor() || a[k].tensor.dtype != DType::f32 || b[k].tensor.dtype != DType::f32 || a[k].tensor.size() != b[k].tensor.size()) continue;
      const auto n = std::size_t(a[k].tensor.size());
      r[k].add({a[k].tensor.as<float>(), n}, {b[k].tensor.as<float>(), n});
    }
    return {};
  }));
  return r;
}

std::vector<ValuePair> outputs_of(const ir::Graph& reference, const ir::Graph& other) {
  std::vector<ValuePair> r;
  for (std::size_t k = 0; k < reference.outputs().size(); ++k) r.push_back({reference.outputs()[k], other.outputs()[k]});
  return r;
}
Samples first(const Samples& s, std::int64_t n) {
  Samples r = s;
  r.size = std::min(s.size, n);
  return r;
}

}  // namespace saha::compress
