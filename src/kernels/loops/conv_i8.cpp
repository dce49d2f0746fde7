// conv_i8: rows of points, unit by unit, times panels of columns. Pieces are (image, group, block of points, block of panels), panels fastest;
// consecutive pieces of one block of points share its rows. Contract in kernels/conv_i8.hpp.
#include "kernels/conv_i8.hpp"

#include "kernels/loops/rescale.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

inline constexpr int kRows = W == 16 ? 12 : 6;  ///< of a tile: with two vectors of sums each they fill the registers

struct Pairs {
  using Element = std::int16_t;
  static constexpr int kPerUnit = 2, kStep = 2 * W;   ///< int32 of a unit of a panel
  static I weights(const int32_t* w, int v) { return load(w + v * W); }
  static I add(I acc, I x, I w) { return plus(acc, multiply_pairs(x, w)); }
};
struct Bytes : Pairs {
  static constexpr int kStep = W;
  static I weights(const int32_t* w, int v) { return reinterpret_cast<I>(widened(load(reinterpret_cast<const std::uint8_t*>(w) + v * kBlock), true)); }
};
#if SAHA_ISA_LEVEL >= 3
struct Quads {
  using Element = std::uint8_t;
  static constexpr int kPerUnit = 4, kStep = 2 * W;
  static I weights(const int32_t* w, int v) { return load(w + v * W); }
  static I add(I acc, I x, I w) {
#if SAHA_INTRINSICS >= 3
    return reinterpret_cast<I>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
#else
    typedef std::int8_t Signed __attribute__((vector_size(W * 4)));
    typedef std::uint8_t Unsigned __attribute__((vector_size(W * 4)));
    const Unsigned a = reinterpret_cast<Unsigned>(x);
    const Signed b = reinterpret_cast<Signed>(w);
    I sums{};
    for (int i = 0; i < W; ++i)
      for (int j = 0; j < 4; ++j) sums[i] += int32_t{a[4 * i + j]} * b[4 * i + j];
    return plus(acc, sums);
#endif
  }
};
#endif

/// R rows times one panel; sums begin with the first row of each vector's constants.
template <class D, int R>
void tile(const int32_t* x, int64_t units, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  I acc[R][2];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) acc[r][0] = load(t), acc[r][1] = load(t + kRescaleRows * W);
  for (int64_t u = 0; u < units; ++u, w += D::kStep) {
    const I w0 = D::weights(w, 0), w1 = D::weights(w, 1);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const I v = splat(x[r * units + u]);
      acc[r][0] = D::add(acc[r][0], v, w0), acc[r][1] = D::add(acc[r][1], v, w1);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) sums[r][0] = acc[r][0], sums[r][1] = acc[r][1];
}
template <class D, int R = kRows>
void tile_of(int64_t rows, const int32_t* x, int64_t units, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  if constexpr (R > 0) {
    if (rows == R) return tile<D, R>(x, units, w, t, sums);
    tile_of<D, R - 1>(rows, x, units, w, t, sums);
  }
}

inline void eight(const std::uint8_t* from, bool is_signed, std::int16_t* to) {
  typedef std::uint8_t Unsigned __attribute__((vector_size(8)));
  typedef std::int8_t Signed __attribute__((vector_size(8)));
  typedef std::int16_t Wide __attribute__((vector_size(16)));
  Unsigned v;
  memcpy(&v, from, 8);
  const Wide w = is_signed ? __builtin_convertvector(reinterpret_cast<Signed>(v), Wide) : __builtin_convertvector(v, Wide);
  memcpy(to, &w, 16);
}
// A run of bytes as elements of a row: int16, or unsigned bytes.
void copy(const std::uint8_t* from, bool is_signed, int64_t n, std::int16_t* to) {
  const auto block = [&](int64_t i) { *reinterpret_cast<UnalignedS*>(to + i) = widened(load(from + i), is_signed); };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) block(i);
  if (i == n) return;
  if (n >= kBlock) return block(n - kBlock);
  if (n >= 8) {  // the few channels of a first layer
    for (; i + 8 <= n; i += 8) eight(from + i, is_signed, to + i);
    return eight(from + n - 8, is_signed, to + n - 8);
  }
  for (; i < n; ++i) to[i] = is_signed ? static_cast<std::int8_t>(from[i]) : from[i];
}
#if SAHA_ISA_LEVEL >= 3
void copy(const std::uint8_t* from, bool is_signed, int64_t n, std::uint8_t* to) {
  const std::uint8_t flip = is_signed ? 128 : 0;
  const auto block = [&](int64_t i) { store(to + i, load(from + i) ^ (B{} + flip)); };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) block(i);
  if (i == n) return;
  if (n >= kBlock) return block(n - kBlock);
  for (; i < n; ++i) to[i] = from[i] ^ flip;
}
#endif
template <class T>
void fill(T* to, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) to[i] = value;
}

