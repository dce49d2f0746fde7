#pragma once
// Choose: of several ways to quantise a graph the one whose outputs are nearest to the float graph's, on samples that no range was found on.
#include <set>

#include "compress/errors.hpp"
#include "compress/quantize.hpp"

namespace saha::compress {

/// How far outputs of a quantised graph are from the float ones: the SQNR of each sample in dB, its mean over the samples, and of these the mean over the outputs and the
/// least, so that one good output does not outweigh a bad one. Sample by sample: behind a softmax or sigmoid nearly all of the error is that of the few samples near a
/// threshold, which would decide alone.
struct Nearness {
  double mean_db = 0, least_db = 0;
  double worth() const { return (mean_db + least_db) / 2; }
};
/// Compares graphs with one float graph, whose outputs are computed once.
class Referee {
 public:
  static Result<Referee> make(const ir::Graph& reference, const Samples& samples, runtime::Backend& engine, int threads, const Watch& watch);
  Result<Nearness> near(const ir::Graph& other, const Watch& watch) const;
  const Samples& samples() const { return samples_; }

 private:
  Samples samples_;
  runtime::Backend* engine_ = nullptr;
  int threads_ = 1;
  std::vector<std::vector<Datum>> outputs_;   // by batch
};

/// One in five of the samples to judge by, in blocks all over them, the others to find ranges on; of fewer than five samples all serve for both.
struct Parts {
  Samples fit, held;
};
Parts parts(const Samples& s);
/// About n of the samples, in blocks of a batch all over them; all where there are no more.
Samples spread(const Samples& s, std::int64_t n);

/// A graph as it is quantised: where, and the numbers that follow from samples.
struct Form {
  ir::Graph graph;
  Sites sites;
  std::vector<Histogram> seen;     ///< by group
  Numbers numbers;                 ///< int8, weights rounded to the nearest
  bool equalised = false;
};
/// Ranges by `range`, on the samples. Fails where a value is not finite, and where nothing in the graph can be quantised.
Result<Form> form_of(ir::Graph g, const std::set<std::size_t>& floats, const Samples& samples, runtime::Backend& engine, const QuantizeOptions& o, const Watch& watch);
/// How a range is stored, or the fixed storage of the group.
op::Stored stored_group(const Form& f, std::size_t group, const RangeOptions& range);

/// The last products of every path as long as all of them have at most `share` of the multiplications and of the parameters: nodes.
std::set<std::size_t> cheap_tail(const ir::Graph& g, const Sites& sites, double share);
/// All products that no product comes before, if together they have at most `share` of both.
std::set<std::size_t> cheap_head(const ir::Graph& g, const Sites& sites, double share);

/// The best of: equalised or not, each rule for ranges, cheap ends in float or not; then another rule for single values where that helps.
/// `choice` tells what was tried. Samples: fit and held are parts of `all`.
Result<Form> chosen_form(const ir::Graph& prepared, const Samples& all, const Parts& parts, const Referee& referee, runtime::Backend& engine, const QuantizeOptions& o, Choice& choice, const Watch& watch);

}  // namespace saha::compress
