// "elements" equals each function computed one number at a time, for all types, strides and lengths, whole and piece by piece.
#include "kernels/elements.hpp"

#include <climits>
#include <limits>
#include <type_traits>

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

template <class T> constexpr DType kTypeOf = DType::none;
template <> constexpr DType kTypeOf<bool> = DType::boolean;
template <> constexpr DType kTypeOf<std::int8_t> = DType::i8;
template <> constexpr DType kTypeOf<std::uint8_t> = DType::u8;
template <> constexpr DType kTypeOf<std::int16_t> = DType::i16;
template <> constexpr DType kTypeOf<std::uint16_t> = DType::u16;
template <> constexpr DType kTypeOf<std::int32_t> = DType::i32;
template <> constexpr DType kTypeOf<std::uint32_t> = DType::u32;
template <> constexpr DType kTypeOf<std::int64_t> = DType::i64;
template <> constexpr DType kTypeOf<std::uint64_t> = DType::u64;
template <> constexpr DType kTypeOf<float> = DType::f32;
template <> constexpr DType kTypeOf<double> = DType::f64;

template <class F>
void each_type(F f) {
  f.template operator()<bool>(), f.template operator()<std::int8_t>(), f.template operator()<std::uint8_t>(), f.template operator()<std::int16_t>(), f.template operator()<std::uint16_t>();
  f.template operator()<std::int32_t>(), f.template operator()<std::uint32_t>(), f.template operator()<std::int64_t>(), f.template operator()<std::uint64_t>(), f.template operator()<float>(), f.template operator()<double>();
}

