#pragma once
// What the decoders of single picture formats share; decode_image (image.hpp) is the way in.
#include "data/image.hpp"

namespace saha::data {

/// uint8 [height, width, channels] of zeros; fails on a size below 1 and above options.max_pixels.
Result<Tensor> make_picture(const char* format, std::int64_t height, std::int64_t width, std::int64_t channels, const ImageOptions& o);
inline Error damaged(const char* format, std::string message) { return {ErrorCode::invalid_data, std::string(format) + ": " + std::move(message)}; }

/// PNM (P1 to P6), TIFF (baseline, uncompressed, PackBits or deflate), and WebP and JPEG 2000 where saha was built with their libraries: RGB or gray.
bool is_other_picture(Bytes b);
Result<Tensor> decode_other_picture(Bytes b, const ImageOptions& o);

}  // namespace saha::data
