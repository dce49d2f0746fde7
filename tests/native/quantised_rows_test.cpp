// Nodes on stored integers run by the native engine, at every level of the CPU, equal their integer forms bit for bit, and none runs by reference.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "backends/native/fuse.hpp"
#include "backends/native/network.hpp"
#include "op/builder.hpp"
#include "tests/native/at_every_level.hpp"

namespace saha::native {
namespace {
using ir::Ints;
using op::Attrs;
using op::Builder;
using op::Stored;
using op::Val;
using op::Vals;

std::mt19937& engine() {
  static std::mt19937 e(11);
  return e;
}
std::int64_t pick(std::int64_t lo, std::int64_t hi) { return std::uniform_int_distribution<std::int64_t>(lo, hi)(engine()); }
Tensor stored(DType t, Dims dims, std::int64_t limit = 0) {
  Tensor x = Tensor::zeros(t, std::move(dims));
  const IntRange r = limit ? IntRange{-limit, limit} : int_range(t);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t v = pick(0, 5) ? pick(r.lo, r.hi) : pick(0, 1) ? r.lo : r.hi;
    store(x, i, 1, &v);
  }
  return x;
}
Tensor reals(Dims dims, float limit) {
  Tensor x = Tensor::zeros(DType::f32, std::move(dims));
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(-limit, limit)(engine());
  return x;
}
std::shared_ptr<const ir::Quant> quant(float scale, std::int64_t zero) { return std::make_shared<const ir::Quant>(ir::Quant{{scale}, {zero}, 0}); }

struct Net {
  Builder b;
  std::vector<Datum> data;
  Val input(DType t, Dims dims, std::shared_ptr<const ir::Quant> q = {}) {
    data.emplace_back(stored(t, dims));
    return b.input(ir::tensor_type(t, {dims.begin(), dims.end()}, std::move(q)));
  }
  Val input(Dims dims, float limit) {
    data.emplace_back(reals(dims, limit));
    return b.input(ir::tensor_type(DType::f32, {dims.begin(), dims.end()}));
  }
  Val constant(Tensor t, std::shared_ptr<const ir::Quant> q = {}) {
    auto type = ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()}, std::move(q));
    return b.constant(std::make_shared<const Tensor>(std::move(t)), std::move(type));
  }
};

/// `instructions` 0: as many as there are.
void check(Net& n, const Vals& outputs, std::size_t instructions, bool host = false) {
  test::run_at_every_level(std::move(n.b), n.data, outputs, instructions, host, [](double x, double y, const std::string& where) { ASSERT_EQ(x, y) << where; });
}

constexpr const char* kRules[] = {"float_even", "fixed_double", "fixed_single", "fixed_legacy"};

/// Operands of a linear operator: x, w with a scale per channel or one, bias.
struct Linear {
  DType x = DType::i8, w = DType::i8;
  bool per_channel = true;
  Val weights(Net& n, Dims dims, int axis, std::int64_t channels) const {
    ir::Quant q{{}, {}, axis};
    for (std::int64_t i = 0; i < (per_channel ? channels : 1); ++i) {
      q.scale.push_back(0.001f * float(pick(1, 30)));
      q.zero.push_back(w == DType::u8 ? pick(0, 255) : 0);
    }
    return n.constant(stored(w, std::move(dims)), std::make_shared<const ir::Quant>(q));
  }
  std::int64_t zero() const { return x == DType::i8 ? pick(-128, 127) : pick(0, 255); }
};

