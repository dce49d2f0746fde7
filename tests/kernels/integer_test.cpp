// Loops on 8-bit integers equal the rules of tensor/requant.hpp on sums made one product at a time, bit for bit, at every level, whole and piece by piece.
#include <climits>

#include "kernels/contract.hpp"
#include "kernels/conv_i8.hpp"
#include "kernels/elementwise_i8.hpp"
#include "kernels/winograd_i8.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

std::int64_t pick(std::int64_t lo, std::int64_t hi) { return std::uniform_int_distribution<std::int64_t>(lo, hi)(random()); }
/// Numbers of a range, its ends often among them.
std::int64_t value(std::int64_t lo, std::int64_t hi) { return pick(0, 4) ? pick(lo, hi) : pick(0, 1) ? lo : hi; }

struct Case {
  ConvShape shape;
  bool x_signed = true, y_signed = true, keep = false, wide_weights = false, small_weights = false, edges = false, largest = false;
  Rounding rule = Rounding::fixed_double;
  std::int64_t per_channel = 1;
};

void check(const Case& c) {
  const ConvShape& s = c.shape;
  const std::int64_t lo = c.x_signed ? -128 : 0, taps = s.kernel_h * s.kernel_w, gc = s.in_channels / s.groups, gm = s.out_channels / s.groups;
  std::vector<std::uint8_t> x(static_cast<std::size_t>(s.batch * s.in_h * s.in_w * s.in_channels));
  for (auto& v : x) v = static_cast<std::uint8_t>(c.largest ? lo + 255 : value(lo, lo + 255));
  const auto x_zero = static_cast<std::int32_t>(c.largest ? lo : value(lo, lo + 255));
  std::vector<std::int16_t> w(static_cast<std::size_t>(s.out_channels * gc * taps));
  for (auto& v : w) v = static_cast<std::int16_t>(c.largest ? 255 : c.wide_weights ? value(-255, 255) : c.small_weights ? value(-64, 64) : value(-128, 127));
  std::vector<std::int32_t> bias(static_cast<std::size_t>(s.out_channels));
  for (auto& v : bias) v = static_cast<std::int32_t>(c.edges ? value(INT32_MIN, INT32_MAX) : value(-100000, 100000));
  std::vector<Requant> r;
  Store store;
  if (!c.keep) {
    store.zero = static_cast<std::int32_t>(value(c.y_signed ? -128 : 0, c.y_signed ? 127 : 255));
    store.lo = c.y_signed ? -128 : 0, store.hi = store.lo + 255;
    if (pick(0, 2) == 0) store.lo += 20, store.hi -= 30;
    const std::int64_t bound = largest_sum(s, x_zero, c.x_signed, w, bias);
    for (std::int64_t m = 0; m < (c.per_channel ? s.out_channels : 1); ++m) {
      const float scale = std::ldexp(float(pick(1 << 20, 1 << 21)), int(pick(-21, c.edges ? 0 : -13)) - int(std::log2(double(gc * taps) + 1)) - 8);
      r.push_back(requant(c.rule, scale, 1, 1));
    }
    const auto rule = rescaling(r, bound, store.zero, true);
    if (!rule) return;  // another kernel's
    store.rule = *rule;
  }
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " C " << s.in_channels << " M " << s.out_channels << " groups " << s.groups << " k " << s.kernel_h << "x" << s.kernel_w << " rule " << name(c.rule));
    const std::size_t n = static_cast<std::size_t>(s.batch * s.out_h * s.out_w * s.out_channels), bytes = n * (c.keep ? 4 : 1);
    Aligned<std::uint8_t> exact(x.size()), y(bytes), again(bytes);
    std::copy(x.begin(), x.end(), exact.data());
    const auto run = [&](std::string_view kernel, const auto& p, std::int64_t size, auto pack, std::uint8_t* whole, std::uint8_t* by_pieces) {
      Aligned<std::int32_t> packed(static_cast<std::size_t>(size));
      pack(isa, p, {w, bias, r}, {packed.data(), packed.size()});
      run_whole(kernel, isa, p, {exact.data(), packed.data(), whole}, grid(p), scratch_bytes(p));
      run_pieces(kernel, isa, p, {exact.data(), packed.data(), by_pieces}, grid(p), scratch_bytes(p));
      ASSERT_EQ(std::memcmp(whole, by_pieces, bytes), 0);
    };
    const auto p = prepare_conv_i8(isa, s, store, c.x_signed, x_zero, w);
    ASSERT_NO_FATAL_FAILURE(run(kernel(p), p, packed_conv_i8_size(isa, p), pack_conv_i8, y.data(), again.data()));
    Aligned<std::uint8_t> other(bytes);   // the same bits
    const std::uint32_t blocks = other_blocks();
    const auto cut = prepare_conv_i8(isa, s, store, c.x_signed, x_zero, w, blocks);
    ASSERT_NO_FATAL_FAILURE(run(kernel(cut), cut, packed_conv_i8_size(isa, cut), pack_conv_i8, other.data(), again.data()));
    ASSERT_EQ(std::memcmp(y.data(), other.data(), bytes), 0);
    for (const std::uint32_t b : {0u, blocks}) {
      if (!may_winograd_i8(isa, s) || !within_winograd_i8(s, x_zero, c.x_signed, w)) continue;
      const auto q = prepare_winograd_i8(isa, s, store, c.x_signed, x_zero, b);
      ASSERT_NO_FATAL_FAILURE(run("winograd_i8", q, packed_winograd_i8_size(isa, q), pack_winograd_i8, other.data(), again.data()));
      ASSERT_EQ(std::memcmp(y.data(), other.data(), bytes), 0);
    }
    std::size_t at = 0;
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox)
          for (std::int64_t m = 0; m < s.out_channels; ++m, ++at) {
            std::uint32_t sum = static_cast<std::uint32_t>(bias[static_cast<std::size_t>(m)]);
            for (std::int64_t k = 0; k < gc; ++k)
              for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
                for (std::int64_t kx = 0; kx < s.kernel_w; ++kx) {
                  const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
                  if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
                  const std::uint8_t v = x[static_cast<std::size_t>(((b * s.in_h + iy) * s.in_w + ix) * s.in_channels + m / gm * gc + k)];
                  sum += static_cast<std::uint32_t>((c.x_signed ? static_cast<std::int8_t>(v) : v) - x_zero) * static_cast<std::uint32_t>(w[static_cast<std::size_t>(((m * gc + k) * s.kernel_h + ky) * s.kernel_w + kx)]);
                }
            const auto acc = static_cast<std::int32_t>(sum);
            if (c.keep) {
              std::int32_t got;
              std::memcpy(&got, y.data() + at * 4, 4);
              ASSERT_EQ(got, acc) << at;
              continue;
            }
            const auto stepped = static_cast<std::int32_t>(static_cast<std::uint32_t>(rescale(acc, r[r.size() == 1 ? 0 : static_cast<std::size_t>(m)])) + static_cast<std::uint32_t>(store.zero));
            const std::int32_t want = std::clamp(stepped, store.lo, store.hi);
            ASSERT_EQ(c.y_signed ? static_cast<std::int8_t>(y[at]) : y[at], want) << "element " << at << ", sum " << acc;
          }
  }
}

