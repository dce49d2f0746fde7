// Convolutions in 16 bits have the bits of their definition, made one number at a time, and equal sums of rounded numbers within a bound; whole and piece by piece, at every level that has them, by its
// instructions or their emulation. Nothing is read or written behind an operand: there is no memory.
#include "kernels/conv_half.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <random>
#include <set>

#include "kernels/contract.hpp"
#include "tensor/float_format.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

constexpr float kTiny = 0x1p-126f;

/// Elements that end where a page begins which may not be touched.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n) : n_(n), page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))), whole_((n * sizeof(T) + page_ - 1) / page_ * page_) {
    void* memory = ::mmap(nullptr, whole_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || ::mprotect(static_cast<std::byte*>(memory) + whole_, page_, PROT_NONE) != 0) std::abort();
    memory_ = static_cast<std::byte*>(memory);
    std::memset(memory_, 0xff, whole_);  // NaN where nothing is written
  }
  explicit Guarded(const std::vector<T>& v) : Guarded(v.size()) { std::copy(v.begin(), v.end(), data()); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { ::munmap(memory_, whole_ + page_); }
  T* data() { return reinterpret_cast<T*>(memory_ + whole_ - n_ * sizeof(T)); }
  std::size_t size() const { return n_; }
  T& operator[](std::size_t i) { return data()[i]; }

 private:
  std::size_t n_, page_, whole_;
  std::byte* memory_;
};

/// a + b, rounded to odd: what is rounded once more to half as many digits is as if it was rounded once.
double odd_sum(double a, double b) {
  const double s = a + b, back = s - a, left = (a - (s - back)) + (b - back);
  if (!std::isfinite(s) || left == 0) return s;
  const auto u = std::bit_cast<std::uint64_t>(s);
  if (u & 1) return s;
  return std::bit_cast<double>((left > 0) == (s > 0) ? u + 1 : u - 1);
}
float flushed(float v) { return std::fabs(v) < kTiny ? std::copysign(0.f, v) : v; }
/// float32, to nearest even; 0 where that is below the least normal number, however fine the steps.
float nearest_or_zero(double v) { return std::fabs(static_cast<float>(v * 0x1p100)) < 0x1p-26f ? std::copysign(0.f, static_cast<float>(v)) : static_cast<float>(v); }
/// float32, to odd, denormal numbers 0.
float odd_or_zero(double v) {
  if (std::fabs(v) < kTiny) return std::copysign(0.f, static_cast<float>(v));
  if (!(std::fabs(v) < 0x1p128)) return static_cast<float>(v);
  float f = static_cast<float>(v);
  if (f == v) return f;
  if (std::fabs(f) > std::fabs(v)) f = std::nextafter(f, 0.f);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1);
}

/// The nearest bfloat16, by its neighbours.
float bfloat(float v) {
  if (!std::isfinite(v)) return v;
  const float below = std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & 0xffff0000u), above = std::bit_cast<float>((std::bit_cast<std::uint32_t>(v) & 0xffff0000u) + 0x10000u);
  const double to_below = std::fabs(double(v) - below), to_above = std::fabs((std::isinf(above) ? std::copysign(0x1p128, double(v)) : double(above)) - v);
  if (to_below != to_above) return to_below < to_above ? below : above;
  return std::bit_cast<std::uint32_t>(below) >> 16 & 1 ? above : below;
}
double float16(double v) { return decode(DType::f16, encode(DType::f16, v)); }

