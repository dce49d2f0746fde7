#pragma once
// Trials: models run on inputs that no data set holds, which the level `test` of regions and transforms asks for. Who has the models brings them; nothing here runs one.
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::validate {

/// What is done to a raw sample, before its preprocessing.
struct Alteration {
  std::string name;                    ///< as corrupt::altered takes it: "rotate", "fog"; "": `values` stand in the sample's place
  std::vector<double> numbers = {};    ///< rad, shares, dB, a severity
  std::uint64_t seed = 0;              ///< of what is drawn inside
  std::shared_ptr<const std::vector<double>> values = {};   ///< raw, in the order in which they lie
  bool operator==(const Alteration&) const = default;       ///< values: the same ones
  bool is_corruption() const;                               ///< with a severity, the only number
};
std::string print(const Alteration& a);   ///< "rotate by -7.25 deg", "fog 3"

/// A sample and what is done to it, in order.
struct Altered {
  std::string data;
  std::int64_t sample = 0;
  std::vector<Alteration> changes = {};
  bool operator==(const Altered&) const = default;
};

/// A raw input as numbers.
struct Raw {
  std::vector<double> values, low, high;   ///< low and high: the domain of each, infinite where none is known
  bool whole = false;                      ///< only whole numbers can stand there
  bool picture = false, sound = false;
};

/// One search for a failing input.
struct Search {
  Altered around;                          ///< the region's centre
  std::vector<double> centre, low, high;   ///< raw
  std::vector<double> reach;               ///< how far low and high lie from the centre before the domain cut them
  double radius = std::numeric_limits<double>::infinity();   ///< Euclidean, besides low and high
  bool whole = false;
  struct Leaf {
    std::string model, output;
    bool operator==(const Leaf&) const = default;
  };
  std::vector<Leaf> leaves;                ///< the outputs that the assertion takes at the point
  /// How far the assertion is from failing at these outputs (below 0: it fails), and its derivative by them, of the same sizes, unless `slopes` is null.
  std::function<double(const std::vector<std::vector<double>>& outputs, std::vector<std::vector<double>>* slopes)> slack;
  std::optional<std::int64_t> label;       ///< the assertion says that the only leaf's class is this one
  std::uint64_t seed = 0;
  std::function<bool()> go_on;
};
struct Searched {
  std::vector<std::vector<double>> points;   ///< the most promising first; not judged
  std::int64_t runs = 0;
  std::string how;                           ///< "APGD, Square"
};

/// Every call may fail; the message becomes the reason of an inconclusive verdict. One thread at a time.
class Trials {
 public:
  virtual ~Trials() = default;
  virtual Result<Raw> raw(const Altered& input) = 0;
  /// Corruptions that a sample can have.
  virtual Result<std::vector<std::string>> corruptions(const std::string& data, std::int64_t sample) = 0;
  /// All values of an output, flattened, on the engine that is judged.
  virtual Result<std::vector<double>> output(const std::string& model, const Altered& input, const std::string& output) = 0;
  virtual Result<Searched> search(const Search& search) = 0;
  virtual void forget() {}                 ///< outputs that are remembered: the next call runs the model
};

}  // namespace saha::validate