ConvShape shape(std::int64_t batch, std::int64_t c, std::int64_t hw, std::int64_t m, std::int64_t k, std::int64_t stride, std::int64_t groups = 1, std::int64_t dilation = 1) {
  ConvShape s;
  s.batch = batch, s.in_channels = c, s.in_h = hw, s.in_w = hw + 2, s.out_channels = m, s.kernel_h = s.kernel_w = k;
  s.stride_h = s.stride_w = stride, s.dilation_h = s.dilation_w = dilation, s.groups = groups;
  s.pad_top = s.pad_left = (k - 1) * dilation / 2;
  s.out_h = (s.in_h + 2 * s.pad_top - (k - 1) * dilation - 1) / stride + 1;
  s.out_w = (s.in_w + 2 * s.pad_left - (k - 1) * dilation - 1) / stride + 1;
  return s;
}
void check_rules(const ConvShape& s) {
  for (Rounding rule : {Rounding::float_even, Rounding::fixed_double, Rounding::fixed_legacy, Rounding::fixed_single})
    for (int kind = 0; kind < 8; ++kind) {
      Case c;
      c.shape = s, c.rule = rule, c.x_signed = kind & 1, c.y_signed = kind & 2, c.wide_weights = kind & 4, c.small_weights = kind == 2, c.edges = kind == 3 || kind == 4, c.per_channel = kind != 5;
      check(c);
    }
  for (bool is_signed : {false, true}) {
    Case c;
    c.shape = s, c.keep = true, c.x_signed = is_signed, c.edges = true;
    check(c);
  }
}