/// One sum as HalfProduct defines it: x and w of one group and column along the depth, rounded.
float sum_of(HalfProduct p, std::int64_t block, const std::vector<double>& x, const std::vector<double>& w, float scale) {
  const std::size_t n = x.size(), step = static_cast<std::size_t>(block);
  float sum = 0;
  switch (p) {
    case HalfProduct::dots:
      for (std::size_t k = 0; k < n; k += 2)
        for (std::size_t i = std::min(n, k + 2); i-- > k;) sum = nearest_or_zero(odd_sum(double(flushed(float(x[i]))) * flushed(float(w[i])), sum));
      break;
    case HalfProduct::tiles:
      for (std::size_t k = 0; k < n; k += step) {
        float parts[2] = {};
        for (std::size_t i = k; i < std::min(n, k + step); ++i) {
          float& part = parts[(i - k) % 2];
          part = nearest_or_zero(odd_sum(double(flushed(float(x[i]))) * flushed(float(w[i])), part));
        }
        sum = flushed(sum + flushed(parts[0] + parts[1]));
      }
      break;
    case HalfProduct::matrices:
      for (std::size_t k = 0; k < n; k += 2) {
        float products[2] = {};
        for (std::size_t i = 0; i < 2 && k + i < n; ++i) products[i] = odd_or_zero(double(flushed(float(x[k + i]))) * flushed(float(w[k + i])));
        sum = odd_or_zero(odd_sum(odd_or_zero(odd_sum(products[0], products[1])), sum));
      }
      break;
    case HalfProduct::lanes:
      for (std::size_t k = 0; k < n; k += step) {
        double part = 0;
        for (std::size_t i = k; i < std::min(n, k + step); ++i) part = float16(odd_sum(x[i] * w[i], part));
        sum = std::fma(float(part), scale, sum);
      }
      break;
  }
  return sum;
}
/// How far a sum of n products of rounded numbers is from the exact one, of which `size` is the sum of absolute values.
double bound_of(HalfProduct p, std::int64_t n, std::int64_t block, double size, float scale) {
  switch (p) {
    case HalfProduct::tiles:
    case HalfProduct::dots: return dot_bound(n + 4, size);
    case HalfProduct::matrices: return 2 * dot_bound(2 * n + 4, size);   // a rounding to odd is off by twice as much; three for two products
    case HalfProduct::lanes: {
      const double u = 0x1p-11 * double(std::min(n, block));
      return u / (1 - u) * size + double(n) * 0x1p-25 * scale + dot_bound(n / block + 4, 2 * size);   // half of a denormal step each
    }
  }
  return 0;
}

std::string_view kernel_of(Half half) { return half == Half::float16 ? "conv_f16" : "conv_bf16"; }
struct Level {
  Isa isa;
  Half half;
  HalfProduct product;
};
std::vector<Level> half_levels() {
  std::vector<Level> all;
  std::set<plan::Run> loops;   // levels share some
  for (Isa isa : levels())
    for (Half half : {Half::bfloat16, Half::float16})
      if (const auto p = product_of(isa, half); p && loops.insert(find(kernel_of(half), tables(isa))).second) all.push_back({isa, half, *p});
  return all;
}
/// Prints what is not run here, so that no one takes it for tested.
void say_what_is_missing() {
  if (half_levels().empty()) std::puts("this CPU multiplies no numbers of 16 bits, and none are emulated for it");
  for (Isa isa : kLevels)
    if (kernels(isa).empty() == false && (product_of(isa, Half::bfloat16) || product_of(isa, Half::float16)) && !runs(detect_isa(), isa)) std::printf("%s is %s\n", std::string(name(isa)).c_str(), emulated(isa) ? "emulated" : "left out: this CPU lacks it");
}

