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

/// What a rule does between two known sizes, as tables: for those who compute it elsewhere.
struct ResizeTables {
  enum class Form : std::uint8_t {
    none,      ///< nothing
    pick,      ///< one element
    pillow,    ///< after each of two passes clamp(floor((sum + 2^21) / 2^22), 0, 255), weights are whole; between equal sizes there is no pass
    opencv,    ///< two taps in 1/2048, columns first: a = floor(sum / 16); then floor((floor(w0 a0 / 2^16) + floor(w1 a1 / 2^16) + 2) / 4)
    blocks,    ///< the mean of whole blocks: of 2 x 2 floor((sum + 2) / 4), else the sum times the float32 nearest to 1 / count, rounded half to even
    lerp,      ///< between two elements, in float32
    weighted,  ///< two passes of sums in float32
    ordered,   ///< cv-area with a broken ratio: float32 sums whose rounding, and so the gray level at a tie, follows from their order
  };
  /// Output i is made from the elements at[taps i + k] with weight[taps i + k]; an unused tap weighs 0.
  struct Axis {
    std::int64_t taps = 0;
    std::vector<std::int64_t> at;
    std::vector<double> weight;
  };
  Form form = Form::none;
  bool rows_first = false;   ///< of the two passes, where there are two
  Axis rows, columns;        ///< of `blocks` and `ordered` none
};
/// Sizes from 1 to 2^20.
ResizeTables resize_tables(std::int64_t h, std::int64_t w, std::int64_t height, std::int64_t width, ResizeRule rule);

}  // namespace saha::data
