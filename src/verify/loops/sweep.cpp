// Contract in verify/loops.hpp. Sums of float32 are carried over at most kRun terms and then added in float64, so that their rounding stays below what
// the caller allows for.
#include "verify/loops.hpp"

#include "kernels/loops/vec.hpp"

namespace saha::verify::SAHA_ISA {
namespace {
using namespace kernels::SAHA_ISA;
constexpr int kRun = 16;

inline V at_lane(const float* p, int64_t lanes, int64_t row, int64_t column) { return lanes == 1 ? splat(p[row]) : load(p + row * lanes + column % lanes); }
inline void carry(double* sum, V v) {
  float s[W];
  store(s, v);
  for (int i = 0; i < W; ++i) sum[i] += double(s[i]);
}

constexpr int kDepth = 256;                          // rows of a tile's operand that are packed at a time: half of a first level cache

/// H rows of the result over k rows of the operand, N vectors wide: `at` says where they are, or null, they lie one behind the other.
template <int N, int H, bool kPacked>
inline void tile(const float* panel, int32_t k, const float* x, const int32_t* at, const List& j, float* c, int64_t ld, bool add) {
  V s[H][N];
  for (int r = 0; r < H; ++r)
    for (int v = 0; v < N; ++v) s[r][v] = V{};
  for (int32_t i = 0; i < k; ++i, panel += H) {
    const float* from = kPacked ? x + i * N * W : x + int64_t(at[i]) * ld;
    V row[N];
    for (int v = 0; v < N; ++v) row[v] = load(from + v * W);
#pragma GCC unroll 6
    for (int r = 0; r < H; ++r) {
      const V w = splat(panel[r]);
      for (int v = 0; v < N; ++v) s[r][v] = fma(w, row[v], s[r][v]);
    }
  }
  for (int r = 0; r < H && r < j.n; ++r) {
    float* out = c + int64_t(j.at[r]) * ld;
    for (int v = 0; v < N; ++v) store(out + v * W, add ? load(out + v * W) + s[r][v] : s[r][v]);
  }
}

template <int N, bool kPacked>
constexpr decltype(&tile<N, 1, kPacked>) kTiles[] = {tile<N, 1, kPacked>, tile<N, 2, kPacked>, tile<N, 3, kPacked>, tile<N, 4, kPacked>, tile<N, 5, kPacked>, tile<N, 6, kPacked>};

/// N vectors of columns. Rows of the operand lie far apart, and by a power of two: where more than one panel reads them they are packed, since they would push each other out of the cache.
template <int N>
inline void dense_columns(const float* panels, const List& k, const List& j, const float* a, float* c, int64_t ld, bool add) {
  const int32_t height = panel_height(j.n);
  if (j.n <= height) return kTiles<N, false>[height - 1](panels, k.n, a, k.at, j, c, ld, add);
  alignas(64) float pack[kDepth * N * W];
  for (int32_t k0 = 0; k0 == 0 || k0 < k.n; k0 += kDepth) {
    const int32_t n = k.n - k0 < kDepth ? k.n - k0 : kDepth;
    for (int32_t i = 0; i < n; ++i)
      for (int v = 0; v < N; ++v) store(pack + (i * N + v) * W, load(a + int64_t(k.at[k0 + i]) * ld + v * W));
    const float* panel = panels + int64_t(k0) * height;
    for (int32_t first = 0; first < j.n; first += height, panel += int64_t(k.n) * height)
      kTiles<N, true>[height - 1](panel, n, pack, nullptr, {j.at + first, j.n - first}, c, ld, add || k0 > 0);
  }
}

void dense(const float* panels, List k, List j, const float* a, float* c, int64_t ld, int64_t columns, bool add) {
  if (j.n == 0) return;
  int64_t m = 0;
  for (; m + 2 * W <= columns; m += 2 * W) dense_columns<2>(panels, k, j, a + m, c + m, ld, add);
  if (m < columns) dense_columns<1>(panels, k, j, a + m, c + m, ld, add);
}

void sparse(const int32_t* start, const int32_t* from, const int32_t* place, const float* values, List j, const float* a, float* c, int64_t ld, int64_t columns, bool add) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int32_t row = j.at[r], begin = start[row], end = start[row + 1];
    float* out = c + int64_t(row) * ld;
    int64_t m = 0;
    for (; m + 4 * W <= columns; m += 4 * W) {
      V s[4] = {};
      if (add)
        for (int v = 0; v < 4; ++v) s[v] = load(out + m + v * W);
      for (int32_t e = begin; e < end; ++e) {
        const V w = splat(values[place ? place[e] : e]);
        const float* x = a + int64_t(from[e]) * ld + m;
        for (int v = 0; v < 4; ++v) s[v] = fma(w, load(x + v * W), s[v]);
      }
      for (int v = 0; v < 4; ++v) store(out + m + v * W, s[v]);
    }
    for (; m < columns; m += W) {
      V s = add ? load(out + m) : V{};
      for (int32_t e = begin; e < end; ++e) s = fma(splat(values[place ? place[e] : e]), load(a + int64_t(from[e]) * ld + m), s);
      store(out + m, s);
    }
  }
}