struct Data {
  std::vector<float> x, w, bias, residual;
};
Data data_of(const ConvShape& s) {
  return {noise(s.batch * s.in_h * s.in_w * s.in_channels), noise(s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w), noise(s.out_channels),
          noise(s.batch * s.out_h * s.out_w * s.out_channels)};
}
/// The result, whole and by pieces the same bits; with a bias and a residual as asked for.
std::vector<float> result(const Level& l, const ConvShape& s, const Epilogue& e, const Data& d, bool with_residual) {
  const auto p = prepare_conv_half(l.isa, l.half, s, e);
  EXPECT_EQ(kernel(p), kernel_of(l.half));
  Guarded<float> packed(static_cast<std::size_t>(packed_conv_half_size(l.isa, p))), x(d.x), bias(d.bias), residual(d.residual), y(d.residual.size()), again(y.size());
  pack_conv_half(l.isa, p, d.w.data(), {packed.data(), packed.size()});
  const float *b = e.bias == Bias::none ? nullptr : bias.data(), *r = with_residual ? residual.data() : nullptr;
  const plan::Run run = find(kernel(p), tables(l.isa));
  EXPECT_NE(run, nullptr) << name(l.isa);
  const auto call = [&](float* to, std::uint32_t begin, std::uint32_t end) {
    Guarded<std::byte> scratch(scratch_bytes(p));
    const void* operands[] = {x.data(), packed.data(), b, r, to};
    run({const_cast<void**>(operands), nullptr, &p, begin, end, scratch.data()});
  };
  call(y.data(), 0, grid(p));
  for (std::uint32_t i = grid(p); i-- > 0;) call(again.data(), i, i + 1);
  EXPECT_TRUE(same_bits(y.data(), again.data(), y.size())) << name(l.isa);
  return {y.data(), y.data() + y.size()};
}

