// Whole networks on the native engine and on onnxruntime, interleaved in one run, 1 and 2 threads: least and median time, the ratio, the
// largest difference; with one thread in its own processor time. Without onnxruntime (SAHA_ONNXRUNTIME names its library) the native engine alone.
//   models_bench [mobilenetv2|resnet50|efficientnet_lite0|transformer|all] [threads] [rounds] [profile]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "backends/registry.hpp"
#include "bench/models.hpp"
#include "bench/peak.hpp"

namespace {

using namespace saha;

/// Of one thread its own processor time, which other programs on the machine lengthen less; of several the clock's.
double now(int threads) {
  if (threads == 1) return bench::thread_seconds();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Runner {
  std::string name;
  std::unique_ptr<runtime::Backend> backend;
  std::unique_ptr<runtime::Program> program;
  std::vector<double> ms;
  std::vector<Datum> out;
};

Result<> measure(const ir::Model& model, int threads, int rounds, bool profile) {
  std::vector<Runner> all;
  for (const char* name : {"native", "onnxruntime"}) {
    auto backend = backends::open(name);
    if (!backend) {
      std::printf("%s is not here: %s\n", name, backend.error().message.c_str());
      continue;
    }
    runtime::LoadOptions o;
    o.threads = threads;
    SAHA_TRY(auto program, (*backend)->load(model, o));
    all.push_back({name, std::move(*backend), std::move(program), {}, {}});
  }
  Dims dims;
  for (const ir::Dim& d : model.graph.type(model.graph.inputs()[0]).dims) dims.push_back(d.known().value_or(1));
  Tensor x = Tensor::zeros(DType::f32, dims);
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = float((i * 7919) % 1000) / 500 - 1;
  const std::vector<Datum> in = {Datum(x)};
  for (Runner& r : all) {
    SAHA_TRY(r.out, r.program->run(in));
    for (int i = 0; i < 3; ++i) SAHA_DO(r.program->run_only(in));
  }
  for (int i = 0; i < rounds; ++i)
    for (Runner& r : all) {
      SAHA_DO(r.program->run_only(in));
      for (int k = 0; k < 3; ++k) {
        const double start = now(threads);
        SAHA_DO(r.program->run_only(in));
        r.ms.push_back((now(threads) - start) * 1e3);
      }
    }
  std::printf("%-20s %d thread%s", model.name.c_str(), threads, threads > 1 ? "s" : " ");
  for (Runner& r : all) {
    std::sort(r.ms.begin(), r.ms.end());
    std::printf("   %s min %.3f ms median %.3f", r.name.c_str(), r.ms.front(), r.ms[r.ms.size() / 2]);
  }
  if (all.size() == 2) {
    double worst = 0, size = 0;
    for (std::int64_t i = 0; i < all[0].out[0].tensor.size(); ++i) {
      worst = std::max(worst, std::fabs(all[0].out[0].tensor.at(i) - all[1].out[0].tensor.at(i)));
      size = std::max(size, std::fabs(all[1].out[0].tensor.at(i)));
    }
    std::printf("   native/onnxruntime %.2f (median %.2f), difference %.1e of %.1e", all[0].ms.front() / all[1].ms.front(),
                all[0].ms[all[0].ms.size() / 2] / all[1].ms[all[1].ms.size() / 2], worst, size);
  }
  std::printf("\n");
  if (profile) {
    SAHA_TRY(auto rows, all[0].program->profile(in, 30));
    double total = 0;
    for (const auto& r : rows) total += r.ms;
    for (const auto& r : rows)
      std::printf("  %8.1f us  %6.1f GFLOP/s  %-14s %-22s %s\n", r.ms * 1e3, r.ms > 0 ? 2 * r.macs / r.ms / 1e6 : 0, r.kernel.c_str(), r.op.c_str(), r.output.c_str());
    std::printf("  sum %.3f ms\n", total);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const int only = argc > 2 ? std::atoi(argv[2]) : 0, rounds = argc > 3 ? std::atoi(argv[3]) : 20;
  struct Model {
    const char* name;
    Result<ir::Model> (*make)();
  };
  int failed = 0;
  for (const Model& m : {Model{"mobilenetv2", bench::mobilenet_v2}, {"resnet50", bench::resnet50}, {"efficientnet_lite0", bench::efficientnet_lite0}, {"transformer", bench::transformer}}) {
    if (what != "all" && what != m.name) continue;
    auto model = m.make();
    for (int threads : {1, 2}) {
      if (only != 0 && threads != only) continue;
      auto r = model ? measure(*model, threads, rounds, argc > 4) : Result<>(std::move(model.error()));
      if (!r) std::printf("%s: %s\n", m.name, r.error().message.c_str()), ++failed;
      if (!model) break;
    }
  }
  return failed ? 1 : 0;
}