TEST(QuantisedRows, layers_that_round_their_data_in_each_run_have_kernels) {
  for (const char* rule : {"dynamic_symmetric", "dynamic_asymmetric"})
    for (bool per_channel : {false, true}) {
      SCOPED_TRACE(testing::Message() << rule << " per channel " << per_channel);
      Net n;
      const Linear l{DType::f32, DType::i8, per_channel};
      const Attrs attrs = {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}, {"rounding", std::string(rule)}};
      Val x = n.input({1, 5, 9, 7}, 3);
      Val y = n.b.quantised("Conv", {x, l.weights(n, {20, 5, 3, 3}, 0, 20), n.constant(reals({20}, 1))}, attrs, Stored{});
      Val flat = n.b.op("Reshape", {y, n.b.ints({5, 140})});
      Val z = n.b.quantised("Gemm", {flat, l.weights(n, {11, 140}, 0, 11), n.constant(reals({11}, 1))}, {{"transB", std::int64_t{1}}, {"rounding", std::string(rule)}}, Stored{});
      check(n, {y, n.b.op("Relu", {z})}, 0);
    }
}
TEST(QuantisedRows, products_of_few_rows_equal_their_integer_forms) {
  for (std::int64_t rows : {1, 2, 3})
    for (const char* rule : kRules) {
      SCOPED_TRACE(testing::Message() << rows << " rows " << rule);
      Net n;
      const Linear l;
      Val x = n.input(DType::i8, {rows, 131}, quant(0.03f, l.zero()));
      Val y = n.b.quantised("Gemm", {x, l.weights(n, {53, 131}, 0, 53)}, {{"transB", std::int64_t{1}}, {"rounding", std::string(rule)}}, Stored{DType::i8, quant(0.4f, 3)});
      check(n, {y}, 1);
    }
}
TEST(QuantisedRows, pads_are_moved_in_either_layout) {
  Net n;
  const auto q = quant(0.03f, 7);
  Val x = n.input(DType::i8, {2, 5, 6, 7}, q);
  Val padded = n.b.op("Pad", {x, n.b.ints({0, 1, 2, 0, 1, 0, 0, 3}), n.b.scalar(7, DType::i8)});
  const Linear l;
  Val y = n.b.quantised("Conv", {padded, l.weights(n, {4, 6, 3, 3}, 0, 4)}, {{"rounding", std::string("fixed_double")}}, Stored{DType::i8, quant(0.4f, 3)});
  check(n, {padded, n.b.op("Pad", {y, n.b.ints({0, 0, -1, 1, 0, 3, 0, -2}), n.b.scalar(-9, DType::i8)})}, 0);
}
TEST(QuantisedRows, an_LSTM_equals_its_integer_form) {
  for (int seed = 0; seed < 12; ++seed) {
    Net n;
    const std::int64_t steps = pick(1, 5), batch = pick(1, 3), inputs = pick(1, 20), hidden = pick(1, 24), columns = 4 * hidden;
    const int fraction = int(pick(11, 15));
    SCOPED_TRACE(testing::Message() << steps << " steps, " << batch << " rows, " << inputs << " inputs, " << hidden << " cells, " << fraction << " bits");
    const bool is_signed = seed % 3 != 0;
    const auto x_quant = quant(0.02f, is_signed ? pick(-128, 127) : pick(0, 255)), h_quant = quant(0.007f, pick(-128, 127)), c_quant = quant(std::ldexp(1.0f, -fraction), 0);
    auto weights = [&](std::int64_t k) {
      ir::Quant q{{}, std::vector<std::int64_t>(std::size_t(columns), 0), 1};
      for (std::int64_t g = 0; g < 4; ++g) q.scale.insert(q.scale.end(), std::size_t(hidden), 0.001f * float(pick(5, 50)));
      return n.constant(stored(DType::i8, {1, columns, k}, 127), std::make_shared<const ir::Quant>(q));
    };
    Val x = n.input(is_signed ? DType::i8 : DType::u8, {steps, batch, inputs}, x_quant), w = weights(inputs), r = weights(hidden);
    Val bias = seed % 2 ? n.constant(stored(DType::i32, {1, 2 * columns}, 2000), quant(1e-4f, 0)) : Val{};
    Attrs attrs = {{"hidden_size", hidden}, {"rounding", std::string("fixed_legacy")}};
    if (seed % 4 == 1) attrs.push_back({"cell_clip", 0.7f});
    Val y = n.b.quantised("LSTM", {x, w, r, bias, {}, n.input(DType::i8, {1, batch, hidden}, h_quant), n.input(DType::i16, {1, batch, hidden}, c_quant)}, attrs, Stored{DType::i8, h_quant});
    check(n, {y}, 1);
  }
}
TEST(QuantisedRows, products_whose_zero_point_a_run_tells_have_kernels) {
  for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 0, 1, 2}}) {
    SCOPED_TRACE(str(pads));
    Net n;
    Vals x = n.b.ops("DynamicQuantizeLinear", {n.input({1, 5, 9, 7}, 3)}, {}, 3);
    Val w = n.constant(stored(DType::i8, {20, 5, 3, 3}));
    Val sum = n.b.op("ConvInteger", {x[0], w, x[2]}, {{"pads", pads}, {"dilations", Ints{2, 1}}});
    Vals flat = n.b.ops("DynamicQuantizeLinear", {n.input({6, 33}, 3)}, {}, 3);
    Val product = n.b.op("MatMulInteger", {flat[0], n.constant(stored(DType::i8, {33, 11})), flat[2]});
    check(n, {sum, product}, 0);
  }
}
TEST(QuantisedRows, ranges_of_the_data_equal_the_reference) {
  for (std::int64_t symmetric : {0, 1}) {
    Net n;
    Val x = n.input({37, 45}, 3);
    check(n, n.b.ops("DynamicQuantize", {x}, {{"symmetric", symmetric}}, 3), 1);
  }
  Net n;
  check(n, n.b.ops("DynamicQuantizeLinear", {n.input({37, 45}, 3)}, {}, 3), 1);
}
TEST(QuantisedRows, convolutions_equal_their_integer_forms) {
  for (const char* rule : kRules)
    for (DType t : {DType::i8, DType::u8})
      for (std::int64_t groups : {1, 2, 6})
        for (bool clamp : {false, true}) {
          SCOPED_TRACE(testing::Message() << rule << " groups " << groups << " clamp " << clamp);
          Net n;
          const Linear l{t, t, t == DType::i8};
          Val x = n.input(t, {2, 6, 9, 7}, quant(0.03f, l.zero()));
          Val w = l.weights(n, {groups == 6 ? 6 : 20, 6 / groups, 3, 3}, 0, groups == 6 ? 6 : 20);
          Val bias = n.constant(stored(DType::i32, {groups == 6 ? 6 : 20}, 20000), quant(1e-4f, 0));
          const Stored y{t, quant(0.4f, l.zero())};
          const Attrs rounding = {{"rounding", std::string(rule)}};
          Val v = n.b.quantised("Conv", {x, w, bias}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}, {"group", groups}, {"rounding", std::string(rule)}}, y);
          if (clamp) v = n.b.quantised("Clip", {v, n.b.scalar(0, DType::f32), n.b.scalar(6, DType::f32)}, rounding, y);
          check(n, {v}, 3);  // a reorder on either side
        }
}