/// Any number, often an end of the range, a small one, or none.
template <class T>
T any() {
  const auto kind = random()() % 8;
  if constexpr (std::is_floating_point_v<T>) {
    const T special[] = {0, -T{0}, std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN(), T(2147483648.), T(-2147483649.), T(4294967296.), T(255.5), T(-128.5), T(9.3e18), T(-9.3e18), std::numeric_limits<T>::denorm_min()};
    if (kind == 0) return special[random()() % std::size(special)];
    return kind == 1 ? T(random()() % 5) - 2 : std::ldexp(T(static_cast<std::int32_t>(random()())), int(random()() % 60) - 40);
  } else if constexpr (std::is_same_v<T, bool>) {
    return kind & 1;
  } else {
    if (kind == 0) return std::numeric_limits<T>::min();
    if (kind == 1) return std::numeric_limits<T>::max();
    const auto bits = static_cast<T>(random()() | std::uint64_t{random()()} << 32);
    return kind < 5 ? static_cast<T>(bits % 4) : bits;
  }
}
template <class To, class T>
To cut(T v) {
  if constexpr (std::is_same_v<To, bool>) return v != 0;
  else if constexpr (std::is_floating_point_v<T> && std::is_integral_v<To>) {
    if (std::isnan(v)) return 0;
    if (v <= T(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return v >= T(std::numeric_limits<To>::max()) ? std::numeric_limits<To>::max() : static_cast<To>(v);
  } else return static_cast<To>(v);
}
template <class T>
bool equal_numbers(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
  else return a == b;
}

/// A number of Y by numbers of the operands.
template <class T>
T arithmetic(Function f, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (f) {
      case Function::negate: return -a;
      case Function::magnitude: return std::fabs(a);
      case Function::add: return a + b;
      case Function::sub: return a - b;
      case Function::mul: return a * b;
      case Function::max: return std::isnan(a) || a > b ? a : b;
      default: return std::isnan(a) || a < b ? a : b;
    }
  } else {
    const auto u = static_cast<std::uint64_t>(a), v = static_cast<std::uint64_t>(b);
    switch (f) {
      case Function::negate: return static_cast<T>(0 - u);
      case Function::magnitude: return a < T{0} ? static_cast<T>(0 - u) : a;
      case Function::add: return static_cast<T>(u + v);
      case Function::sub: return static_cast<T>(u - v);
      case Function::mul: return static_cast<T>(u * v);
      case Function::max: return a > b ? a : b;
      case Function::min: return a < b ? a : b;
      case Function::bit_and: return static_cast<T>(u & v);
      case Function::bit_or: return static_cast<T>(u | v);
      case Function::logical_not: return static_cast<T>(!a);
      default: return static_cast<T>(u ^ v);
    }
  }
}

struct Shape {
  std::vector<std::int64_t> y;
  std::vector<std::vector<std::int64_t>> strides;   // of three operands
};
const Shape kShapes[] = {
    {{1}, {{1}, {1}, {1}}},
    {{7}, {{1}, {1}, {1}}},
    {{33}, {{1}, {0}, {1}}},
    {{1040}, {{0}, {1}, {0}}},
    {{40001}, {{1}, {1}, {1}}},
    {{5, 37}, {{37, 1}, {0, 1}, {1, 0}}},
    {{3, 4, 16}, {{1, 3, 12}, {64, 16, 1}, {0, 0, 1}}},   // operand 0 with another order
    {{2, 3, 0, 5}, {{15, 5, 5, 1}, {15, 5, 5, 1}, {0, 0, 0, 0}}},
    {{2, 1, 3, 20}, {{60, 0, 20, 1}, {20, 0, 0, 1}, {0, 0, 1, 0}}},
};
template <class T>
std::vector<T> operand(const Shape& s, std::size_t k) {
  std::int64_t last = 0;
  for (std::size_t d = 0; d < s.y.size(); ++d) last += std::max<std::int64_t>(s.y[d] - 1, 0) * s.strides[k][d];
  std::vector<T> v(static_cast<std::size_t>(last + 1));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = any<T>();
  return v;
}
/// f(place in Y, places in the operands).
template <class F>
void walk(const Shape& s, F f) {
  std::int64_t total = 1;
  for (std::int64_t d : s.y) total *= d;
  for (std::int64_t i = 0; i < total; ++i) {
    std::int64_t rest = i;
    std::size_t at[3] = {};
    for (std::size_t d = s.y.size(); d-- > 0;) {
      for (std::size_t k = 0; k < 3; ++k) at[k] += static_cast<std::size_t>(rest % s.y[d] * s.strides[k][d]);
      rest /= s.y[d];
    }
    f(static_cast<std::size_t>(i), at);
  }
}
template <class T> using Bytes = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;   // of which a vector has elements

template <class T, class To, class Want>
void check(Function f, const Shape& s, std::vector<const void*> operands, DType type, Want want) {
  const std::vector<std::vector<std::int64_t>> strides(s.strides.begin(), s.strides.begin() + operands_of(f));
  ASSERT_TRUE(has_elements(f, type, kTypeOf<To>));
  const auto p = prepare_elements(f, type, kTypeOf<To>, s.y, strides);
  std::size_t total = 1;
  for (std::int64_t d : s.y) total *= static_cast<std::size_t>(d);
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " function " << static_cast<int>(f) << " of " << name(kTypeOf<T>) << " to " << name(kTypeOf<To>) << ", " << total << " elements");
    Aligned<Bytes<To>> y(total), again(total);
    auto whole = operands, pieces = operands;
    whole.push_back(y.data()), pieces.push_back(again.data());
    run_whole("elements", isa, p, whole, grid(p), 0);
    run_pieces("elements", isa, p, pieces, grid(p), 0);
    ASSERT_EQ(std::memcmp(y.data(), again.data(), total * sizeof(Bytes<To>)), 0);
    walk(s, [&](std::size_t i, const std::size_t(&at)[3]) {
      if (!testing::Test::HasFatalFailure()) { ASSERT_TRUE(equal_numbers<To>(static_cast<To>(y[i]), want(at))) << "element " << i << ": " << +y[i]; }
    });
  }
}

