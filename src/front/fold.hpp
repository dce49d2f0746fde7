#pragma once
// Preprocessing as part of the graph: steps become ordinary operators in front of an input, which then takes raw samples.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/preprocess.hpp"
#include "ir/graph.hpp"

namespace saha::front {

/// What is known of a raw sample beyond what the steps and the graph say.
struct Raw {
  Dims dims;            ///< of a picture height and width, of sound channels and samples; empty: not stated
  int rate_hz = 0;      ///< of sound
  bool any_size = false;   ///< sizes stay free

  /// "480x640": a picture; "any": a picture of any size; "1x16000@16kHz", "any@16kHz": sound; "16kHz": sound of which only the rate is known.
  static Result<Raw> parse(std::string_view text);
};
/// What became of a step.
struct Row {
  std::string step;     ///< "resize"
  bool folded = false;
  std::string what;     ///< the operators that it is now, or why it stays outside
};
struct Folded {
  ir::Graph graph;
  data::Preprocess outside;   ///< the steps that remain in front of the graph
  std::vector<Row> rows;      ///< one for each step; "fit" behind them, where the sample is fitted to the input by operators
};

/// The graph whose input `input` takes what the shortest possible prefix of the steps gives, [N, height, width, channels] of uint8 where that prefix
/// is a mere decode: the other steps are operators of the graph, and so is fitting the sample to the input (docs/preprocess.md). Name and
/// batch dimension of the input stay. What the graph computes is what the steps give: bit by bit for pictures, but tf-*, tf1-*, torch-* resizes, which
/// are within float32 rounding, as sound is. Bytes that a quantised input would store as they are, by all 256 values, are left alone. Fails where no step can be folded, and where the steps do not fit the input.
Result<Folded> fold(const ir::Graph& graph, std::size_t input, const data::Preprocess& steps, const Raw& raw = {});

/// How many of the last steps are affine in each raw value: scale, normalize, layout.
std::size_t affine_steps(const data::Preprocess& steps);
/// The graph of one sample in raw units: input i is float32 [1, samples[i]...], a sample that went through all steps but the affine ones `inside[i]`, which
/// are operators now, as is the fitting. In float32 these compute what the steps do, bit by bit. Fails where an input does not take real numbers, or the
/// sample does not fit it.
Result<ir::Graph> in_raw_units(const ir::Graph& graph, std::span<const data::Preprocess> inside, std::span<const Dims> samples);

}  // namespace saha::front
