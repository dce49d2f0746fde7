// Kernels alone: GFLOP/s and percent of the measured peak, minimum over repeated runs;
// one thread in its own processor time, two in time of the clock.
//   kernels_bench [gemm|mobilenetv2|resnet50|int8|depthwise|pool|activations] [threads]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/peak.hpp"
#include "kernels/conv.hpp"
#include "kernels/conv_i8.hpp"
#include "kernels/conv_last.hpp"
#include "kernels/depthwise_last.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pool_last.hpp"
#include "kernels/rows.hpp"
#include "kernels/winograd.hpp"
#include "kernels/winograd_i8.hpp"
#include "system/thread_pool.hpp"

namespace {

using namespace saha;
using namespace saha::kernels;
using bench::seconds;

struct Buffer {
  explicit Buffer(std::int64_t n) : p(static_cast<float*>(std::aligned_alloc(64, static_cast<std::size_t>((n * 4 + 127) / 64 * 64))), std::free), size(n) {
    for (std::int64_t i = 0; i < n; ++i) p.get()[i] = static_cast<float>((i * 37 % 101) - 50) / 64;
  }
  std::shared_ptr<float> p;
  std::int64_t size;
  operator float*() const { return p.get(); }
};

struct Machine {
  Isa isa;
  double peak;
  unsigned threads;
  system::ThreadPool& pool;
};

/// Smallest time of a kernel over its whole grid, in seconds.
double time_kernel(const Machine& m, const char* kernel, const void* params, std::vector<void*> operands, std::uint32_t grid, std::uint64_t scratch) {
  const plan::Run run = find(kernel, m.isa);
  const std::uint64_t each = (scratch + 127) / 64 * 64;
  std::unique_ptr<std::byte, decltype(&std::free)> memory(static_cast<std::byte*>(std::aligned_alloc(64, each * m.threads)), std::free);
  double best = 1e9;
  const double until = seconds() + 0.15;
  for (int i = 0; i < 5 || (seconds() < until && i < 2000); ++i) {
    const double start = m.threads == 1 ? bench::thread_seconds() : seconds();
    system::parallel(m.pool, grid, [&](unsigned thread, std::uint32_t begin, std::uint32_t end) {
      run({operands.data(), nullptr, params, begin, end, memory.get() + each * thread});
    });
    best = std::min(best, (m.threads == 1 ? bench::thread_seconds() : seconds()) - start);
  }
  return best;
}

void print(const Machine& m, const std::string& what, double flops, double s) {
  std::printf("%-44s %9.1f us %7.1f GFLOP/s %5.1f %%\n", what.c_str(), s * 1e6, flops / s / 1e9, 100 * flops / s / 1e9 / (m.peak * m.threads));
}

void bench_gemm(const Machine& m) {
  struct Shape {
    std::int64_t m, n, k;
    int kind;  // 0: nothing packed, 1: A packed, 2: B packed, 3: B transposed
  };
  for (const Shape& s : {Shape{512, 512, 512, 0}, {512, 512, 512, 1}, {512, 512, 512, 2}, {512, 512, 512, 3}, {1024, 1024, 1024, 2}, {128, 768, 768, 2},
                         {128, 3072, 768, 2}, {128, 768, 3072, 2}, {197, 192, 192, 2}, {197, 197, 64, 3}, {1, 1000, 1280, 2}, {1, 4096, 4096, 2}, {1, 4096, 4096, 0}}) {
    GemmShape g;
    g.m = s.m, g.n = s.n, g.k = s.k, g.a_row = s.k, g.b_row = s.kind == 3 ? 1 : s.n, g.b_col = s.kind == 3 ? s.k : 1, g.c_row = s.n;
    const GemmParams p = prepare_gemm(m.isa, g, {}, s.kind == 1, s.kind == 2);
    Buffer a(packed_gemm_a_size(m.isa, s.m, s.k)), b(packed_gemm_b_size(m.isa, s.n, s.k)), c(s.m * s.n);
    const double t = time_kernel(m, "gemm_f32", &p, {a, b, nullptr, nullptr, c}, grid(p), scratch_bytes(p));
    const char* kinds[] = {"", " A packed", " B packed", " B transposed"};
    print(m, "gemm " + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) + kinds[s.kind], 2.0 * double(s.m * s.n) * double(s.k), t);
  }
}

