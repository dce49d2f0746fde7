// transpose, copy, pad, concat, split, gather. Contract in kernels/movement.hpp.
#include "kernels/movement.hpp"

#include <string.h>

#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Walks the rows of a move: all dims but the last and, for planes, the contiguous one, which counts in blocks.
struct Walk {
  const MoveParams& p;
  int64_t in = 0, out = 0, block = 0;

  void go(int64_t row) {
    const int last = p.rank - 1;
    int64_t out_stride[kMaxMoveRank], step = 1;
    for (int d = last; d >= 0; --d) out_stride[d] = step, step *= p.dim[d];
    in = p.offset, out = 0, block = 0;
    if (p.contiguous >= 0) {
      const int64_t blocks = (p.dim[p.contiguous] + 15) / 16;
      block = row % blocks, row /= blocks;
    }
    for (int d = last - 1; d >= 0; --d) {
      if (d == p.contiguous) continue;
      const int64_t i = row % p.dim[d];
      row /= p.dim[d];
      in += i * p.stride[d], out += i * out_stride[d];
    }
  }
};

template <class T>
void copy_rows(const MoveParams& p, const T* x, T* y, int64_t begin, int64_t end) {
  const int last = p.rank - 1;
  const int64_t n = p.dim[last], s = p.stride[last];
  Walk w{p};
  for (int64_t r = begin; r < end; ++r) {
    w.go(r);
    const T* from = x + w.in;
    T* to = y + r * n;
    if (s == 1)
      memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; ++i) to[i] = from[i * s];
  }
}

/// A square of 16 bytes or 8 pairs a side. Rows half a square apart are interleaved, which turns the bits of an element's place by one; as often as a row has bits, and rows are columns.
template <class T> struct Square {
  static constexpr int kSide = 16 / sizeof(T);
  typedef T Row __attribute__((vector_size(16)));
  Row row[kSide];
  template <int Half, int... K> static Row interleaved(Row a, Row b, Lanes<K...>) { return __builtin_shufflevector(a, b, (Half + K / 2 + K % 2 * kSide)...); }
  void turn() {
#pragma GCC unroll 4
    for (int round = 1; round < kSide; round *= 2) {
      Row next[kSide];
#pragma GCC unroll 8
      for (int i = 0; i < kSide / 2; ++i) {
        next[2 * i] = interleaved<0>(row[i], row[i + kSide / 2], typename MakeLanes<kSide>::type{});
        next[2 * i + 1] = interleaved<kSide / 2>(row[i], row[i + kSide / 2], typename MakeLanes<kSide>::type{});
      }
      memcpy(row, next, sizeof row);
    }
  }
};

/// Up to 16 lines of Y from a block of X that is contiguous across the lines.
template <class T>
void transpose_block(const T* x, int64_t x_step, T* y, int64_t y_step, int64_t lines, int64_t n) {
  int64_t j = 0;
  if constexpr (sizeof(T) == 4) {
    for (; j + W <= n; j += W)
      for (int64_t i = 0; i < lines; i += W) {
        V r[W];
        const int64_t left = lines - i;
#pragma GCC unroll 16
        for (int q = 0; q < W; ++q) r[q] = load_up_to(reinterpret_cast<const float*>(x + (j + q) * x_step + i), left);
        transpose(r);
#pragma GCC unroll 16
        for (int q = 0; q < W; ++q)
          if (q < left) store(reinterpret_cast<float*>(y + (i + q) * y_step + j), r[q]);
      }
  }
  if constexpr (sizeof(T) <= 2) {
    using S = Square<T>;
    for (; lines == 16 && j + S::kSide <= n; j += S::kSide)
      for (int64_t i = 0; i < lines; i += S::kSide) {
        S s;
#pragma GCC unroll 16
        for (int q = 0; q < S::kSide; ++q) memcpy(&s.row[q], x + (j + q) * x_step + i, 16);
        s.turn();
#pragma GCC unroll 16
        for (int q = 0; q < S::kSide; ++q) memcpy(y + (i + q) * y_step + j, &s.row[q], 16);
      }
  }
  for (; j < n; ++j)
    for (int64_t i = 0; i < lines; ++i) y[i * y_step + j] = x[j * x_step + i];
}

template <class T>
void transpose_planes(const MoveParams& p, const T* x, T* y, int64_t begin, int64_t end) {
  const int last = p.rank - 1;
  int64_t y_step = 1;
  for (int d = last; d > p.contiguous; --d) y_step *= p.dim[d];
  Walk w{p};
  for (int64_t r = begin; r < end; ++r) {
    w.go(r);
    const int64_t i = w.block * 16, lines = least<int64_t>(16, p.dim[p.contiguous] - i);
    transpose_block(x + w.in + i, p.stride[last], y + w.out + i * y_step, y_step, lines, p.dim[last]);
  }
}

