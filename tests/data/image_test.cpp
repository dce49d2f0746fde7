#include "data/image.hpp"

#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <cmath>
#include <random>
#include <sstream>

#include "data/bytes.hpp"
#include "system/hash.hpp"

namespace saha::data {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
Tensor picture(std::int64_t h, std::int64_t w, std::int64_t c) {
  Tensor t = Tensor::zeros(DType::u8, {h, w, c});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<std::uint8_t>()[i] = std::uint8_t((i * 7 + i / 3) & 255);
  return t;
}
std::vector<std::byte> jpeg(const Tensor& t, int quality = 95) {
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  const bool gray = t.dims[2] == 1;
  EXPECT_EQ(tjCompress2(handle, t.as<unsigned char>(), int(t.dims[1]), 0, int(t.dims[0]), gray ? TJPF_GRAY : TJPF_RGB, &out, &size, gray ? TJSAMP_GRAY : TJSAMP_444, quality, 0), 0);
  const auto* p = reinterpret_cast<const std::byte*>(out);
  std::vector<std::byte> bytes(p, p + size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}
// A 24-bit BMP of two rows of two pixels: red green / blue white.
std::vector<std::byte> bmp(std::int32_t height = 2) {
  std::vector<std::byte> b;
  append(b, system::bytes_of("BM")), append<std::uint32_t>(b, 70), append<std::uint32_t>(b, 0), append<std::uint32_t>(b, 54);
  append<std::uint32_t>(b, 40), append<std::int32_t>(b, 2), append(b, height), append<std::uint16_t>(b, 1), append<std::uint16_t>(b, 24);
  for (int i = 0; i < 6; ++i) append<std::uint32_t>(b, 0);
  const int upper[] = {0, 0, 255, 0, 255, 0, 0, 0}, lower[] = {255, 0, 0, 255, 255, 255, 0, 0};
  for (int v : height > 0 ? lower : upper) b.push_back(std::byte(v));
  for (int v : height > 0 ? upper : lower) b.push_back(std::byte(v));
  return b;
}
const Tensor kFour = Tensor::of(DType::u8, {2, 2, 3}, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255});

TEST(Png, what_it_writes_it_reads) {
  for (std::int64_t c : {1, 3}) {
    const Tensor t = picture(5, 7, c);
    auto bytes = encode_png(t);
    ASSERT_TRUE(bytes);
    EXPECT_TRUE(identical(*decode_image(*bytes, {.channels = c == 1 ? Channels::gray : Channels::rgb}), t));
  }
  EXPECT_TRUE(contains(encode_png(Tensor::zeros(DType::f32, {2, 2, 3})).error().message, "float32[2, 2, 3]"));
}
TEST(Image, channels_are_as_asked_for) {
  const auto png = *encode_png(kFour);
  EXPECT_TRUE(identical(*decode_image(png, {.channels = Channels::bgr}), Tensor::of(DType::u8, {2, 2, 3}, {0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255})));
  EXPECT_TRUE(identical(*decode_image(png, {.channels = Channels::gray}), Tensor::of(DType::u8, {2, 2, 1}, {76, 150, 29, 255})));
  const auto gray = *encode_png(Tensor::of(DType::u8, {1, 2, 1}, {9, 200}));
  EXPECT_TRUE(identical(*decode_image(gray), Tensor::of(DType::u8, {1, 2, 3}, {9, 9, 9, 200, 200, 200})));
}
TEST(Jpeg, is_close_to_what_was_packed) {
  Tensor smooth = Tensor::zeros(DType::u8, {24, 40, 3});
  for (std::int64_t y = 0; y < 24; ++y)
    for (std::int64_t x = 0; x < 40; ++x)
      for (std::int64_t c = 0; c < 3; ++c) smooth.as<std::uint8_t>()[(y * 40 + x) * 3 + c] = std::uint8_t(128 + 60 * std::sin(double(x + c) / 9) + 50 * std::cos(double(y) / 7));
  auto back = decode_image(jpeg(smooth, 98));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->dims, smooth.dims);
  for (std::int64_t i = 0; i < smooth.size(); ++i) EXPECT_NEAR(back->at(i), smooth.at(i), 4);
  EXPECT_EQ(decode_image(jpeg(picture(8, 8, 1)), {.channels = Channels::gray})->dims, (Dims{8, 8, 1}));
}
TEST(Jpeg, exif_orientation_turns_the_picture) {
  const auto plain = jpeg(picture(8, 16, 1), 100);
  const Tensor upright = *decode_image(plain, {.channels = Channels::gray});
  for (int orientation = 1; orientation <= 8; ++orientation) {
    std::vector<std::byte> file(plain.begin(), plain.begin() + 2);
    append(file, system::bytes_of(std::string_view("\xff\xe1\x00\x22" "Exif\0\0" "MM\0\x2a\0\0\0\x08" "\0\x01" "\x01\x12\0\x03\0\0\0\x01\0", 29)));
    file.push_back(std::byte(orientation));
    append(file, system::bytes_of(std::string_view("\0\0\0\0\0\0", 6)));
    file.insert(file.end(), plain.begin() + 2, plain.end());
    const Tensor t = *decode_image(file, {.channels = Channels::gray});
    ASSERT_EQ(t.dims, orientation < 5 ? (Dims{8, 16, 1}) : (Dims{16, 8, 1})) << orientation;
    // Where the stored corner (0, 0) must be seen: EXIF 2.3, table "orientation".
    const std::int64_t h = t.dims[0], w = t.dims[1];
    const std::pair<std::int64_t, std::int64_t> corner[] = {{0, 0}, {0, w - 1}, {h - 1, w - 1}, {h - 1, 0}, {0, 0}, {0, w - 1}, {h - 1, w - 1}, {h - 1, 0}};
    // and which way the stored row runs from there: right, left, left, right, down, down, up, up.
    const std::pair<int, int> along[] = {{0, 1}, {0, -1}, {0, -1}, {0, 1}, {1, 0}, {1, 0}, {-1, 0}, {-1, 0}};
    const auto [cy, cx] = corner[orientation - 1];
    const auto [dy, dx] = along[orientation - 1];
    for (int k = 0; k < 16; ++k) EXPECT_EQ(t.at((cy + dy * k) * w + cx + dx * k), upright.at(k)) << orientation << " " << k;
    EXPECT_TRUE(identical(*decode_image(file, {.channels = Channels::gray, .turn_by_exif = false}), upright));
  }
}
TEST(Bmp, reads_both_row_orders_palettes_fields_and_runs) {
  EXPECT_TRUE(identical(*decode_image(bmp(2)), kFour));
  EXPECT_TRUE(identical(*decode_image(bmp(-2)), kFour));
  const auto header = [](std::int32_t w, std::int32_t h, int bits, std::uint32_t compression, std::uint32_t colors, std::uint32_t extra) {
    std::vector<std::byte> b;
    append(b, system::bytes_of("BM")), append<std::uint32_t>(b, 0), append<std::uint32_t>(b, 0), append<std::uint32_t>(b, 54 + 4 * colors + extra);
    append<std::uint32_t>(b, 40), append(b, w), append(b, h), append<std::uint16_t>(b, 1), append(b, std::uint16_t(bits)), append(b, compression);
    append<std::uint32_t>(b, 0), append<std::uint32_t>(b, 0), append<std::uint32_t>(b, 0), append(b, colors), append<std::uint32_t>(b, 0);
    return b;
  };
  auto one = header(3, 1, 1, 0, 2, 0);
  append<std::uint32_t>(one, 0x000000ff), append<std::uint32_t>(one, 0x00ff0000), append<std::uint32_t>(one, 0x40);  // blue, red; bits 0 1 0
  EXPECT_TRUE(identical(*decode_image(one), Tensor::of(DType::u8, {1, 3, 3}, {0, 0, 255, 255, 0, 0, 0, 0, 255})));
  auto fields = header(1, 1, 16, 3, 0, 12);
  append<std::uint32_t>(fields, 0xf800), append<std::uint32_t>(fields, 0x07e0), append<std::uint32_t>(fields, 0x001f), append<std::uint32_t>(fields, 0xffe0);
  EXPECT_TRUE(identical(*decode_image(fields), Tensor::of(DType::u8, {1, 1, 3}, {255, 255, 0})));
  auto runs = header(4, 2, 8, 1, 2, 0);
  append<std::uint32_t>(runs, 0x000000ff), append<std::uint32_t>(runs, 0x00ff0000);
  for (int v : {3, 1, 1, 0, 0, 0, 0, 4, 0, 1, 0, 1, 0, 1}) runs.push_back(std::byte(v));  // below: 1 1 1 0, above as literals: 0 1 0 1
  auto t = decode_image(runs);
  ASSERT_TRUE(t) << t.error().message;
  const int reds[] = {0, 1, 0, 1, 1, 1, 1, 0};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(t->at(3 * i), 255 * reds[i]) << i;
}
TEST(Image, size_is_checked_before_memory_is_taken) {
  const auto png = *encode_png(picture(20, 20, 1));
  EXPECT_EQ(decode_image(png, {.max_pixels = 399}).error().message, "PNG: 20 x 20 pixels, the limit is 399");
  auto huge = bmp();
  for (int at : {18, 22}) huge[std::size_t(at) + 3] = std::byte{0x7f};
  EXPECT_EQ(decode_image(huge).error().code, ErrorCode::out_of_memory);
  EXPECT_EQ(decode_image(jpeg(picture(20, 20, 1)), {.max_pixels = 399}).error().code, ErrorCode::out_of_memory);
}
TEST(Image, what_is_cut_off_is_an_error_at_every_length) {
  for (const auto& file : {*encode_png(picture(9, 9, 3)), jpeg(picture(16, 16, 3)), bmp()})
    for (std::size_t n = 0; n < file.size(); ++n) {
      // A PNG's pixels have their own checksum; what follows it, a second one and an empty chunk, is 16 bytes. A JPEG ends in a mark of 2.
      auto image = decode_image(Bytes(file).first(n));
      EXPECT_TRUE(!image || n + 16 >= file.size()) << n << " of " << file.size();
    }
  EXPECT_EQ(decode_image(system::bytes_of("GIF89a")).error().message, "not a PNG, JPEG, BMP, PNM, TIFF, WebP or JPEG 2000 picture");
}
TEST(Image, mutants_never_crash) {
  std::mt19937 random(5);
  for (const auto& file : {*encode_png(picture(9, 9, 3)), jpeg(picture(16, 16, 3)), jpeg(picture(9, 9, 1)), bmp()})
    for (int i = 0; i < 1500; ++i) {
      auto mutant = file;
      for (unsigned k = 0; k <= random() % 4; ++k) mutant[random() % std::min<std::size_t>(mutant.size(), 400)] = std::byte(random());
      (void)decode_image(mutant, {.max_pixels = 1 << 20}).has_value();
    }
}
std::vector<std::byte> from_base64(const std::string& text) {
  std::vector<std::byte> out;
  unsigned held = 0;
  int bits = 0;
  for (char c : text) {
    const int v = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
    if (v < 0) break;
    held = held << 6 | unsigned(v), bits += 6;
    if (bits >= 8) bits -= 8, out.push_back(std::byte(held >> bits & 255));
  }
  return out;
}
TEST(Image, equals_pillow_and_opencv_in_every_coding) {
  const auto text = system::read_text("tests/data/image_expected.txt");
  ASSERT_TRUE(text);
  std::istringstream lines(*text);
  int checked = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string name, file, shape, expected;
    words >> name >> file >> shape >> expected;
    const auto bytes = from_base64(file);
    EXPECT_EQ(base64(bytes), file);
    const auto image = decode_image(bytes);
    ASSERT_TRUE(image) << name << ": " << image.error().message;
    EXPECT_EQ(std::to_string(image->dims[0]) + "x" + std::to_string(image->dims[1]), shape) << name;
    EXPECT_EQ(system::sha256_hex(Bytes(image->data.get(), std::size_t(image->bytes()))), expected) << name;
    ++checked;
  }
  EXPECT_GE(checked, 20);
}
TEST(Base64, equals_the_examples_of_rfc_4648) {
  const std::pair<const char*, const char*> rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(base64(system::bytes_of(text)), expected);
}

}  // namespace
}  // namespace saha::data