TEST(ConvI8, pointwise_and_products_equal_their_rule) {
  for (std::int64_t c : {1, 2, 3, 7, 16, 33}) check_rules(shape(1, c, 3, 5 + c, 1, 1));
  check_rules(shape(2, 40, 4, 70, 1, 1));
  ConvShape product;
  product.in_channels = 300, product.out_channels = 101, product.in_w = product.out_w = 1;
  check_rules(product);
  product.in_w = product.out_w = 13;
  check_rules(product);
}
TEST(ConvI8, kernels_strides_dilations_and_groups_equal_their_rule) {
  for (std::int64_t k : {2, 3, 5})
    for (std::int64_t stride : {1, 2})
      for (std::int64_t c : {1, 3, 18}) check_rules(shape(1, c, 7, 11, k, stride));
  for (std::int64_t k : {3, 5, 7}) check_rules(shape(2, 3, 15, 35, k, 2));   // first layers: rows of few numbers
  check_rules(shape(1, 4, 9, 6, 3, 1, 1, 2));
  check_rules(shape(2, 12, 6, 20, 3, 1, 4));
  check_rules(shape(1, 6, 6, 12, 3, 1, 6));   // two results for each channel
}
TEST(ConvI8, where_points_and_numbers_are_enough_tiles_multiply) {
  const auto dot = [](Isa isa, std::int64_t points, std::int64_t c, std::int16_t weight) {
    ConvShape s;
    s.in_channels = c, s.out_channels = 40, s.in_w = s.out_w = points;
    return prepare_conv_i8(isa, s, {}, true, 0, {&weight, 1}).dot;
  };
  EXPECT_EQ(dot(Isa::avx512amx, 32, 36, 127), Dot::tiles);
  EXPECT_EQ(dot(Isa::avx512amx, 32, 32, 127), Dot::quads);      // too shallow
  EXPECT_EQ(dot(Isa::avx512amx, 8, 128, 127), Dot::tiles);
  EXPECT_EQ(dot(Isa::avx512amx, 2, 4096, 127), Dot::quads);     // too few points
  EXPECT_EQ(dot(Isa::avx512amx, 32, 36, 128), Dot::pairs);
  EXPECT_EQ(dot(Isa::avx512vnni, 32, 36, 127), Dot::quads);
}
TEST(ConvI8, vectors_are_wide_where_two_products_could_leave_int16) {
  ConvShape s;
  s.in_channels = 8, s.out_channels = 20, s.in_w = s.out_w = 40;
  const auto wide = [&](std::int16_t a, std::int16_t b, std::size_t other = 17) {   // of four units: two of each panel, the second panel's columns are few
    std::vector<std::int16_t> w(160, 0);
    w[17 * 8 + 2] = w[other * 8 + 2] = a, w[17 * 8 + 3] = w[other * 8 + 3] = b;
    const auto p = prepare_conv_i8(Isa::avx2, s, {}, false, 0, w);
    EXPECT_EQ(p.dot, Dot::twos);
    return p.wide;
  };
  EXPECT_EQ(wide(64, 64), 0);
  EXPECT_EQ(wide(65, 64), 1);
  EXPECT_EQ(wide(-128, 0), 0);
  EXPECT_EQ(wide(-128, -1), 1);
  EXPECT_EQ(wide(-128, 127), 0);
  EXPECT_EQ(wide(127, 2, 18), 1);   // of the same vector
  EXPECT_EQ(wide(127, 2, 5), 2);
}
TEST(ConvI8, tables_of_places_are_looked_through) {
  ConvShape s;
  s.in_channels = 12, s.out_channels = 40, s.in_w = s.out_w = 40;
  std::vector<std::int16_t> w(480);
  for (auto& v : w) v = static_cast<std::int16_t>(value(-128, 127));
  const auto p = prepare_conv_i8(Isa::avx2, s, {}, false, 0, w);
  std::vector<std::int32_t> packed(static_cast<std::size_t>(packed_conv_i8_size(Isa::avx2, p)));
  pack_conv_i8(Isa::avx2, p, {w, {}, {}}, packed);
  const auto sound = [&](std::int64_t place, std::int32_t change) {
    auto damaged = packed;
    damaged[static_cast<std::size_t>(twos_tables(p) + place)] += change;
    return sound_twos(Isa::avx2, p, std::as_bytes(std::span(damaged)));
  };
  EXPECT_TRUE(sound(0, 0));
  for (std::int64_t panel = 0; panel < 3; ++panel)
    for (std::int64_t i = 0; i < twos_table_size(p); ++i) {
      EXPECT_FALSE(sound(panel * twos_table_size(p) + i, 9)) << i;
      EXPECT_FALSE(sound(panel * twos_table_size(p) + i, -9)) << i;
    }
  EXPECT_FALSE(sound_twos(Isa::avx2, p, std::as_bytes(std::span(packed)).first(100)));
}
TEST(ConvI8, tiles_of_every_size_equal_their_rule) {
  const auto check_both = [](const ConvShape& s) {
    for (bool is_signed : {false, true})
      for (bool keep : {false, true}) {
        Case c;
        c.shape = s, c.keep = keep, c.x_signed = is_signed;
        check(c);
      }
  };
  ConvShape s;
  for (std::int64_t points : {4, 8, 15, 17, 31, 32, 33, 49, 64, 65})   // in place: depths of whole units
    for (std::int64_t c : {36, 64, 68, 96, 132, 720}) {
      s.in_w = s.out_w = points, s.in_channels = c, s.out_channels = 5 + c % 64;
      check_both(s);
    }
  s.in_w = s.out_w = 75, s.in_channels = 4096, s.out_channels = 3;    // blocks of 32, 32 and 11 points in place
  check_both(s);
  s.in_channels = 4098;                                             // and copied: the last unit is not whole
  check_both(s);
  s = shape(2, 2 * 36, 5, 2 * 33, 1, 1, 2);                         // groups in place
  check_both(s);
  check_both(shape(2, 2 * 34, 5, 2 * 33, 3, 2, 2));
  check_both(shape(1, 48, 6, 35, 1, 2));
}
TEST(ConvI8, rows_of_every_number_are_stored_as_the_usual_rule_has_it) {
  for (std::int64_t points = 1; points < 32; ++points)
    for (bool is_signed : {false, true}) {
      Case c;
      for (std::int64_t columns : {4, 16, 24, 72, 80}) {
        c.shape.in_w = c.shape.out_w = points, c.shape.in_channels = 12, c.shape.out_channels = columns;
        c.rule = Rounding::float_even, c.x_signed = is_signed, c.y_signed = false;
        check(c), check(c);
      }
    }
}
TEST(ConvI8, panels_of_8_columns_take_two_rows_at_once) {
  for (std::int64_t m : {8, 24, 40})
    for (std::int64_t c : {6, 20}) check_rules(shape(1, c, 5, m, 1, 1));
  check_rules(shape(2, 2 * 7, 5, 2 * 24, 3, 1, 2));
}
TEST(ConvI8, minimal_filtering_equals_the_plain_sums) {
  for (std::int64_t c : {16, 20, 33}) check_rules(shape(1, c, 7, 16 + c, 3, 1));
  check_rules(shape(2, 48, 10, 16, 3, 1));
  // The largest sums that are taken, and the smallest that are not: 57 * 9 * 255 * 255 lies below 2^25.
  Case largest;
  largest.shape = shape(1, 57, 8, 16, 3, 1), largest.wide_weights = true, largest.keep = true, largest.largest = true;
  for (bool is_signed : {false, true}) largest.x_signed = is_signed, check(largest);
  const auto within = [](std::int64_t c, std::int16_t first, std::int16_t second) {
    std::vector<std::int16_t> w(static_cast<std::size_t>(16 * c * 9), first);
    for (std::size_t i = 0; i < w.size(); i += 2) w[i] = second;
    return within_winograd_i8(shape(1, c, 8, 16, 3, 1), 0, false, w);
  };
  EXPECT_TRUE(within(57, 255, 255));
  EXPECT_FALSE(within(58, 255, 255));
  EXPECT_FALSE(within(58, -255, -255));
  EXPECT_TRUE(within(114, 255, -255));  // sums of one sign are half as many
}
TEST(ConvI8, depthwise_equals_its_rule) {
  for (std::int64_t c : {2, 4, 8, 16, 19, 32, 35, 67})
    for (std::int64_t k : {1, 3, 4}) check_rules(shape(2, c, 5, c, k, 1 + k % 2, c));
  for (std::int64_t c : {32, 50, 96})   // by tiles of neighbouring results
    for (std::int64_t k : {3, 5})
      for (std::int64_t stride : {1, 2}) check_rules(shape(1, c, 9, c, k, stride, c));
  check_rules(shape(1, 8, 9, 8, 3, 1, 8, 2));
}
TEST(ConvI8, random_shapes_equal_their_rule) {
  for (int i = 0; i < 150; ++i) {
    Case c;
    const std::int64_t groups = pick(0, 3) ? 1 : pick(1, 20), gc = pick(1, groups > 1 ? 2 : 40), gm = pick(1, groups > 1 ? 2 : 70);
    c.shape = shape(pick(1, 2), groups * gc, pick(1, 9), groups * gm, pick(1, 3), pick(1, 3), groups, pick(1, 2));
    if (c.shape.out_h < 1 || c.shape.out_w < 1) continue;
    c.rule = std::array{Rounding::float_even, Rounding::fixed_double, Rounding::fixed_legacy, Rounding::fixed_single}[static_cast<std::size_t>(pick(0, 3))];
    c.x_signed = pick(0, 1), c.y_signed = pick(0, 1), c.wide_weights = pick(0, 2) == 0, c.small_weights = pick(0, 1), c.edges = pick(0, 1), c.per_channel = pick(0, 1);
    check(c);
  }
}
TEST(ConvI8, of_nothing_writes_nothing) {
  Case c;
  c.shape = shape(0, 3, 5, 4, 3, 1);
  check(c);
}