struct Layer {
  std::int64_t c, hw, m, k, stride, groups;  // square image, padded by k / 2
  int times;                                 // in the network
  bool residual = false;
};

double bench_layer(const Machine& m, const Layer& l, bool show = true) {
  ConvShape s;
  s.in_channels = l.c, s.in_h = s.in_w = l.hw, s.out_channels = l.m, s.kernel_h = s.kernel_w = l.k, s.stride_h = s.stride_w = l.stride;
  s.groups = l.groups, s.pad_top = s.pad_left = l.k / 2, s.out_h = s.out_w = (l.hw + 2 * (l.k / 2) - l.k) / l.stride + 1;
  Epilogue e;
  e.activation = Activation::clip, e.p0 = 0, e.p1 = 6, e.bias = Bias::per_row;
  const ConvParams p = prepare_conv(m.isa, s, e);
  const std::int64_t out = s.out_channels * s.out_h * s.out_w;
  Buffer x(s.in_channels * s.in_h * s.in_w), w(packed_conv_size(m.isa, p)), bias(s.out_channels), res(l.residual ? out : 0), y(out);
  const double t = time_kernel(m, std::string(kernel(p)).c_str(), &p, {x, w, bias, l.residual ? static_cast<float*>(res) : nullptr, y}, grid(p), scratch_bytes(p));
  char what[100];
  std::snprintf(what, sizeof what, "%2dx conv %4d->%4d %dx%d s%d @%d%s", l.times, int(l.c), int(l.m), int(l.k), int(l.k), int(l.stride), int(l.hw), l.groups > 1 ? " depthwise" : "");
  const double flops = 2.0 * double(out) * double(l.c / l.groups * l.k * l.k);
  if (show) print(m, what, flops, t);
  if (l.groups == 1) {                               // the same with channels innermost
    e.bias = Bias::per_column;
    const ConvLastParams q = prepare_conv_last(m.isa, s, e);
    Buffer v(packed_conv_last_size(m.isa, q));
    const double u = time_kernel(m, "conv_last_f32", &q, {x, v, bias, l.residual ? static_cast<float*>(res) : nullptr, y}, grid(q), scratch_bytes(q));
    if (show) print(m, std::string(what) + " last", flops, u);
    if (!suits_winograd(s)) return u * l.times;
    const WinogradParams f = prepare_winograd(m.isa, s, e);
    Buffer transformed(packed_winograd_size(m.isa, f));
    const double least = time_kernel(m, "winograd_f32", &f, {x, transformed, bias, l.residual ? static_cast<float*>(res) : nullptr, y}, grid(f), scratch_bytes(f));
    if (show) print(m, std::string(what) + " F(4, 3)", flops, least);
    return least * l.times;
  }
  return t * l.times;
}

void bench_network(const Machine& m, const char* network, const std::vector<Layer>& layers) {
  double total = 0;
  for (const Layer& l : layers) total += bench_layer(m, l);
  std::printf("%s: convolutions %.3f ms\n", network, total * 1e3);
}

void bench_mobilenetv2(const Machine& m) {
  std::vector<Layer> layers = {{3, 224, 32, 3, 2, 1, 1}, {32, 112, 32, 3, 1, 32, 1}, {32, 112, 16, 1, 1, 1, 1}};
  struct Stage {
    std::int64_t c, m, hw, stride;
    int times;
  };
  std::int64_t in = 16, hw = 112;
  for (const Stage& t : {Stage{0, 24, 0, 2, 2}, {0, 32, 0, 2, 3}, {0, 64, 0, 2, 4}, {0, 96, 0, 1, 3}, {0, 160, 0, 2, 3}, {0, 320, 0, 1, 1}}) {
    layers.push_back({in, hw, in * 6, 1, 1, 1, 1});
    layers.push_back({in * 6, hw, in * 6, 3, t.stride, in * 6, 1});
    hw /= t.stride;
    layers.push_back({in * 6, hw, t.m, 1, 1, 1, 1});
    in = t.m;
    if (t.times > 1) {
      layers.push_back({in, hw, in * 6, 1, 1, 1, t.times - 1});
      layers.push_back({in * 6, hw, in * 6, 3, 1, in * 6, t.times - 1});
      layers.push_back({in * 6, hw, in, 1, 1, 1, t.times - 1, true});
    }
  }
  layers.push_back({320, 7, 1280, 1, 1, 1, 1});
  bench_network(m, "MobileNetV2", layers);
}

