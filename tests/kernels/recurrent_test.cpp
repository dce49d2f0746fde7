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