/// Row by row, since rows lie one behind the other in memory: what is carried of a chunk of columns stays in the first level cache.
template <class Body>
inline void blocks(List j, int64_t columns, double* sum, Body body) {
  constexpr int64_t kChunk = 128;
  for (int64_t first = 0; first < columns; first += kChunk) {
    const int64_t n = columns - first < kChunk ? columns - first : kChunk;
    alignas(64) float run[kChunk] = {};
    auto carry_all = [&] {
      for (int64_t m = 0; m < n; m += W) carry(sum + first + m, load(run + m)), store(run + m, V{});
    };
    for (int32_t r = 0; r < j.n; ++r) {
      for (int64_t m = 0; m < n; m += W) store(run + m, body(j.at[r], first + m, load(run + m)));
      if ((r + 1) % kRun == 0) carry_all();
    }
    carry_all();
  }
}

void unary(const Lines& l, List j, const float* coefficient, float* into, int64_t ld, int64_t columns, double* sum, bool add) {
  auto all = [&](auto lower) {
    blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
      const V c = load(coefficient + int64_t(e) * ld + m), up = max(c, V{}), down = c - up;  // of NaN and infinity one is NaN
      float* out = into + int64_t(e) * ld + m;
      const V y = fma(up, at_lane(l.al, l.slope_lanes, e, m), down * at_lane(l.au, l.lanes, e, m));
      store(out, add ? load(out) + y : y);
      run = fma(down, at_lane(l.cu, l.lanes, e, m), lower(up, e, m, run));
      return fma(-(up - down), at_lane(l.slack, l.lanes, e, m), run);
    });
  };
  if (l.cl) all([&](V up, int32_t e, int64_t m, V run) { return fma(up, at_lane(l.cl, l.lanes, e, m), run); });
  else all([](V, int32_t, int64_t, V run) { return run; });
}

void product(const Lines& l, List j, const float* coefficient, float* into, int64_t ld, int64_t columns, double* sum, bool add, bool second) {
  const float *lower = second ? l.bl : l.al, *upper = second ? l.bu : l.au;
  blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
    const V c = load(coefficient + int64_t(e) * ld + m), up = max(c, V{}), down = c - up;
    float* out = into + int64_t(e) * ld + m;
    const V y = fma(up, at_lane(lower, l.lanes, e, m), down * at_lane(upper, l.lanes, e, m));
    store(out, add ? load(out) + y : y);
    if (second) return run;
    run = fma(up, at_lane(l.cl, l.lanes, e, m), fma(down, at_lane(l.cu, l.lanes, e, m), run));
    return fma(-(up - down), at_lane(l.slack, l.lanes, e, m), run);
  });
}

