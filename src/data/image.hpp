#pragma once
// Pictures: PNG, JPEG, BMP, PNM, TIFF, WebP and JPEG 2000 to uint8 [height, width, channels], and PNG back. Sizes are checked before memory is taken.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "data/inflate.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

enum class Channels : std::uint8_t { rgb, bgr, gray };  ///< 3, 3, 1 channels

struct ImageOptions {
  Channels channels = Channels::rgb;
  bool turn_by_exif = true;                 ///< the orientation that a camera noted is applied
  std::int64_t max_pixels = 100'000'000;
};

/// The format is told by the first bytes. Transparency is dropped, palettes are resolved, 16-bit samples keep their upper byte.
/// Gray from colours is Rec. 601 luma as Pillow computes it: (19595 R + 38470 G + 7471 B + 32768) >> 16; a gray JPEG keeps its values.
/// JPEG decodes as libjpeg-turbo does by default (and so as Pillow and OpenCV do). CMYK is taken as Adobe's inverted form.
/// Fails (invalid_data) where the file is damaged or cut off, (out_of_memory) above max_pixels, (unsupported) for other formats.
Result<Tensor> decode_image(Bytes bytes, const ImageOptions& options = {});
bool looks_like_image(Bytes bytes);

/// uint8 [height, width, 1 or 3] as PNG.
Result<std::vector<std::byte>> encode_png(const Tensor& image);
/// The same as JPEG of a quality from 1 to 100, colours at half the resolution (4:2:0), as Pillow writes it by default.
Result<std::vector<std::byte>> encode_jpeg(const Tensor& image, int quality);
/// RFC 4648, with padding: for data: URIs.
std::string base64(Bytes bytes);
/// The other way. Fails (invalid_data) on other text.
Result<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace saha::data
