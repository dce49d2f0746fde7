// Corruptions and transforms: what holds of each whatever the sample, and what single ones do to samples whose answer is known.
#include "corrupt/corrupt.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saha::corrupt {
namespace {

data::Item picture(std::int64_t h, std::int64_t w, std::int64_t c) {
  Tensor t = Tensor::zeros(DType::u8, {h, w, c});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<std::uint8_t>()[i] = std::uint8_t(110 + 80 * std::sin(double(i / c % w) * 0.4) * std::cos(double(i / c / w) * 0.3) + 20 * double(i % c));
  return {t, 0};
}
data::Item sound(std::int64_t channels, std::int64_t n, int rate = 16000, double hz = 440) {
  Tensor t = Tensor::zeros(DType::f32, {channels, n});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = float(0.5 * std::sin(2 * std::numbers::pi * hz * double(i % n) / 16000));
  return {t, rate};
}
const Range kBytes{0, 255}, kSound{-1, 1};

double distance(const data::Item& a, const data::Item& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.tensor.size(); ++i) sum += (a.tensor.at(i) - b.tensor.at(i)) * (a.tensor.at(i) - b.tensor.at(i));
  return std::sqrt(sum / double(a.tensor.size()));
}
data::Item changed(const data::Item& item, std::string_view name, std::initializer_list<double> numbers, const Range& range, std::uint64_t seed = 1) {
  auto r = altered(item, name, std::span(numbers.begin(), numbers.size()), seed, range);
  EXPECT_TRUE(r) << (r ? "" : r.error().message);
  return r ? std::move(*r) : item;
}
std::string refused(const data::Item& item, std::string_view name, std::initializer_list<double> numbers, const Range& range) {
  auto r = altered(item, name, std::span(numbers.begin(), numbers.size()), 1, range);
  return r ? "" : r.error().message;
}

TEST(Corrupt, every_kind_keeps_form_and_range_repeats_by_its_seed_and_changes_something) {
  for (const data::Item& item : {picture(32, 40, 3), picture(28, 28, 1), picture(5, 4, 1), sound(1, 4000), sound(2, 9000)}) {
    const Range range = item.rate_hz ? kSound : kBytes;
    const auto names = kinds_of(item, range);
    EXPECT_EQ(names.size(), item.rate_hz ? 9u : item.tensor.dims[2] == 3 ? 15u : 14u);
    for (const std::string& name : names)
      for (int severity = 1; severity <= 5; ++severity) {
        const data::Item a = changed(item, name, {double(severity)}, range), b = changed(item, name, {double(severity)}, range);
        EXPECT_TRUE(identical(a.tensor, b.tensor)) << name;
        EXPECT_EQ(a.tensor.dims, item.tensor.dims) << name;
        EXPECT_EQ(a.tensor.dtype, item.tensor.dtype) << name;
        EXPECT_EQ(a.rate_hz, item.rate_hz);
        for (std::int64_t i = 0; i < a.tensor.size(); ++i) ASSERT_TRUE(a.tensor.at(i) >= range.low && a.tensor.at(i) <= range.high) << name;
        if (severity == 5 && item.tensor.size() > 20) { EXPECT_GT(distance(a, item), 0) << name << str(item.tensor.dims); }   // blurs of a few pixels vanish
      }
  }
}

