// saha_run_stored BUNDLE write|compare FILE: runs each plan that the bundle stores for this machine's level (else for generic) once, on numbers that are the same on every
// machine, with the runtime half alone. `write` keeps the results, `compare` holds them against those of another machine or level: integers to the bit, floats to
// 1e-4 of the largest one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "runtime/stored_plan.hpp"
#include "system/file.hpp"

namespace saha {
namespace {

/// Floats in [-1, 1), every byte of integers.
Tensor numbers(DType dtype, const Dims& dims, std::uint32_t seed) {
  Tensor t = Tensor::zeros(dtype, dims);
  const auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
  if (dtype == DType::f32) for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = float(next()) * 0x1p-23f - 1;
  else for (std::int64_t i = 0; i < t.bytes(); ++i) t.as<std::uint8_t>()[i] = std::uint8_t(next() >> 8);
  return t;
}

/// The largest difference of floats over the largest float; of others 0 or 1.
double difference(const Tensor& got, const std::byte* want) {
  if (got.dtype != DType::f32) return std::memcmp(got.data.get(), want, std::size_t(got.bytes())) == 0 ? 0 : 1;
  double worst = 0, largest = 0;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    float w;
    std::memcpy(&w, want + 4 * i, 4);
    const double d = std::fabs(double(got.as<float>()[i]) - w);
    worst = d > worst || std::isnan(d) ? d : worst, largest = std::max(largest, std::fabs(double(w)));
  }
  return worst / std::max(largest, 1e-30);
}

Result<bool> run(const char* path, bool compare, const char* file) {
  SAHA_TRY(auto b, bundle::Bundle::open(path));
  SAHA_TRY(const auto plans, runtime::stored_plans(*b));
  const kernels::Isa own = kernels::detect_isa();
  const bool here = std::ranges::any_of(plans, [&](const runtime::StoredPlan& p) { return p.fits(own); });
  const kernels::Isa level = here ? own : kernels::Isa::generic;
  std::vector<std::byte> results;
  double worst = 0;
  std::size_t at = 0, ran = 0;
  if (compare) { SAHA_TRY(results, system::read_bytes(file)); }
  system::ThreadPool pool(2);
  for (const runtime::StoredPlan& stored : plans) {
    if (!stored.fits(level)) continue;
    SAHA_TRY(const auto loaded, runtime::load(b, stored, level));
    SAHA_TRY(auto context, runtime::Context::make(loaded, pool));
    std::vector<Datum> inputs;
    for (std::size_t i = 0; i < stored.inputs.size(); ++i) inputs.emplace_back(numbers(loaded->plan.slots[loaded->plan.inputs[i]].dtype, stored.inputs[i], std::uint32_t(i + 1)));
    for (std::size_t i = 0; i < inputs.size(); ++i) context.set_input(i, inputs[i]);
    SAHA_DO(context.run());
    for (std::size_t k = 0; k < loaded->plan.outputs.size(); ++k) {
      const Tensor t = context.output(k).tensor;
      const auto n = std::size_t(t.bytes());
      if (!compare) {
        results.insert(results.end(), t.data.get(), t.data.get() + n);
        continue;
      }
      if (at + n > results.size()) return Error{ErrorCode::invalid_data, std::string(file) + " ends before output " + std::to_string(k)};
      const double d = difference(t, results.data() + at);
      worst = d > worst || std::isnan(d) ? d : worst, at += n;
    }
    ++ran;
  }
  if (ran == 0) return Error{ErrorCode::invalid_data, std::string(path) + " has no plan for level " + std::string(kernels::name(own)) + " of this build"};
  if (!compare) { SAHA_DO(system::write_file(file, system::Bytes(results))); }
  std::printf("%s: level %s, %zu plans%s\n", path, std::string(kernels::name(level)).c_str(), ran, compare ? (", largest difference " + std::to_string(worst)).c_str() : "");
  return worst <= 1e-4;
}

}  // namespace
}  // namespace saha

int main(int argc, char** argv) {
  if (argc != 4 || (std::strcmp(argv[2], "write") != 0 && std::strcmp(argv[2], "compare") != 0)) return std::fprintf(stderr, "saha_run_stored BUNDLE write|compare FILE\n"), 2;
  const auto same = saha::run(argv[1], argv[2][0] == 'c', argv[3]);
  if (!same) return std::fprintf(stderr, "error: %s\n", same.error().message.c_str()), 1;
  return *same ? 0 : 1;
}