TEST(QuantisedRows, images_that_come_with_channels_last_are_not_moved) {
  Net n;
  const auto q = quant(0.05f, -3);
  Val x = n.input(DType::i8, {1, 8, 9, 3}, q);
  Val v = n.b.op("Transpose", {x}, {{"perm", Ints{0, 3, 1, 2}}});
  for (std::int64_t c : {3, 16}) v = n.b.quantised("Conv", {v, Linear{}.weights(n, {16, c, 3, 3}, 0, 16)}, {{"pads", Ints{1, 1, 1, 1}}, {"rounding", std::string("fixed_double")}}, Stored{DType::i8, q});
  check(n, {n.b.op("Transpose", {v}, {{"perm", Ints{0, 2, 3, 1}}})}, 2);
}

TEST(QuantisedRows, products_equal_their_integer_forms) {
  for (const char* rule : kRules)
    for (DType t : {DType::i8, DType::u8})
      for (bool rows : {false, true}) {
        SCOPED_TRACE(testing::Message() << rule << rows);
        const Linear l{t, t, t == DType::i8};
        Net n;
        Val x = n.input(t, {5, 33}, quant(0.03f, l.zero()));
        Val w = l.weights(n, rows ? Dims{21, 33} : Dims{33, 21}, rows ? 0 : 1, 21);
        check(n, {n.b.quantised("Gemm", {x, w, n.constant(stored(DType::i32, {21}, 30000), quant(1e-4f, 0))}, {{"transB", std::int64_t(rows)}, {"rounding", std::string(rule)}}, Stored{t, quant(0.3f, l.zero())})}, 1);
        Net m;
        x = m.input(t, {2, 3, 33}, quant(0.03f, l.zero()));
        check(m, {m.b.quantised("MatMul", {x, l.weights(m, {33, 21}, 1, 21)}, {{"rounding", std::string(rule)}}, Stored{t, quant(0.3f, l.zero())})}, 1);
      }
}

