// PNG by libspng, JPEG by TurboJPEG: both report errors by value. BMP by hand: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER and its kin).
#include "data/image.hpp"

#include <spng.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "data/bytes.hpp"
#include "data/picture.hpp"

namespace saha::data {
namespace {

using Pixel = std::uint8_t;

bool is_png(Bytes b) { return b.size() >= 8 && std::memcmp(b.data(), "\x89PNG\r\n\x1a\n", 8) == 0; }
bool is_jpeg(Bytes b) { return b.size() >= 3 && std::memcmp(b.data(), "\xff\xd8\xff", 3) == 0; }
bool is_bmp(Bytes b) { return b.size() >= 2 && std::memcmp(b.data(), "BM", 2) == 0; }

Pixel luma(const Pixel* rgb) { return Pixel((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16); }

// From what a decoder gave (RGB or gray) to what was asked for.
Tensor with_channels(Tensor image, Channels wanted) {
  const std::int64_t n = image.dims[0] * image.dims[1];
  const bool gray = image.dims[2] == 1;
  Pixel* p = image.as<Pixel>();
  if (wanted == Channels::gray && !gray) {
    for (std::int64_t i = 0; i < n; ++i) p[i] = luma(p + 3 * i);  // in place: the output runs behind the input
    image.dims[2] = 1;
  } else if (wanted != Channels::gray && gray) {
    Tensor out = Tensor::zeros(DType::u8, {image.dims[0], image.dims[1], 3});
    for (std::int64_t i = 0; i < n; ++i) std::memset(out.as<Pixel>() + 3 * i, p[i], 3);
    return out;
  } else if (wanted == Channels::bgr) {
    for (std::int64_t i = 0; i < n; ++i) std::swap(p[3 * i], p[3 * i + 2]);
  }
  return image;
}


struct FreeSpng { void operator()(spng_ctx* c) const { spng_ctx_free(c); } };

// ---- EXIF (TIFF 6.0 header, IFD 0, tag 0x0112) -----------------------------------------------------------------------------------
int exif_orientation(Bytes tiff) {
  if (tiff.size() < 8) return 1;
  const bool motorola = tiff[0] == std::byte{'M'};
  const auto u16 = [&](std::size_t at) { return motorola ? big<std::uint16_t>(tiff, at) : little<std::uint16_t>(tiff, at); };
  const auto u32 = [&](std::size_t at) { return motorola ? big<std::uint32_t>(tiff, at) : little<std::uint32_t>(tiff, at); };
  if (u16(2) != 42) return 1;
  const std::size_t ifd = u32(4);
  if (ifd > tiff.size() || tiff.size() - ifd < 2) return 1;
  const std::size_t count = u16(ifd);
  for (std::size_t i = 0; i < count && ifd + 2 + 12 * (i + 1) <= tiff.size(); ++i) {
    const std::size_t at = ifd + 2 + 12 * i;
    if (u16(at) == 0x0112 && u16(at + 2) == 3) {
      const int v = u16(at + 8);
      return v >= 1 && v <= 8 ? v : 1;
    }
  }
  return 1;
}
// The EXIF block of a JPEG: segment APP1 that begins with "Exif\0\0".
int jpeg_orientation(Bytes b) {
  for (std::size_t at = 2; at + 4 <= b.size() && b[at] == std::byte{0xff};) {
    const int marker = int(b[at + 1]);
    if (marker == 0xff) { ++at; continue; }  // fill
    if (marker == 0xda || marker == 0xd9) break;
    const std::size_t length = big<std::uint16_t>(b, at + 2);
    if (length < 2 || b.size() - at - 2 < length) break;
    if (marker == 0xe1 && length >= 8 && std::memcmp(b.data() + at + 4, "Exif\0\0", 6) == 0) return exif_orientation(b.subspan(at + 10, length - 8));
    at += 2 + length;
  }
  return 1;
}
// Orientations 2..8: mirror, turn, and for 5..8 swap the axes.
Tensor turned(const Tensor& image, int orientation) {
  if (orientation <= 1) return image;
  const std::int64_t h = image.dims[0], w = image.dims[1], c = image.dims[2];
  const bool swap = orientation >= 5;
  Tensor out = Tensor::zeros(DType::u8, {swap ? w : h, swap ? h : w, c});
  for (std::int64_t y = 0; y < out.dims[0]; ++y)
    for (std::int64_t x = 0; x < out.dims[1]; ++x) {
      std::int64_t sy = swap ? x : y, sx = swap ? y : x;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) sx = w - 1 - sx;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) sy = h - 1 - sy;
      std::memcpy(out.as<Pixel>() + (y * out.dims[1] + x) * c, image.as<const Pixel>() + (sy * w + sx) * c, std::size_t(c));
    }
  return out;
}

Result<Tensor> decode_png(Bytes b, const ImageOptions& o, int& orientation) {
  const std::unique_ptr<spng_ctx, FreeSpng> png(spng_ctx_new(0));
  if (!png) return Error{ErrorCode::out_of_memory, "PNG: no memory"};
  const auto failed = [](int code) { return damaged("PNG", spng_strerror(code)); };
  spng_set_chunk_limits(png.get(), std::size_t{1} << 26, std::size_t{1} << 27);
  spng_ihdr header{};
  if (int code = spng_set_png_buffer(png.get(), b.data(), b.size())) return failed(code);
  if (int code = spng_get_ihdr(png.get(), &header)) return failed(code);
  // Gray stays gray; 16-bit gray has no 8-bit form in the library and goes through RGB.
  const bool gray = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  SAHA_TRY(Tensor image, make_picture("PNG", header.height, header.width, gray ? 1 : 3, o));
  const int format = gray ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
  std::size_t size = 0;
  if (int code = spng_decoded_image_size(png.get(), format, &size)) return failed(code);
  if (size != std::size_t(image.bytes())) return damaged("PNG", "its size is inconsistent");
  if (int code = spng_decode_image(png.get(), image.data.get(), size, format, 0)) return failed(code);
  spng_exif exif{};
  if (spng_get_exif(png.get(), &exif) == 0) orientation = exif_orientation(Bytes(reinterpret_cast<const std::byte*>(exif.data), exif.length));
  return image;
}

// ---- JPEG ---------------------------------------------------------------------------------------------------------------------
struct FreeTj { void operator()(void* handle) const { tjDestroy(handle); } };

// libjpeg goes on after damage and only warns. These warnings leave the picture whole; every other one is damage.
bool harmless(std::string_view warning) { return warning.find("extraneous bytes before marker") != std::string_view::npos || warning.find("Invalid SOS parameters") != std::string_view::npos; }

Result<Tensor> decode_jpeg(Bytes b, const ImageOptions& o, int& orientation) {
  const std::unique_ptr<void, FreeTj> jpeg(tjInitDecompress());
  if (!jpeg) return Error{ErrorCode::out_of_memory, "JPEG: no memory"};
  const auto failed = [&jpeg] { return damaged("JPEG", tjGetErrorStr2(jpeg.get())); };
  const auto* source = reinterpret_cast<const unsigned char*>(b.data());
  int width = 0, height = 0, sampling = 0, space = 0;
  if (tjDecompressHeader3(jpeg.get(), source, b.size(), &width, &height, &sampling, &space) != 0 && tjGetErrorCode(jpeg.get()) == TJERR_FATAL) return failed();
  const bool gray = space == TJCS_GRAY, cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
  const int channels = gray ? 1 : cmyk ? 4 : 3;
  SAHA_TRY(Tensor image, make_picture("JPEG", height, width, channels, o));
  const int format = gray ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
  const auto decode = [&](int flags) { return tjDecompress2(jpeg.get(), source, b.size(), image.as<unsigned char>(), width, 0, height, format, flags | TJFLAG_LIMITSCANS); };
  if (decode(TJFLAG_STOPONWARNING) != 0 && (!harmless(tjGetErrorStr2(jpeg.get())) || (decode(0) != 0 && tjGetErrorCode(jpeg.get()) == TJERR_FATAL))) return failed();
  orientation = jpeg_orientation(b);
  if (!cmyk) return image;
  Tensor rgb = Tensor::zeros(DType::u8, {height, width, 3});
  const auto* p = image.as<const Pixel>();
  for (std::int64_t i = 0; i < std::int64_t(height) * width; ++i)
    for (int c = 0; c < 3; ++c) {  // stored inverted: c' = 255 - ink, so colour = c' * k' / 255, rounded as Pillow does
      const unsigned nk = p[4 * i + 3], ink = 255u - p[4 * i + c], t = ink * nk + 128;
      rgb.as<Pixel>()[3 * i + c] = Pixel(nk - std::min(nk, ((t >> 8) + t) >> 8));
    }
  return rgb;
}

// ---- BMP ----------------------------------------------------------------------------------------------------------------------
// A channel of a bit-field pixel: shifted down and scaled to 8 bits.
struct Field {
  std::uint32_t mask;
  int shift = 0, width = 0;
  explicit Field(std::uint32_t m) : mask(m) {
    if (!m) return;
    shift = std::countr_zero(m);
    width = std::bit_width(m >> shift);
  }
  Pixel of(std::uint32_t v) const {
    if (!width) return 0;
    const std::uint64_t x = (v & mask) >> shift, top = (std::uint64_t{1} << width) - 1;
    return Pixel(width == 8 ? x : (x * 255 + top / 2) / top);
  }
};

// Run-length coding of 4 and 8 bits a pixel: into indices, row 0 lowest; what is not written stays 0.
Result<std::vector<Pixel>> unpack_rle(Bytes b, std::size_t width, std::size_t height, int bits) {
  std::vector<Pixel> index(width * height);
  std::size_t x = 0, y = 0;
  const auto put = [&](Pixel v) { if (x < width && y < height) index[y * width + x] = v; ++x; };
  for (std::size_t at = 0; at + 2 <= b.size() && y < height;) {
    const auto count = std::size_t(b[at]), value = std::size_t(b[at + 1]);
    at += 2;
    if (count > 0) {
      for (std::size_t i = 0; i < count; ++i) put(Pixel(bits == 8 ? value : i % 2 ? value & 15 : value >> 4));
    } else if (value == 0) {
      x = 0, ++y;
    } else if (value == 1) {
      return index;
    } else if (value == 2) {
      if (at + 2 > b.size()) break;
      x += std::size_t(b[at]), y += std::size_t(b[at + 1]), at += 2;
    } else {
      const std::size_t bytes = bits == 8 ? value : (value + 1) / 2;
      if (b.size() - at < bytes) break;
      for (std::size_t i = 0; i < value; ++i) put(Pixel(bits == 8 ? std::size_t(b[at + i]) : i % 2 ? std::size_t(b[at + i / 2]) & 15 : std::size_t(b[at + i / 2]) >> 4));
      at += bytes + bytes % 2;
    }
  }
  if (y < height) return damaged("BMP", "its run-length data is cut off in row " + std::to_string(y));
  return index;
}

Result<Tensor> decode_bmp(Bytes b, const ImageOptions& o) {
  if (b.size() < 26) return damaged("BMP", "cut off in its header");
  const std::size_t offset = little<std::uint32_t>(b, 10), header = little<std::uint32_t>(b, 14);
  if ((header != 12 && header < 40) || header > 256 || b.size() - 14 < header) return damaged("BMP", "a header of " + std::to_string(header) + " bytes");
  const bool core = header == 12;
  const std::int64_t width = core ? little<std::uint16_t>(b, 18) : little<std::int32_t>(b, 18);
  std::int64_t height = core ? little<std::uint16_t>(b, 20) : little<std::int32_t>(b, 22);
  const int bits = little<std::uint16_t>(b, core ? 24 : 28);
  const std::uint32_t compression = core ? 0 : little<std::uint32_t>(b, 30);
  const bool top_down = height < 0;
  height = std::abs(height);
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) return damaged("BMP", std::to_string(bits) + " bits a pixel");
  const bool fields = compression == 3 || compression == 6, rle = (compression == 1 && bits == 8) || (compression == 2 && bits == 4);
  if ((compression != 0 && !fields && !rle) || (fields && bits != 16 && bits != 32)) return Error{ErrorCode::unsupported, "BMP: compression " + std::to_string(compression) + " with " + std::to_string(bits) + " bits"};
  if (offset > b.size()) return damaged("BMP", "its pixels begin at byte " + std::to_string(offset) + " of " + std::to_string(b.size()));
  const Bytes pixels = b.subspan(offset);
  SAHA_TRY(Tensor image, make_picture("BMP", height, width, 3, o));
  const std::uint64_t row_bytes = (std::uint64_t(width) * unsigned(bits) + 31) / 32 * 4;
  if (!rle && pixels.size() / row_bytes < std::uint64_t(height)) return damaged("BMP", std::to_string(width) + " x " + std::to_string(height) + " pixels of " + std::to_string(bits) + " bits need " + std::to_string(row_bytes * std::uint64_t(height)) + " bytes, the file has " + std::to_string(pixels.size()));