/// Each element against its definition, to the bit where there is no epilogue, and against the exact sum, as far as that is finite.
void check(const ConvShape& s, const Epilogue& e, bool with_residual, const Data& d, int* checked) {
  SCOPED_TRACE(testing::Message() << "C " << s.in_channels << " M " << s.out_channels << " groups " << s.groups << " k " << s.kernel_h << "x" << s.kernel_w << " points " << s.out_h << "x" << s.out_w);
  const std::int64_t gc = s.in_channels / s.groups, gm = s.out_channels / s.groups, depth = gc * s.kernel_h * s.kernel_w;
  const bool plain = e.bias == Bias::none && !with_residual && e.activation == Activation::none && e.alpha == 1;
  for (const Level& l : half_levels()) {
    if (!suits_conv_half(l.isa, l.half, s)) continue;
    SCOPED_TRACE(testing::Message() << name(l.isa) << " " << kernel_of(l.half));
    ++*checked;
    const auto y = result(l, s, e, d, with_residual);
    const auto params = prepare_conv_half(l.isa, l.half, s, e);
    const std::int64_t block = 2 * std::int64_t{params.tile_units};
    std::vector<float> scales(static_cast<std::size_t>(s.out_channels), 1);
    std::vector<double> w(d.w.size());   // [M, KH, KW, C / groups]
    for (std::int64_t m = 0; m < s.out_channels; ++m) {
      const float* from = d.w.data() + m * depth;
      if (l.half == Half::float16) {
        float most = 0;
        for (std::int64_t k = 0; k < depth; ++k) most = std::isfinite(from[k]) ? std::max(most, std::fabs(from[k])) : most;
        float scale = 1;
        while (most > 0 && most / scale >= 1 && scale < 0x1p127f) scale *= 2;
        while (most > 0 && most / scale < 0.5f && scale > kTiny) scale /= 2;
        scales[static_cast<std::size_t>(m)] = scale;
      }
      for (std::int64_t k = 0; k < gc; ++k)
        for (std::int64_t t = 0; t < s.kernel_h * s.kernel_w; ++t) {
          const float v = from[k * s.kernel_h * s.kernel_w + t];
          w[static_cast<std::size_t>(m * depth + t * gc + k)] = l.half == Half::float16 ? float16(double(v) / scales[static_cast<std::size_t>(m)]) : bfloat(v);
        }
    }
    const bool flushes_x = l.product == HalfProduct::tiles || l.product == HalfProduct::dots;
    std::vector<double> x(d.x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = l.half == Half::float16 ? float16(d.x[i]) : bfloat(flushes_x ? flushed(d.x[i]) : d.x[i]);
    std::vector<double> taps(static_cast<std::size_t>(std::max<std::int64_t>(depth, 2 * params.units))), column(taps.size());   // zeros behind, which make 0 of -0
    std::size_t at = 0;
    for (std::int64_t n = 0; n < s.batch; ++n)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox)
          for (std::int64_t m = 0; m < s.out_channels; ++m, ++at) {
            if (m % gm == 0) {
              std::size_t to = 0;
              for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
                for (std::int64_t kx = 0; kx < s.kernel_w; ++kx)
                  for (std::int64_t k = 0; k < gc; ++k) {
                    const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
                    const bool inside = iy >= 0 && ix >= 0 && iy < s.in_h && ix < s.in_w;
                    taps[to++] = inside ? x[static_cast<std::size_t>(((n * s.in_h + iy) * s.in_w + ix) * s.in_channels + m / gm * gc + k)] : 0;
                  }
            }
            std::copy_n(w.begin() + m * depth, depth, column.begin());
            const float scale = scales[static_cast<std::size_t>(m)];
            if (plain) {
              const float want = sum_of(l.product, block, taps, column, scale);
              ASSERT_TRUE(std::isnan(want) ? std::isnan(y[at]) : std::bit_cast<std::uint32_t>(y[at]) == std::bit_cast<std::uint32_t>(want)) << "element " << at << " is " << y[at] << ", by its definition " << want;
            }
            double sum = 0, size = 0;
            for (std::size_t k = 0; k < taps.size(); ++k) {
              const bool zero = l.half == Half::bfloat16 && (std::fabs(taps[k]) < kTiny || std::fabs(column[k]) < kTiny) && std::isfinite(taps[k] + column[k]);
              const double product = zero ? 0 : taps[k] * column[k] * scale;
              sum += product, size += std::fabs(product);
            }
            if (!std::isfinite(size) || size > 1e4) continue;
            double bound = bound_of(l.product, depth, block, size, scale) * std::fabs(e.alpha);
            sum *= e.alpha, size *= std::fabs(e.alpha);
            if (e.bias != Bias::none) sum += d.bias[static_cast<std::size_t>(m)], size += std::fabs(d.bias[static_cast<std::size_t>(m)]);
            if (with_residual) sum += double(e.residual_scale) * d.residual[at], size += std::fabs(e.residual_scale * d.residual[at]);
            bound += dot_bound(4, 2 * size) + double(depth) * 0x1p-124;   // the last one: denormal sums are 0
            if (e.activation == Activation::relu) sum = std::max(sum, 0.0);
            if (e.activation == Activation::leakyrelu) sum = sum < 0 ? e.p0 * sum : sum;
            ASSERT_LE(std::fabs(y[at] - sum), bound) << "element " << at;
          }
  }
}
ConvShape shape(std::int64_t batch, std::int64_t c, std::int64_t hw, std::int64_t m, std::int64_t k, std::int64_t stride, std::int64_t groups = 1, std::int64_t dilation = 1) {
  ConvShape s;
  s.batch = batch, s.in_channels = c, s.in_h = hw, s.in_w = hw + 2, s.out_channels = m, s.kernel_h = s.kernel_w = k, s.stride_h = s.stride_w = stride, s.dilation_h = s.dilation_w = dilation, s.groups = groups;
  s.pad_top = s.pad_left = (k - 1) * dilation / 2;
  s.out_h = (s.in_h + 2 * s.pad_top - (k - 1) * dilation - 1) / stride + 1, s.out_w = (s.in_w + 2 * s.pad_left - (k - 1) * dilation - 1) / stride + 1;
  return s;
}
ConvShape row(std::int64_t points, std::int64_t c, std::int64_t m) {
  ConvShape s;
  s.in_w = s.out_w = points, s.in_channels = c, s.out_channels = m;
  return s;
}
const Epilogue kNone, kRelu{Activation::relu, Bias::per_column, 0, 0, 1, 1}, kOdd{Activation::leakyrelu, Bias::per_column, 0.1f, 0, 0.5f, -2};