void bench_resnet50(const Machine& m) {
  std::vector<Layer> layers = {{3, 224, 64, 7, 2, 1, 1}};
  std::int64_t in = 64, hw = 56, width = 64;
  for (int blocks : {3, 4, 6, 3}) {
    const std::int64_t stride = width == 64 ? 1 : 2;
    layers.push_back({in, hw, width, 1, 1, 1, 1});
    layers.push_back({width, hw, width, 3, stride, 1, 1});
    layers.push_back({in, hw, width * 4, 1, stride, 1, 1});
    hw /= stride;
    layers.push_back({width, hw, width * 4, 1, 1, 1, blocks, true});
    in = width * 4;
    layers.push_back({in, hw, width, 1, 1, 1, blocks - 1});
    layers.push_back({width, hw, width, 3, 1, 1, blocks - 1});
    width *= 2;
  }
  bench_network(m, "ResNet-50", layers);
}

/// Convolutions of 8-bit integers, rescaled by float32 factors; percent of the peak of float32.
void bench_int8(const Machine& m) {
  double total = 0;
  for (const Layer& l : {Layer{3, 224, 64, 7, 2, 1, 1}, {64, 56, 64, 3, 1, 1, 3}, {128, 28, 128, 3, 1, 1, 3}, {256, 14, 256, 3, 1, 1, 5}, {512, 7, 512, 3, 1, 1, 2}, {256, 56, 64, 1, 1, 1, 2}, {64, 56, 256, 1, 1, 1, 4},
                         {512, 28, 128, 1, 1, 1, 3}, {128, 28, 512, 1, 1, 1, 4}, {1024, 14, 256, 1, 1, 1, 5}, {256, 14, 1024, 1, 1, 1, 6}, {2048, 7, 512, 1, 1, 1, 2}, {512, 7, 2048, 1, 1, 1, 3},
                         {256, 56, 512, 1, 2, 1, 1}, {128, 56, 128, 3, 2, 1, 1}, {32, 112, 16, 1, 1, 1, 1}, {16, 112, 96, 1, 1, 1, 1}, {96, 112, 96, 3, 2, 96, 1}, {144, 56, 144, 3, 1, 144, 1}, {24, 56, 144, 1, 1, 1, 2},
                         {144, 56, 24, 1, 1, 1, 1}, {384, 14, 384, 3, 1, 384, 4}, {64, 14, 384, 1, 1, 1, 4}, {384, 14, 64, 1, 1, 1, 3}, {960, 7, 160, 1, 1, 1, 2}, {1280, 1, 1000, 1, 1, 1, 1}}) {
    ConvShape s;
    s.in_channels = l.c, s.in_h = s.in_w = l.hw, s.out_channels = l.m, s.kernel_h = s.kernel_w = l.k, s.stride_h = s.stride_w = l.stride, s.groups = l.groups, s.pad_top = s.pad_left = l.k / 2;
    s.out_h = s.out_w = (l.hw + 2 * (l.k / 2) - l.k) / l.stride + 1;
    std::vector<std::int16_t> w(static_cast<std::size_t>(l.m * (l.c / l.groups) * l.k * l.k));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<std::int16_t>(static_cast<int>(i * 37 % 101) - 50);
    const std::vector<std::int32_t> bias(static_cast<std::size_t>(l.m));
    const std::vector<Requant> r(static_cast<std::size_t>(l.m), requant(Rounding::float_even, 0.01f, 0.01f, 0.1f));
    const Store store{Rescaling::real_near, 0, 0, 255};
    const std::int64_t out = s.out_channels * s.out_h * s.out_w;
    Buffer x((s.in_channels * s.in_h * s.in_w + 3) / 4), y((out + 3) / 4);
    char what[100];
    std::snprintf(what, sizeof what, "%2dx %4d->%4d %dx%d s%d @%d%s", l.times, int(l.c), int(l.m), int(l.k), int(l.k), int(l.stride), int(l.hw), l.groups > 1 ? " depthwise" : "");
    const double flops = 2.0 * double(out) * double(l.c / l.groups * l.k * l.k);
    const auto run = [&](std::string_view kernel, const auto& p, std::int64_t size, auto pack, const std::string& name) {
      Buffer packed(size);
      pack(m.isa, p, {w, bias, r}, {reinterpret_cast<std::int32_t*>(static_cast<float*>(packed)), static_cast<std::size_t>(size)});
      const double t = time_kernel(m, std::string(kernel).c_str(), &p, {x, packed, y}, grid(p), scratch_bytes(p));
      print(m, name, flops, t);
      return t;
    };
    const auto p = prepare_conv_i8(m.isa, s, store, false, 128, w);
    double t = run(kernel(p), p, packed_conv_i8_size(m.isa, p), pack_conv_i8, what);
    if (suits_winograd_i8(m.isa, s)) {
      const auto q = prepare_winograd_i8(m.isa, s, store, false, 128);
      t = run("winograd_i8", q, packed_winograd_i8_size(m.isa, q), pack_winograd_i8, std::string(what) + " F(4, 3)");
    }
    total += t * l.times;
  }
  std::printf("all of them: %.3f ms\n", total * 1e3);
}