template <bool Planes>
void run_move(const plan::Call& call) {
  const MoveParams& p = *static_cast<const MoveParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * p.rows_per_piece, end = least(p.rows, int64_t{call.end} * p.rows_per_piece);
  if (begin >= end) return;  // a dim is 0
  const auto as = [&](auto type) {
    using T = decltype(type);
    const auto* x = static_cast<const T*>(call.operands[0]);
    auto* y = static_cast<T*>(call.operands[1]);
    Planes ? transpose_planes(p, x, y, begin, end) : copy_rows(p, x, y, begin, end);
  };
  switch (p.element) {
    case 1: return as(std::uint8_t{});
    case 2: return as(std::uint16_t{});
    case 4: return as(std::uint32_t{});
    default: return as(std::uint64_t{});
  }
}

void run_pad(const plan::Call& call) {
  const PadParams& p = *static_cast<const PadParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * p.rows_per_piece, end = least(p.rows, int64_t{call.end} * p.rows_per_piece);
  if (begin >= end) return;  // a dim is 0
  const auto* x = static_cast<const char*>(call.operands[0]);
  auto* y = static_cast<char*>(call.operands[1]);
  const int last = p.rank - 1;
  const int64_t n = p.dim[last], x_n = p.x_dim[last], first = p.before[last], size = p.element;
  const int64_t from = least(n, most<int64_t>(0, first)), to = most(from, least(n, first + x_n));   // of a row, what X holds
  char values[W * 4];
  for (int64_t i = 0; i < W * 4; i += size) memcpy(values + i, &p.value, static_cast<size_t>(size));
  const auto fill = [&](char* at, int64_t count) {
    int64_t bytes = count * size;
    for (; bytes >= W * 4; bytes -= W * 4, at += W * 4) memcpy(at, values, W * 4);
    if (bytes > 0) memcpy(at, values, static_cast<size_t>(bytes));
  };
  for (int64_t r = begin; r < end; ++r) {
    int64_t rest = r, at = 0, step = 1;
    bool inside = x_n > 0;
    for (int d = last - 1; d >= 0; --d) {
      const int64_t i = rest % p.dim[d] - p.before[d];
      rest /= p.dim[d];
      inside = inside && i >= 0 && i < p.x_dim[d];
      at += i * step, step *= p.x_dim[d];
    }
    char* row = y + r * n * size;
    if (!inside) {
      fill(row, n);
      continue;
    }
    fill(row, from);
    if (from < to) memcpy(row + from * size, x + (at * x_n + from - first) * size, static_cast<size_t>((to - from) * size));
    fill(row + to * size, n - to);
  }
}

template <bool Split>
void run_concat(const plan::Call& call) {
  const ConcatParams& p = *static_cast<const ConcatParams*>(call.params);
  if (p.outer < 1) return;
  int64_t total = 0;
  for (int i = 0; i < p.parts; ++i) total += p.bytes[i];
  auto* whole = static_cast<char*>(call.operands[Split ? 0 : p.parts]);
  const int64_t grid = p.outer == 1 ? p.parts : least<int64_t>(p.outer, 64);
  const int64_t o0 = p.outer == 1 ? 0 : p.outer * call.begin / grid, o1 = p.outer == 1 ? 1 : p.outer * call.end / grid;
  const int i0 = p.outer == 1 ? static_cast<int>(call.begin) : 0, i1 = p.outer == 1 ? static_cast<int>(call.end) : p.parts;
  for (int64_t o = o0; o < o1; ++o) {
    char* at = whole + o * total;
    for (int i = 0; i < i1; at += p.bytes[i], ++i) {
      if (i < i0 || p.bytes[i] == 0) continue;
      char* part = static_cast<char*>(call.operands[Split ? i + 1 : i]) + o * p.bytes[i];
      memcpy(Split ? part : at, Split ? at : part, static_cast<size_t>(p.bytes[i]));
    }
  }
}

void run_gather(const plan::Call& call) {
  const GatherParams& p = *static_cast<const GatherParams*>(call.params);
  const auto* x = static_cast<const char*>(call.operands[0]);
  auto* y = static_cast<char*>(call.operands[2]);
  const int64_t total = p.outer * p.count, pieces = most<int64_t>(1, least<int64_t>(least<int64_t>(64, total), total * p.bytes / 65536));
  for (int64_t k = total * call.begin / pieces; k < total * call.end / pieces; ++k) {
    const int64_t o = k / p.count, i = k % p.count;
    int64_t index = p.wide ? static_cast<const int64_t*>(call.operands[1])[i] : static_cast<const int32_t*>(call.operands[1])[i];
    if (index < 0) index += p.n;
    if (index >= 0 && index < p.n)
      memcpy(y + k * p.bytes, x + (o * p.n + index) * p.bytes, static_cast<size_t>(p.bytes));
    else
      memset(y + k * p.bytes, 0, static_cast<size_t>(p.bytes));
  }
}

constexpr Kernel kRowsOfTable[] = {
    {"transpose", run_move<true>}, {"copy", run_move<false>}, {"pad", run_pad}, {"concat", run_concat<false>}, {"split", run_concat<true>}, {"gather", run_gather}};

}  // namespace

extern const std::span<const Kernel> kMovement;
constinit const std::span<const Kernel> kMovement = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
