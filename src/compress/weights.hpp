#pragma once
// Weights as stored integers: symmetric, zero point 0, one scale for each result (or one for all); and the choice of roundings by what a layer reads.
#include "compress/errors.hpp"
#include "compress/pairs.hpp"

namespace saha::compress {

/// Rows of a product: weights [channels, terms] however the tensor lies, so that result c is the sum over k of row(c)[k] * operand[k].
struct Rows {
  std::int64_t channels = 0, terms = 0;
  std::vector<float> w;      ///< [channels, terms]
};
/// Of node n, whose weights are `t`. ConvTranspose of group 1 too: its terms are input channels and places of the kernel.
Rows rows_of(const ir::Graph& g, const ir::Node& n, const Tensor& t);
/// The stored numbers of rows, q [channels, terms], as a tensor that lies as `like` does.
Tensor stored_tensor(const ir::Graph& g, const ir::Node& n, const Dims& like, DType t, std::span<const std::int32_t> q);

/// A scale for each row: the largest magnitude over 127 (of 4 bits 7).
std::vector<float> row_scales(const Rows& r, DType t, bool per_channel);
std::vector<std::int32_t> nearest(const Rows& r, std::span<const float> scale, DType t);

/// The weights of product n, rounded to the nearest, and its bias.
Weights plain_weights(const ir::Graph& g, const ir::Node& n, bool per_channel);

struct RoundingOptions {
  bool correct = true;    ///< biases take up the mean error
  bool round = true;      ///< weights are moved to where the layer's float result is met best, and rounded one after the other, each making up for those before
  int threads = 1;
};
/// Replaces the weights and biases in `numbers` by better ones for the same scales. For each product W x + b = y of the float graph, whose operand the quantised
/// graph has as z: least E|W x + b - (V z + c)|^2 over stored V and c. Without rounding V = W + W (E[x z'] - E[z z']) (E[z z'] + d I)^-1, moments centred; then
/// terms are rounded in turn, each making up for those before it by the Cholesky factor of E[z z'] + d I. A layer that reads more than kMaxTerms numbers a
/// result only has its bias corrected. Sources: Nagel et al. 2019 (bias correction), Nagel et al. 2020 (AdaRound: roundings by the layer's
/// result), Frantar et al. 2022 (GPTQ: the order of rounding). Deterministic.
Result<> refine(const ir::Graph& g, const Sites& sites, Numbers& numbers, const PairsOptions& pairs, runtime::Backend& engine, const Samples& samples, const RoundingOptions& options, const Watch& watch);
inline constexpr std::int64_t kMaxTerms = 2560;

}  // namespace saha::compress