/// Depthwise convolutions of MobileNetV2, V3 large and EfficientNet-B0: planes against channels innermost.
void bench_depthwise(const Machine& m) {
  std::printf("%-24s %12s %14s %8s %18s\n", "depthwise", "planes", "channels last", "ratio", "of the peak");
  double planes = 0, last = 0;
  for (const Layer& l : {Layer{32, 112, 32, 3, 1, 32, 1}, {96, 112, 96, 3, 2, 96, 1}, {144, 56, 144, 3, 1, 144, 1}, {144, 56, 144, 3, 2, 144, 1}, {192, 28, 192, 3, 1, 192, 2},
                         {192, 28, 192, 3, 2, 192, 1}, {384, 14, 384, 3, 1, 384, 4}, {576, 14, 576, 3, 1, 576, 2}, {576, 14, 576, 3, 2, 576, 1}, {960, 7, 960, 3, 1, 960, 3},
                         {16, 112, 16, 3, 1, 16, 1}, {72, 56, 72, 5, 2, 72, 1}, {120, 28, 120, 5, 1, 120, 2}, {240, 28, 240, 3, 2, 240, 1}, {672, 14, 672, 3, 1, 672, 1},
                         {672, 14, 672, 5, 2, 672, 1}, {960, 7, 960, 5, 1, 960, 2}, {144, 56, 144, 5, 2, 144, 1}, {240, 28, 240, 5, 1, 240, 1}, {480, 14, 480, 5, 1, 480, 1},
                         {672, 14, 672, 5, 1, 672, 2}, {1152, 7, 1152, 5, 1, 1152, 3}, {1152, 7, 1152, 3, 1, 1152, 1}, {96, 56, 96, 7, 1, 96, 1}, {384, 14, 384, 7, 1, 384, 1}}) {
    ConvShape s;
    s.in_channels = s.out_channels = s.groups = l.c, s.in_h = s.in_w = l.hw, s.kernel_h = s.kernel_w = l.k, s.stride_h = s.stride_w = l.stride;
    s.pad_top = s.pad_left = l.k / 2, s.out_h = s.out_w = (l.hw + 2 * (l.k / 2) - l.k) / l.stride + 1;
    Epilogue e;
    e.activation = Activation::clip, e.p0 = 0, e.p1 = 6, e.bias = Bias::per_row;
    const ConvParams p = prepare_conv(m.isa, s, e);
    const DepthwiseLastParams q = prepare_depthwise_last(m.isa, s, e);
    const std::int64_t out = s.out_channels * s.out_h * s.out_w;
    Buffer x(s.in_channels * s.in_h * s.in_w), w(std::max(packed_conv_size(m.isa, p), packed_depthwise_last_size(m.isa, q))), bias(s.out_channels), y(out);
    double a = 1e9, b = 1e9;
    for (int turn = 0; turn < 3; ++turn) {
      a = std::min(a, time_kernel(m, "depthwise_f32", &p, {x, w, bias, nullptr, y}, grid(p), scratch_bytes(p)));
      b = std::min(b, time_kernel(m, "depthwise_last_f32", &q, {x, w, bias, nullptr, y}, grid(q), 0));
    }
    std::printf("%2dx %4d %dx%d s%d @%-7d %9.1f us %11.1f us %8.2f %7.1f %% %6.1f %%\n", l.times, int(l.c), int(l.k), int(l.k), int(l.stride), int(l.hw), a * 1e6, b * 1e6, a / b,
                100 * 2e-9 * double(out * l.k * l.k) / a / (m.peak * m.threads), 100 * 2e-9 * double(out * l.k * l.k) / b / (m.peak * m.threads));
    planes += a * l.times, last += b * l.times;
  }
  std::printf("all of them: %.3f ms, %.3f ms\n", planes * 1e3, last * 1e3);
}

