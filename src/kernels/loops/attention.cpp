// attention_f32: keys and values of a head become panels; then by blocks of queries scores, their exponentials in place, sums over the values.
// Contract in kernels/attention.hpp.
#include "kernels/attention.hpp"

#include "kernels/loops/attention_products.hpp"
#include "kernels/loops/packed_product.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr float kLowest = -__builtin_inff();

/// B[p][j] at b[p * row + j * column], one of which is 1, as panels over the depth.
void pack_panels_of(const float* b, int64_t row, int64_t column, int64_t depth, int64_t n, float* out) {
  for (int64_t j = 0; j < n;) {
    const int vectors = panel_vectors(n - j, W, false), columns = static_cast<int>(least<int64_t>(vectors * W, n - j));
    if (column == 1) pack_rows(b + j, row, depth, vectors, columns, out + j * depth);
    else pack_columns(b + j * column, column, depth, vectors, columns, out + j * depth);
    j += vectors * W;
  }
}

void product_of(float* a, int64_t a_row, int64_t m, const float* b, int64_t k, int64_t n, float* c) { packed_product(a, a_row, m, b, k, n, nullptr, c); }

/// Adds a row of a mask to the scores; minus infinity stays, whatever it is added to.
void add_mask(float* s, const float* mask, int64_t column, int64_t n) {
  for (int64_t j = 0; j < n; j += W) {
    V m;
    if (column == 1) m = load_up_to(mask + j, n - j);
    else if (column == 0) m = splat(mask[0]);
    else
      for (int i = 0; i < W; ++i) m[i] = j + i < n ? mask[(j + i) * column] : 0;
    store(s + j, select(m == kLowest, m, load(s + j) + m));
  }
}

/// e^(s - the row's largest) in place of n scores; `columns`, a multiple of W, is what the row has room for. Returns one over their sum.
float exponentials(float* s, int64_t n, int64_t columns) {
  for (int64_t j = n / W * W; j < columns; j += W) store(s + j, select(first_lanes(static_cast<int>(n - j)), load(s + j), splat(kLowest)));
  const int64_t whole = round_up(n, W);
  V m[2] = {splat(kLowest), splat(kLowest)};
  int64_t j = 0;
  for (; j + 2 * W <= whole; j += 2 * W) m[0] = max_nan(m[0], load(s + j)), m[1] = max_nan(m[1], load(s + j + W));
  if (j < whole) m[0] = max_nan(m[0], load(s + j));
  const float most_of_all = largest(max_nan(m[0], m[1]));
  if (most_of_all == kLowest) {
    for (j = 0; j < columns; j += W) store(s + j, V{});
    return 1;
  }
  const V top = splat(most_of_all), least_power = splat(-88.02f);   // below it scaled_exp gives 0
  V total[2] = {};
  const auto power = [&](int64_t at) {
    const V e = scaled_exp(max(least_power, load(s + at) - top), 0);
    store(s + at, e);
    return e;
  };
  for (j = 0; j + 2 * W <= whole; j += 2 * W) total[0] = total[0] + power(j), total[1] = total[1] + power(j + W);
  if (j < whole) total[0] = total[0] + power(j);
  return 1.f / sum(total[0] + total[1]);
}

}  // namespace

void run_attention(const plan::Call& call, const AttentionProducts& products) {
  const AttentionParams& p = *static_cast<const AttentionParams*>(call.params);
  const AttentionShape& s = p.shape;
  const auto operand = [&](int i) { return static_cast<const float*>(call.operands[i]); };
  auto* y = static_cast<float*>(call.operands[4]);
  const AttentionLayout at = attention_layout(s, p.rows, W);
  auto* keys = reinterpret_cast<float*>(call.scratch);
  float *values = keys + at.values, *queries = keys + at.queries, *scores = keys + at.scores, *sums = keys + at.sums;
  const V scale = splat(p.scale);
  int64_t packed = -1;
  for (int64_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t head = piece / p.cuts % s.heads, batch = piece / p.cuts / s.heads, cut = piece % p.cuts;
    const auto of = [&](const HeadStrides& t, int64_t h) { return t.first + batch * t.batch + h * t.head; };
    if (const int64_t kv = batch * s.heads + head / s.group; kv != packed) {
      packed = kv;
      products.pack(operand(1) + of(s.k, head / s.group), s.k.column, s.k.row, s.depth, s.keys, keys);
      products.pack(operand(2) + of(s.v, head / s.group), s.v.row, s.v.column, s.keys, s.values, values);
    }
    const int64_t last = s.queries * (cut + 1) / p.cuts;
    for (int64_t i0 = s.queries * cut / p.cuts; i0 < last; i0 += p.rows) {
      const int64_t rows = least(p.rows, last - i0);
      const float* q = operand(0) + of(s.q, head) + i0 * s.q.row;
      for (int64_t i = 0; i < rows; ++i, q += s.q.row)
        if (s.q.column == 1)
          for (int64_t e = 0; e < s.depth; e += W) store_up_to(queries + i * s.depth + e, load_up_to(q + e, s.depth - e) * scale, s.depth - e);
        else
          for (int64_t e = 0; e < s.depth; ++e) queries[i * s.depth + e] = q[e * s.q.column] * p.scale;
      products.multiply(queries, s.depth, rows, keys, s.depth, at.key_columns, scores);
      float inverse[64];
      for (int64_t i = 0; i < rows; ++i) {
        float* row = scores + i * at.key_columns;
        if (p.masked) add_mask(row, operand(3) + of(s.mask, head) + (i0 + i) * s.mask.row, s.mask.column, s.keys);
        inverse[i] = exponentials(row, s.keys, at.key_columns);
      }
      products.multiply(scores, at.key_columns, rows, values, s.keys, at.value_columns, sums);
      float* to = y + of(s.y, head) + i0 * s.y.row;
      for (int64_t i = 0; i < rows; ++i, to += s.y.row)
        for (int64_t f = 0; f < s.values; f += W) store_up_to(to + f, load(sums + i * at.value_columns + f) * splat(inverse[i]), s.values - f);
    }
  }
}

namespace {

void run(const plan::Call& call) { run_attention(call, {pack_panels_of, product_of}); }

constexpr Kernel kRowsOfTable[] = {{"attention_f32", run}};

}  // namespace

extern const std::span<const Kernel> kAttention;
constinit const std::span<const Kernel> kAttention = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