TEST(QuantisedRows, linear_operators_whose_scales_are_operands_equal_their_bodies) {
  for (DType t : {DType::i8, DType::u8})
    for (bool per_channel : {false, true}) {
      const auto floats = [&](std::int64_t k, float lo) {
        Tensor s = Tensor::zeros(DType::f32, k == 1 ? Dims{} : Dims{k});
        for (std::int64_t i = 0; i < k; ++i) s.as<float>()[i] = lo * float(pick(1, 20));
        return s;
      };
      const std::int64_t m = per_channel ? 10 : 1;
      const auto zeros = [&](std::int64_t k) { return stored(t, k == 1 ? Dims{} : Dims{k}); };
      Net n;
      Val x = n.input(t, {1, 6, 8, 7});
      check(n, {n.b.op("QLinearConv", {x, n.constant(floats(1, 0.01f)), n.constant(zeros(1)), n.constant(stored(t, {10, 6, 3, 3})), n.constant(floats(m, 0.001f)), n.constant(zeros(m)), n.constant(floats(1, 0.1f)), n.constant(zeros(1)),
                                       n.constant(stored(DType::i32, {10}, 10000))}, {{"pads", Ints{1, 1, 1, 1}}})}, 3);
      Net i;
      x = i.input(t, {1, 6, 8, 7});
      check(i, {i.b.op("ConvInteger", {x, i.constant(stored(t, {10, 6, 3, 3})), i.constant(zeros(1)), i.constant(zeros(m))}, {{"strides", Ints{2, 2}}})}, 3);
      Net k;
      x = k.input(t, {3, 4, 30});
      check(k, {k.b.op("QLinearMatMul", {x, k.constant(floats(1, 0.01f)), k.constant(zeros(1)), k.constant(stored(t, {30, 10})), k.constant(floats(m, 0.001f)), k.constant(zeros(m)), k.constant(floats(1, 0.1f)), k.constant(zeros(1))})}, 1);
      Net j;
      x = j.input(t, {4, 30});
      check(j, {j.b.op("MatMulInteger", {x, j.constant(stored(t, {30, 10})), j.constant(zeros(1)), j.constant(zeros(m))})}, 1);
    }
}

TEST(QuantisedRows, functions_of_one_operand_are_tables) {
  const auto q = quant(0.05f, 7), r = quant(0.01f, -100);
  for (const char* rule : {"float_even", "fixed_double"})
    for (ir::OpName name : {ir::OpName("Sigmoid"), ir::OpName("Tanh"), ir::OpName("Relu"), ir::OpName("HardSwish"), ir::OpName("LeakyRelu"), ir::OpName("Exp"), ir::OpName("Requantize"), ir::OpName("Neg"), ir::OpName("Elu")}) {
      SCOPED_TRACE(std::string(name.str()) + rule);
      Net n;
      check(n, {n.b.quantised(name, {n.input(DType::i8, {2, 3, 4, 5}, q)}, {{"rounding", std::string(rule)}}, Stored{DType::i8, name == ir::OpName("Relu") ? q : r})}, 1);
    }
  Net n;
  check(n, {n.b.op("DequantizeLinear", {n.input(DType::u8, {3, 50}), n.b.scalar(0.3, DType::f32), n.b.scalar(9, DType::u8)})}, 1);
  Net s;
  check(s, {s.b.op("QLinearSigmoid", {s.input(DType::u8, {3, 50}), s.b.scalar(0.3, DType::f32), s.b.scalar(9, DType::u8), s.b.scalar(0.004, DType::f32), s.b.scalar(1, DType::u8)})}, 1);
}

TEST(QuantisedRows, a_picture_is_quantised_to_channels_last) {
  for (const Dims& dims : {Dims{1, 3, 9, 10}, Dims{2, 3, 70, 80}}) {   // quantised, convolved, brought back
    Net n;
    Val x = n.b.quantised("Requantize", {n.input(dims, 3)}, {{"rounding", std::string("float_even")}}, Stored{DType::u8, quant(0.02f, 120)});
    check(n, {n.b.quantised("Conv", {x, Linear{}.weights(n, {20, 3, 3, 3}, 0, 20)}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}, {"rounding", std::string("float_even")}}, Stored{DType::u8, quant(0.1f, 128)})}, 3);
  }
}