TEST(Corrupt, noise_blur_and_losses_grow_with_the_severity) {
  const data::Item p = picture(64, 64, 3), s = sound(1, 16000);
  for (const char* name : {"gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "gaussian_blur", "brighter", "contrast", "jpeg", "pixelate"})
    for (int k = 1; k < 5; ++k) EXPECT_LT(distance(p, changed(p, name, {double(k)}, kBytes)), distance(p, changed(p, name, {k + 1.0}, kBytes))) << name << k;
  for (const char* name : {"noise", "reverb", "clipping"})
    for (int k = 1; k < 5; ++k) EXPECT_LT(distance(s, changed(s, name, {double(k)}, kSound)), distance(s, changed(s, name, {k + 1.0}, kSound))) << name << k;
}

TEST(Corrupt, figures_are_those_of_the_paper) {
  Tensor flat = Tensor::zeros(DType::f32, {100, 100, 1});
  for (std::int64_t i = 0; i < flat.size(); ++i) flat.as<float>()[i] = 0.5f;
  const data::Item gray{flat, 0};
  const Range unit{0, 1};
  EXPECT_NEAR(distance(gray, changed(gray, "gaussian_noise", {1}, unit)), 0.08, 0.003);
  EXPECT_NEAR(distance(gray, changed(gray, "shot_noise", {2}, unit)), std::sqrt(0.5 / 25), 0.005);
  EXPECT_NEAR(distance(gray, changed(gray, "impulse_noise", {5}, unit)), std::sqrt(0.27) * 0.5, 0.01);
  EXPECT_NEAR(changed(gray, "brighter", {3}, unit).tensor.at(7), 0.8, 1e-6);
  for (const char* name : {"contrast", "defocus_blur", "gaussian_blur", "motion_blur", "pixelate", "elastic"}) EXPECT_LT(distance(gray, changed(gray, name, {5}, unit)), 1e-5) << name;
  // White is white in any hue; half the contrast around the mean.
  const data::Item p = picture(20, 20, 1);
  const data::Item c = changed(p, "contrast", {1}, kBytes);
  double mean = 0;
  for (std::int64_t i = 0; i < 400; ++i) mean += p.tensor.at(i) / 400;
  for (std::int64_t i = 0; i < 400; ++i) EXPECT_NEAR(c.tensor.at(i), 0.4 * (p.tensor.at(i) - mean) + mean, 0.51);
}

TEST(Corrupt, fog_is_smooth_and_elastic_bends_without_moving_the_whole_picture) {
  constexpr std::int64_t kSide = 128;
  Tensor flat = Tensor::zeros(DType::f32, {kSide, kSide, 1});
  for (std::int64_t i = 0; i < flat.size(); ++i) flat.as<float>()[i] = 0.5f;
  const data::Item mist = changed({flat, 0}, "fog", {1}, {0, 1});
  double mean = 0, square = 0, bend = 0;
  for (std::int64_t i = 0; i < flat.size(); ++i) mean += mist.tensor.at(i) / double(flat.size());
  for (std::int64_t i = 0; i < flat.size(); ++i) square += (mist.tensor.at(i) - mean) * (mist.tensor.at(i) - mean) / double(flat.size());
  for (std::int64_t i = 1; i + 1 < flat.size(); ++i)
    if (i % kSide > 0 && i % kSide < kSide - 1) bend += std::abs(mist.tensor.at(i - 1) - 2 * mist.tensor.at(i) + mist.tensor.at(i + 1)) / double(flat.size());
  EXPECT_GT(square, 1e-4);
  EXPECT_LT(bend, 0.01 * std::sqrt(square));   // heights fall by the square of 2 at each halving: 0.02 and more where they fall by 2
  double moved = 0;
  Tensor small = Tensor::zeros(DType::f32, {32, 32, 1});
  for (std::int64_t i = 0; i < small.size(); ++i) small.as<float>()[i] = float(i % 32) / 32;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const data::Item bent = changed({small, 0}, "elastic", {1}, {0, 1}, seed);
    double by = 0;
    for (std::int64_t i = 0; i < small.size(); ++i) by += (bent.tensor.at(i) - small.at(i)) / double(small.size());
    moved += std::abs(by) / 12;
  }
  EXPECT_LT(moved, 0.06);   // of the side: what the three points do, which go up to 0.1 away
}

TEST(Corrupt, rotations_and_shifts_move_pixels) {
  const data::Item p = picture(9, 9, 3);
  const data::Item quarter = changed(p, "rotate", {std::numbers::pi / 2}, kBytes), back = changed(quarter, "rotate", {-std::numbers::pi / 2}, kBytes);
  EXPECT_TRUE(identical(back.tensor, p.tensor));
  auto at = [](const data::Item& i, std::int64_t y, std::int64_t x) { return i.tensor.at((y * 9 + x) * 3); };
  EXPECT_EQ(at(quarter, 0, 0), at(p, 0, 8));   // counterclockwise: the right upper corner goes to the left upper one
  EXPECT_TRUE(identical(changed(p, "rotate", {0}, kBytes).tensor, p.tensor));
  const data::Item moved = changed(p, "shift", {2, -1}, kBytes);
  EXPECT_EQ(at(moved, 3, 5), at(p, 4, 3));
  EXPECT_EQ(at(moved, 3, 0), at(p, 4, 0));
  EXPECT_EQ(at(changed(p, "brightness", {-0.2}, kBytes), 1, 1), at(p, 1, 1) - 51);
  const data::Item s = sound(1, 100);
  const data::Item late = changed(s, "shift", {3}, kSound);
  EXPECT_EQ(late.tensor.at(2), 0);
  EXPECT_EQ(late.tensor.at(13), s.tensor.at(10));
  EXPECT_TRUE(identical(changed(s, "shift_seconds", {3.0 / 16000}, kSound).tensor, late.tensor));
}

TEST(Corrupt, noise_has_the_ratio_that_is_asked_for) {
  const data::Item s = sound(1, 50000);
  const double signal = 0.5 / std::sqrt(2.0);
  EXPECT_NEAR(20 * std::log10(signal / distance(s, changed(s, "noise_snr", {20}, kSound))), 20, 0.1);
  EXPECT_NEAR(20 * std::log10(signal / distance(s, changed(s, "noise", {3}, kSound))), 15, 0.1);
}

TEST(Corrupt, bands_pitch_and_speed_do_what_their_names_say) {
  auto crossings = [](const data::Item& i) {
    int n = 0;
    for (std::int64_t k = 2001; k < 14000; ++k) n += (i.tensor.at(k - 1) < 0) != (i.tensor.at(k) < 0);
    return n;
  };
  auto loudness = [](const data::Item& i) {
    double sum = 0;
    for (std::int64_t k = 2000; k < 14000; ++k) sum += i.tensor.at(k) * i.tensor.at(k);
    return std::sqrt(sum / 12000);
  };
  const data::Item low = sound(1, 16000, 16000, 200), high = sound(1, 16000, 16000, 5000);
  EXPECT_NEAR(loudness(changed(low, "low_pass", {5}, kSound)), loudness(low), 0.01);
  EXPECT_LT(loudness(changed(high, "low_pass", {5}, kSound)), 0.01);
  EXPECT_LT(loudness(changed(low, "high_pass", {5}, kSound)), 0.02);
  EXPECT_NEAR(loudness(changed(high, "high_pass", {5}, kSound)), loudness(high), 0.01);
  // Half the rate is 8 kHz: severity 1 drops what is below 80 Hz, 2 below 160 Hz, and neither more.
  const data::Item hum = sound(1, 16000, 16000, 40), bass = sound(1, 16000, 16000, 200), voice = sound(1, 16000, 16000, 350);
  EXPECT_LT(loudness(changed(hum, "high_pass", {1}, kSound)), 0.2 * loudness(hum));
  EXPECT_GT(loudness(changed(bass, "high_pass", {1}, kSound)), 0.98 * loudness(bass));
  EXPECT_GT(loudness(changed(voice, "high_pass", {2}, kSound)), 0.98 * loudness(voice));
  const data::Item tone = sound(1, 16000, 16000, 440);
  bool up = false, down = false;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const double pitch = double(crossings(changed(tone, "pitch", {5}, kSound, seed))) / crossings(tone), speed = double(crossings(changed(tone, "speed", {3}, kSound, seed))) / crossings(tone);
    EXPECT_NEAR(std::abs(std::log2(pitch) * 12), 5, 0.35);
    EXPECT_TRUE(std::abs(speed - 1.1) < 0.01 || std::abs(speed - 0.9) < 0.01) << speed;
    (pitch > 1 ? up : down) = true;
  }
  EXPECT_TRUE(up && down);
}

