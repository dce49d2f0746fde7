// Functions of plain numbers of every type, run by the native engine at every level of the CPU, equal the operators' references, and none runs by reference.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/native/at_every_level.hpp"

namespace saha::native {
namespace {
using ir::Attrs;
using ir::Ints;
using op::Val;
using op::Vals;

std::mt19937 engine(5);
/// Numbers of every kind, ends of the range among them.
Tensor any(DType t, Dims dims) {
  Tensor x = Tensor::zeros(t, std::move(dims));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (is_float(t)) {
      const double special[] = {0, -0., INFINITY, -INFINITY, NAN, 2147483648., -2147483649., 255.5, 9.3e18, -9.3e18};
      const double v = engine() % 4 ? std::ldexp(double(engine()) - 2147483648., int(engine() % 40) - 35) : special[engine() % std::size(special)];
      store(x, i, 1, &v);
    } else if (t == DType::boolean) {
      x.as<std::uint8_t>()[i] = engine() & 1;
    } else {
      const IntRange r = int_range(t);
      const std::int64_t v = engine() % 3 ? std::int64_t(engine() % 5) : engine() % 2 ? r.lo : r.hi;
      store(x, i, 1, &v);
    }
  }
  return x;
}
struct Net {
  op::Builder b;
  std::vector<Datum> data;
  Val input(DType t, Dims dims) {
    data.emplace_back(any(t, dims));
    return b.input(ir::tensor_type(t, {dims.begin(), dims.end()}));
  }
};
void check(Net& n, const Vals& outputs, std::size_t instructions = 1) {
  test::run_at_every_level(std::move(n.b), n.data, outputs, instructions, false, [](double x, double y, const std::string& where) {
    ASSERT_TRUE((std::isnan(x) && std::isnan(y)) || x == y) << where << ": " << x << ", not " << y;
  });
}

constexpr DType kIntegers[] = {DType::i8, DType::u8, DType::i16, DType::u16, DType::i32, DType::u32, DType::i64};
const std::pair<Dims, Dims> kBroadcasts[] = {{{3, 5, 7}, {3, 5, 7}}, {{2, 3, 4, 5}, {3, 1, 1}}, {{4, 1}, {33}}, {{}, {40}}, {{600}, {1}}, {{2, 0, 3}, {1, 3}}, {{1, 9}, {5, 1}}, {{}, {}}};

TEST(ElementsRows, functions_of_two_operands_equal_their_references) {
  for (const auto& [first, second] : kBroadcasts) {
    const auto pair = [&, &a = first, &c = second](ir::OpName name, DType t) {
      SCOPED_TRACE(std::string(name.str()) + " of " + std::string(saha::name(t)) + " " + str(a) + " " + str(c));
      Net n;
      const Val x = n.input(t, a), y = n.input(t, c);
      check(n, {n.b.op(name, {x, y})});
    };
    for (DType t : kIntegers) {
      for (ir::OpName name : {ir::OpName("Add"), ir::OpName("Sub"), ir::OpName("Mul"), ir::OpName("Max"), ir::OpName("Min")}) pair(name, t);
      for (ir::OpName name : {ir::OpName("BitwiseAnd"), ir::OpName("BitwiseOr"), ir::OpName("BitwiseXor")}) pair(name, t);
    }
    for (DType t : {DType::i8, DType::u16, DType::i32, DType::i64, DType::f32, DType::f64})
      for (ir::OpName name : {ir::OpName("Equal"), ir::OpName("Less"), ir::OpName("LessOrEqual"), ir::OpName("Greater"), ir::OpName("GreaterOrEqual")}) pair(name, t);
    for (ir::OpName name : {ir::OpName("Add"), ir::OpName("Sub"), ir::OpName("Mul"), ir::OpName("Max"), ir::OpName("Min")}) pair(name, DType::f64);
    for (ir::OpName name : {ir::OpName("And"), ir::OpName("Or"), ir::OpName("Xor"), ir::OpName("Equal")}) pair(name, DType::boolean);
    pair("Equal", DType::u64);
    for (DType t : {DType::boolean, DType::u8, DType::f16, DType::bf16, DType::i32, DType::f32, DType::i64, DType::f64}) {
      SCOPED_TRACE("Where of " + std::string(name(t)) + " " + str(first) + " " + str(second));
      Net n;
      const Val c = n.input(DType::boolean, first), x = n.input(t, second), y = n.input(t, first);
      check(n, {n.b.op("Where", {c, x, y})});
      Net m;
      const Val d = m.input(DType::boolean, second), one = m.input(t, {}), z = m.input(t, first);
      check(m, {m.b.op("Where", {d, one, z})});
    }
  }
}
TEST(ElementsRows, casts_and_functions_of_one_operand_equal_their_references) {
  constexpr DType kTypes[] = {DType::boolean, DType::i8, DType::u8, DType::i16, DType::u16, DType::i32, DType::u32, DType::i64, DType::f32, DType::f64};
  for (const Dims& d : {Dims{}, Dims{3, 5, 7}, Dims{2, 3, 4, 64}, Dims{0, 4}, Dims{513}})
    for (DType t : kTypes) {
      for (DType to : kTypes) {
        if (t == to || (is_float(t) && to == DType::u64)) continue;
        SCOPED_TRACE("Cast of " + std::string(name(t)) + " to " + std::string(name(to)) + " " + str(d));
        Net n;
        const Val x = n.input(t, d);
        check(n, {n.b.op("Cast", {x}, {{"to", std::int64_t(to)}})});
      }
      if (t == DType::boolean) {
        Net n;
        const Val x = n.input(t, d);
        check(n, {n.b.op("Not", {x})});
      } else if (t == DType::f32 || t == DType::f64 || is_signed_int(t)) {
        for (ir::OpName name : {ir::OpName("Neg"), ir::OpName("Abs")}) {
          SCOPED_TRACE(std::string(name.str()) + " of " + std::string(saha::name(t)) + " " + str(d));
          Net n;
          const Val x = n.input(t, d);
          check(n, {n.b.op(name, {x})});
        }
      }
    }
}
TEST(ElementsRows, operands_with_channels_last_are_taken_as_they_lie) {
  Net n;
  n.data.emplace_back(Tensor::zeros(DType::f32, {1, 8, 6, 7}));
  for (std::int64_t i = 0; i < n.data[0].tensor.size(); ++i) n.data[0].tensor.as<float>()[i] = float(std::int64_t(engine() % 17) - 8) / 4;
  Val x = n.b.input(ir::tensor_type(DType::f32, {1, 8, 6, 7}));
  const auto conv = [&](Val v) {
    Tensor w = Tensor::zeros(DType::f32, {8, 8, 1, 1});
    for (std::int64_t i = 0; i < w.size(); ++i) w.as<float>()[i] = float(std::int64_t(engine() % 9) - 4) / 4;   // sums are exact
    return n.b.op("Conv", {v, n.b.constant(std::move(w))});
  };
  Val y = conv(conv(x)), zero = n.b.scalar(0, DType::f32);
  Val chosen = n.b.op("Where", {n.b.op("Greater", {y, zero}), y, n.b.op("Cast", {n.b.op("Cast", {y}, {{"to", std::int64_t(DType::i32)}})}, {{"to", std::int64_t(DType::f32)}})});
  check(n, {conv(conv(chosen))}, 0);
}

}  // namespace
}  // namespace saha::native
