// Expected numbers by tools/audio_expectations.py: scipy.signal.resample_poly, librosa's filter banks, scipy.fft.dct.
#include "data/audio.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace saha::data {
namespace {

Tensor sound(std::int64_t n) {
  Tensor t = Tensor::zeros(DType::f32, {1, n});
  for (std::int64_t k = 0; k < n; ++k) t.as<float>()[k] = float(double((std::uint64_t(k) * 2654435761u & 0xffffffffu) >> 16) / 32768 - 1);
  return t;
}

TEST(Resample, equals_scipys_resample_poly) {
  struct Row { int up, down; std::int64_t length; double values[5]; };
  const Row rows[] = {{2, 1, 800, {-1.000517, -0.3556147, 0.2361756, -0.09837852, -0.1482059}},
                      {1, 2, 200, {-0.5421643, 0.1165832, -0.07889553, 0.0328787, 0.5689585}},
                      {160, 441, 146, {-0.3491926, 0.04683934, -0.1587604, 0.09095071, 0.2692507}},
                      {3, 2, 600, {-1.000606, -0.08878211, 0.1378961, -0.7985955, -0.1033609}}};
  for (const Row& row : rows) {
    auto y = resample(sound(400), row.down * 100, row.up * 100);
    ASSERT_TRUE(y);
    ASSERT_EQ(y->dims, (Dims{1, row.length}));
    const std::int64_t at[] = {0, 1, 2, 50, row.length - 1};
    for (int k = 0; k < 5; ++k) EXPECT_NEAR(y->at(at[k]), row.values[k], 2e-6) << row.up << ":" << row.down << " at " << at[k];
  }
  EXPECT_TRUE(identical(*resample(sound(10), 8000, 8000), sound(10)));
}
TEST(LogMel, equals_librosas_filters_on_numpys_spectrum) {
  struct Row { LogMel::Scale scale; LogMel::Log log; double values[3]; };
  const Row rows[] = {{LogMel::Scale::htk, LogMel::Log::ln, {1.047534, 4.057482, 4.790124}},
                      {LogMel::Scale::htk, LogMel::Log::log10, {0.4549382, 1.762142, 2.080324}},
                      {LogMel::Scale::htk, LogMel::Log::db, {4.549381, 17.62142, 20.80324}},
                      {LogMel::Scale::slaney, LogMel::Log::ln, {-2.970334, -2.255143, -1.227264}},
                      {LogMel::Scale::slaney, LogMel::Log::log10, {-1.29, -0.979396, -0.5329938}},
                      {LogMel::Scale::slaney, LogMel::Log::db, {-12.90008, -9.794001, -5.329953}}};
  for (const Row& row : rows) {
    LogMel o{.frame_s = 0.03, .hop_s = 0.02, .fft = 256, .mels = 20, .low_hz = 20, .high_hz = 4000, .scale = row.scale, .log = row.log, .eps = 1e-6};
    auto y = log_mel(sound(400), 8000, o);
    ASSERT_TRUE(y) << y.error().message;
    ASSERT_EQ(y->dims, (Dims{1, 2, 20}));
    EXPECT_NEAR(y->at(0), row.values[0], 1e-5);
    EXPECT_NEAR(y->at(7), row.values[1], 1e-5);
    EXPECT_NEAR(y->at(39), row.values[2], 1e-5);
  }
}
TEST(LogMel, sums_magnitudes_and_draws_triangles_over_mel_as_tensorflow_does) {
  const double expected[2][3] = {{0.8686091, 2.474805, 3.350328}, {1.046453, 4.072501, 4.779501}};
  for (int power : {1, 2}) {
    LogMel o{.frame_s = 0.03, .hop_s = 0.02, .fft = 256, .power = power, .mels = 20, .low_hz = 20, .high_hz = 4000, .triangles = LogMel::Triangles::mel};
    auto y = log_mel(sound(400), 8000, o);
    ASSERT_TRUE(y) << y.error().message;
    EXPECT_NEAR(y->at(0), expected[power - 1][0], 1e-5);
    EXPECT_NEAR(y->at(7), expected[power - 1][1], 1e-5);
    EXPECT_NEAR(y->at(39), expected[power - 1][2], 1e-5);
    if (power == 2) continue;
    auto c = mfcc(sound(400), 8000, {.mel = o, .coefficients = 10});
    ASSERT_TRUE(c);
    EXPECT_NEAR(c->at(0), 11.2401, 2e-5);
    EXPECT_NEAR(c->at(1), -3.469205, 2e-5);
    EXPECT_NEAR(c->at(19), 0.3294317, 2e-5);
  }
  EXPECT_EQ(log_mel(sound(4000), 8000, {.power = 3}).error().message, "log_mel: power 3 is not 1 or 2");
}
TEST(Mfcc, equals_scipys_orthonormal_dct) {
  const double expected[2][3] = {{17.54849, -5.911201, 1.160961}, {-5.197872, -3.303174, 1.31501}};
  for (auto scale : {LogMel::Scale::htk, LogMel::Scale::slaney}) {
    Mfcc o{.mel = {.frame_s = 0.03, .hop_s = 0.02, .fft = 256, .mels = 20, .low_hz = 20, .high_hz = 4000, .scale = scale}, .coefficients = 10};
    auto y = mfcc(sound(400), 8000, o);
    ASSERT_TRUE(y);
    ASSERT_EQ(y->dims, (Dims{1, 2, 10}));
    const double* e = expected[scale == LogMel::Scale::slaney];
    EXPECT_NEAR(y->at(0), e[0], 2e-5);
    EXPECT_NEAR(y->at(1), e[1], 2e-5);
    EXPECT_NEAR(y->at(19), e[2], 2e-5);
  }
}
TEST(LogMel, what_cannot_be_is_an_error_with_numbers) {
  EXPECT_EQ(log_mel(sound(100), 8000, {}).error().message, "log_mel: the sound has 100 samples, a frame has 240");
  EXPECT_EQ(log_mel(sound(4000), 8000, {.fft = 100}).error().message, "log_mel: fft 100 is not a power of two");
  EXPECT_EQ(log_mel(sound(4000), 8000, {.high_hz = 5000}).error().message, "log_mel: the range must lie within 0 and 4000 Hz");
  EXPECT_EQ(log_mel(sound(4000), 8000, {.fft = 128}).error().message, "log_mel: a frame of 240 samples, a hop of 160, fft 128");
  EXPECT_FALSE(mfcc(sound(4000), 8000, {.mel = {}, .coefficients = 41}));
  EXPECT_FALSE(resample(sound(10), 0, 8000));
  EXPECT_FALSE(resample(Tensor::zeros(DType::f32, {10}), 8000, 16000));
  EXPECT_FALSE(resample(sound(10), 999983, 1000003));
}

}  // namespace
}  // namespace saha::data
