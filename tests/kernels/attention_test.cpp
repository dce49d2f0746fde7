#include "kernels/attention.hpp"

#include <bit>

#include "kernels/contract.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Case {
  std::int64_t batch = 1, heads = 1, group = 1, queries = 1, keys = 1, depth = 1, values = 1;
  bool masked = false, exchanged = false;   ///< exchanged: K and V lie column by column, Q with steps between its columns
};

/// Dense values, or exchanged ones; Y has heads side by side.
AttentionShape shape_of(const Case& c) {
  AttentionShape s;
  s.batch = c.batch, s.heads = c.heads, s.group = c.group, s.queries = c.queries, s.keys = c.keys, s.depth = c.depth, s.values = c.values;
  const auto place = [&](std::int64_t heads, std::int64_t rows, std::int64_t columns) {
    HeadStrides h{3, heads * rows * columns, rows * columns, columns, 1};
    if (c.exchanged) h.row = 1, h.column = rows;
    return h;
  };
  s.q = place(c.heads, c.queries, c.depth), s.k = place(c.heads / c.group, c.keys, c.depth), s.v = place(c.heads / c.group, c.keys, c.values);
  s.y = {0, c.queries * c.heads * c.values, c.values, c.heads * c.values, 1};
  s.mask = {0, 0, c.queries * c.keys, c.keys, 1};
  return s;
}
std::size_t extent(const HeadStrides& t, std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(t.first + (batch - 1) * t.batch + (heads - 1) * t.head + (rows - 1) * t.row + (columns - 1) * t.column + 1);
}

/// The nearest bfloat16, of two the even one; finite.
float bfloat(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  return std::bit_cast<float>((u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u);
}

void check_by(const Case& c, std::string_view kernel) {
  const AttentionShape s = shape_of(c);
  const bool half = kernel == "attention_bf16";
  const auto rounded = [&](float v) { return half ? bfloat(v) : v; };
  const float scale = 0.3f;
  const auto room = [&](const HeadStrides& t, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
    const auto v = noise(static_cast<std::int64_t>(extent(t, c.batch, heads, rows, columns)), -2, 2);
    Aligned<float> a(v.size());   // nothing behind it
    std::copy(v.begin(), v.end(), a.data());
    return a;
  };
  const Aligned<float> q = room(s.q, c.heads, c.queries, c.depth), k = room(s.k, c.heads / c.group, c.keys, c.depth), v = room(s.v, c.heads / c.group, c.keys, c.values);
  Aligned<float> mask = room(s.mask, c.heads, c.queries, c.keys);
  for (std::size_t i = 0; i < mask.size(); i += 3) mask[i] = -INFINITY;
  for (std::int64_t j = 0; j < c.keys; ++j) mask[static_cast<std::size_t>(j)] = -INFINITY;   // the first query attends nothing
  for (Isa isa : levels()) {
    if (half && !has_bfloat_dots(isa)) continue;
    const AttentionParams p = prepare_attention(isa, s, scale, c.masked);
    const std::size_t size = extent(s.y, c.batch, c.heads, c.queries, c.values);
    Aligned<float> y(size), again(size);
    const std::vector<const void*> operands = {q.data(), k.data(), v.data(), c.masked ? mask.data() : nullptr};
    auto first = operands, second = operands;
    first.push_back(y.data()), second.push_back(again.data());
    run_whole(kernel, isa, p, first, grid(p), scratch_bytes(p));
    run_pieces(kernel, isa, p, second, grid(p), scratch_bytes(p));
    ASSERT_TRUE(same_bits(y.data(), again.data(), size)) << name(isa);
    for (std::int64_t b = 0; b < c.batch; ++b)
      for (std::int64_t h = 0; h < c.heads; ++h)
        for (std::int64_t i = 0; i < c.queries; ++i) {
          const auto at = [&](const HeadStrides& t, std::int64_t head, std::int64_t row, std::int64_t column) { return static_cast<std::size_t>(t.first + b * t.batch + head * t.head + row * t.row + column * t.column); };
          std::vector<double> scores(static_cast<std::size_t>(c.keys));
          double most = -INFINITY, sum = 0;
          for (std::int64_t j = 0; j < c.keys; ++j) {
            double dot = 0;
            for (std::int64_t e = 0; e < c.depth; ++e) dot += double(rounded(q[at(s.q, h, i, e)] * scale)) * rounded(k[at(s.k, h / c.group, j, e)]);
            scores[static_cast<std::size_t>(j)] = dot + (c.masked ? double(mask[at(s.mask, h, i, j)]) : 0);
            most = std::max(most, scores[static_cast<std::size_t>(j)]);
          }
          for (double& e : scores) e = most == -INFINITY ? 0 : std::exp(e - most), sum += e;
          for (std::int64_t f = 0; f < c.values; ++f) {
            double want = 0;
            for (std::int64_t j = 0; j < c.keys; ++j) want += scores[static_cast<std::size_t>(j)] * rounded(v[at(s.v, h / c.group, j, f)]);
            ASSERT_NEAR(y[at(s.y, h, i, f)], sum > 0 ? want / sum : 0, half ? 2 * 0x1p-8 : 2e-5) << name(isa) << " head " << h << " query " << i << " column " << f;
          }
        }
  }
}

void check(const Case& c) {
  for (std::string_view kernel : {"attention_f32", "attention_bf16"}) ASSERT_NO_FATAL_FAILURE(check_by(c, kernel));   // probabilities in bfloat16 are off by 2^-9 of themselves
}

TEST(Attention, equals_the_double_loop) {
  for (bool masked : {false, true})
    for (bool exchanged : {false, true}) {
      check({1, 1, 1, 1, 1, 1, 1, masked, exchanged});
      check({2, 3, 1, 1, 40, 16, 8, masked, exchanged});      // one query
      check({1, 2, 1, 9, 1, 5, 7, masked, exchanged});        // one key
      check({2, 4, 2, 13, 19, 3, 11, masked, exchanged});     // two heads of queries share one of keys
      check({1, 3, 1, 50, 50, 36, 36, masked, exchanged});
      check({1, 2, 1, 130, 67, 64, 24, masked, exchanged});   // several blocks of queries
      check({1, 1, 1, 33, 300, 280, 9, masked, exchanged});   // more than one block of depths and of keys
      check({3, 12, 1, 70, 64, 8, 8, masked, exchanged});     // heads in several pieces
      check({1, 2, 1, 21, 147, 131, 49, masked, exchanged});  // odd numbers of pairs and of columns
    }
}

TEST(Attention, keeps_its_contract_and_damaged_params_have_none) {
  const AttentionShape s = shape_of({2, 6, 2, 40, 30, 8, 5, true, true});
  const AttentionParams good = prepare_attention(Isa::avx2, s, 0.5f, true);
  const auto needs_of = [](const AttentionParams& p) { return needs("attention_f32", Isa::avx2, std::as_bytes(std::span(&p, 1)), {}); };
  const auto n = needs_of(good);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->grid, grid(good));
  EXPECT_EQ(n->scratch, scratch_bytes(good));
  const std::size_t sizes[] = {extent(s.q, 2, 6, 40, 8), extent(s.k, 2, 3, 30, 8), extent(s.v, 2, 3, 30, 5), extent(s.mask, 2, 6, 40, 30)};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(n->reads[i].bytes, 4 * sizes[i]) << i;
  EXPECT_FALSE(n->reads[3].optional);
  EXPECT_EQ(n->writes[0].bytes, 4 * extent(s.y, 2, 6, 40, 5));
  const auto damaged = [&](auto change) {
    AttentionParams p = good;
    change(p);
    return !needs_of(p).has_value();
  };
  constexpr std::int64_t kMost = 0x7fffffff;
  EXPECT_TRUE(damaged([](AttentionParams& p) { ++p.rows; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.cuts = 0; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.scratch = 0; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.masked = 2; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.group = 4; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.group = 0; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.k.row = 2; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.y.column = 2; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.q.first = -1; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.queries = p.shape.values = kMost; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.batch = p.shape.heads = kMost, p.shape.group = 1; }));
  EXPECT_TRUE(damaged([](AttentionParams& p) { p.shape.keys = p.shape.depth = kMost; }));
}

