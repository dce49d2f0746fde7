// Each rule against its owner's output: resize_expected.txt, made by tools/resize_expectations.py.
#include "data/resize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <sstream>

#include "system/file.hpp"
#include "system/hash.hpp"

namespace saha::data {
namespace {

// The same picture as in the tool.
Tensor picture(std::int64_t h, std::int64_t w, std::int64_t c) {
  Tensor t = Tensor::zeros(DType::u8, {h, w, c});
  for (std::int64_t n = 0; n < t.size(); ++n) t.as<std::uint8_t>()[n] = std::uint8_t((std::uint64_t(n) * 2654435761u & 0xffffffffu) >> 24);
  return t;
}

TEST(Resize, every_rule_equals_its_owner) {
  const auto text = system::read_text("tests/data/resize_expected.txt");
  ASSERT_TRUE(text);
  std::istringstream lines(*text);
  std::map<std::string, int> checked;
  std::map<std::string, double> largest;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string rule_name, expected;
    std::int64_t h, w, c, out_h, out_w;
    words >> rule_name >> h >> w >> c >> out_h >> out_w >> expected;
    const auto rule = resize_rule(rule_name);
    ASSERT_TRUE(rule) << rule_name;
    const auto out = resize(picture(h, w, c), out_h, out_w, *rule);
    ASSERT_TRUE(out) << line;
    ASSERT_EQ(out->dims, (Dims{out_h, out_w, c}));
    ++checked[rule_name];
    if (expected.starts_with("sha256:")) {
      EXPECT_EQ("sha256:" + system::sha256_hex(system::Bytes(out->data.get(), std::size_t(out->bytes()))), expected) << line.substr(0, 40);
      continue;
    }
    for (std::int64_t k = 0; k < 24; ++k) {
      double v;
      ASSERT_TRUE(words >> v);
      const double mine = double(out->as<const float>()[k * (out->size() - 1) / 23]);
      largest[rule_name] = std::max(largest[rule_name], std::abs(mine - v));
      // Sums of a few float32 products below 256 in another order differ by some of these units (2^-16).
      EXPECT_NEAR(mine, v, 1e-4) << line.substr(0, 40) << " value " << k;
    }
  }
  for (const auto& [rule, difference] : largest) RecordProperty(rule, std::to_string(difference));
  for (ResizeRule rule : resize_rules())
    EXPECT_GE(checked[std::string(name(rule))], 15) << name(rule);
}
TEST(Resize, a_constant_picture_stays_constant_and_the_same_size_changes_nothing) {
  const Tensor x = picture(12, 9, 3);
  for (ResizeRule rule : resize_rules()) {
    const Tensor flat = *resize(Tensor::of(DType::u8, {13, 11, 3}, {77}), 7, 20, rule);
    for (std::int64_t i = 0; i < flat.size(); ++i) EXPECT_NEAR(flat.at(i), 77, 1e-4) << name(rule);
    const Tensor same = *resize(x, 12, 9, rule);
    EXPECT_EQ(same.dtype, is_8bit(rule) ? DType::u8 : DType::f32);
    for (std::int64_t i = 0; i < x.size(); ++i) EXPECT_NEAR(same.at(i), x.at(i), 1e-4) << name(rule);
    EXPECT_EQ(resize_rule(name(rule)), rule);
  }
}
TEST(Resize, what_it_cannot_do_is_an_error) {
  EXPECT_EQ(resize(Tensor::zeros(DType::f32, {2, 2, 3}), 4, 4, ResizeRule::pil_bilinear).error().message, "resize pil-bilinear: works on uint8; put it before scale and normalize");
  EXPECT_FALSE(resize(picture(2, 2, 3), 0, 4, ResizeRule::cv_area));
  EXPECT_FALSE(resize(picture(2, 2, 3), 1 << 19, 1 << 19, ResizeRule::cv_area));
  EXPECT_FALSE(resize(Tensor::zeros(DType::u8, {2, 2}), 4, 4, ResizeRule::cv_area));
  EXPECT_FALSE(resize(Tensor::zeros(DType::u8, {2, 0, 3}), 4, 4, ResizeRule::cv_area));
  EXPECT_FALSE(resize_rule("bilinear"));
}

}  // namespace
}  // namespace saha::data