TEST(Corrupt, what_a_sample_is_follows_from_its_form_and_range) {
  auto item = [](Dims d, DType t = DType::f32) { return data::Item{Tensor::zeros(t, std::move(d)), 0}; };
  EXPECT_EQ(medium(item({784}), {0, 1}), Medium::picture);
  EXPECT_EQ(medium(item({784}), {-1, 1}), Medium::sound);
  EXPECT_EQ(medium(item({1, 28, 28}), {0, 1}), Medium::picture);
  EXPECT_FALSE(layout(item({3, 32, 30}), {0, 1}).channels_last);
  EXPECT_EQ(layout(item({3, 32, 30}), {0, 1}).width, 30);
  EXPECT_EQ(medium(item({12}), {0, 1}), Medium::none);
  EXPECT_TRUE(kinds_of(item({12}), {0, 1}).empty());
  EXPECT_EQ(kinds_of(item({512}), {-1, 1}).size(), 7u);   // of unknown rate
}

TEST(Corrupt, says_what_it_cannot_do) {
  const data::Item p = picture(8, 8, 1), s = sound(1, 100);
  EXPECT_EQ(refused(p, "fogg", {1}, kBytes), "there is no corruption 'fogg'");
  EXPECT_EQ(refused(p, "fog", {6}, kBytes), "a severity is 1, 2, 3, 4 or 5, not 6.000000");
  EXPECT_EQ(refused(p, "saturate", {1}, kBytes), "'saturate' is for pictures of three colours, and the sample is uint8[8, 8, 1]");
  EXPECT_EQ(refused(s, "rotate", {1}, kSound), "'rotate' is for pictures, and the sample is float32[1, 100]");
  EXPECT_EQ(refused(p, "reverb", {1}, kBytes), "'reverb' is for sound, and the sample is uint8[8, 8, 1]");
  EXPECT_EQ(refused(p, "rotate", {}, kBytes), "'rotate' takes 1 number, not 0");
  EXPECT_EQ(refused({s.tensor, 0}, "reverb", {1}, kSound), "'reverb' needs the rate of the sound, which an array does not have");
  EXPECT_EQ(refused({s.tensor, 0}, "shift_seconds", {1}, kSound), "a shift in seconds needs the rate of the sound, which an array does not have");
}

}  // namespace
}  // namespace saha::corrupt