  std::array<std::array<Pixel, 3>, 256> palette{};  // RGB; an index beyond the palette is black
  if (bits <= 8) {
    const std::size_t entry = core ? 3 : 4, start = 14 + header;
    std::size_t count = core ? 0 : little<std::uint32_t>(b, 46);
    if (count == 0 || count > (std::size_t{1} << bits)) count = std::size_t{1} << bits;
    for (std::size_t i = 0; i < count && start + entry * (i + 1) <= b.size(); ++i)
      for (std::size_t c = 0; c < 3; ++c) palette[i][c] = Pixel(b[start + entry * i + 2 - c]);
  }
  Field red(bits == 16 ? 0x7c00 : 0xff0000), green(bits == 16 ? 0x03e0 : 0xff00), blue(bits == 16 ? 0x1f : 0xff);
  if (fields) {
    if (b.size() < 66) return damaged("BMP", "its colour masks are cut off");
    red = Field(little<std::uint32_t>(b, 54)), green = Field(little<std::uint32_t>(b, 58)), blue = Field(little<std::uint32_t>(b, 62));
  }
  std::vector<Pixel> index;
  if (rle) {
    SAHA_TRY(index, unpack_rle(pixels, std::size_t(width), std::size_t(height), bits));
  }
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t stored = top_down ? y : height - 1 - y;
    Pixel* to = image.as<Pixel>() + y * width * 3;
    if (rle) {
      for (std::int64_t x = 0; x < width; ++x) std::memcpy(to + 3 * x, palette[index[std::size_t(stored * width + x)]].data(), 3);
      continue;
    }
    const Bytes row = pixels.subspan(std::size_t(stored) * std::size_t(row_bytes), std::size_t(row_bytes));
    for (std::int64_t x = 0; x < width; ++x, to += 3) {
      const auto i = std::size_t(x);
      if (bits <= 8) {
        const std::size_t bit = i * std::size_t(bits);
        std::memcpy(to, palette[(std::size_t(row[bit / 8]) >> (8 - std::size_t(bits) - bit % 8)) & ((1u << bits) - 1)].data(), 3);
      } else if (bits == 24) {
        for (std::size_t c = 0; c < 3; ++c) to[c] = Pixel(row[3 * i + 2 - c]);
      } else {
        const std::uint32_t v = bits == 16 ? little<std::uint16_t>(row, 2 * i) : little<std::uint32_t>(row, 4 * i);
        to[0] = red.of(v), to[1] = green.of(v), to[2] = blue.of(v);
      }
    }
  }
  return image;
}

}  // namespace

