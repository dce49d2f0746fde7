#pragma once
// Post-training quantisation: a float graph and samples -> a graph that computes on stored integers. One Quantizer holds what calibration found; graphs of
// any mixture of widths come from it. The form of the result: pairs.hpp. Weights alone, dynamic scales and narrow floats: narrow.hpp.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compress/histogram.hpp"
#include "compress/pairs.hpp"
#include "compress/samples.hpp"
#include "runtime/backend.hpp"

namespace saha::compress {

struct QuantizeOptions {
  DType to = DType::i8;            ///< of operands: i8, or i16; weights are i8
  RangeOptions range = {};
  bool per_channel = true;         ///< a scale for each result of a product
  bool equalize = true;            ///< channels of inputs and of layers that follow each other are brought to like ranges
  bool correct = true;             ///< biases take up the mean error
  bool round = true;               ///< roundings of weights are chosen by what the layer reads
  /// Of equalisation, rules for ranges (range.how is not looked at) and roundings those are taken whose outputs are nearest on samples held out: choose.hpp.
  bool search = false;
  double spare = 0.125;            ///< with search: this share of multiplications and of parameters may stay float at each end of the graph where that helps
  bool float_tail = true;          ///< what follows the last products stays float
  bool one_width = false;          ///< a node's operands and result have one width (TensorFlow Lite)
  std::set<std::string> keep = {};   ///< layers that stay float
  int threads = 1;
};

/// How a layer's result is stored, and its weights.
enum class Width : std::uint8_t { int8, int16, float32 };
std::string_view name(Width w);

/// A node that computes on integers: a product, a sum, a function; what only moves numbers is none.
struct Layer {
  std::string name, op;
  std::size_t node = 0;                ///< of the prepared graph
  std::int32_t group = -1;             ///< of Sites; -1: its result is not stored
  std::int64_t parameters = 0;
  double macs = 0;                     ///< of one sample
  double lowest = 0, highest = 0;      ///< of its result, observed
  double lo = 0, hi = 0;               ///< the range that is stored
  double bulk = 1;                     ///< share of lowest .. highest in which 99.9 % of the numbers lie
  double sqnr_db = 0;                  ///< of its result in the quantised graph; set by measure()
  double alone_db = 0;                 ///< of the graph's outputs, where it alone is quantised; set by measure_alone(); NaN before
  std::string reason;                  ///< what makes it inexact: range, outliers, a channel; may be empty
};

/// How the numbers were found, and what else was tried.
struct Choice {
  bool equalised = false;
  Calibration rule = Calibration::mse;   ///< of ranges
  bool rounded = false;                  ///< roundings were chosen by what layers read
  int singles = 0;                       ///< values whose range another rule gives
  std::vector<std::string> floats = {};  ///< layers at the ends of the graph that stay float
  std::int64_t held = 0;                 ///< samples that judged; 0: nothing was compared
  struct Tried { std::string what; double mean_db, least_db; };   ///< SQNR of the outputs, mean and least
  std::vector<Tried> tried = {};         ///< in order
};

/// "chosen by the outputs on 48 samples held out, of 9 ways: minmax ranges, equalised, roundings chosen; float32: fc1, fc2"; empty where nothing was compared.
std::string sentence(const Choice& c);

class Quantizer {
 public:
  /// Prepares, equalises, calibrates, chooses scales and roundings. Fails where the data does not fit, is empty, or always the same; where a value is not finite; and
  /// where nothing in the graph can be quantised. `engine` must outlive it.
  static Result<Quantizer> make(const ir::Graph& g, const Samples& calibration, runtime::Backend& engine, const QuantizeOptions& options, const Watch& watch = {});

  const std::vector<Layer>& layers() const { return layers_; }
  const Choice& choice() const { return choice_; }
  /// What multiplies and stays float whatever the widths: recurrent layers, products in the branches and bodies of If, Loop and Scan, products of forms that sites do not
  /// take: "LSTM 'rnn'", "Conv 'c' in If 'f'". Without those that were asked or chosen to be float.
  const std::vector<std::string>& left() const { return left_; }
  /// The float graph that everything is compared with: same inputs, outputs and numbers (but for float rounding) as the given one.
  const ir::Graph& reference() const { return g_; }
  /// All layers as wide as the options say.
  std::vector<Width> widths() const { return std::vector<Width>(layers_.size(), options_.to == DType::i16 ? Width::int16 : Width::int8); }
  Result<ir::Graph> graph(const std::vector<Width>& widths) const;
  /// Sets sqnr_db and reason of each layer, from the graph of these widths on the samples. Returns the mean SQNR of the outputs in dB.
  Result<double> measure(const std::vector<Width>& widths, const Samples& samples, const Watch& watch = {});
  /// Sets alone_db: one graph a layer, which is the only one that is quantised.
  Result<> measure_alone(const Samples& samples, const Watch& watch = {});

  /// What a mixture is worth: higher is better. Called with graphs of graph().
  using Judge = std::function<Result<double>(const ir::Graph&)>;
  struct Mixed {
    std::vector<Width> widths;
    double score = 0;
    bool held = false;                 ///< score >= floor
    int tried = 0;                     ///< graphs that were judged
  };
  /// The cheapest mixture found whose score is at least `floor`: layers are widened to int16, then to float32, by their share of the error for their work, as many as it
  /// takes (found by bisection), then narrowed again one by one where the floor holds without. Needs measure_alone(). Not held: the best that was tried.
  Result<Mixed> mix(double floor, const Judge& judge, const Watch& watch = {}) const;

 private:
  Quantizer(runtime::Backend& engine, const QuantizeOptions& o) : engine_(&engine), options_(o) {}
  Numbers numbers(const std::vector<Width>& widths) const;
  runtime::Backend* engine_;
  QuantizeOptions options_;
  ir::Graph g_;
  Sites sites_;
  std::vector<Histogram> seen_;        // by group
  Numbers chosen_;                     // all int8
  std::vector<op::Stored> wide_;       // by group: as int16
  std::vector<std::vector<std::size_t>> readers_;   // by group that no layer makes: the layers that read it
  std::vector<Layer> layers_;
  Choice choice_;
  std::vector<std::string> left_;
};

/// The graph in the form that quantisation works on: simplified, batch normalisation folded, a product and its bias one node, every value named.
Result<ir::Graph> prepared(const ir::Graph& g);
/// The same graph; values that nodes make and that have no name get one, by which they are found in other forms of the graph.
ir::Graph named(ir::Graph g);

}  // namespace saha::compress