/// Pools of ResNet, SqueezeNet 1.1, YOLOv8 and Inception: planes against channels innermost.
void bench_pool(const Machine& m) {
  std::printf("%-24s %12s %14s %8s\n", "pool", "planes", "channels last", "ratio");
  struct Window {
    std::int64_t c, hw, k, stride, pad;
    Pool op;
  };
  for (const Window& l : {Window{64, 112, 3, 2, 1, Pool::max}, {64, 111, 3, 2, 0, Pool::max}, {128, 55, 3, 2, 0, Pool::max}, {256, 27, 3, 2, 0, Pool::max}, {128, 13, 5, 1, 2, Pool::max}, {192, 28, 3, 1, 1, Pool::max},
                          {64, 112, 2, 2, 0, Pool::max}, {192, 35, 3, 1, 1, Pool::average}, {128, 56, 2, 2, 0, Pool::average}}) {
    PoolShape s;
    s.planes = l.c, s.in_h = s.in_w = l.hw, s.kernel_h = s.kernel_w = l.k, s.stride_h = s.stride_w = l.stride, s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = l.pad;
    s.out_h = s.out_w = (l.hw + 2 * l.pad - l.k) / l.stride + 1;
    const PoolParams p = prepare_pool(m.isa, s, l.op);
    s.planes = 1;
    const PoolLastParams q = prepare_pool_last(s, l.c, l.op);
    Buffer x(l.c * s.in_h * s.in_w), y(l.c * s.out_h * s.out_w);
    double a = 1e9, b = 1e9;
    for (int turn = 0; turn < 3; ++turn) {
      a = std::min(a, time_kernel(m, "pool_f32", &p, {x, y}, grid(p), scratch_bytes(p)));
      b = std::min(b, time_kernel(m, "pool_last_f32", &q, {x, y}, grid(q), 0));
    }
    std::printf("%4d %dx%d s%d @%-4d %-7s %9.1f us %11.1f us %8.2f\n", int(l.c), int(l.k), int(l.k), int(l.stride), int(l.hw), l.op == Pool::max ? "max" : "average", a * 1e6, b * 1e6, a / b);
  }
  for (const auto& [c, hw] : {std::pair<std::int64_t, std::int64_t>{32, 112}, {144, 56}, {240, 28}, {672, 14}, {1280, 7}}) {
    const ReduceParams p{Reduce::mean, c, hw * hw, 1}, q{Reduce::mean, 1, hw * hw, c};
    Buffer x(c * hw * hw), y(c);
    double a = 1e9, b = 1e9;
    for (int turn = 0; turn < 3; ++turn) a = std::min(a, time_kernel(m, "reduce_f32", &p, {x, y}, grid(p), 0)), b = std::min(b, time_kernel(m, "reduce_f32", &q, {x, y}, grid(q), 0));
    std::printf("%4d @%-4d whole average   %9.1f us %11.1f us %8.2f\n", int(c), int(hw), a * 1e6, b * 1e6, a / b);
  }
}