TEST(QuantisedRows, functions_of_two_operands_equal_their_integer_forms) {
  const auto a = quant(0.05f, 7), b = quant(0.011f, -100), y = quant(0.04f, 3);
  for (const char* rule : kRules)
    for (ir::OpName name : {ir::OpName("Add"), ir::OpName("Sub"), ir::OpName("Mul"), ir::OpName("Div"), ir::OpName("Max"), ir::OpName("PRelu")})
      for (const Dims& other : {Dims{2, 3, 4, 5}, Dims{2, 3, 1, 1}, Dims{3, 1, 1}, Dims{5}, Dims{}}) {
        if (name == ir::OpName("Div") && std::string(rule) != "float_even") continue;  // 0 / 0 is no number, which has no place there
        SCOPED_TRACE(std::string(name.str()) + " " + rule + " " + str(other));
        const Attrs rounding = {{"rounding", std::string(rule)}};
        Net n;
        check(n, {n.b.quantised(name, {n.input(DType::i8, {2, 3, 4, 5}, a), n.input(DType::i8, other, b)}, rounding, Stored{DType::i8, y})}, 1);
        Net c;
        check(c, {c.b.quantised(name, {c.input(DType::i8, {2, 3, 4, 5}, a), c.constant(stored(DType::i8, other), b)}, rounding, Stored{DType::i8, y})}, 1);
      }
}

TEST(QuantisedRows, windows_sums_and_softmax_equal_their_integer_forms) {
  const auto q = quant(0.05f, -7);
  const Attrs fixed = {{"rounding", std::string("fixed_double")}};
  for (DType t : {DType::i8, DType::u8})
    for (std::int64_t c : {1, 3, 16, 21}) {
      SCOPED_TRACE(testing::Message() << name(t) << " " << c);
      const auto zero = quant(0.05f, t == DType::i8 ? -7 : 99);
      for (ir::OpName name : {ir::OpName("MaxPool"), ir::OpName("AveragePool")}) {
        Net n;
        check(n, {n.b.quantised(name, {n.input(t, {2, c, 9, 8}, zero)}, {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 1, 1, 0}}, {"rounding", std::string("fixed_double")}}, Stored{t, zero})}, c == 1 ? 1 : 3);
      }
      for (const char* rule : {"fixed_double", "fixed_single"})
        for (const Ints& axes : {Ints{2, 3}, Ints{-1}, Ints{1}, Ints{0, 1, 2, 3}, Ints{1, 2}})
          for (std::int64_t keep : {0, 1})
            for (ir::OpName name : {ir::OpName("ReduceMean"), ir::OpName("ReduceSum")}) {
              Net n;
              check(n, {n.b.quantised(name, {n.input(t, {2, c, 5, 6}, zero), n.b.ints(axes)}, {{"keepdims", keep}, {"rounding", std::string(rule)}}, Stored{t, quant(0.06f, 4)})}, 1);
            }
      for (std::int64_t axis : {-1, 1}) {
        Net n;
        check(n, {n.b.quantised("Softmax", {n.input(t, {3, c, 30}, zero)}, {{"axis", axis}, {"rounding", std::string("fixed_double")}}, Stored{t, quant(1.0f / 256, t == DType::i8 ? -128 : 0)})}, 1);
      }
    }
}

TEST(QuantisedRows, means_in_real_numbers_equal_their_integer_forms) {
  for (DType t : {DType::i8, DType::u8})
    for (std::int64_t c : {1, 3, 16, 21, 35})
      for (const Dims& image : {Dims{7, 7}, Dims{8, 8}, Dims{1, 1}, Dims{5, 20}, Dims{19}}) {
        SCOPED_TRACE(testing::Message() << name(t) << " " << c << " " << str(image));
        const std::int64_t zero = t == DType::i8 ? pick(-128, 127) : pick(0, 255);
        const float scale = pick(0, 1) ? 0.05f : 0.0123f;
        Dims d = {2, c};
        d.insert(d.end(), image.begin(), image.end());
        Net n;
        check(n, {n.b.quantised("GlobalAveragePool", {n.input(t, d, quant(0.05f, zero))}, {}, Stored{t, quant(scale, zero)})}, 1);
        for (const Ints& axes : {Ints{-1}, Ints{1}, Ints{0, 1}}) {
          Net m;
          check(m, {m.b.quantised("ReduceMean", {m.input(t, d, quant(0.05f, zero)), m.b.ints(axes)}, {}, Stored{t, quant(scale / 4, zero)})}, 1);
        }
      }
  Net n;   // between convolutions: channels last
  const Attrs even = {{"rounding", std::string("float_even")}};
  Val x = n.b.quantised("Conv", {n.input(DType::u8, {1, 5, 9, 7}, quant(0.05f, 100)), Linear{}.weights(n, {37, 5, 3, 3}, 0, 37)}, even, Stored{DType::u8, quant(0.1f, 128)});
  check(n, {n.b.quantised("GlobalAveragePool", {x}, even, Stored{DType::u8, quant(0.02f, 128)})}, 3);
}