void pair(const PairLines& l, List j, const float* first, const float* second, float* into_a, float* into_b, int64_t ld, int64_t columns, double* sum, bool add_a, bool add_b) {
  blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
    const int64_t at = int64_t(e) * ld + m, lanes = l.first.lanes;
    auto line = [&](const float* p) { return at_lane(p, lanes, e, m); };
    const V u = load(first + at), v = load(second + at), both = u + v;
    const V gap[6] = {line(l.gap[0]), line(l.gap[1]), line(l.gap[2]), line(l.gap[3]), line(l.gap[4]), line(l.gap[5])};
    auto cost = [&](V c, int k) { return max(c, V{}) * gap[k] - min(c, V{}) * gap[k + 1]; };
    const V apart = cost(u, 0) + cost(v, 2), by_first = cost(both, 2) + cost(u, 4), by_second = cost(both, 0) + cost(-v, 4);
    V best = apart, t = V{}, a = u, b = v;
    const I one = by_first < best;
    best = select(one, by_first, best), t = select(one, u, t), a = select(one, V{}, a), b = select(one, both, b);
    const I two = by_second < best;
    t = select(two, -v, t), a = select(two, both, a), b = select(two, V{}, b);
    const V au = max(a, V{}), ad = min(a, V{}), bu = max(b, V{}), bd = min(b, V{}), tu = max(t, V{}), td = min(t, V{});
    const V x = fma(au, line(l.first.al), fma(ad, line(l.first.au), fma(tu, line(l.difference.al), td * line(l.difference.au))));
    const V y = fma(bu, line(l.second.al), fma(bd, line(l.second.au), fma(tu, line(l.difference.bl), td * line(l.difference.bu))));
    store(into_a + at, add_a ? load(into_a + at) + x : x), store(into_b + at, add_b ? load(into_b + at) + y : y);
    run = fma(ad, line(l.first.cu), fma(bd, line(l.second.cu), fma(tu, line(l.difference.cl), fma(td, line(l.difference.cu), run))));
    return fma(-(kernels::SAHA_ISA::abs(u) + kernels::SAHA_ISA::abs(v)), line(l.difference.slack), run);
  });
}

/// What a mixed pair takes in one vector.
struct Mixed {
  V t, a, b;                                         ///< what multiplies the difference, the first ReLU, the second one
  V full;                                            ///< t by a share of 1
  V low, high;
};
inline Mixed mixed_at(const PairMix& p, int64_t at, V u, V v) {
  const V full = max(min(u, -v), V{}) + min(max(u, -v), V{}), t = load(p.share + at) * full;
  return {t, u - t, v + t, full, load(p.low + at), load(p.high + at)};
}
inline V between(V weight, V first, V second) { return fma(weight, first, (splat(1.f) - weight) * second); }

void mixed_pair(const PairMix& p, List j, const float* first, const float* second, float* into_a, float* into_b, int64_t ld, int64_t columns, double* sum, bool add_a, bool add_b) {
  blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
    const int64_t at = int64_t(e) * ld + m;
    const V u = load(first + at), v = load(second + at);
    const Mixed x = mixed_at(p, at, u, v);
    auto low = [&](const float* const* planes) { return between(x.low, splat(planes[0][e]), splat(planes[1][e])); };
    auto high = [&](const float* const* planes) { return between(x.high, splat(planes[0][e]), splat(planes[1][e])); };
    const V au = max(x.a, V{}), ad = min(x.a, V{}), bu = max(x.b, V{}), bd = min(x.b, V{}), tu = max(x.t, V{}), td = min(x.t, V{});
    const V a = fma(au, load(p.first_al + at), fma(ad, splat(p.first_au[e]), fma(tu, low(p.al), td * high(p.au))));
    const V b = fma(bu, load(p.second_al + at), fma(bd, splat(p.second_au[e]), fma(tu, low(p.bl), td * high(p.bu))));
    store(into_a + at, add_a ? load(into_a + at) + a : a), store(into_b + at, add_b ? load(into_b + at) + b : b);
    run = fma(ad, splat(p.first_cu[e]), fma(bd, splat(p.second_cu[e]), fma(tu, low(p.cl), fma(td, high(p.cu), run))));
    return fma(-(kernels::SAHA_ISA::abs(u) + kernels::SAHA_ISA::abs(v)), splat(p.slack[e]), run);
  });
}

