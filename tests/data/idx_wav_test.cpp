#include "data/idx.hpp"
#include "data/wav.hpp"

#include <gtest/gtest.h>

#include <random>

#include "data/bytes.hpp"

namespace saha::data {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int v : values) out.push_back(std::byte(v));
  return out;
}

TEST(Idx, reads_bytes_and_big_endian_numbers_packed_or_not) {
  const auto images = bytes({0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 255});
  EXPECT_TRUE(identical(*read_idx(images), Tensor::of(DType::u8, {1, 2, 2}, {1, 2, 3, 255})));
  EXPECT_TRUE(identical(*read_idx(gzip(images)), *read_idx(images)));
  EXPECT_TRUE(identical(*read_idx(bytes({0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 0, 255, 255, 255, 255})), Tensor::of(DType::i32, {2}, {256, -1})));
  EXPECT_EQ(read_idx(bytes({0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0}))->at(0), 1.5);
}
TEST(Idx, refuses_what_does_not_add_up) {
  EXPECT_TRUE(contains(read_idx(bytes({0, 0, 8, 1, 0, 0, 0, 3, 1, 2})).error().message, "uint8[3] does not match the 2 bytes"));
  EXPECT_TRUE(contains(read_idx(bytes({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})).error().message, "does not match"));
  EXPECT_TRUE(contains(read_idx(bytes({0, 0, 7, 1, 0, 0, 0, 0})).error().message, "element type 7"));
  EXPECT_TRUE(contains(read_idx(bytes({0, 0, 8, 9})).error().message, "9 dimensions"));
  EXPECT_FALSE(read_idx({}));
}

std::vector<std::byte> wav(int coding, int channels, int bits, const std::string& data, std::uint32_t stated = 0xffffffff, int rate = 8000) {
  std::vector<std::byte> out;
  append(out, system::bytes_of("RIFF")), append<std::uint32_t>(out, 0), append(out, system::bytes_of("WAVEfmt ")), append<std::uint32_t>(out, 16);
  append(out, std::uint16_t(coding)), append(out, std::uint16_t(channels)), append(out, std::uint32_t(rate)), append(out, std::uint32_t(0));
  append(out, std::uint16_t(channels * bits / 8)), append(out, std::uint16_t(bits));
  append(out, system::bytes_of("LIST")), append<std::uint32_t>(out, 3), append(out, system::bytes_of(std::string_view("abc\0", 4)));  // odd chunk, padded
  append(out, system::bytes_of("data")), append(out, stated), append(out, system::bytes_of(data));
  return out;
}
TEST(Wav, reads_every_width) {
  const auto at = [](const Result<Audio>& a, int i) { return a->samples.at(i); };
  auto a8 = read_wav(wav(1, 1, 8, std::string("\x80\xff\x00", 3)));
  ASSERT_TRUE(a8);
  EXPECT_EQ(a8->rate_hz, 8000);
  EXPECT_EQ(at(a8, 0), 0);
  EXPECT_EQ(at(a8, 1), 127.0 / 128);
  EXPECT_EQ(at(a8, 2), -1);
  auto a16 = read_wav(wav(1, 2, 16, std::string("\x00\x40\x00\x80\xff\x7f\x01\x00", 8)));
  ASSERT_TRUE(a16);
  EXPECT_EQ(a16->samples.dims, (Dims{2, 2}));
  EXPECT_EQ(at(a16, 0), 0.5);
  EXPECT_EQ(at(a16, 1), 32767.0 / 32768);
  EXPECT_EQ(at(a16, 2), -1);
  EXPECT_EQ(at(a16, 3), 1.0 / 32768);
  EXPECT_EQ(at(read_wav(wav(1, 1, 24, std::string("\x00\x00\xc0", 3))), 0), -0.5);
  EXPECT_EQ(at(read_wav(wav(1, 1, 32, std::string("\x00\x00\x00\x40", 4))), 0), 0.5);
  EXPECT_EQ(at(read_wav(wav(3, 1, 32, std::string("\x00\x00\xc0\x3f", 4))), 0), 1.5);
  EXPECT_EQ(at(read_wav(wav(3, 1, 64, std::string("\x00\x00\x00\x00\x00\x00\xf8\x3f", 8))), 0), 1.5);
}
TEST(Wav, what_it_writes_it_reads) {
  const Audio a{16000, Tensor::of(DType::f32, {2, 3}, {0, 0.5, -0.5, 1, -1, 0.25})};
  auto b = read_wav(write_wav(a));
  ASSERT_TRUE(b);
  EXPECT_EQ(b->rate_hz, 16000);
  EXPECT_EQ(b->samples.at(1), 0.5);
  EXPECT_EQ(b->samples.at(3), 32767.0 / 32768);
  EXPECT_EQ(b->samples.at(4), -1);
}
TEST(Wav, refuses_by_name_and_number) {
  EXPECT_TRUE(contains(read_wav(wav(7, 1, 8, "x")).error().message, "mu-law"));
  EXPECT_TRUE(contains(read_wav(wav(1, 1, 12, "x")).error().message, "12 bits"));
  EXPECT_TRUE(contains(read_wav(wav(1, 0, 8, "x")).error().message, "0 channels"));
  EXPECT_TRUE(contains(read_wav(wav(1, 1, 8, "xyz", 10)).error().message, "'data' has 10 bytes, the file only 3 more"));
  EXPECT_TRUE(contains(read_wav(system::bytes_of("RIFFxxxxWAVE")).error().message, "no samples"));
  EXPECT_FALSE(read_wav({}));
}
TEST(Wav, mutants_never_crash) {
  const auto sound = wav(1, 2, 16, "12345678", 8);
  std::mt19937 random(2);
  for (int i = 0; i < 5000; ++i) {
    auto mutant = sound;
    for (unsigned k = 0; k <= random() % 3; ++k) mutant[random() % mutant.size()] = std::byte(random());
    if (random() % 3 == 0) mutant.resize(random() % mutant.size());
    (void)read_wav(mutant).has_value();
    (void)read_idx(mutant).has_value();
  }
}

}  // namespace
}  // namespace saha::data
