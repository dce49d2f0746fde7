#include "kernels/recurrent.hpp"

#include "kernels/contract.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void check(int gates, std::int64_t T, std::int64_t B, std::int64_t I, std::int64_t H, std::vector<bool> backwards, bool reset_after, bool bias, bool initial) {
  const auto D = static_cast<std::int64_t>(backwards.size()), G = gates * H;
  const auto x = noise(T * B * I), w = noise(D * G * I, -0.3f, 0.3f), r = noise(D * G * H, -0.3f, 0.3f), b = noise(D * 2 * G), h0 = noise(D * B * H), c0 = noise(D * B * H);
  std::vector<double> y(static_cast<std::size_t>(T * D * B * H)), yc(static_cast<std::size_t>(D * B * H));
  for (std::int64_t d = 0; d < D; ++d)
    for (std::int64_t q = 0; q < B; ++q) {
      std::vector<double> h(static_cast<std::size_t>(H)), c = h;
      const auto at = [&](std::int64_t j) { return static_cast<std::size_t>((d * B + q) * H + j); };
      for (std::int64_t j = 0; j < H && initial; ++j) h[static_cast<std::size_t>(j)] = h0[at(j)], c[static_cast<std::size_t>(j)] = c0[at(j)];
      for (std::int64_t s = 0; s < T; ++s) {
        const std::int64_t t = backwards[static_cast<std::size_t>(d)] ? T - 1 - s : s;
        const auto in = [&](std::int64_t g) {
          double v = bias ? b[static_cast<std::size_t>(d * 2 * G + g)] : 0;
          for (std::int64_t i = 0; i < I; ++i) v += double(x[static_cast<std::size_t>((t * B + q) * I + i)]) * w[static_cast<std::size_t>((d * G + g) * I + i)];
          return v;
        };
        const auto rec = [&](std::int64_t g, const std::vector<double>& s_) {
          double v = bias ? b[static_cast<std::size_t>(d * 2 * G + G + g)] : 0;
          for (std::int64_t i = 0; i < H; ++i) v += s_[static_cast<std::size_t>(i)] * r[static_cast<std::size_t>((d * G + g) * H + i)];
          return v;
        };
        std::vector<double> next = h;
        if (gates == 4) {
          for (std::int64_t j = 0; j < H; ++j) {
            const double i = sigmoid(in(j) + rec(j, h)), o = sigmoid(in(H + j) + rec(H + j, h)), f = sigmoid(in(2 * H + j) + rec(2 * H + j, h));
            double& cell = c[static_cast<std::size_t>(j)];
            cell = f * cell + i * std::tanh(in(3 * H + j) + rec(3 * H + j, h));
            next[static_cast<std::size_t>(j)] = o * std::tanh(cell);
          }
        } else {
          std::vector<double> z(h), reset(h), rh(h);
          for (std::int64_t j = 0; j < H; ++j) {
            z[static_cast<std::size_t>(j)] = sigmoid(in(j) + rec(j, h));
            reset[static_cast<std::size_t>(j)] = sigmoid(in(H + j) + rec(H + j, h));
            rh[static_cast<std::size_t>(j)] = reset[static_cast<std::size_t>(j)] * h[static_cast<std::size_t>(j)];
          }
          for (std::int64_t j = 0; j < H; ++j) {
            const auto k = static_cast<std::size_t>(j);
            const double n = std::tanh(in(2 * H + j) + (reset_after ? reset[k] * rec(2 * H + j, h) : rec(2 * H + j, rh)));
            next[k] = (1 - z[k]) * n + z[k] * h[k];
          }
        }
        h = next;
        for (std::int64_t j = 0; j < H; ++j) y[static_cast<std::size_t>(((t * D + d) * B + q) * H + j)] = h[static_cast<std::size_t>(j)];
      }
      for (std::int64_t j = 0; j < H; ++j) yc[at(j)] = c[static_cast<std::size_t>(j)];
    }
  bool reversed[2] = {backwards[0], backwards.size() > 1 && backwards[1]};
  for (Isa isa : levels()) {
    const std::span<const bool> directions(reversed, backwards.size());
    const RecurrentParams p = gates == 4 ? prepare_lstm(isa, T, B, I, H, directions, 3) : prepare_gru(isa, T, B, I, H, directions, reset_after, 2);
    Aligned<float> packed(static_cast<std::size_t>(packed_recurrent_size(p)));
    pack_recurrent(isa, p, w.data(), r.data(), bias ? b.data() : nullptr, {packed.data(), packed.size()});
    Aligned<float> out(y.size()), last(yc.size()), cell(yc.size());
    std::vector<const void*> operands = {x.data(), packed.data(), initial ? h0.data() : nullptr};
    if (gates == 4) operands.push_back(initial ? c0.data() : nullptr);
    operands.insert(operands.end(), {out.data(), last.data()});
    if (gates == 4) operands.push_back(cell.data());
    Aligned<std::byte> workspace(workspace_bytes(p));
    operands.push_back(workspace.data());
    run_phases(gates == 4 ? "lstm_f32" : "gru_f32", isa, p, operands, grid(p), phases(p));
    const std::vector<float> pieces(out.data(), out.data() + out.size());
    plan::Run run = find(gates == 4 ? "lstm_f32" : "gru_f32", tables(isa));
    std::vector<void*> o;
    for (const void* operand : operands) o.push_back(const_cast<void*>(operand));
    run({o.data(), nullptr, &p, 0, grid(p), nullptr, 0, phases(p)});
    ASSERT_TRUE(same_bits(pieces.data(), out.data(), out.size())) << name(isa) << ": all phases in one call";
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(out[i], y[i], 2e-5) << name(isa) << " " << i;
    for (std::size_t i = 0; gates == 4 && i < yc.size(); ++i) {
      ASSERT_NEAR(cell[i], yc[i], 2e-5);
    }
    for (std::int64_t d = 0; d < D && T > 0; ++d) {
      const std::int64_t t = backwards[static_cast<std::size_t>(d)] ? 0 : T - 1;
      for (std::int64_t i = 0; i < B * H; ++i) ASSERT_EQ(last[static_cast<std::size_t>(d * B * H + i)], out[static_cast<std::size_t>((t * D + d) * B * H + i)]);
    }
  }
}

