#include "kernels/algorithm.hpp"

#include <utility>

namespace saha::kernels {
namespace {
// clang-format off
constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"winograd_f32", "minimal filtering F(4x4, 3x3), channels last"},
    {"conv_last_f32", "product of points read in place by packed panels, channels last"},
    {"conv_f32", "implicit product by packed panels, channels first"},
    {"stencil_f32", "direct, lanes along a row, channels first"},
    {"row_filter_f32", "minimal filtering F(4, 3) or F(4, 5) of rows, lanes are tiles, channels first"},
    {"depthwise_f32", "direct by channel, channels first"},
    {"depthwise_last_f32", "direct, lanes along channels, channels last"},
    {"row_bands_f32", "by bands of rows that stay in the cache, channels last"},
    {"row_bands_bf16", "by bands of rows that stay in the cache, products in bfloat16, channels last"},
    {"conv_i8", "exact integer product of points by packed panels, channels last"},
    {"winograd_i8", "exact integer minimal filtering F(4x4, 3x3), channels last"},
    {"conv_bf16", "product of points in bfloat16 by packed panels, summed in float32, channels last"},
    {"conv_f16", "product of points in float16 by packed panels, sums of 32 added up in float32, channels last"},
    {"depthwise_i8", "exact integer, direct, lanes along channels, channels last"},
    {"gemm_f32", "product by packed panels, blocked over the depth"},
    {"gemv_f32", "product of few rows, weights read once"},
    {"attention_f32", "scores of some queries at a time, never stored"},
    {"attention_bf16", "scores of some queries at a time, never stored, products in bfloat16"},
    {"lstm_f32", "all steps in one call, packed weights by blocks of units"},
    {"gru_f32", "all steps in one call, packed weights by blocks of units"},
    {"lstm_bf16", "all steps in one call, products in bfloat16 summed in float32, packed weights by blocks of units"},
    {"gru_bf16", "all steps in one call, products in bfloat16 summed in float32, packed weights by blocks of units"},
    {"lstm_i8", "all steps in one call, exact integer"},
    {"norm_f32", "a row at a time"},
    {"softmax_f32", "a row at a time"},
    {"softmax_i8", "fixed point"},
    {"reduce_f32", "one pass"},
    {"sum_i8", "exact integer, one pass"},
    {"mean_i8", "summed in float64, one pass"},
    {"argmax_i8", "one pass"},
    {"pool_f32", "windows of planes, channels first"},
    {"pool_last_f32", "windows, lanes along channels, channels last"},
    {"pool_i8", "windows, lanes along channels, channels last"},
    {"resize_f32", "weighted rows and columns by tables"},
    {"resize_i8", "weighted rows and columns by tables, exact integer"},
    {"unary_f32", "elementwise"},
    {"binary_f32", "elementwise"},
    {"affine_f32", "elementwise"},
    {"elements", "elementwise"},
    {"pair_i8", "elementwise, exact integer"},
    {"table_i8", "table of 256 entries"},
    {"quantize_i8", "elementwise"},
    {"quantize_rgb_i8", "elementwise, channels first to last"},
    {"quantize_i16", "elementwise"},
    {"dequantize_i16", "elementwise"},
    {"dynamic_i8", "range of each row, then elementwise"},
    {"transpose", "copy in another order"},
    {"copy", "copy of a box"},
    {"concat", "copy of blocks"},
    {"split", "copy of blocks"},
    {"pad", "copy of a box and a border"},
    {"gather", "copy of blocks by index"},
};
// clang-format on
}  // namespace

std::string_view algorithm(std::string_view kernel) {
  for (const auto& [name, words] : kWords)
    if (name == kernel) return words;
  return {};
}

}  // namespace saha::kernels
