// Plans for a processor with AVX512-BF16 or AMX, made here and run by the emulation of its kernels: bfloat16 where it is asked for, 8-bit integers bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backends/native/native.hpp"
#include "backends/native/network.hpp"
#include "tests/native/net.hpp"

#if defined(__x86_64__)
#include "kernels/tables.hpp"

SAHA_KERNEL_TABLES(avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512vnni_by_avx2, avx512vnni_by_avx2, avx512vnni_by_avx2, without, without, avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512bf16_by_avx2, avx512vnni_by_avx2, avx512vnni_by_avx2, avx512bf16_by_avx2, avx512bf16_by_avx2, avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512amx_by_avx2, avx512amx_by_avx2, avx512vnni_by_avx2, avx512amx_by_avx2, avx512bf16_by_avx2, avx512_by_avx2)

namespace saha::native {
namespace {
using kernels::Isa;
using op::Val;
using test::Net;
using test::noise;

struct Ran {
  std::vector<std::string> kernels;   ///< of the instructions, in order
  std::vector<Datum> got, want;
};
/// The graph by a plan of a level, and by the operators' references.
void run(Net& n, Val output, Isa level, Precision precision, Ran& ran) {
  auto g = std::move(n.b).build({output});
  ASSERT_TRUE(g) << g.error().message;
  auto want = op::run(*g, n.data);
  ASSERT_TRUE(want) << want.error().message;
  ran.want = std::move(*want);
  std::vector<const Datum*> in;
  for (const Datum& d : n.data) in.push_back(&d);
  auto loaded = network_of(*g, level, true, precision)->plan_for(in);
  ASSERT_TRUE(loaded) << loaded.error().message;
  auto own = std::const_pointer_cast<runtime::LoadedPlan>(*loaded);   // nobody else has it
  plan::Plan& p = own->plan;
  ASSERT_TRUE(runtime::bind(p, level));                     // it keeps the contracts of its kernels
  for (std::size_t k = 0; k < p.kernels.size(); ++k) {
    p.runs[k] = kernels::find(p.kernels[k], level == Isa::avx512amx ? kernels::avx512amx_by_avx2::tables() : kernels::avx512bf16_by_avx2::tables());
    ASSERT_NE(p.runs[k], nullptr) << p.kernels[k];
  }
  for (const plan::Instruction& i : p.instructions) {
    ASSERT_NE(i.kernel, plan::kHost) << p.origins[i.origin].op << " runs by reference";
    ran.kernels.push_back(p.kernels[i.kernel]);
  }
  system::ThreadPool pool(2);
  auto context = runtime::Context::make(own, pool);
  ASSERT_TRUE(context) << context.error().message;
  for (std::size_t i = 0; i < in.size(); ++i) context->set_input(i, *in[i]);
  ASSERT_TRUE(context->run());
  for (std::size_t k = 0; k < ran.want.size(); ++k) ran.got.push_back(context->take_output(k));
}
bool emulates() { return kernels::runs(kernels::detect_isa(), Isa::avx2); }

/// Convolutions of all kinds, one with a residual, then a product of 20 rows.
Val network(Net& n) {
  const auto conv = [&](Val x, Dims w, std::int64_t stride, std::int64_t groups = 1) {
    const std::int64_t pad = w[2] / 2;
    return n.b.op("Conv", {x, n.weight(w, -0.2f, 0.2f), n.weight({w[0]})}, {{"pads", ir::Ints{pad, pad, pad, pad}}, {"strides", ir::Ints{stride, stride}}, {"group", groups}});
  };
  Val x = n.b.op("Relu", {conv(n.input({1, 3, 20, 16}), {32, 3, 3, 3}, 2)});
  Val y = n.b.op("Relu", {conv(x, {48, 32, 1, 1}, 1)});
  y = n.b.op("Relu", {conv(y, {48, 1, 3, 3}, 1, 48)});
  x = conv(y, {32, 48, 1, 1}, 1) + x;
  x = n.b.op("Relu", {conv(x, {20, 32, 3, 3}, 1)});
  return n.b.op("Gemm", {n.b.op("Reshape", {x, n.b.ints({20, 80})}), n.weight({80, 33}, -0.2f, 0.2f), n.weight({33})});
}
double distance(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) error += std::pow(a.at(i) - b.at(i), 2), size += std::pow(b.at(i), 2);
  return std::sqrt(error / size);
}

TEST(Emulated, bfloat16_is_taken_where_it_is_asked_for) {
  if (!emulates()) GTEST_SKIP() << "these kernels are emulated by AVX2, which this CPU lacks";
  for (const auto& [level, products] : {std::pair(Isa::avx512amx, 5), std::pair(Isa::avx512bf16, 4)}) {   // without tiles one is filtered minimally
    Net n;
    Ran ran;
    ASSERT_NO_FATAL_FAILURE(run(n, network(n), level, Precision::bfloat16, ran));
    EXPECT_EQ(std::ranges::count(ran.kernels, "conv_bf16"), products) << kernels::name(level);
    ASSERT_EQ(ran.got[0].tensor.dims, ran.want[0].tensor.dims);
    const double off = distance(ran.got[0].tensor, ran.want[0].tensor);
    EXPECT_LT(off, 0.02);
    EXPECT_GT(off, 1e-5);   // it is not float32
  }
}
TEST(Emulated, recurrent_layers_are_computed_in_bfloat16_where_it_is_asked_for) {
  if (!emulates()) GTEST_SKIP() << "these kernels are emulated by AVX2, which this CPU lacks";
  const auto layers = [](Net& n) {
    Val x = n.b.ops("LSTM", {n.input({6, 2, 20}), n.weight({2, 160, 20}, -0.3f, 0.3f), n.weight({2, 160, 40}, -0.3f, 0.3f), n.weight({2, 320})}, {{"hidden_size", std::int64_t{40}}, {"direction", std::string("bidirectional")}}, 1)[0];
    x = n.b.op("Reshape", {n.b.op("Transpose", {x}, {{"perm", ir::Ints{0, 2, 1, 3}}}), n.b.ints({6, 2, 80})});
    return n.b.ops("GRU", {x, n.weight({1, 99, 80}, -0.3f, 0.3f), n.weight({1, 99, 33}, -0.3f, 0.3f), n.weight({1, 198})}, {{"hidden_size", std::int64_t{33}}, {"linear_before_reset", std::int64_t{1}}}, 1)[0];
  };
  for (Isa level : {Isa::avx512bf16, Isa::avx512amx}) {
    for (Precision precision : {Precision::bfloat16, Precision::float32}) {
      const bool half = precision == Precision::bfloat16;
      Net n;
      Ran ran;
      ASSERT_NO_FATAL_FAILURE(run(n, layers(n), level, precision, ran));
      for (const char* layer : {"lstm", "gru"})
        for (const char* numbers : {"_bf16", "_f32"}) EXPECT_EQ(std::ranges::count(ran.kernels, layer + std::string(numbers)), half == (numbers == std::string("_bf16"))) << kernels::name(level);
      ASSERT_EQ(ran.got[0].tensor.dims, ran.want[0].tensor.dims);
      const double off = distance(ran.got[0].tensor, ran.want[0].tensor);
      EXPECT_LT(off, half ? 0.02 : 1e-5);
      if (half) { EXPECT_GT(off, 1e-5); }   // it is not float32
    }
  }
}
TEST(Emulated, float32_stays_float32) {
  if (!emulates()) GTEST_SKIP() << "these kernels are emulated by AVX2, which this CPU lacks";
  Net n;
  Ran ran;
  ASSERT_NO_FATAL_FAILURE(run(n, network(n), Isa::avx512amx, Precision::float32, ran));
  EXPECT_EQ(std::ranges::count(ran.kernels, "conv_bf16"), 0);
  EXPECT_LT(distance(ran.got[0].tensor, ran.want[0].tensor), 1e-5);
}
TEST(Emulated, eight_bits_give_the_same_bits) {
  if (!emulates()) GTEST_SKIP() << "these kernels are emulated by AVX2, which this CPU lacks";
  Net n;
  Tensor x = Tensor::zeros(DType::u8, {2, 40, 9, 8}), w = Tensor::zeros(DType::i8, {37, 40, 3, 3}), zero = Tensor::zeros(DType::u8, {});
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 97 % 251);
  for (std::int64_t i = 0; i < w.size(); ++i) w.as<std::int8_t>()[i] = static_cast<std::int8_t>(i * 89 % 255 - 127);
  zero.as<std::uint8_t>()[0] = 77;
  n.data.emplace_back(x);
  const Val in = n.b.input(ir::tensor_type(DType::u8, {2, 40, 9, 8}));
  Ran ran;
  ASSERT_NO_FATAL_FAILURE(run(n, n.b.op("ConvInteger", {in, n.b.constant(w), n.b.constant(zero)}, {{"pads", ir::Ints{1, 1, 1, 1}}}), Isa::avx512amx, Precision::float32, ran));
  EXPECT_EQ(std::ranges::count(ran.kernels, "conv_i8"), 1);
  ASSERT_EQ(ran.got[0].tensor.dims, ran.want[0].tensor.dims);
  for (std::int64_t i = 0; i < ran.got[0].tensor.size(); ++i) ASSERT_EQ(ran.got[0].tensor.at(i), ran.want[0].tensor.at(i)) << i;
}

