#pragma once
// Equalisation: graphs that compute the same in float, whose values lose less where one scale serves all channels.
#include "compress/observe.hpp"

namespace saha::compress {

/// x -> (x - offset) * factor before a product that reads a graph input, with weights and bias that undo it: features of unlike ranges (a table's columns) share one
/// scale then. Only where it lowers the expected error of the product to a quarter at least.
/// Layer -> channels divided by s -> Relu and its like -> layer that multiplies by s: cross-layer equalisation (Nagel et al. 2019), and LayerNormalization -> product
/// (SmoothQuant, Xiao et al. 2022). s_c = (range_c / largest)^a, a of 0, 0.25, 0.5, 0.75, 1 by the least expected error of the second layer, from operand and weights together.
/// Results differ by float rounding only. Ranges are those on the samples.
Result<ir::Graph> equalized(const ir::Graph& g, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch);

}  // namespace saha::compress