/// Two operands of bytes, b's rows repeated as `b_dims` says.
void check_pair(PairOp op, Binary binary, Rounding rule, bool is_signed, const std::vector<std::int64_t>& a_dims, const std::vector<std::int64_t>& b_dims) {
  const std::int64_t lo = is_signed ? -128 : 0;
  std::int64_t a_size = 1, b_size = 1;
  for (std::int64_t d : a_dims) a_size *= d;
  for (std::int64_t d : b_dims) b_size *= d;
  std::vector<std::uint8_t> a(static_cast<std::size_t>(a_size)), b(static_cast<std::size_t>(b_size));
  for (auto* v : {&a, &b}) for (auto& e : *v) e = static_cast<std::uint8_t>(value(lo, lo + 255));
  PairParams p;
  p.walk = prepare_binary(binary, a_dims, b_dims);
  p.op = op, p.a_signed = p.b_signed = is_signed;
  p.a_zero = static_cast<std::int32_t>(value(lo, lo + 255)), p.b_zero = static_cast<std::int32_t>(value(lo, lo + 255));
  p.a_scale = 0.013f, p.b_scale = 0.11f, p.y_scale = 0.07f;
  p.store = {Rescaling::real, static_cast<std::int32_t>(value(lo, lo + 255)), static_cast<std::int32_t>(lo), static_cast<std::int32_t>(lo + 255)};
  const double twice = 2 * std::max(p.a_scale, p.b_scale);
  std::vector<Requant> r;
  if (op == PairOp::sum) for (double f : {p.a_scale / twice, p.b_scale / twice, twice / (1048576 * double(p.y_scale))}) r.push_back({rule, 0, fixed_scale(f)});
  if (op == PairOp::product) r.push_back({rule, 0, fixed_scale(double(p.a_scale * p.b_scale / p.y_scale))});
  if (!r.empty()) p.store.rule = *rescaling(r, 1 << 30, p.store.zero, true);
  const auto wanted = [&](std::int32_t u, std::int32_t v) -> std::int32_t {
    u -= p.a_zero, v -= p.b_zero;
    std::int32_t y;
    if (op == PairOp::sum) {
      const std::int32_t s = rescale(u * 1048576, r[0]), t = rescale(v * 1048576, r[1]);
      y = rescale(binary == Binary::sub ? s - t : s + t, r[2]) + p.store.zero;
    } else if (op == PairOp::product) {
      y = rescale(u * v, r[0]) + p.store.zero;
    } else {
      const float s = static_cast<float>(u) * p.a_scale, t = static_cast<float>(v) * p.b_scale;
      y = static_cast<std::int32_t>(std::nearbyint((binary == Binary::add ? s + t : binary == Binary::sub ? s - t : s * t) / p.y_scale)) + p.store.zero;
    }
    return std::clamp(y, p.store.lo, p.store.hi);
  };
  for (Isa isa : levels()) {
    Aligned<std::int32_t> constants(static_cast<std::size_t>(3 * rescale_block_size(isa)));
    for (std::size_t i = 0; i < r.size(); ++i) pack_rescale_block(isa, {p.store.rule, i + 1 == r.size() ? p.store.zero : 0}, {&r[i], 1}, {}, block_columns(isa), constants.data() + static_cast<std::int64_t>(i) * rescale_block_size(isa));
    Aligned<std::uint8_t> u(a.size()), v(b.size()), y(a.size()), again(a.size());
    std::copy(a.begin(), a.end(), u.data()), std::copy(b.begin(), b.end(), v.data());
    run_whole("pair_i8", isa, p, {u.data(), v.data(), constants.data(), y.data()}, grid(p), 0);
    PairParams chosen = p;
    if (op == PairOp::real) set_real_op(isa, chosen);
    run_pieces("pair_i8", isa, chosen, {u.data(), v.data(), constants.data(), again.data()}, grid(p), 0);
    ASSERT_EQ(std::memcmp(y.data(), again.data(), y.size()), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
      std::size_t j = i;
      if (b_dims != a_dims) j = b.size() == 1 ? 0 : static_cast<std::size_t>(b_dims.back()) == 1 ? i / static_cast<std::size_t>(a_dims.back()) : i % b.size();
      const auto number = [&](std::uint8_t e) { return is_signed ? std::int32_t{static_cast<std::int8_t>(e)} : std::int32_t{e}; };
      ASSERT_EQ(number(y[i]), wanted(number(a[i]), number(b[j]))) << name(isa) << " element " << i;
    }
  }
}
TEST(PairI8, sums_products_and_float_rules_equal_their_definition) {
  for (bool is_signed : {false, true})
    for (const auto& dims : std::vector<std::vector<std::vector<std::int64_t>>>{{{257}, {257}}, {{3, 5, 19}, {19}}, {{4, 33}, {4, 1}}, {{40}, {1}}, {{70000}, {70000}}})
      for (Binary binary : {Binary::add, Binary::sub, Binary::mul}) {
        check_pair(PairOp::real, binary, Rounding::float_even, is_signed, dims[0], dims[1]);
        for (Rounding rule : {Rounding::fixed_double, Rounding::fixed_single, Rounding::fixed_legacy})
          check_pair(binary == Binary::mul ? PairOp::product : PairOp::sum, binary, rule, is_signed, dims[0], dims[1]);
      }
}
TEST(PairI8, the_least_work_is_chosen_that_stores_all_pairs_alike) {
  PairParams p;
  const std::int64_t dims[] = {8};
  p.walk = prepare_binary(Binary::add, dims, dims);
  p.store = {Rescaling::real, 3, 0, 255};
  p.a_scale = 0.0203f, p.b_scale = 0.0171f, p.y_scale = 0.0289f;
  const auto chosen = [&](Isa isa) {
    set_real_op(isa, p);
    return p.op;
  };
  for (Isa isa : levels()) EXPECT_EQ(chosen(isa), isa == Isa::generic ? PairOp::real : PairOp::linear);
  p.walk.op = Binary::mul;
  for (Isa isa : levels()) EXPECT_EQ(chosen(isa), isa == Isa::generic ? PairOp::real : PairOp::real_by_inverse);
  p.walk.op = Binary::add;
  p.a_scale = 0.5f, p.b_scale = 0.3f, p.y_scale = 0.2f;                // ties by the hundred, which rounded sums decide either way
  for (Isa isa : levels()) EXPECT_NE(chosen(isa), PairOp::linear);
  p.y_scale = 1e-20f;
  for (Isa isa : levels()) EXPECT_EQ(chosen(isa), PairOp::real);       // beyond int32
}
TEST(PairI8, tables_are_looked_up) {
  std::vector<std::uint8_t> table(65536), a(5 * 37), b(37);
  for (auto* v : {&table, &a, &b}) for (auto& e : *v) e = static_cast<std::uint8_t>(pick(0, 255));
  PairParams p;
  const std::int64_t a_dims[] = {5, 37}, b_dims[] = {37};
  p.walk = prepare_binary(Binary::add, a_dims, b_dims);
  for (Isa isa : levels()) {
    std::vector<std::uint8_t> y(a.size());
    run_whole("pair_i8", isa, p, {a.data(), b.data(), table.data(), y.data()}, grid(p), 0);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(y[i], table[256u * a[i] + b[i % 37]]);
  }
}
TEST(TableI8, bytes_and_words_are_looked_up) {
  for (std::size_t n : {0, 1, 7, 8, 100, 40000}) {
    std::vector<std::uint8_t> x(n), table(256), y(n);
    for (auto& v : x) v = static_cast<std::uint8_t>(pick(0, 255));
    for (auto& v : table) v = static_cast<std::uint8_t>(pick(0, 255));
    const auto floats = noise(256);
    std::vector<float> z(n);
    for (Isa isa : levels()) {
      TableParams p{static_cast<std::int64_t>(n), 1};
      run_whole("table_i8", isa, p, {x.data(), table.data(), y.data()}, grid(p), 0);
      p.entry_bytes = 4;
      run_pieces("table_i8", isa, p, {x.data(), floats.data(), z.data()}, grid(p), 0);
      for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(y[i] == table[x[i]] && z[i] == floats[x[i]]);
    }
  }
}
TEST(QuantizeI8, rounds_to_even_saturates_and_takes_nan_as_zero) {
  for (std::size_t n : {1, 15, 16, 33, 20000}) {
    std::vector<float> x = noise(static_cast<std::int64_t>(n), -40, 40);
    for (std::size_t i = 0; i < n; i += 3) x[i] = 0.25f * std::floor(x[i] * 4);
    x[0] = n == 15 ? INFINITY : n == 16 ? -INFINITY : NAN;
    for (bool is_signed : {false, true}) {
      QuantizeParams p{static_cast<std::int64_t>(n), 0.5f, 0, is_signed ? -5 : 130, is_signed ? -128 : 0, is_signed ? 127 : 255};
      for (Isa isa : levels()) {
        std::vector<std::uint8_t> y(n);
        run_whole("quantize_i8", isa, p, {x.data(), y.data()}, grid(p), 0);
        for (std::size_t i = 0; i < n; ++i) {
          const float v = std::nearbyint(x[i] / p.scale), want = std::clamp((std::isnan(v) ? 0 : v) + float(p.zero), float(p.lo), float(p.hi));
          ASSERT_EQ(float(is_signed ? std::int32_t{static_cast<std::int8_t>(y[i])} : std::int32_t{y[i]}), want) << x[i];
        }
      }
    }
  }
}
TEST(QuantizeI8, pictures_come_with_channels_last) {
  for (std::int64_t images : {1, 2})
    for (std::int64_t points : {1, 7, 8, 15, 16, 33, 64, 4096, 4100, 9000}) {
      const std::vector<float> x = noise(images * kRgb * points, -40, 40);
      for (bool is_signed : {false, true}) {
        const QuantizeRgbParams p{images, points, {images * kRgb * points, 0.3f, points % 2 != 0, is_signed ? -5 : 130, is_signed ? -128 : 0, is_signed ? 127 : 255}};
        for (Isa isa : levels()) {
          Aligned<float> exact(x.size());
          std::copy(x.begin(), x.end(), exact.data());
          Aligned<std::uint8_t> y(x.size()), plain(x.size());
          run_whole("quantize_i8", isa, p.each, {exact.data(), plain.data()}, grid(p.each), 0);
          run_pieces("quantize_rgb_i8", isa, p, {exact.data(), y.data()}, grid(p), 0);
          std::size_t at = 0;
          for (std::int64_t image = 0; image < images; ++image)
            for (std::int64_t i = 0; i < points; ++i)
              for (std::int64_t c = 0; c < kRgb; ++c) ASSERT_EQ(y[at++], plain[static_cast<std::size_t>((image * kRgb + c) * points + i)]) << name(isa) << " " << points << ": " << i;
        }
      }
    }
}
TEST(QuantizeI8, pictures_keep_their_contract) {
  const auto taken = [](std::int64_t images, std::int64_t points, std::int64_t n) {
    const QuantizeRgbParams p{images, points, {n, 1, 0, 0, 0, 255}};
    return needs("quantize_rgb_i8", Isa::generic, std::as_bytes(std::span(&p, 1)), {});
  };
  const auto n = taken(2, 50, 300);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->reads[0].bytes, 1200);
  EXPECT_EQ(n->writes[0].bytes, 300);
  EXPECT_FALSE(taken(2, 50, 301));
  EXPECT_FALSE(taken(-2, -50, 300));
  EXPECT_FALSE(taken(1 << 20, 1 << 20, 0));
  EXPECT_FALSE(taken(std::int64_t{1} << 40, std::int64_t{1} << 40, 0));
}