TEST(ConvHalf, has_the_bits_of_its_definition) {
  say_what_is_missing();
  int checked = 0;
  const auto bare = [&](const ConvShape& s) { check(s, kNone, false, data_of(s), &checked); };
  const auto all = [&](const ConvShape& s) {
    const Data d = data_of(s);
    for (const auto& [e, residual] : {std::pair(kNone, false), std::pair(kRelu, true), std::pair(kOdd, true)}) ASSERT_NO_FATAL_FAILURE(check(s, e, residual, d, &checked));
  };
  for (std::int64_t points : {1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64})
    for (std::int64_t c : {33, 48, 301}) ASSERT_NO_FATAL_FAILURE(points == 17 ? all(row(points, c, 29 + c % 64)) : bare(row(points, c, c == 301 ? 44 : 29 + c % 64)));
  ASSERT_NO_FATAL_FAILURE(all(shape(2, 64, 5, 64, 1, 1)));
  ASSERT_NO_FATAL_FAILURE(all(shape(1, 3, 12, 40, 3, 2)));
  ASSERT_NO_FATAL_FAILURE(all(shape(2, 18, 7, 33, 3, 1)));
  ASSERT_NO_FATAL_FAILURE(all(shape(1, 24, 9, 32, 3, 1, 1, 2)));
  ASSERT_NO_FATAL_FAILURE(all(shape(2, 40, 6, 70, 3, 1, 2)));
  ASSERT_NO_FATAL_FAILURE(all(shape(1, 17, 8, 35, 2, 3)));
  ASSERT_NO_FATAL_FAILURE(bare(row(75, 4098, 19)));   // blocks of 32, 32 and 11 points
  ASSERT_NO_FATAL_FAILURE(all(shape(0, 64, 5, 64, 1, 1)));
  EXPECT_GE(checked, half_levels().empty() ? 0 : 40);
}

TEST(ConvHalf, rounds_flushes_and_overflows_by_its_definition) {
  say_what_is_missing();
  constexpr float kTinyHalf = 0x1p-24f;
  const float kinds[] = {1.00390625f, 1.01171875f, 1.003907f, -1.00390625f, 3.4e38f, -3.4e38f, INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 0.1f, -0.f, 0.f, 7, std::bit_cast<float>(0x7f800001u), 2.5f, 1e-30f, kTiny, -kTiny,
                         0x1.fffffcp-127f, 0x1p-63f, -0x1p-64f, 65504.f, 65519.f, 65520.f, -70000.f, 255.9f, kTinyHalf, kTinyHalf / 2, -kTinyHalf * 0.75f, 0x1p-14f, 1.00048828125f, 1.00146484375f, 0x1p100f, -0x1p100f};
  int checked = 0;
  for (int round = 0; round < 6; ++round)
    for (std::int64_t c : {24, 70}) {
      const ConvShape s = row(21, c, 37);
      Data d = data_of(s);
      // Few of each row are odd, so that not everything is NaN; the first rounds hold single numbers and products of one pair.
      const auto strew = [&](std::vector<float>& v, std::int64_t length, int of_row) {
        for (std::int64_t r = 0; r < std::int64_t(v.size()) / length; ++r) {
          if (round < 2) std::fill_n(v.begin() + r * length, length, 0.f);
          for (int i = 0; i < of_row; ++i) v[static_cast<std::size_t>(r * length + (round == 0 ? 3 : std::int64_t(random()() % std::uint64_t(length))))] = kinds[random()() % std::size(kinds)];
        }
      };
      strew(d.x, c, round < 3 ? 1 : 2), strew(d.w, c, round == 2 ? 0 : 1);
      if (round == 5)
        for (auto* v : {&d.x, &d.w})
          for (float& f : *v) f *= 0x1p-62f;   // products about the least normal number
      ASSERT_NO_FATAL_FAILURE(check(s, kNone, false, d, &checked));
    }
  EXPECT_GE(checked, half_levels().empty() ? 0 : 6);
}