/// Lines at the operands' values: of both ReLUs, and both planes of the side of the difference that t takes.
struct PairAt {
  V first, second, plane[2];
  V difference(const Mixed& x) const { return between(select(x.full >= V{}, x.low, x.high), plane[0], plane[1]); }
};
inline PairAt pair_at(const PairMix& p, int32_t e, int64_t at, const Mixed& m, V x, V y) {
  const I up = m.full >= V{}, first = m.a >= V{}, second = m.b >= V{};
  auto plane = [&](int k) { return fma(select(up, splat(p.al[k][e]), splat(p.au[k][e])), x, fma(select(up, splat(p.bl[k][e]), splat(p.bu[k][e])), y, select(up, splat(p.cl[k][e]), splat(p.cu[k][e])))); };
  return {fma(select(first, load(p.first_al + at), splat(p.first_au[e])), x, select(first, V{}, splat(p.first_cu[e]))),
          fma(select(second, load(p.second_al + at), splat(p.second_au[e])), y, select(second, V{}, splat(p.second_cu[e]))), {plane(0), plane(1)}};
}

void pair_values(const PairMix& p, List j, const float* u, const float* v, const float* x, const float* y, float* first, float* second, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int64_t row = int64_t(j.at[r]) * ld;
    for (int64_t at = row; at < row + columns; at += W) {
      const V d = load(v + at);
      const Mixed m = mixed_at(p, at, load(u + at), d);
      const PairAt l = pair_at(p, j.at[r], at, m, load(x + at), load(y + at));
      const V gain = load(p.share + at) * (l.difference(m) - l.first + l.second);
      // The full size is u, or -v, or 0: what the share gains is that one's.
      const I by_first = m.full * m.full < d * d, none = m.full * m.full <= V{};
      store(first + at, l.first + select(none, V{}, select(by_first, gain, V{}))), store(second + at, l.second - select(none, V{}, select(by_first, V{}, gain)));
    }
  }
}

void constant(const float* bias, const float* error, int64_t lanes, List j, const float* coefficient, int64_t ld, int64_t columns, double* sum) {
  blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
    const V c = load(coefficient + int64_t(e) * ld + m);
    return fma(-kernels::SAHA_ISA::abs(c), at_lane(error, lanes, e, m), fma(c, splat(bias[e]), run));
  });
}

void box(const float* lo, const float* hi, int64_t lanes, List j, const float* coefficient, int64_t ld, int64_t columns, double* sum) {
  const V allowed = splat((kRun + 4) * 0x1p-24f);
  blocks(j, columns, sum, [&](int32_t e, int64_t m, V run) {
    const V c = load(coefficient + int64_t(e) * ld + m), p = c * select(c > V{}, at_lane(lo, lanes, e, m), at_lane(hi, lanes, e, m));
    return fma(-allowed, kernels::SAHA_ISA::abs(p), run + p);
  });
}

void corner(const float* lo, const float* hi, int64_t lanes, List j, const float* coefficient, float* out, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int64_t row = int64_t(j.at[r]) * ld;
    for (int64_t m = 0; m < columns; m += W) store(out + row + m, select(load(coefficient + row + m) > V{}, at_lane(lo, lanes, j.at[r], m), at_lane(hi, lanes, j.at[r], m)));
  }
}

void chosen(const Lines& l, List j, const float* coefficient, const float* x, const float* y, float* out, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int32_t e = j.at[r];
    const int64_t row = int64_t(e) * ld;
    for (int64_t m = 0; m < columns; m += W) {
      const I up = load(coefficient + row + m) >= V{};
      V v = fma(select(up, at_lane(l.al, l.slope_lanes, e, m), at_lane(l.au, l.lanes, e, m)), load(x + row + m), select(up, l.cl ? at_lane(l.cl, l.lanes, e, m) : V{}, at_lane(l.cu, l.lanes, e, m)));
      if (y) v = fma(select(up, at_lane(l.bl, l.lanes, e, m), at_lane(l.bu, l.lanes, e, m)), load(y + row + m), v);
      store(out + row + m, v);
    }
  }
}

void shift(const float* bias, List j, float* x, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    float* p = x + int64_t(j.at[r]) * ld;
    const V b = splat(bias[j.at[r]]);
    for (int64_t m = 0; m < columns; m += W) store(p + m, load(p + m) + b);
  }
}