Result<Tensor> make_picture(const char* format, std::int64_t height, std::int64_t width, std::int64_t channels, const ImageOptions& o) {
  if (height < 1 || width < 1) return damaged(format, "a size of " + std::to_string(width) + " x " + std::to_string(height));
  if (height > o.max_pixels / width)
    return Error{ErrorCode::out_of_memory, std::string(format) + ": " + std::to_string(width) + " x " + std::to_string(height) + " pixels, the limit is " + std::to_string(o.max_pixels)};
  return Tensor::make(DType::u8, {height, width, channels});
}

bool looks_like_image(Bytes b) { return is_png(b) || is_jpeg(b) || is_bmp(b) || is_other_picture(b); }

Result<Tensor> decode_image(Bytes bytes, const ImageOptions& options) {
  int orientation = 1;
  Result<Tensor> image = is_png(bytes)    ? decode_png(bytes, options, orientation)
                         : is_jpeg(bytes) ? decode_jpeg(bytes, options, orientation)
                         : is_bmp(bytes)  ? decode_bmp(bytes, options)
                         : is_other_picture(bytes) ? decode_other_picture(bytes, options)
                                          : Error{ErrorCode::unsupported, "not a PNG, JPEG, BMP, PNM, TIFF, WebP or JPEG 2000 picture"};
  if (!image) return image;
  Tensor result = with_channels(std::move(*image), options.channels);
  return options.turn_by_exif ? turned(result, orientation) : result;
}