TEST(Recurrent, lstm_equals_the_double_loop) {
  check(4, 7, 1, 5, 9, {false}, false, true, false);
  check(4, 5, 3, 4, 16, {false, true}, false, true, true);
  check(4, 300, 2, 3, 40, {true}, false, false, true);  // more than one chunk of steps
  check(4, 2, 1, 300, 270, {false}, false, true, true);  // more than one block of depths
  check(4, 3, 9, 8, 72, {false, true}, false, true, true);  // more than one tile of rows
  check(4, 0, 2, 3, 5, {false}, false, true, true);
  check(4, 1, 1, 0, 5, {false}, false, true, false);
}

TEST(Recurrent, gru_equals_the_double_loop) {
  for (bool reset_after : {false, true}) {
    check(3, 7, 1, 5, 9, {false}, reset_after, true, false);
    check(3, 5, 3, 4, 16, {true, false}, reset_after, true, true);
    check(3, 300, 2, 3, 40, {true}, reset_after, false, true);
    check(3, 3, 13, 8, 130, {false, true}, reset_after, true, true);
    check(3, 0, 2, 3, 5, {false}, reset_after, true, true);
  }
}

/// The nearest bfloat16, of two the even one, 0 in place of a denormal one; `slack`: how far it moves where v is off by a little.
double bfloat(double v, double* slack = nullptr) {
  if (std::fabs(v) < 0x1p-126) return 0;
  const double step = std::ldexp(1, std::ilogb(v) - 7), near = std::nearbyint(v / step) * step;
  if (slack) *slack = std::fabs(std::fabs(v - near) - step / 2) < step * 1e-4 ? step : 0;
  return near;
}
/// Each step in bfloat16 against its definition, from the state that the kernel left before it: what is rounded then is the same to the bit.
void check_bfloats(int gates, std::int64_t T, std::int64_t B, std::int64_t I, std::int64_t H, std::vector<bool> backwards, bool reset_after, bool bias, bool initial) {
  SCOPED_TRACE(testing::Message() << "gates " << gates << " T " << T << " B " << B << " I " << I << " H " << H << " directions " << backwards.size() << " reset after " << reset_after);
  const auto D = static_cast<std::int64_t>(backwards.size()), G = gates * H;
  const auto x = noise(T * B * I), w = noise(D * G * I, -0.3f, 0.3f), r = noise(D * G * H, -0.3f, 0.3f), b = noise(D * 2 * G), h0 = noise(D * B * H), c0 = noise(D * B * H);
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const auto rounded = [](const std::vector<float>& v) {
    std::vector<double> to;
    for (float f : v) to.push_back(bfloat(f));
    return to;
  };
  const auto xs = rounded(x), ws = rounded(w), rs = rounded(r);
  bool reversed[2] = {backwards[0], backwards.size() > 1 && backwards[1]};
  std::vector<float> first;
  for (Isa isa : levels()) {
    if (!has_bfloat_dots(isa)) continue;
    const std::span<const bool> directions(reversed, backwards.size());
    const RecurrentParams p = gates == 4 ? prepare_lstm(isa, T, B, I, H, directions, 3, true) : prepare_gru(isa, T, B, I, H, directions, reset_after, 2, true);
    Aligned<float> packed(at(packed_recurrent_size(p))), out(at(T * D * B * H)), last(at(D * B * H)), cell(at(D * B * H));
    pack_recurrent(isa, p, w.data(), r.data(), bias ? b.data() : nullptr, {packed.data(), packed.size()});
    Aligned<std::byte> workspace(workspace_bytes(p)), scratch(scratch_bytes(p));
    std::vector<const void*> operands = {x.data(), packed.data(), initial ? h0.data() : nullptr};
    if (gates == 4) operands.push_back(initial ? c0.data() : nullptr);
    operands.insert(operands.end(), {out.data(), last.data()});
    if (gates == 4) operands.push_back(cell.data());
    operands.push_back(workspace.data());
    ASSERT_EQ(kernel(p), gates == 4 ? "lstm_bf16" : "gru_bf16");
    run_phases(kernel(p), isa, p, operands, grid(p), phases(p), scratch_bytes(p));
    const std::vector<float> pieces(out.data(), out.data() + out.size());
    std::vector<void*> o;
    for (const void* operand : operands) o.push_back(const_cast<void*>(operand));
    find(kernel(p), tables(isa))({o.data(), nullptr, &p, 0, grid(p), scratch.data(), 0, phases(p)});
    ASSERT_TRUE(same_bits(pieces.data(), out.data(), out.size())) << name(isa) << ": all phases in one call";
    if (first.empty()) first = pieces;
    ASSERT_TRUE(same_bits(pieces.data(), first.data(), first.size())) << name(isa) << ": instructions and their emulation";
    std::vector<double> h(at(H)), c(at(H)), hs(at(H)), slack(at(H)), sums(at(2 * G)), z(at(H));
    for (std::int64_t d = 0; d < D; ++d)
      for (std::int64_t q = 0; q < B; ++q) {
        const auto state = [&](std::int64_t j) { return at((d * B + q) * H + j); };
        for (std::int64_t j = 0; j < H; ++j) h[at(j)] = initial ? h0[state(j)] : 0, c[at(j)] = initial ? c0[state(j)] : 0;
        /// Of gate row g: the state's product behind the input's.
        const auto rec = [&](std::int64_t g, double* off = nullptr) {
          double v = bias ? b[at(d * 2 * G + G + g)] : 0;
          for (std::int64_t k = 0; k < H; ++k) {
            const double weight = rs[at((d * G + g) * H + k)];
            v += hs[at(k)] * weight;
            if (off) *off += slack[at(k)] * std::fabs(weight);
          }
          return v;
        };
        for (std::int64_t s = 0; s < T; ++s) {
          const std::int64_t t = backwards[at(d)] ? T - 1 - s : s;
          const auto in = [&](std::int64_t g) {
            double v = bias ? b[at(d * 2 * G + g)] : 0;
            for (std::int64_t i = 0; i < I; ++i) v += xs[at((t * B + q) * I + i)] * ws[at((d * G + g) * I + i)];
            return v;
          };
          for (std::int64_t j = 0; j < H; ++j) hs[at(j)] = bfloat(h[at(j)]);
          for (std::int64_t g = 0; g < (gates == 4 || reset_after ? G : 2 * H); ++g) sums[at(g)] = in(g), sums[at(G + g)] = rec(g);
          const auto sum = [&](std::int64_t g) { return sums[at(g)] + sums[at(G + g)]; };
          if (gates == 3 && !reset_after)
            for (std::int64_t j = 0; j < H; ++j) z[at(j)] = sigmoid(sum(j)), hs[at(j)] = bfloat(sigmoid(sum(H + j)) * h[at(j)], &slack[at(j)]);
          for (std::int64_t j = 0; j < H; ++j) {
            double next = 0, off = 0;
            if (gates == 4) {
              c[at(j)] = sigmoid(sum(2 * H + j)) * c[at(j)] + sigmoid(sum(j)) * std::tanh(sum(3 * H + j));
              next = sigmoid(sum(H + j)) * std::tanh(c[at(j)]);
            } else if (reset_after) {
              const double gate = sigmoid(sum(j));
              next = (1 - gate) * std::tanh(sums[at(2 * H + j)] + sigmoid(sum(H + j)) * sums[at(G + 2 * H + j)]) + gate * h[at(j)];
            } else {
              next = (1 - z[at(j)]) * std::tanh(in(2 * H + j) + rec(2 * H + j, &off)) + z[at(j)] * h[at(j)];
            }
            ASSERT_NEAR(out[at(((t * D + d) * B + q) * H + j)], next, 2e-5 + off) << name(isa) << " step " << s << " row " << q << " unit " << j;
          }
          for (std::int64_t j = 0; j < H; ++j) h[at(j)] = out[at(((t * D + d) * B + q) * H + j)];
        }
        for (std::int64_t j = 0; j < H; ++j) {
          ASSERT_EQ(last[state(j)], float(h[at(j)]));
          if (gates == 4) { ASSERT_NEAR(cell[state(j)], c[at(j)], 2e-5); }
        }
      }
  }
}