void round(const float* x, float* to, float scale, float base, float lowest, float highest, int64_t n) {
  for (int64_t m = 0; m < n; m += W) store(to + m, min(max(round_even(load(x + m) * scale) + base, splat(lowest)), splat(highest)));
}

/// Adam upwards along g, within [0, 1].
inline V climb(V old, V g, float* mean, float* square, float step, float square_scale) {
  const V a = fma(splat(0.1f), g - load(mean), load(mean)), s = fma(splat(0.01f), g * g - load(square), load(square));
  store(mean, a), store(square, s);
  return min(max(old + splat(step) * a / (sqrt(s * splat(square_scale)) + splat(1e-8f)), V{}), splat(1.f));
}

void ascend(List j, const float* coefficient, const float* x, float* slope, float* mean, float* square, float step, float square_scale, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int64_t row = int64_t(j.at[r]) * ld;
    for (int64_t m = row; m < row + columns; m += W)
      store(slope + m, climb(load(slope + m), max(load(coefficient + m), V{}) * load(x + m), mean + m, square + m, step, square_scale));
  }
}

void climb_pair(const PairMix& p, List j, const float* u, const float* v, const float* x, const float* y, float step, float square_scale, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int32_t e = j.at[r];
    const int64_t row = int64_t(e) * ld;
    for (int64_t at = row; at < row + columns; at += W) {
      const Mixed m = mixed_at(p, at, load(u + at), load(v + at));
      const V a = load(x + at), b = load(y + at);
      const PairAt l = pair_at(p, e, at, m, a, b);
      auto raise = [&](float* value, int k, V g) { store(value + at, climb(load(value + at), g, p.mean + k * p.apart + at, p.square + k * p.apart + at, step, square_scale)); };
      raise(p.share, 0, m.full * (l.difference(m) - l.first + l.second));
      raise(p.low, 1, max(m.t, V{}) * (l.plane[0] - l.plane[1])), raise(p.high, 2, min(m.t, V{}) * (l.plane[0] - l.plane[1]));
      if (p.first_cu[e] > 0) raise(p.first_al, 3, max(m.a, V{}) * a);
      if (p.second_cu[e] > 0) raise(p.second_al, 4, max(m.b, V{}) * b);
    }
  }
}

void mix(const Planes& p, List j, const float* coefficient, const float* x, const float* y, float step, float square_scale, int64_t ld, int64_t columns) {
  for (int32_t r = 0; r < j.n; ++r) {
    const int64_t row = int64_t(j.at[r]) * ld;
    const V la = splat(p.la[j.at[r]]), ha = splat(p.ha[j.at[r]]), lb = splat(p.lb[j.at[r]]), hb = splat(p.hb[j.at[r]]);
    for (int64_t m = row; m < row + columns; m += W) {
      V low = load(p.weight + m), high = load(p.weight + p.upper + m);
      if (step != 0) {
        const V c = load(coefficient + m), a = load(x + m), b = load(y + m), along = (la - ha) * b;
        low = climb(low, max(c, V{}) * (fma(lb - hb, a, along) + (ha * hb - la * lb)), p.mean + m, p.square + m, step, square_scale);
        high = climb(high, min(c, V{}) * (fma(hb - lb, a, along) + (ha * lb - la * hb)), p.mean + p.upper + m, p.square + p.upper + m, step, square_scale);
        store(p.weight + m, low), store(p.weight + p.upper + m, high);
      }
      const V other = splat(1.f) - low, rest = splat(1.f) - high;
      store(p.al + m, fma(low, lb, other * hb)), store(p.bl + m, fma(low, la, other * ha)), store(p.cl + m, -fma(low, la * lb, other * (ha * hb)));
      store(p.au + m, fma(high, hb, rest * lb)), store(p.bu + m, fma(high, la, rest * ha)), store(p.cu + m, -fma(high, la * hb, rest * (ha * lb)));
    }
  }
}
}  // namespace

const Loops kLoops{W, dense, sparse, unary, product, pair, mixed_pair, pair_values, climb_pair, constant, box, corner, chosen, shift, round, ascend, mix};

}  // namespace saha::verify::SAHA_ISA
