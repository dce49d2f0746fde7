// Networks of some microseconds: what one call of the public interface takes, inputs bound once, beside every foreign engine that is here (its inputs
// bound too; SAHA_ONNXRUNTIME and the like name their libraries), by turns in short bursts of one thread's own processor time.
// Beside it two lower bounds: the multiply-adds at the machine's measured peak, and, for a chain of Gemm and Relu, the loops alone with packed weights.
//   tiny_bench [--rounds N] [--seconds-a-burst S] [MODEL...]   without models: three of models.hpp, with random weights
#include <saha/session.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/registry.hpp"
#include "bench/models.hpp"
#include "bench/peak.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "op/work.hpp"

namespace {
using namespace saha;

/// A layer of the hand-written network: weights [k][columns], columns filled up to whole vectors.
struct Dense {
  std::int64_t k = 0, n = 0, columns = 0;
  std::vector<float> weights, bias;
  bool relu = false;
};

/// The graph as layers; nothing where it is more than a chain of Gemm and Relu over one row.
std::optional<std::vector<Dense>> chain_of(const ir::Graph& g) {
  std::vector<Dense> layers;
  ir::ValueId last = g.inputs()[0];
  for (const ir::Node& n : g.nodes()) {
    if (g.operand(n, 0) != last) return {};
    last = g.result(n);
    if (n.op == "Relu" && !layers.empty()) {
      layers.back().relu = true;
      continue;
    }
    if (n.op != "Gemm" || !g[g.operand(n, 1)].constant || g.operand(n, 2) == ir::ValueId::none || !g[g.operand(n, 2)].constant) return {};
    const Tensor &w = *g[g.operand(n, 1)].constant, &b = *g[g.operand(n, 2)].constant;
    const auto* trans = ir::attr<std::int64_t>(*n.attrs, "transB");
    const bool columns_first = trans != nullptr && *trans != 0;
    Dense d;
    d.k = w.dims[columns_first ? 1 : 0], d.n = w.dims[columns_first ? 0 : 1], d.columns = (d.n + 15) / 16 * 16;
    d.weights.resize(std::size_t(d.k * d.columns)), d.bias.resize(std::size_t(d.columns));
    for (std::int64_t j = 0; j < d.n; ++j) {
      d.bias[std::size_t(j)] = b.as<float>()[j];
      for (std::int64_t p = 0; p < d.k; ++p) d.weights[std::size_t(p * d.columns + j)] = w.as<float>()[columns_first ? j * d.k + p : p * d.n + j];
    }
    layers.push_back(std::move(d));
  }
  return layers;
}

#if defined(__x86_64__)
template <int N> [[gnu::target("avx2,fma")]] void some_columns(const Dense& d, const float* x, float* y, std::int64_t column) {
  __m256 sum[N];
  for (int j = 0; j < N; ++j) sum[j] = _mm256_loadu_ps(d.bias.data() + column + j * 8);
  const float* w = d.weights.data() + column;
  for (std::int64_t p = 0; p < d.k; ++p, w += d.columns) {
    const __m256 v = _mm256_broadcast_ss(x + p);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sum[j] = _mm256_fmadd_ps(v, _mm256_loadu_ps(w + j * 8), sum[j]);
  }
  for (int j = 0; j < N; ++j) _mm256_storeu_ps(y + column + j * 8, d.relu ? _mm256_max_ps(sum[j], _mm256_setzero_ps()) : sum[j]);
}
[[gnu::target("avx2,fma")]] void by_hand(const std::vector<Dense>& layers, const float* x, float* a, float* b) {
  for (const Dense& d : layers) {
    std::int64_t done = 0;
    const std::int64_t all = (d.n + 7) / 8 * 8;
    for (; all - done >= 64; done += 64) some_columns<8>(d, x, b, done);
    switch ((all - done) / 8) {
      case 7: some_columns<7>(d, x, b, done); break;
      case 6: some_columns<6>(d, x, b, done); break;
      case 5: some_columns<5>(d, x, b, done); break;
      case 4: some_columns<4>(d, x, b, done); break;
      case 3: some_columns<3>(d, x, b, done); break;
      case 2: some_columns<2>(d, x, b, done); break;
      case 1: some_columns<1>(d, x, b, done); break;
      default: break;
    }
    x = b;
    std::swap(a, b);
  }
}
#endif

struct Row {
  std::string name;
  std::function<bool()> call;          ///< false: it failed
  long burst = 1;
  std::vector<double> ns = {};
};

struct Options {
  int rounds = 1000;
  double seconds = 1e-4;               ///< of a burst
  double peak = 0;                     ///< GFLOP/s
};

/// `file`: where the model stands, or "".
Result<> measure(const std::string& name, const ir::Model& model, const Session& session, const std::string& file, const Options& o) {
  SAHA_TRY(Context context, session.make_context());
  std::vector<Datum> in;
  for (const ValueInfo& v : session.inputs()) {
    Dims dims = v.dims;
    for (std::int64_t& d : dims) d = d < 0 ? 1 : d;
    if (v.dtype != DType::f32) return Error{ErrorCode::unsupported, "input '" + v.name + "' takes " + v.str + "; this program makes float32 only"};
    Tensor x = Tensor::zeros(DType::f32, dims);
    for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = float((i * 7919) % 1000) / 500 - 1;
    SAHA_DO(context.set_input(v.name, std::span<const float>(x.as<float>(), std::size_t(x.size())), dims));
    in.push_back(std::move(x));
  }
  double macs = 0;
  for (const ir::Node& n : model.graph.nodes()) macs += op::work(model.graph, n).macs;

  std::vector<Row> rows;
  rows.push_back({"saha", [&] { return context.run().has_value(); }});
  std::vector<std::unique_ptr<runtime::Backend>> backends;
  std::vector<std::unique_ptr<runtime::Program>> programs;
  for (const auto& info : backends::all()) {
    if (info.name == "native") continue;
    auto backend = info.open();
    if (!backend) continue;
    runtime::LoadOptions options;
    if ((*backend)->reads("onnx") && file.ends_with(".onnx")) options.file = file;  // else what saha writes of the model
    auto program = (*backend)->load(model, options);
    if (!program) {
      std::printf("  %s: %s\n", info.name.c_str(), program.error().message.c_str());
      continue;
    }
    backends.push_back(std::move(*backend));
    programs.push_back(std::move(*program));
    rows.push_back({info.name, [&in, p = programs.back().get()] { return p->run_only(in).has_value(); }});
  }
#if defined(__x86_64__)
  std::vector<float> a(4096), b(4096);
  if (const auto chain = chain_of(model.graph); chain && kernels::detect_isa() >= kernels::Isa::avx2)
    rows.push_back({"by hand", [&, chain = *chain] { by_hand(chain, in[0].tensor.as<float>(), a.data(), b.data()); return true; }});
#endif
  for (Row& r : rows) {
    if (!r.call()) return Error{ErrorCode::internal, r.name + " does not run it"};
    for (;; r.burst *= 2) {
      const double start = bench::thread_seconds();
      for (long i = 0; i < r.burst; ++i) r.call();
      if (bench::thread_seconds() - start >= o.seconds / 2) break;
    }
  }
  for (int i = 0; i < o.rounds; ++i)
    for (Row& r : rows) {
      const double start = bench::thread_seconds();
      for (long k = 0; k < r.burst; ++k) r.call();
      r.ns.push_back((bench::thread_seconds() - start) / double(r.burst) * 1e9);
    }
  std::printf("%s: %.0f multiply-adds", name.c_str(), macs);
  if (o.peak > 0) std::printf(", %.0f ns at this thread's peak", 2 * macs / o.peak);
  std::printf("\n");
  for (Row& r : rows) std::ranges::sort(r.ns);
  for (const Row& r : rows)
    std::printf("  %-12s min %9.1f ns  median %9.1f ns  %6.2f of saha's (median %.2f)\n", r.name.c_str(), r.ns.front(), r.ns[r.ns.size() / 2], r.ns.front() / rows[0].ns.front(),
                r.ns[r.ns.size() / 2] / rows[0].ns[rows[0].ns.size() / 2]);
  return {};
}

Result<> measure_file(const std::string& file, const Options& o) {
  SAHA_TRY(const ir::Model model, formats::import_file(file));
  SAHA_TRY(const Session session, Session::open(file));
  return measure(file.substr(file.rfind('/') + 1), model, session, file, o);
}

Result<> measure_own(Result<ir::Model> (*make)(), const Options& o) {
  SAHA_TRY(const ir::Model model, make());
  SAHA_TRY(const std::string bytes, onnx::export_bytes(model));
  SAHA_TRY(const Session session, Session::from_bytes(std::as_bytes(std::span(bytes))));
  return measure(model.name, model, session, "", o);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  int failed = 0;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--rounds") && i + 1 < argc) o.rounds = std::max(1, std::atoi(argv[++i]));
    else if (!std::strcmp(argv[i], "--seconds-a-burst") && i + 1 < argc) o.seconds = std::atof(argv[++i]);
    else files.push_back(argv[i]);
  }
  o.peak = bench::peak_gflops(kernels::detect_isa());
  const auto tell = [&](const Result<>& r) {
    if (!r) std::fprintf(stderr, "error: %s\n", r.error().message.c_str()), ++failed;
  };
  for (const std::string& file : files) tell(measure_file(file, o));
  if (files.empty())
    for (auto make : {bench::mlp_16_32_32_5, bench::acasxu_6x50, bench::lenet_28}) tell(measure_own(make, o));
  return failed ? 1 : 0;
}