/// Functions of one variable, on numbers in the second-level cache.
void bench_activations(const Machine& m) {
  const auto run = [&](const char* what, UnaryParams p) {
    p.n = 16384;
    Buffer x(p.n), y(p.n);
    const double t = time_kernel(m, "unary_f32", &p, {x, y}, grid(p), 0);
    std::printf("%-44s %9.3f ns of an element\n", what, t / double(p.n) * 1e9);
  };
  const auto activation = [&](const char* what, Activation a, float p0 = 0, float p1 = 0) {
    UnaryParams p;
    p.activation = a, p.p0 = p0, p.p1 = p1;
    run(what, p);
  };
  const auto function = [&](const char* what, Unary u) {
    UnaryParams p;
    p.op = u;
    run(what, p);
  };
  activation("relu", Activation::relu);
  activation("hardsigmoid", Activation::hardsigmoid, 0.2f, 0.5f);
  activation("hardswish", Activation::hardswish);
  activation("sigmoid", Activation::sigmoid);
  activation("silu", Activation::silu);
  activation("tanh", Activation::tanh);
  activation("gelu", Activation::gelu);
  activation("elu", Activation::elu, 1);
  function("gelu_tanh", Unary::gelu_tanh);
  function("exp", Unary::exp);
  function("erf", Unary::erf);
  function("softplus", Unary::softplus);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const Isa isa = std::getenv("SAHA_ISA") ? static_cast<Isa>(std::atoi(std::getenv("SAHA_ISA"))) : detect_isa();
  const double peak = std::max(1.0, bench::peak_gflops(isa));
  std::printf("%s, peak of one thread %.1f GFLOP/s (measured)\n", std::string(name(isa)).c_str(), peak);
  for (unsigned threads : {1u, 2u}) {
    if (argc > 2 && threads != static_cast<unsigned>(std::atoi(argv[2]))) continue;
    system::ThreadPool pool(threads);
    const Machine m{isa, peak, threads, pool};
    std::printf("-- %u thread%s\n", threads, threads > 1 ? "s" : "");
    if (what == "all" || what == "gemm") bench_gemm(m);
    if (what == "all" || what == "mobilenetv2") bench_mobilenetv2(m);
    if (what == "all" || what == "resnet50") bench_resnet50(m);
    if (what == "all" || what == "int8") bench_int8(m);
    if (what == "all" || what == "depthwise") bench_depthwise(m);
    if (what == "all" || what == "pool") bench_pool(m);
    if (what == "all" || what == "activations") bench_activations(m);
    if (what == "hard")
      bench_network(m, "hard", {{3, 224, 64, 7, 2, 1, 1}, {64, 56, 64, 3, 1, 1, 1}, {256, 14, 256, 3, 1, 1, 1}, {512, 7, 512, 3, 1, 1, 1}, {1024, 14, 256, 1, 1, 1, 1},
          {256,56,64,1,1,1,1},{64,56,256,1,1,1,1},{64,56,256,1,1,1,1,true},{256,14,1024,1,1,1,1,true},{256,56,512,1,2,1,1,true},{1024,14,2048,1,2,1,1,true},{512,28,1024,1,2,1,1,true},
          {960,7,160,1,1,1,1},{672,14,672,5,1,672,1},{672,14,672,5,2,672,1},{1152,7,1152,5,1,1152,1},{144,56,144,5,2,144,1},{240,28,240,5,1,240,1}});
  }
}
