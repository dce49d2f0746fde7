#include "kernels/row_bands.hpp"

#include <optional>

#include "kernels/contract.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Window {
  std::int64_t k = 1, stride = 1, pad = 0, dilation = 1, pad_bottom = -1;   ///< pad_bottom: -1 as pad
};
ConvShape behind(const ConvShape& before, std::int64_t channels, std::int64_t groups, const Window& w) {
  ConvShape s;
  s.batch = before.batch, s.in_channels = before.out_channels, s.in_h = before.out_h, s.in_w = before.out_w, s.out_channels = channels, s.groups = groups;
  s.kernel_h = s.kernel_w = w.k, s.stride_h = s.stride_w = w.stride, s.dilation_h = s.dilation_w = w.dilation, s.pad_top = s.pad_left = w.pad;
  const std::int64_t bottom = w.pad_bottom < 0 ? w.pad : w.pad_bottom;
  s.out_h = (s.in_h + w.pad + bottom - (w.k - 1) * w.dilation - 1) / w.stride + 1, s.out_w = (s.in_w + 2 * w.pad - (w.k - 1) * w.dilation - 1) / w.stride + 1;
  return s;
}

/// Three convolutions, of which the first and the last may be left out.
struct Chain {
  std::int64_t batch, h, w, channels;   ///< of X
  std::optional<Window> first;
  std::int64_t between;                 ///< channels of the depthwise one; without a first one those of X
  Window middle;
  std::int64_t last = 0;                ///< channels; 0: there is none
  Activation activation = Activation::clip;
  bool residual = false;
  bool first_half = false, last_half = false;   ///< in bfloat16, at levels that have it
};

struct Layer {
  ConvShape shape;
  Epilogue epilogue;
  std::vector<float> weights, bias;
};

void check(const Chain& c) {
  ConvShape x;
  x.batch = c.batch, x.out_h = c.h, x.out_w = c.w, x.out_channels = c.channels;
  std::vector<Layer> layers;
  Epilogue e;
  e.bias = Bias::per_column, e.activation = c.activation, e.p0 = 0, e.p1 = 1;
  const auto add = [&](std::int64_t channels, std::int64_t groups, const Window& w) {
    const ConvShape s = behind(layers.empty() ? x : layers.back().shape, channels, groups, w);
    layers.push_back({s, e, noise(channels * s.in_channels / groups * w.k * w.k), noise(channels)});
  };
  if (c.first) add(c.between, 1, *c.first);
  const std::size_t middle_at = layers.size();
  add(c.first ? c.between : c.channels, c.first ? c.between : c.channels, c.middle);
  if (c.last) add(c.last, 1, {});
  if (c.last) layers.back().epilogue = {};   // a projection without bias
  const ConvShape& out = layers.back().shape;
  const auto image = noise(c.batch * c.h * c.w * c.channels), added = noise(out.batch * out.out_h * out.out_w * out.out_channels);
  for (Isa isa : levels()) {
    if ((c.first_half || c.last_half) && !product_of(isa, Half::bfloat16)) continue;
    SCOPED_TRACE(name(isa));
    std::vector<Aligned<float>> values;
    values.emplace_back(image.size(), 1);
    std::copy(image.begin(), image.end(), values[0].data());
    Aligned<float> residual(added.size(), 2);
    std::copy(added.begin(), added.end(), residual.data());
    struct Convolution {
      std::optional<ConvLastParams> whole;
      std::optional<ConvHalfParams> half;
      Neighbour neighbour() const { return {whole ? &*whole : nullptr, half ? &*half : nullptr}; }
    } first, last;
    std::optional<DepthwiseLastParams> middle;
    std::vector<Aligned<float>> packed;
    std::vector<const void*> operands(9, nullptr);
    operands[0] = values[0].data();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Layer& l = layers[i];
      const bool ends = i + 1 == layers.size();
      values.emplace_back(static_cast<std::size_t>(l.shape.batch * l.shape.out_h * l.shape.out_w * l.shape.out_channels), 3);
      const void* bias = l.epilogue.bias == Bias::none ? nullptr : l.bias.data();
      const auto run = [&](std::string_view kernel, const auto& p, std::int64_t size, auto pack, std::uint64_t scratch) {
        packed.emplace_back(static_cast<std::size_t>(size));
        pack(isa, p, l.weights.data(), std::span(packed.back().data(), packed.back().size()));
        run_whole(kernel, isa, p, {values[i].data(), packed.back().data(), bias, ends && c.residual ? residual.data() : nullptr, values[i + 1].data()}, grid(p), scratch);
        const std::size_t place = 1 + 2 * (i + 1 - middle_at);
        operands[place] = packed.back().data(), operands[place + 1] = bias;
      };
      if (i == middle_at) {
        middle = prepare_depthwise_last(isa, l.shape, l.epilogue);
        run("depthwise_last_f32", *middle, packed_depthwise_last_size(isa, *middle), pack_depthwise_last, 0);
      } else if (i < middle_at ? c.first_half : c.last_half) {
        auto& p = (i < middle_at ? first : last).half;
        ASSERT_TRUE(suits_conv_half(isa, Half::bfloat16, l.shape));
        p = prepare_conv_half(isa, Half::bfloat16, l.shape, l.epilogue);
        run("conv_bf16", *p, packed_conv_half_size(isa, *p), pack_conv_half, scratch_bytes(*p));
      } else {
        auto& p = (i < middle_at ? first : last).whole;
        p = prepare_conv_last(isa, l.shape, l.epilogue);
        run("conv_last_f32", *p, packed_conv_last_size(isa, *p), pack_conv_last, scratch_bytes(*p));
      }
    }
    ASSERT_TRUE(are_neighbours(first.neighbour(), *middle, last.neighbour()));
    const RowBandsParams p = prepare_row_bands(isa, first.neighbour(), *middle, last.neighbour());
    if (c.first && first.neighbour().shape().out_h > 12) {
      ASSERT_LT(p.ring_rows, first.neighbour().shape().out_h);   // else no ring is tried
    }
    const std::string_view bands = c.first_half || c.last_half ? "row_bands_bf16" : "row_bands_f32";
    ASSERT_EQ(kernel(p), bands);
    const auto n = needs(bands, isa, {reinterpret_cast<const std::byte*>(&p), sizeof p}, {});
    ASSERT_TRUE(n);
    ASSERT_EQ(n->grid, grid(p));
    ASSERT_EQ(n->scratch, scratch_bytes(p));
    ASSERT_EQ(n->reads.size(), 8u);
    for (std::size_t i = 0; i < 8; ++i) ASSERT_TRUE(operands[i] || n->reads[i].optional) << i;
    Aligned<float> y(added.size(), 1), again(added.size());
    ASSERT_EQ(n->writes[0].bytes, y.size() * 4);
    operands[7] = c.residual ? residual.data() : nullptr, operands[8] = y.data();
    run_whole(bands, isa, p, operands, grid(p), scratch_bytes(p));
    operands[8] = again.data();
    run_pieces(bands, isa, p, operands, grid(p), scratch_bytes(p));
    EXPECT_TRUE(same_bits(y.data(), values.back().data(), y.size()));
    EXPECT_TRUE(same_bits(again.data(), values.back().data(), y.size()));
  }
}