/// Rows of the points [m0, m1): for each its taps, row of the kernel by row, channels innermost.
template <class D>
void fill_rows(const ConvI8Params& c, const std::uint8_t* x, int64_t group, int64_t m0, int64_t m1, typename D::Element* rows) {
  using T = typename D::Element;
  const ConvShape& s = c.shape;
  const int64_t channels = s.in_channels / s.groups, width = int64_t{c.units} * D::kPerUnit, depth = channels * s.kernel_h * s.kernel_w;
  const bool is_signed = c.x_signed;
  const T zero = static_cast<T>(D::kPerUnit == 4 && is_signed ? c.x_zero + 128 : c.x_zero);
  x += group * channels;
  if (s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 && s.groups == 1 && s.out_h == s.in_h && s.out_w == s.in_w && width == depth)
    return copy(x + m0 * channels, is_signed, (m1 - m0) * channels, rows);
  for (int64_t m = m0; m < m1; ++m, rows += width) {
    const int64_t top = m / s.out_w * s.stride_h - s.pad_top, left = m % s.out_w * s.stride_w - s.pad_left;
    T* to = rows;
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      const int64_t y = top + ky * s.dilation_h, whole = s.kernel_w * channels;
      if (y < 0 || y >= s.in_h) {
        fill(to, whole, zero), to += whole;
        continue;
      }
      const std::uint8_t* row = x + y * s.in_w * s.in_channels;
      if (s.dilation_w == 1 && s.groups == 1) {  // neighbours in memory
        const int64_t first = least(s.kernel_w, most<int64_t>(0, -left)), last = most(first, least(s.kernel_w, s.in_w - left));
        copy(row + (left + first) * channels, is_signed, (last - first) * channels, to + first * channels);
        if (last - first < s.kernel_w) fill(to, first * channels, zero), fill(to + last * channels, (s.kernel_w - last) * channels, zero);
        to += whole;
        continue;
      }
      for (int64_t kx = 0; kx < s.kernel_w; ++kx, to += channels) {
        const int64_t at = left + kx * s.dilation_w;
        if (at < 0 || at >= s.in_w) fill(to, channels, zero);
        else copy(row + at * s.in_channels, is_signed, channels, to);
      }
    }
    for (int64_t i = depth; i < width; ++i) *to++ = 0;
  }
}

template <class D, Rescaling R>
void convolve(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  constexpr int kBytes = R == Rescaling::none ? 4 : 1;
  const Bounds bounds(c.store);
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups;
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t nb = piece % c.n_blocks, mb = piece / c.n_blocks % c.m_blocks, outer = piece / c.n_blocks / c.m_blocks;
    const std::uint32_t count = least(call.end - piece, c.n_blocks - nb);
    piece += count;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const int64_t m0 = int64_t{mb} * c.m_block, m1 = least(points, m0 + c.m_block);
    const int64_t p0 = int64_t{nb} * c.n_block, p1 = least<int64_t>(c.panels, p0 + int64_t{count} * c.n_block);
    auto* rows = reinterpret_cast<int32_t*>(call.scratch);
    fill_rows<D>(c, x + image * s.in_h * s.in_w * s.in_channels, group, m0, m1, reinterpret_cast<typename D::Element*>(rows));
    std::uint8_t* out = y + (image * points * s.out_channels + group * m) * kBytes;
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t panel = group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * c.units * D::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      for (int64_t i = m0; i < m1; i += kRows) {
        const int64_t n = least<int64_t>(kRows, m1 - i);
        I sums[kRows][2];
        tile_of<D>(n, rows + (i - m0) * c.units, c.units, w, t, sums);
        std::uint8_t* to = out + (i * s.out_channels + p * kBlock) * kBytes;
        for (int64_t r = 0; r < n; ++r) put<R>(sums[r][0], sums[r][1], t, bounds, to + r * s.out_channels * kBytes, columns);
      }
    }
  }
}

void run_conv_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  with_rule(c.store.rule, [&]<Rescaling R>() {
#if SAHA_ISA_LEVEL >= 3
    if (c.dot == Dot::quads) return convolve<Quads, R>(call);
#endif
    c.dot == Dot::bytes ? convolve<Bytes, R>(call) : convolve<Pairs, R>(call);
  });
}

constexpr Kernel kRowsOfTable[] = {{"conv_i8", run_conv_i8}};

}  // namespace

extern const std::span<const Kernel> kConvI8;
constinit const std::span<const Kernel> kConvI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
