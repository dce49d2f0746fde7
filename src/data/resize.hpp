#pragma once
// Resizing pictures exactly as the library that a network was trained with. No rule is a default: they differ by up to several gray levels.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

// s = in / out, i = output position.
enum class ResizeRule : std::uint8_t {
  cv_linear,        ///< OpenCV INTER_LINEAR, 8 bits: (i + .5)s - .5, 2 x 2 taps, 11-bit fixed point; halving is the 2 x 2 mean
  cv_area,          ///< OpenCV INTER_AREA: mean over [i s, (i+1) s); enlarging: OpenCV's variant of linear
  cv_nearest,       ///< OpenCV INTER_NEAREST: floor(i s)
  pil_nearest,      ///< Pillow NEAREST: floor of s/2 + s + .. + s, summed in double
  pil_bilinear,     ///< Pillow: kernel widened by s when shrinking; two passes, each in 22-bit fixed point and rounded to
                    ///< 8 bits; in the order of Pillow 13 (rows first where they shrink by more than twice the columns)
  pil_bicubic,      ///< a = -0.5
  pil_lanczos,      ///< a = 3
  tf_bilinear,      ///< tf.image.resize(bilinear): (i + .5)s - .5, float32, not rounded
  tf_antialias,     ///< tf.image.resize(bilinear, antialias=True): triangle widened by s
  tf1_bilinear,     ///< tf.compat.v1 resize_bilinear: i s
  tf1_corners,      ///< the same with align_corners: i (in - 1) / (out - 1)
  torch_bilinear,   ///< torch interpolate(bilinear, align_corners=False)
  torch_antialias,  ///< the same with antialias=True
};
std::string_view name(ResizeRule rule);                       ///< "cv-linear"
std::optional<ResizeRule> resize_rule(std::string_view name);
const std::vector<ResizeRule>& resize_rules();
bool is_8bit(ResizeRule rule);                                ///< takes and gives uint8; the others take uint8 or float32 and give float32

/// [h, w, c] -> [height, width, c], c <= 4.
Result<Tensor> resize(const Tensor& image, std::int64_t height, std::int64_t width, ResizeRule rule);

}  // namespace saha::data