// Rows as wide as here give bands of few rows.
TEST(RowBands, expand_depthwise_and_project_are_those_one_after_the_other) {
  for (const Window& w : {Window{3, 1, 1}, Window{3, 2, 1}, Window{5, 1, 2}, Window{5, 2, 2}, Window{7, 1, 3}})
    for (bool residual : {false, true}) {
      SCOPED_TRACE(testing::Message() << w.k << " by " << w.stride << (residual ? " residual" : ""));
      check({1, 14, 150, 6, Window{}, 70, w, 12, Activation::clip, residual});
    }
}

TEST(RowBands, windows_of_any_kind) {
  check({1, 17, 150, 5, Window{}, 70, {3, 1, 2, 2}, 9});            // dilated
  check({1, 19, 200, 5, Window{}, 66, {2, 3, 0}, 9});               // rows that nobody reads
  check({1, 15, 150, 5, Window{}, 68, {3, 2, 0, 1, 1}, 9});         // padded below only
  check({1, 14, 150, 5, Window{}, 70, {3, 1, 0}, 9});               // not at all
  check({2, 16, 1100, 3, Window{}, 6, {3, 1, 1}, 4});               // fewer channels than a vector has, two images
  check({2, 13, 150, 4, Window{}, 72, {3, 1, 1}, 33, Activation::silu, true});
  check({1, 3, 40, 4, Window{}, 16, {5, 1, 2}, 8});                 // one band
  check({1, 1, 9, 4, Window{}, 16, {3, 1, 1}, 8});                  // one row
}

TEST(RowBands, any_convolution_may_be_the_first) {
  check({1, 30, 300, 3, Window{3, 2, 1}, 70, {3, 1, 1}, 16});
  check({1, 16, 152, 3, Window{3, 1, 1}, 70, {3, 2, 1}, 16, Activation::hardswish});
  check({1, 18, 154, 2, Window{3, 1, 0}, 70, {3, 1, 1}, 16});
  check({2, 34, 300, 3, Window{7, 2, 3}, 70, {5, 1, 2}, 8});
}