Result<std::vector<std::byte>> encode_png(const Tensor& image) {
  if (image.dtype != DType::u8 || image.rank() != 3 || (image.dims[2] != 1 && image.dims[2] != 3) || image.size() == 0)
    return Error{ErrorCode::invalid_argument, "PNG: a picture is uint8 [height, width, 1 or 3], not " + std::string(name(image.dtype)) + saha::str(image.dims)};
  const std::unique_ptr<spng_ctx, FreeSpng> png(spng_ctx_new(SPNG_CTX_ENCODER));
  if (!png) return Error{ErrorCode::out_of_memory, "PNG: no memory"};
  spng_set_option(png.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.height = std::uint32_t(image.dims[0]);
  header.width = std::uint32_t(image.dims[1]);
  header.bit_depth = 8;
  header.color_type = image.dims[2] == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  int code = spng_set_ihdr(png.get(), &header);
  if (!code) code = spng_encode_image(png.get(), image.data.get(), std::size_t(image.bytes()), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
  std::size_t size = 0;
  void* buffer = code ? nullptr : spng_get_png_buffer(png.get(), &size, &code);
  if (!buffer) return Error{ErrorCode::internal, std::string("PNG: ") + spng_strerror(code)};
  const auto* p = static_cast<const std::byte*>(buffer);
  std::vector<std::byte> out(p, p + size);
  std::free(buffer);  // the library hands over what its malloc gave
  return out;
}

Result<std::vector<std::byte>> encode_jpeg(const Tensor& image, int quality) {
  if (image.dtype != DType::u8 || image.rank() != 3 || (image.dims[2] != 1 && image.dims[2] != 3) || image.size() == 0 || image.dims[0] > 65500 || image.dims[1] > 65500)
    return Error{ErrorCode::invalid_argument, "JPEG: a picture is uint8 [height, width, 1 or 3] of at most 65500 pixels a side, not " + std::string(name(image.dtype)) + saha::str(image.dims)};
  if (quality < 1 || quality > 100) return Error{ErrorCode::invalid_argument, "JPEG: quality is " + std::to_string(quality) + ", 1 to 100 are taken"};
  const std::unique_ptr<void, FreeTj> jpeg(tjInitCompress());
  const bool gray = image.dims[2] == 1;
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const int failed = tjCompress2(jpeg.get(), image.as<const unsigned char>(), int(image.dims[1]), 0, int(image.dims[0]), gray ? TJPF_GRAY : TJPF_RGB, &buffer, &size, gray ? TJSAMP_GRAY : TJSAMP_420, quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(buffer, &tjFree);
  if (failed) return Error{ErrorCode::internal, std::string("JPEG: ") + tjGetErrorStr2(jpeg.get())};
  const auto* p = reinterpret_cast<const std::byte*>(buffer);
  return std::vector<std::byte>(p, p + size);
}

namespace {
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace

std::string base64(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto b = [&](std::size_t k) { return i + k < bytes.size() ? unsigned(bytes[i + k]) : 0u; };
    const unsigned v = b(0) << 16 | b(1) << 8 | b(2);
    for (int k = 0; k < 4; ++k) out += i + std::size_t(k) > bytes.size() ? '=' : kLetters[(v >> (18 - 6 * k)) & 63];
  }
  return out;
}

Result<std::vector<std::byte>> from_base64(std::string_view text) {
  const Error wrong{ErrorCode::invalid_data, "text is not base64"};
  std::vector<std::byte> out;
  if (text.size() % 4) return wrong;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    unsigned v = 0, padding = 0;
    for (char c : text.substr(i, 4)) {
      const bool pad = c == '=' && i + 4 == text.size();
      const std::size_t digit = pad ? 0 : kLetters.find(c);
      if (digit == std::string_view::npos || (padding && !pad)) return wrong;
      padding += pad;
      v = v << 6 | unsigned(digit);
    }
    if (padding > 2) return wrong;
    for (unsigned k = 0; k < 3 - padding; ++k) out.push_back(std::byte(v >> (16 - 8 * k) & 255));
  }
  return out;
}

}  // namespace saha::data