TEST(Elements, functions_of_every_type_equal_their_definition) {
  each_type([]<class T>() {
    for (const Shape& s : kShapes) {
      const auto a = operand<Bytes<T>>(s, 0), b = operand<Bytes<T>>(s, 1);
      std::vector<Bytes<T>> u(a), v(b);
      if constexpr (std::is_same_v<T, bool>) for (auto* x : {&u, &v}) for (auto& e : *x) e &= 1;
      for (Function f : {Function::negate, Function::magnitude, Function::logical_not, Function::add, Function::sub, Function::mul, Function::max, Function::min, Function::bit_and, Function::bit_or, Function::bit_xor}) {
        if (!has_elements(f, kTypeOf<T>, kTypeOf<T>)) continue;
        std::vector<const void*> in = {u.data()};
        if (operands_of(f) == 2) in.push_back(v.data());
        ASSERT_NO_FATAL_FAILURE((check<T, T>(f, s, in, kTypeOf<T>, [&](const std::size_t(&at)[3]) { return arithmetic<T>(f, static_cast<T>(u[at[0]]), operands_of(f) == 2 ? static_cast<T>(v[at[1]]) : T{}); })));
      }
      for (Function f : {Function::equal, Function::less, Function::less_or_equal})
        if (has_elements(f, kTypeOf<T>, DType::boolean)) {
          ASSERT_NO_FATAL_FAILURE((check<T, bool>(f, s, {u.data(), v.data()}, kTypeOf<T>, [&](const std::size_t(&at)[3]) {
            const auto x = u[at[0]], z = v[at[1]];
            return f == Function::equal ? x == z : f == Function::less ? x < z : x <= z;
          })));
        }
    }
  });
}
TEST(Elements, casts_between_all_types_equal_their_definition) {
  each_type([]<class T>() {
    each_type([]<class To>() {
      if (!has_elements(Function::cast, kTypeOf<T>, kTypeOf<To>)) return;
      for (const Shape& s : kShapes) {
        auto x = operand<Bytes<T>>(s, 0);
        if constexpr (std::is_same_v<T, bool>) for (auto& e : x) e &= 1;
        ASSERT_NO_FATAL_FAILURE((check<T, To>(Function::cast, s, {x.data()}, kTypeOf<T>, [&](const std::size_t(&at)[3]) { return cut<To>(static_cast<T>(x[at[0]])); })));
      }
    });
  });
}
TEST(Elements, where_moves_bits) {
  each_type([]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      for (const Shape& s : kShapes) {
        auto c = operand<std::uint8_t>(s, 0);
        for (auto& e : c) e &= 1;
        const auto u = operand<T>(s, 1), v = operand<T>(s, 2);
        ASSERT_NO_FATAL_FAILURE((check<T, T>(Function::where, s, {c.data(), u.data(), v.data()}, kTypeOf<T>, [&](const std::size_t(&at)[3]) { return c[at[0]] ? u[at[1]] : v[at[2]]; })));
      }
  });
}
TEST(Elements, results_may_lie_where_operand_0_does) {
  for (Isa isa : levels()) {
    std::vector<std::int32_t> x(1000), want(1000);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = any<std::int32_t>(), want[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(x[i]) * 7u);
    const std::int32_t seven = 7;
    const std::vector<std::vector<std::int64_t>> strides = {{1}, {0}};
    const std::int64_t n = 1000;
    const auto p = prepare_elements(Function::mul, DType::i32, DType::i32, {&n, 1}, strides);
    run_pieces("elements", isa, p, {x.data(), &seven, x.data()}, grid(p), 0);
    ASSERT_EQ(x, want);
  }
}
TEST(Elements, what_is_not_computed_is_refused) {
  EXPECT_FALSE(has_elements(Function::less, DType::u64, DType::boolean));
  EXPECT_FALSE(has_elements(Function::cast, DType::f32, DType::u64));
  EXPECT_FALSE(has_elements(Function::cast, DType::f16, DType::f32));
  EXPECT_FALSE(has_elements(Function::add, DType::boolean, DType::boolean));
  EXPECT_FALSE(has_elements(Function::bit_and, DType::f32, DType::f32));
  EXPECT_FALSE(has_elements(Function::equal, DType::i32, DType::i32));
}

}  // namespace
}  // namespace saha::kernels