TEST(ConvHalf, leaves_to_float32_what_costs_less_there) {
  const ConvShape filtered = shape(1, 64, 28, 64, 3, 1), narrow = row(100, 64, 8), one = row(1, 512, 512);
  ConvShape depthwise = shape(1, 64, 14, 64, 3, 1, 64), none = one;
  none.out_w = 0;
  EXPECT_TRUE(suits_conv_half(Isa::avx512amx, Half::bfloat16, filtered) && suits_conv_half(Isa::neon_bf16, Half::bfloat16, filtered));
  EXPECT_FALSE(suits_conv_half(Isa::avx512bf16, Half::bfloat16, filtered) || suits_conv_half(Isa::neon_fp16, Half::float16, filtered));
  EXPECT_TRUE(suits_conv_half(Isa::avx512bf16, Half::bfloat16, one) && suits_conv_half(Isa::neon_fp16, Half::float16, one));
  EXPECT_FALSE(suits_conv_half(Isa::avx512amx, Half::bfloat16, one));
  for (Isa isa : kLevels)
    for (Half half : {Half::bfloat16, Half::float16})
      for (const ConvShape& s : {depthwise, none, narrow}) {
        if (isa == Isa::avx512amx && s.out_w > 0) continue;   // tiles are that much faster
        EXPECT_FALSE(suits_conv_half(isa, half, s)) << name(isa);
      }
}

TEST(ConvHalf, has_a_contract_at_its_levels_alone) {
  const ConvShape s = shape(1, 64, 5, 64, 1, 1);
  for (Isa at : kLevels)
    for (Half half : {Half::bfloat16, Half::float16}) {
      if (!product_of(at, half)) continue;
      const auto p = prepare_conv_half(at, half, s, {});
      const auto bytes = std::as_bytes(std::span(&p, 1));
      const auto n = needs(kernel_of(half), at, bytes, {});
      ASSERT_TRUE(n);
      EXPECT_EQ(n->grid, grid(p));
      EXPECT_EQ(n->scratch, scratch_bytes(p));
      EXPECT_EQ(n->reads[0].bytes, std::uint64_t(5 * 7 * 64 * 4));
      EXPECT_EQ(n->reads[1].bytes, std::uint64_t(packed_conv_half_size(at, p) * 4));
      for (Isa isa : kLevels)
        for (Half other : {Half::bfloat16, Half::float16}) EXPECT_EQ(needs(kernel_of(other), isa, bytes, {}).has_value(), other == half && product_of(isa, half) == product_of(at, half)) << name(isa);
      // Whatever bytes are there is answered; what is taken needs what its preparation says.
      std::mt19937_64 engine(3);
      for (int i = 0; i < 3000; ++i) {
        std::array<std::byte, sizeof p> hurt;
        std::memcpy(hurt.data(), &p, sizeof p);
        for (std::uint64_t k = engine() % 3 + 1; k-- > 0;) hurt[engine() % sizeof p] = std::byte(engine() % 4 ? engine() : 0x7f);
        const auto taken = needs(kernel_of(half), at, hurt, {});
        if (!taken) continue;
        ConvHalfParams q;
        std::memcpy(&q, hurt.data(), sizeof q);
        const auto again = prepare_conv_half(at, half, q.shape, q.epilogue);
        EXPECT_EQ(std::memcmp(&again, &q, sizeof q), 0);
        EXPECT_EQ(taken->scratch, scratch_bytes(again));
      }
      for (int i = 0; i < 3000; ++i) {
        std::array<std::int64_t, 32> any{};
        for (auto& v : any) v = std::int64_t(engine() >> engine() % 64) * (engine() % 8 ? 1 : -1);
        (void)needs(kernel_of(half), at, std::as_bytes(std::span(any)), {});
      }
      ConvHalfParams damaged = p;
      ++damaged.tile_units;
      EXPECT_FALSE(needs(kernel_of(half), at, std::as_bytes(std::span(&damaged, 1)), {}));
      damaged = p, damaged.scratch -= 4;
      EXPECT_FALSE(needs(kernel_of(half), at, std::as_bytes(std::span(&damaged, 1)), {}));
      damaged = p, damaged.product = HalfProduct(7);
      EXPECT_FALSE(needs(kernel_of(half), at, std::as_bytes(std::span(&damaged, 1)), {}));
    }
}

}  // namespace
}  // namespace saha::kernels
