#pragma once
// Problem: an assertion at one choice of what it enumerates (a sample, values of a field), as a formula whose solutions are its
// counterexamples. translate() makes it, query() what a prover takes.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "validate/estimate.hpp"
#include "validate/prove_formula.hpp"

namespace saha::validate::proof {

/// One of the variables that an assertion runs through: the samples of `for` or of a region, or the values of a field.
struct Loop {
  std::string name;                          ///< "x", "d", "g"
  std::string data = {};                     ///< of samples
  std::vector<std::int64_t> samples = {};
  std::string field = {};                    ///< of values
  std::vector<double> values = {};           ///< in the field's unit
  std::size_t size() const { return data.empty() ? values.size() : samples.size(); }
};

/// What the requirement enumerates, in the order in which it binds. Fails where a field's values are not known, or a data set is not here.
Result<std::vector<Loop>> loops(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall);

/// A tensor of x: an input of a network for one point, or one number of its own.
struct Input {
  std::string name;
  std::int32_t first = 0, size = 0;
  std::int32_t network_input = -1;           ///< -1: one number
};

/// What is known of one element of x beside its range.
struct Element {
  double lo = 0, hi = 0;
  bool whole = false;
  bool field = false;                        ///< it has a name of its own: few values of it are told apart
  std::vector<double> values = {};           ///< all that it takes; empty: any of the range
  std::string name = {};                     ///< "d.wear", "d[17]"
};

/// |x[i] - centre[i]| in the Euclidean sense over a point is at most the radius; the box around it stands in `elements`.
struct Ball {
  std::vector<std::pair<std::int32_t, double>> centre;   ///< element of x, in raw units
  double radius = 0;
  double distance(std::span<const double> x) const;
};

/// A point that the assertion names, for witnesses.
struct Named {
  std::string name;
  PointForm point;
};

/// A comparison of the assertion, for what is said of a counterexample.
struct Compared {
  using Shown = std::function<std::string(std::span<const double> x, std::span<const double> y)>;
  Formula holds;
  Op op = Op::le;
  Shown left, right;
};

struct Problem {
  std::shared_ptr<const Network> network;    ///< of the model that is judged
  std::vector<Input> inputs;                 ///< of x, in order
  std::vector<Element> elements;             ///< of x
  std::vector<Ball> balls;
  std::vector<Named> named;
  std::string chosen;                        ///< values of fields: "g = 0, h = 1"
  std::vector<PointForm> points;
  std::vector<Query::Run> runs;              ///< outputs y, in order
  Formula premise;                           ///< conditions on the region, and of every leading "P =>" (may speak of y)
  Formula breaks;                            ///< the premise, and not the assertion
  std::vector<Compared> compared;            ///< of the assertion without its premises, in order
  std::int64_t width() const;                ///< of y
};

/// `at[i]` is the place in loop i. Fails (unsupported) naming the word or operator that cannot be said by lines, (invalid_data) what is missing.
Result<Problem> translate(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall, std::span<const Loop> loops,
                          std::span<const std::size_t> at);

/// The graph, and the cases of `breaks` with their boxes. Fields of few values are split into boxes of one value each.
/// Something varies: p.elements is not empty. `vacuous`: no point meets the premise, as far as ranges of single elements show.
struct Asked {
  Query query;
  bool vacuous = false;
};
Result<Asked> query(const Problem& p, Recall& recall);

/// All of y at x, by running the models. The order is that of p.runs.
Result<std::vector<double>> execute(const Problem& p, std::span<const double> x, Evidence& evidence);

/// Why x is no member of the region: "sex is 0.4, not one of its values", or "".
std::string not_member(const Problem& p, std::span<const double> x);
/// The member next to x: whole numbers and values rounded, balls drawn in.
std::vector<double> nearest_member(const Problem& p, std::span<const double> x);

}  // namespace saha::validate::proof