TEST(QuantizeI16, and_back_as_by_hand) {
  for (std::size_t n : {1, 15, 16, 33, 20000}) {
    std::vector<float> x = noise(static_cast<std::int64_t>(n), -300, 300);
    for (std::size_t i = 0; i < n; i += 3) x[i] = 0.005f * std::floor(x[i] * 200);
    x[0] = n == 15 ? INFINITY : n == 16 ? -INFINITY : NAN;
    for (bool is_signed : {false, true}) {
      const QuantizeParams p{static_cast<std::int64_t>(n), 0.01f, 0, is_signed ? -5 : 40000, is_signed ? -32768 : 0, is_signed ? 32767 : 65535};
      const DequantizeParams back{p.n, p.scale, p.zero, is_signed};
      for (Isa isa : levels()) {
        std::vector<std::uint16_t> y(n);
        std::vector<float> z(n);
        run_whole("quantize_i16", isa, p, {x.data(), y.data()}, grid(p), 0);
        run_pieces("dequantize_i16", isa, back, {y.data(), z.data()}, grid(back), 0);
        for (std::size_t i = 0; i < n; ++i) {
          const float v = std::nearbyint(x[i] / p.scale), want = std::clamp((std::isnan(v) ? 0 : v) + float(p.zero), float(p.lo), float(p.hi));
          ASSERT_EQ(float(is_signed ? std::int32_t{static_cast<std::int16_t>(y[i])} : std::int32_t{y[i]}), want) << x[i];
          ASSERT_EQ(z[i], (want - float(p.zero)) * p.scale);
        }
      }
    }
  }
}

}  // namespace
}  // namespace saha::kernels