TEST(RowBands, without_the_first_or_the_last) {
  check({1, 14, 150, 70, {}, 70, {3, 1, 1}, 24, Activation::relu});
  check({2, 14, 150, 70, {}, 70, {3, 2, 1}, 24, Activation::clip, true});
  check({1, 14, 150, 6, Window{}, 70, {3, 1, 1}, 0, Activation::silu});
  check({2, 14, 150, 6, Window{}, 70, {5, 2, 2}, 0, Activation::none, true});
}

TEST(RowBands, convolutions_may_be_in_bfloat16) {
  for (const auto& [first, last] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)})
    for (std::int64_t stride : {1, 2}) {
      check({1, 14, 150, 24, Window{}, 104, {3, stride, 1}, 72, Activation::clip, true, first, last});
      check({2, 30, 100, 33, Window{3, 2, 1}, 97, {5, stride, 2}, 48, Activation::silu, false, first, last});   // odd numbers of pairs and of columns
    }
  check({1, 14, 150, 104, {}, 104, {3, 1, 1}, 72, Activation::relu, false, false, true});
  check({2, 14, 150, 24, Window{}, 104, {3, 1, 1}, 0, Activation::none, true, true, false});
}

TEST(RowBands, what_is_no_chain_is_none) {
  ConvShape x;
  x.batch = 1, x.out_h = x.out_w = 20, x.out_channels = 8;
  const ConvShape first = behind(x, 32, 1, {}), middle = behind(first, 32, 32, {3, 1, 1}), last = behind(middle, 8, 1, {});
  const Isa isa = Isa::generic;
  const auto conv = [&](const ConvShape& s) { return prepare_conv_last(isa, s, {}); };
  const auto neighbours = [&](const ConvShape& f, const ConvShape& m, const ConvShape& l) {
    const auto a = conv(f), b = conv(l);
    return are_neighbours({&a}, prepare_depthwise_last(isa, m, {}), {&b});
  };
  EXPECT_TRUE(neighbours(first, middle, last));
  EXPECT_FALSE(neighbours(first, middle, behind(middle, 8, 1, {3, 1, 1})));   // not 1x1
  EXPECT_FALSE(neighbours(first, middle, behind(middle, 8, 2, {})));          // in groups
  EXPECT_FALSE(neighbours(behind(x, 16, 1, {}), middle, last));               // of other channels
  EXPECT_FALSE(neighbours(first, behind(first, 32, 32, {3, 1, 9}), last));    // windows of padding alone
  EXPECT_FALSE(are_neighbours({}, prepare_depthwise_last(isa, middle, {}), {}));
}

TEST(RowBands, its_contract_refuses_what_no_preparation_makes) {
  ConvShape x;
  x.batch = 1, x.out_h = x.out_w = 100, x.out_channels = 8;
  const ConvShape first = behind(x, 64, 1, {}), middle = behind(first, 64, 64, {3, 1, 1}), last = behind(middle, 8, 1, {});
  const Isa isa = Isa::generic;
  const auto f = prepare_conv_last(isa, first, {}), l = prepare_conv_last(isa, last, {});
  const auto m = prepare_depthwise_last(isa, middle, {});
  const RowBandsParams p = prepare_row_bands(isa, {&f}, m, {&l});
  const auto refused = [](RowBandsParams q) { return !needs("row_bands_f32", Isa::generic, {reinterpret_cast<const std::byte*>(&q), sizeof q}, {}); };
  ASSERT_FALSE(refused(p));
  const auto changed = [&](auto change) {
    RowBandsParams q = p;
    change(q);
    return refused(q);
  };
  EXPECT_TRUE(changed([](auto& q) { q.ring_rows -= 1; }));
  EXPECT_TRUE(changed([](auto& q) { q.rows += 1; }));
  EXPECT_TRUE(changed([](auto& q) { q.image_pieces += 1; }));
  EXPECT_TRUE(changed([](auto& q) { q.scratch -= 64; }));
  EXPECT_TRUE(changed([](auto& q) { q.has_last = Beside::none; }));
  EXPECT_TRUE(changed([](auto& q) { q.has_first = Beside::bfloat16; }));
  EXPECT_TRUE(changed([](auto& q) { q.first.shape.out_w = 99; }));
  EXPECT_TRUE(changed([](auto& q) { q.middle.ring_rows = 3; }));
  EXPECT_TRUE(changed([](auto& q) { q.middle.shape.pad_top = -1; }));
  EXPECT_TRUE(changed([](auto& q) { q.last.k_block = 0; }));
  EXPECT_TRUE(changed([](auto& q) { q.first_half.units = 1; }));
  EXPECT_TRUE(changed([](auto& q) { q.has_last = static_cast<Beside>(3); }));
}

}  // namespace
}  // namespace saha::kernels