TEST(Attention, has_nothing_to_do_without_queries) {
  AttentionShape s = shape_of({1, 2, 1, 4, 4, 4, 4});
  s.queries = 0;
  EXPECT_EQ(grid(prepare_attention(Isa::generic, s, 1, false)), 0u);
}

TEST(Attention, keeps_nan_and_hides_what_is_masked) {
  const AttentionShape s = shape_of({1, 1, 1, 3, 5, 2, 2});
  std::vector<float> q = noise(3 + 6), k = noise(3 + 10), v = noise(3 + 10), mask(15, 0.f);
  q[3 + 2] = NAN;                                      // the second query
  k[3 + 9] = INFINITY;                                 // the last key, which the third query does not see
  for (int i : {4, 14}) mask[static_cast<std::size_t>(i)] = -INFINITY;
  for (Isa isa : levels()) {
    const AttentionParams p = prepare_attention(isa, s, 1, true);
    Aligned<float> y(6);
    run_whole("attention_f32", isa, p, {q.data(), k.data(), v.data(), mask.data(), y.data()}, grid(p), scratch_bytes(p));
    for (int i : {0, 1, 4, 5}) EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(i)])) << name(isa) << " " << i;
    for (int i : {2, 3}) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(i)])) << name(isa) << " " << i;
  }
}

TEST(Attention, survives_scores_far_apart) {
  const AttentionShape s = shape_of({1, 1, 1, 1, 4, 1, 1});
  const std::vector<float> q = {0, 0, 0, 1}, k = {0, 0, 0, 1e38f, -1e38f, 1e38f, 0}, v = {0, 0, 0, 1, 5, 3, 7};
  for (Isa isa : levels()) {
    const AttentionParams p = prepare_attention(isa, s, 1, false);
    Aligned<float> y(1);
    run_whole("attention_f32", isa, p, {q.data(), k.data(), v.data(), nullptr, y.data()}, grid(p), scratch_bytes(p));
    EXPECT_EQ(y[0], 2.f);
  }
}

}  // namespace
}  // namespace saha::kernels