TEST(Precision, that_a_level_lacks_is_refused) {
  EXPECT_EQ(*precision_of("bfloat16", Isa::avx512amx), Precision::bfloat16);
  EXPECT_EQ(*precision_of("default", Isa::avx2), Precision::float32);
  EXPECT_EQ(*precision_of("bfloat16", Isa::avx512bf16), Precision::bfloat16);
  EXPECT_EQ(*precision_of("float16", Isa::neon_fp16), Precision::float16);
  EXPECT_EQ(precision_of("bfloat16", Isa::avx2).error().message, "products in bfloat16 need a processor with instructions for them (levels avx512bf16, avx512amx, neon_bf16); this one's level is avx2");
  EXPECT_EQ(precision_of("float16", Isa::avx512amx).error().message, "products in float16 need a processor with instructions for them (levels neon_fp16, neon_i8mm, neon_bf16); this one's level is avx512amx");
  EXPECT_EQ(precision_of("int4", Isa::avx2).error().message, "the native engine computes in float32, bfloat16 and float16, not in int4");
  Net n;
  ir::Model m;
  m.graph = *std::move(n.b).build({n.b.op("Relu", {n.input({2})})});
  auto refused = open(Isa::avx2)->load(m, {.threads = 1, .precision = "bfloat16", .file = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ((*open(Isa::avx512amx)->load(m, {.threads = 1, .precision = "bfloat16", .file = {}}))->precision(), "bfloat16");
}

}  // namespace
}  // namespace saha::native
#endif