TEST(QuantisedRows, resizing_equals_its_integer_form) {
  for (const char* rule : {"float_even", "fixed_double"})
    for (DType t : {DType::i8, DType::u8})
      for (const char* where : {"half_pixel", "align_corners", "asymmetric"})
        for (const Ints& to : {Ints{2, 21, 10, 14}, Ints{2, 21, 3, 5}, Ints{2, 21, 7, 1}}) {
          SCOPED_TRACE(testing::Message() << rule << " " << name(t) << " " << where << " " << str(to));
          Net n;
          const auto q = quant(0.05f, t == DType::i8 ? -7 : 99);
          Val y = n.b.quantised("Resize", {n.input(t, {2, 21, 5, 7}, q), {}, {}, n.b.ints(to)},
                                {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string(where)}, {"rounding", std::string(rule)}}, Stored{t, q});
          check(n, {y}, 3);
        }
}

TEST(QuantisedRows, chains_stay_with_channels_last) {
  Net n;
  const auto q = quant(0.05f, -3);
  const Attrs fixed = {{"rounding", std::string("fixed_double")}};
  const auto conv = [&](Val v, std::int64_t c, std::int64_t m) { return n.b.quantised("Conv", {v, Linear{}.weights(n, {m, c, 3, 3}, 0, m)}, {{"pads", Ints{1, 1, 1, 1}}, {"rounding", std::string("fixed_double")}}, Stored{DType::i8, q}); };
  Val x = n.b.op("Transpose", {n.input(DType::i8, {1, 9, 9, 3}, q)}, {{"perm", Ints{0, 3, 1, 2}}});
  Val u = conv(x, 3, 20), v = conv(u, 20, 20);
  Val sum = n.b.quantised("Add", {u, v}, fixed, Stored{DType::i8, q});
  Val scaled = n.b.quantised("Mul", {sum, n.constant(stored(DType::i8, {20, 1, 1}), quant(0.01f, 5))}, fixed, Stored{DType::i8, q});
  Val joined = n.b.op("Concat", {scaled, x, v}, {{"axis", std::int64_t{1}}});
  Val pooled = n.b.quantised("MaxPool", {joined}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"rounding", std::string("fixed_double")}}, Stored{DType::i8, q});
  Val mean = n.b.quantised("ReduceMean", {pooled, n.b.ints({2, 3})}, {{"keepdims", std::int64_t{0}}, {"rounding", std::string("fixed_double")}}, Stored{DType::i8, quant(0.02f, 0)});
  check(n, {mean, n.b.op("DequantizeLinear", {mean, n.b.scalar(0.02, DType::f32), n.b.scalar(0, DType::i8)})}, 8);
}

TEST(QuantisedRows, real_numbers_are_quantised_by_either_rule) {
  for (DType t : {DType::i8, DType::u8}) {
    Net n;
    check(n, {n.b.op("QuantizeLinear", {n.input({5, 61}, 10), n.b.scalar(0.05, DType::f32), n.constant(stored(t, {}))})}, 1);
    for (const char* rule : kRules) {
      Net m;
      Val x = m.input({7, 40}, 10);
      for (std::int64_t i = 0; i < 280; i += 2) m.data[0].tensor.as<float>()[i] = 0.25f * float(pick(-300, 300)) + (i % 3 ? 0 : 1e-7f);
      m.data[0].tensor.as<float>()[3] = std::numeric_limits<float>::infinity(), m.data[0].tensor.as<float>()[4] = std::nextafter(0.25f, 0.f);
      check(m, {m.b.quantised("Requantize", {x}, {{"rounding", std::string(rule)}}, Stored{t, quant(0.5f, 60)})}, 1);
    }
  }
}

}  // namespace
}  // namespace saha::native