TEST(Recurrent, steps_in_bfloat16_equal_their_definition) {
  for (const auto& [gates, reset_after] : {std::pair(4, false), std::pair(3, true), std::pair(3, false)}) {
    check_bfloats(gates, 7, 1, 5, 9, {false}, reset_after, true, false);
    check_bfloats(gates, 4, 3, 4, 5, {true}, reset_after, true, true);
    check_bfloats(gates, 5, 1, 33, 33, {false, true}, reset_after, true, true);
    check_bfloats(gates, 3, 3, 31, 100, {true, false}, reset_after, true, true);
    check_bfloats(gates, 3, 1, 64, 256, {false}, reset_after, true, true);
    check_bfloats(gates, 2, 13, 8, 72, {false, true}, reset_after, true, true);   // tiles of rows, and what they leave
    check_bfloats(gates, 130, 1, 300, 16, {true}, reset_after, false, true);      // X is rounded in two parts
    check_bfloats(gates, 300, 3, 3, 40, {false}, reset_after, true, false);       // more than one chunk of steps
    check_bfloats(gates, 0, 2, 3, 5, {false}, reset_after, true, true);
    check_bfloats(gates, 2, 1, 0, 5, {false}, reset_after, true, false);
    check_bfloats(gates, 2, 0, 3, 5, {false}, reset_after, true, false);
  }
}

