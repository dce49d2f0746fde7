// The rarer picture formats. PNM: netpbm's pbm(5), pgm(5), ppm(5). TIFF: revision 6.0, baseline. WebP by libwebp, JPEG 2000 by OpenJPEG.
#include "data/picture.hpp"

#ifdef SAHA_WEBP
#include <webp/decode.h>
#endif
#ifdef SAHA_OPENJPEG
#include <openjpeg.h>
#endif
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "data/bytes.hpp"

namespace saha::data {
namespace {
using std::to_string;
bool starts(Bytes b, std::string_view s, std::size_t at = 0) { return b.size() >= at + s.size() && std::memcmp(b.data() + at, s.data(), s.size()) == 0; }
bool is_pnm(Bytes b) { return b.size() >= 3 && char(b[0]) == 'P' && char(b[1]) >= '1' && char(b[1]) <= '6' && std::isspace(int(b[2])); }
bool is_tiff(Bytes b) { return starts(b, std::string_view("II*\0", 4)) || starts(b, std::string_view("MM\0*", 4)); }
bool is_webp(Bytes b) { return starts(b, "RIFF") && starts(b, "WEBP", 8); }
bool is_jpeg2000(Bytes b) { return starts(b, std::string_view("\0\0\0\x0cjP  \r\n\x87\n", 12)) || starts(b, "\xff\x4f\xff\x51"); }

// ---- PNM ---------------------------------------------------------------------------------------------------------------------------
struct PnmReader {
  Bytes b;
  std::size_t at = 2;
  /// The next number of the header or of a plain raster; comments run to the end of the line.
  Result<std::uint32_t> number(std::uint32_t most) {
    while (at < b.size() && (std::isspace(int(b[at])) || char(b[at]) == '#')) {
      if (char(b[at]) == '#') while (at < b.size() && char(b[at]) != '\n') ++at;
      else ++at;
    }
    if (at >= b.size() || !std::isdigit(int(b[at]))) return damaged("PNM", "a number is missing at byte " + to_string(at));
    std::uint64_t v = 0;
    while (at < b.size() && std::isdigit(int(b[at]))) {
      v = v * 10 + std::uint64_t(char(b[at++]) - '0');
      if (v > most) return damaged("PNM", "a number above " + to_string(most) + " at byte " + to_string(at));
    }
    return std::uint32_t(v);
  }
};
Result<Tensor> decode_pnm(Bytes b, const ImageOptions& o) {
  PnmReader r{b};
  int kind = char(b[1]) - '0';
  bool bits = kind == 1 || kind == 4, colour = kind == 3 || kind == 6, plain = kind <= 3;
  SAHA_TRY(auto width, r.number(1u << 30));
  SAHA_TRY(auto height, r.number(1u << 30));
  std::uint32_t most = 1;
  if (!bits) { SAHA_TRY(most, r.number(65535)); }
  if (most == 0) return damaged("PNM", "a largest value of 0");
  SAHA_TRY(Tensor image, make_picture("PNM", height, width, colour ? 3 : 1, o));
  auto* to = image.as<std::uint8_t>();
  auto scaled = [most](std::uint32_t v) { return std::uint8_t(most == 255 ? std::min(v, 255u) : (std::min(v, most) * 255 + most / 2) / most); };
  if (plain) {
    for (std::int64_t i = 0; i < image.size(); ++i) {
      if (kind == 1) {  // digits need no space between them
        while (r.at < b.size() && std::isspace(int(b[r.at]))) ++r.at;
        if (r.at >= b.size()) return damaged("PNM", "the raster ends early");
        to[i] = char(b[r.at++]) == '1' ? 0 : 255;
        continue;
      }
      SAHA_TRY(auto v, r.number(65535));
      to[i] = scaled(v);
    }
    return image;
  }
  ++r.at;  // one white space before the raster
  std::size_t wide = most > 255 ? 2 : 1, row = bits ? (width + 7) / 8 : std::size_t(width) * (colour ? 3 : 1) * wide;
  if (r.at > b.size() || (b.size() - r.at) / row < height) return damaged("PNM", "the raster ends early");
  const auto* from = reinterpret_cast<const std::uint8_t*>(b.data()) + r.at;
  if (bits) for (std::size_t y = 0; y < height; ++y) for (std::size_t x = 0; x < width; ++x) *to++ = (from[y * row + x / 8] >> (7 - x % 8)) & 1 ? 0 : 255;
  else for (std::int64_t i = 0; i < image.size(); ++i) to[i] = scaled(wide == 2 ? std::uint32_t(from[2 * i] << 8 | from[2 * i + 1]) : from[i]);
  return image;
}

// ---- TIFF --------------------------------------------------------------------------------------------------------------------------
struct Tiff {
  Bytes b;
  bool big_endian;
  std::uint32_t u16(std::size_t at) const { return big_endian ? big<std::uint16_t>(b, at) : little<std::uint16_t>(b, at); }
  std::uint32_t u32(std::size_t at) const { return big_endian ? big<std::uint32_t>(b, at) : little<std::uint32_t>(b, at); }
  std::size_t directory = 0, entries = 0;
  /// The values of a tag; empty where it is not there.
  Result<std::vector<std::uint32_t>> tag(std::uint32_t id, std::size_t most) const {
    for (std::size_t i = 0; i < entries; ++i) {
      std::size_t at = directory + 2 + i * 12;
      if (u16(at) != id) continue;
      std::uint32_t type = u16(at + 2), n = u32(at + 4);
      std::size_t width = type == 3 ? 2 : type == 4 ? 4 : type == 1 ? 1 : 0;
      if (width == 0 || n > most) return damaged("TIFF", "tag " + to_string(id) + " has type " + to_string(type) + " and " + to_string(n) + " values");
      std::size_t from = n * width <= 4 ? at + 8 : u32(at + 8);
      if (from > b.size() || n * width > b.size() - from) return damaged("TIFF", "tag " + to_string(id) + " lies outside the file");
      std::vector<std::uint32_t> v;
      for (std::size_t k = 0; k < n; ++k) v.push_back(width == 2 ? u16(from + 2 * k) : width == 4 ? u32(from + 4 * k) : std::uint32_t(b[from + k]));
      return v;
    }
    return std::vector<std::uint32_t>{};
  }
  Result<std::uint32_t> one(std::uint32_t id, std::uint32_t otherwise) const {
    SAHA_TRY(auto v, tag(id, 65536));
    return v.empty() ? otherwise : v[0];
  }
};
/// Exactly `size` bytes of a strip.
Result<std::vector<std::uint8_t>> unpacked(Bytes from, std::uint32_t compression, std::size_t size) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(from.data());
  std::vector<std::uint8_t> out(size);
  if (compression == 1) {
    if (from.size() < size) return damaged("TIFF", "a strip ends early");
    std::memcpy(out.data(), p, size);
  } else if (compression == 32773) {
    std::size_t at = 0, to = 0;
    while (to < size && at < from.size()) {
      int n = static_cast<signed char>(p[at++]);
      if (n == -128) continue;
      std::size_t count = std::size_t(n < 0 ? 1 - n : n + 1);
      if (count > size - to || (n < 0 ? at >= from.size() : count > from.size() - at)) return damaged("TIFF", "a packed strip is damaged");
      if (n < 0) std::memset(out.data() + to, p[at++], count);
      else { std::memcpy(out.data() + to, p + at, count); at += count; }
      to += count;
    }
    if (to < size) return damaged("TIFF", "a packed strip ends early");
  } else if (compression == 8 || compression == 32946) {
    uLongf length = size;
    if (uncompress(out.data(), &length, p, from.size()) != Z_OK || length != size) return damaged("TIFF", "a deflated strip is damaged");
  } else return Error{ErrorCode::unsupported, "TIFF: compression " + to_string(compression) + " is not supported; none, PackBits and deflate are"};
  return out;
}
Result<Tensor> decode_tiff(Bytes b, const ImageOptions& o) {
  if (b.size() < 8) return damaged("TIFF", "the header ends early");
  Tiff t{b, char(b[0]) == 'M'};
  t.directory = t.u32(4);
  if (t.directory > b.size() || b.size() - t.directory < 2) return damaged("TIFF", "the directory lies outside the file");
  t.entries = t.u16(t.directory);
  if (t.entries * 12 + 2 > b.size() - t.directory) return damaged("TIFF", "the directory ends early");
  SAHA_TRY(auto width, t.one(256, 0));
  SAHA_TRY(auto height, t.one(257, 0));
  SAHA_TRY(auto bits, t.one(258, 1));
  SAHA_TRY(auto compression, t.one(259, 1));
  SAHA_TRY(auto photometric, t.one(262, 0));
  SAHA_TRY(auto samples, t.one(277, 1));
  SAHA_TRY(auto rows, t.one(278, 0xffffffffu));
  SAHA_TRY(auto planar, t.one(284, 1));
  SAHA_TRY(auto predictor, t.one(317, 1));
  SAHA_TRY(auto offsets, t.tag(273, 1u << 24));
  SAHA_TRY(auto counts, t.tag(279, 1u << 24));
  SAHA_TRY(auto palette, t.tag(320, 3 * 256));
  bool colour = photometric == 2 || photometric == 3;
  if (bits != 8 || planar != 1 || photometric > 3 || predictor > 2 || samples < (photometric == 2 ? 3u : 1u) || samples > 4 || (photometric == 3 && palette.size() != 768))
    return Error{ErrorCode::unsupported, "TIFF: " + to_string(samples) + " samples of " + to_string(bits) + " bits, photometric " + to_string(photometric) + ", planar " + to_string(planar) + ": 8-bit gray, RGB and palette in one plane are supported"};
  SAHA_TRY(Tensor image, make_picture("TIFF", height, width, colour ? 3 : 1, o));
  rows = std::min(rows, height);
  if (rows == 0 || offsets.size() != counts.size() || offsets.size() != (height + rows - 1) / rows) return damaged("TIFF", to_string(offsets.size()) + " strips of " + to_string(rows) + " rows do not make " + to_string(height));
  auto* to = image.as<std::uint8_t>();
  for (std::size_t s = 0; s < offsets.size(); ++s) {
    if (offsets[s] > b.size() || counts[s] > b.size() - offsets[s]) return damaged("TIFF", "strip " + to_string(s) + " lies outside the file");
    std::size_t n = std::min<std::size_t>(rows, height - s * rows), row = std::size_t(width) * samples;
    SAHA_TRY(auto data, unpacked(b.subspan(offsets[s], counts[s]), compression, n * row));
    for (std::size_t y = 0; y < n; ++y) {
      std::uint8_t* p = data.data() + y * row;
      if (predictor == 2) for (std::size_t i = samples; i < row; ++i) p[i] = std::uint8_t(p[i] + p[i - samples]);
      for (std::size_t x = 0; x < width; ++x, p += samples)
        if (photometric == 3) for (std::size_t k = 0; k < 3; ++k) *to++ = std::uint8_t(palette[k * 256 + p[0]] >> 8);
        else if (colour) to = std::copy_n(p, 3, to);
        else *to++ = photometric == 0 ? std::uint8_t(255 - p[0]) : p[0];
    }
  }
  return image;
}

// ---- WebP --------------------------------------------------------------------------------------------------------------------------
Result<Tensor> decode_webp([[maybe_unused]] Bytes b, [[maybe_unused]] const ImageOptions& o) {
#ifdef SAHA_WEBP
  int width = 0, height = 0;
  const auto* p = reinterpret_cast<const std::uint8_t*>(b.data());
  if (!WebPGetInfo(p, b.size(), &width, &height)) return damaged("WebP", "the header is damaged");
  SAHA_TRY(Tensor image, make_picture("WebP", height, width, 3, o));
  if (!WebPDecodeRGBInto(p, b.size(), image.as<std::uint8_t>(), std::size_t(image.bytes()), width * 3)) return damaged("WebP", "the picture is damaged");
  return image;
#else
  return Error{ErrorCode::unsupported, "WebP: saha was built without libwebp"};
#endif
}

// ---- JPEG 2000 -----------------------------------------------------------------------------------------------------------------------
#ifdef SAHA_OPENJPEG
struct Source { Bytes b; std::size_t at = 0; };
OPJ_SIZE_T read_source(void* to, OPJ_SIZE_T n, void* user) {
  auto* s = static_cast<Source*>(user);
  n = std::min<OPJ_SIZE_T>(n, s->b.size() - s->at);
  if (n == 0) return OPJ_SIZE_T(-1);
  std::memcpy(to, s->b.data() + s->at, n);
  s->at += n;
  return n;
}
OPJ_OFF_T skip_source(OPJ_OFF_T n, void* user) {
  auto* s = static_cast<Source*>(user);
  if (n < 0) return -1;
  s->at += std::min(std::size_t(n), s->b.size() - s->at);
  return n;
}
OPJ_BOOL seek_source(OPJ_OFF_T n, void* user) {
  auto* s = static_cast<Source*>(user);
  if (n < 0 || std::size_t(n) > s->b.size()) return OPJ_FALSE;
  s->at = std::size_t(n);
  return OPJ_TRUE;
}
#endif
Result<Tensor> decode_jpeg2000([[maybe_unused]] Bytes b, [[maybe_unused]] const ImageOptions& o) {
#ifdef SAHA_OPENJPEG
  Source source{b};
  std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec(opj_create_decompress(b[0] == std::byte{0} ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), opj_destroy_codec);
  std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> stream(opj_stream_default_create(OPJ_TRUE), opj_stream_destroy);
  if (!codec || !stream) return Error{ErrorCode::out_of_memory, "JPEG 2000: no memory"};
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), b.size());
  opj_stream_set_read_function(stream.get(), read_source);
  opj_stream_set_skip_function(stream.get(), skip_source);
  opj_stream_set_seek_function(stream.get(), seek_source);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  if (!opj_setup_decoder(codec.get(), &parameters) || !opj_read_header(stream.get(), codec.get(), &raw) || !raw) return damaged("JPEG 2000", "the header is damaged");
  std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(raw, opj_image_destroy);
  // Sizes are checked before the samples are decoded.
  SAHA_TRY(Tensor y, make_picture("JPEG 2000", std::int64_t(image->y1) - image->y0, std::int64_t(image->x1) - image->x0, image->numcomps >= 3 ? 3 : 1, o));
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get())) return damaged("JPEG 2000", "the picture is damaged");
  auto channels = std::uint32_t(y.dims[2]);
  for (std::uint32_t k = 0; k < channels; ++k) {
    const opj_image_comp_t& c = image->comps[k];
    if (c.w != y.dims[1] || c.h != y.dims[0] || c.prec < 1 || c.prec > 16 || !c.data) return Error{ErrorCode::unsupported, "JPEG 2000: components of different sizes, or of " + to_string(c.prec) + " bits"};
    int top = (1 << c.prec) - 1, shift = c.sgnd ? 1 << (c.prec - 1) : 0;
    for (std::int64_t i = 0; i < std::int64_t(c.w) * c.h; ++i) {
      int v = std::clamp(c.data[i] + shift, 0, top);
      y.as<std::uint8_t>()[i * channels + k] = std::uint8_t(c.prec > 8 ? v >> (c.prec - 8) : c.prec == 8 ? v : v * 255 / top);
    }
  }
  return y;
#else
  return Error{ErrorCode::unsupported, "JPEG 2000: saha was built without OpenJPEG"};
#endif
}
}  // namespace

bool is_other_picture(Bytes b) { return is_pnm(b) || is_tiff(b) || is_webp(b) || is_jpeg2000(b); }
Result<Tensor> decode_other_picture(Bytes b, const ImageOptions& o) {
  if (is_pnm(b)) return decode_pnm(b, o);
  if (is_tiff(b)) return decode_tiff(b, o);
  if (is_webp(b)) return decode_webp(b, o);
  return decode_jpeg2000(b, o);
}

}  // namespace saha::data
