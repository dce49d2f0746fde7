// PNM and TIFF built by hand, in every variant that is read; damage is an error, never a crash. WebP and JPEG 2000 pictures are compared by
// ONNX's ImageDecoder cases; here their decoders are given rubbish.
#include <gtest/gtest.h>

#include <random>

#include "data/bytes.hpp"
#include "data/image.hpp"

namespace saha::data {
namespace {
std::vector<std::byte> bytes(std::string_view s) {
  std::vector<std::byte> b;
  append(b, system::bytes_of(s));
  return b;
}
std::vector<int> pixels(const Result<Tensor>& t) {
  EXPECT_TRUE(t) << (t ? "" : t.error().message);
  std::vector<int> v;
  if (t) for (std::int64_t i = 0; i < t->size(); ++i) v.push_back(int(t->int_at(i)));
  return v;
}
constexpr ImageOptions kGray{.channels = Channels::gray};
/// One strip, `tags` beyond those of the size; the strip stands behind the directory.
std::vector<std::byte> tiff(std::uint16_t width, std::uint16_t height, std::uint16_t samples, std::uint16_t photometric, std::uint16_t compression, std::uint16_t predictor, std::string_view strip) {
  std::vector<std::byte> b = bytes(std::string_view("II*\0\x08\0\0\0", 8));
  struct Tag { std::uint16_t id; std::uint32_t value; };
  const Tag tags[] = {{256, width}, {257, height}, {258, 8}, {259, compression}, {262, photometric}, {273, 8 + 2 + 10 * 12 + 4}, {277, samples}, {278, height}, {279, std::uint32_t(strip.size())}, {317, predictor}};
  append<std::uint16_t>(b, 10);
  for (const Tag& t : tags) append<std::uint16_t>(b, t.id), append<std::uint16_t>(b, 4), append<std::uint32_t>(b, 1), append<std::uint32_t>(b, t.value);
  append<std::uint32_t>(b, 0);
  append(b, system::bytes_of(strip));
  return b;
}
}  // namespace

TEST(Picture, pnm_in_its_six_forms) {
  EXPECT_EQ(pixels(decode_image(bytes("P1 # comment\n3 1\n1 01"), kGray)), (std::vector<int>{0, 255, 0}));
  EXPECT_EQ(pixels(decode_image(bytes("P2\n2 1\n100\n0 50"), kGray)), (std::vector<int>{0, 128}));
  EXPECT_EQ(pixels(decode_image(bytes("P3 1 1 255 1 2 3"))), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(pixels(decode_image(bytes("P4\n3 1\n\xa0"), kGray)), (std::vector<int>{0, 255, 0}));
  EXPECT_EQ(pixels(decode_image(bytes("P5\n2 1\n255\nAB"), kGray)), (std::vector<int>{65, 66}));
  EXPECT_EQ(pixels(decode_image(bytes("P6\n1 1\n255\nABC"), {.channels = Channels::bgr})), (std::vector<int>{67, 66, 65}));
  EXPECT_EQ(pixels(decode_image(bytes(std::string_view("P5 1 1 65535 \x80\0", 15)), kGray)), (std::vector<int>{128}));
}
TEST(Picture, tiff_in_colour_and_gray) {
  EXPECT_EQ(pixels(decode_image(tiff(2, 1, 3, 2, 1, 1, "ABCDEF"))), (std::vector<int>{65, 66, 67, 68, 69, 70}));
  EXPECT_EQ(pixels(decode_image(tiff(2, 2, 1, 0, 1, 1, std::string_view("\0\1\2\3", 4)), kGray)), (std::vector<int>{255, 254, 253, 252}));
}
TEST(Picture, tiff_packbits_and_predictor) {
  EXPECT_EQ(pixels(decode_image(tiff(5, 1, 1, 1, 32773, 1, std::string_view("\xfd" "A" "\0B", 4)), kGray)), (std::vector<int>{65, 65, 65, 65, 66}));
  EXPECT_EQ(pixels(decode_image(tiff(3, 1, 1, 1, 1, 2, "\1\1\1"), kGray)), (std::vector<int>{1, 2, 3}));
  EXPECT_NE(decode_image(tiff(3, 1, 1, 1, 5, 1, "\1\1\1")).error().message.find("compression 5 is not supported"), std::string::npos);
}
TEST(Picture, size_is_checked_before_memory_is_taken) {
  EXPECT_EQ(decode_image(bytes("P5 99999 99999 255 ")).error().code, ErrorCode::out_of_memory);
  EXPECT_EQ(decode_image(bytes("P5 9 9 255 1")).error().message, "PNM: the raster ends early");
}
TEST(Picture, damage_never_crashes) {
  std::mt19937 random(9);
  const std::vector<std::vector<std::byte>> files = {bytes("P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12"), bytes("P6\n2 1\n255\nABCDEF"), tiff(2, 1, 3, 2, 1, 1, "ABCDEF"), tiff(5, 1, 1, 1, 32773, 1, std::string_view("\xfd" "A" "\0B", 4)),
                                                     bytes(std::string_view("RIFF\x20\0\0\0WEBPVP8L\x14\0\0\0\x2f\0\0\0\0\x07\x10\x11\x11\x88\x88\xfe\x07\0", 32)),
                                                     bytes(std::string_view("\xff\x4f\xff\x51\0\x29\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0", 24))};
  for (const auto& file : files) {
    for (std::size_t n = 0; n < file.size(); ++n) (void)decode_image(Bytes(file).first(n), {.max_pixels = 1 << 16}).has_value();
    for (int i = 0; i < 1000; ++i) {
      auto mutant = file;
      for (unsigned k = 0; k <= random() % 3; ++k) mutant[random() % mutant.size()] = std::byte(random());
      (void)decode_image(mutant, {.max_pixels = 1 << 16}).has_value();
    }
  }
}

}  // namespace saha::data