TEST(Recurrent, bfloat16_has_a_contract_at_its_levels_alone) {
  const bool one[] = {true};
  const RecurrentParams half = prepare_lstm(Isa::avx512bf16, 7, 2, 5, 150, one, 1, true), whole = prepare_lstm(Isa::avx512bf16, 7, 2, 5, 150, one, 1);
  const auto needs_of = [](std::string_view kernel, Isa isa, const RecurrentParams& p) { return needs(kernel, isa, std::as_bytes(std::span(&p, 1)), {}); };
  const auto n = needs_of("lstm_bf16", Isa::avx512bf16, half);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->grid, grid(half));
  EXPECT_EQ(n->scratch, scratch_bytes(half));
  EXPECT_EQ(n->reads[1].bytes, std::uint64_t(packed_recurrent_size(half) * 4));
  EXPECT_LT(packed_recurrent_size(half), packed_recurrent_size(whole) * 6 / 10);
  EXPECT_EQ(scratch_bytes(whole), 0u);
  for (Isa isa : kLevels) {
    EXPECT_EQ(needs_of("lstm_bf16", isa, half).has_value(), has_bfloat_dots(isa)) << name(isa);
    EXPECT_FALSE(needs_of("lstm_bf16", isa, whole) || needs_of("lstm_f32", isa, half) || needs_of("gru_bf16", isa, half)) << name(isa);
  }
  RecurrentParams damaged = half;
  ++damaged.x_rows;
  EXPECT_FALSE(needs_of("lstm_bf16", Isa::avx512bf16, damaged));
  damaged = half, damaged.bfloats = 2;
  EXPECT_FALSE(needs_of("lstm_bf16", Isa::avx512bf16, damaged));
}

TEST(Recurrent, keeps_its_contract_and_damaged_params_have_none) {
  const bool both[] = {false, true};
  const RecurrentParams good = prepare_gru(Isa::avx2, 7, 2, 5, 150, both, false, 2);
  const auto needs_of = [](const RecurrentParams& p) { return needs("gru_f32", Isa::avx2, std::as_bytes(std::span(&p, 1)), {}); };
  const auto n = needs_of(good);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->grid, grid(good));
  EXPECT_EQ(n->phases, 14u);
  ASSERT_EQ(n->writes.size(), 3u);
  EXPECT_EQ(n->writes[2].bytes, workspace_bytes(good));
  EXPECT_FALSE(n->writes[2].optional);
  const auto damaged = [&](auto change) {
    RecurrentParams p = good;
    change(p);
    return !needs_of(p).has_value();
  };
  constexpr std::int64_t kMost = 0x7fffffff;
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.blocks *= 2; }));
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.chunk = 0; }));
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.units = p.hidden; }));
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.directions = 3; }));
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.steps = 0, p.batch = kMost; }));
  EXPECT_TRUE(damaged([](RecurrentParams& p) { p.hidden = kMost; }));
}

}  // namespace
}  // namespace saha::kernels
