#pragma once
// VNN-LIB, the property files of the verification competitions: 1.0 (SMT-LIB with inputs X_0.. and outputs Y_0..) and 2.0 (declared networks,
// tensors with shapes), as they are or packed by gzip. Satisfiable means violated: the assertions describe the counterexamples.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tensor/dtype.hpp"
#include "tensor/tensor.hpp"
#include "verify/property.hpp"

namespace saha::verify {

/// A tensor that a file of 2.0 declares; the k-th input and output are the network's k-th, whatever their names.
struct Port {
  std::string name;
  DType dtype = DType::none;   ///< none: real numbers
  Dims shape;
  std::string onnx = {};       ///< the model's name for it, where the file says one
};
struct Network {
  std::string name;
  std::string like;            ///< the network before it that it is said to equal or to be isomorphic to; empty: none
  bool equal = false;          ///< the same model
  std::vector<Port> inputs, outputs;
};

/// An element is a number of a declared input, of all networks one after another; an input of the property is one or several elements that
/// assertions outside of any `or` set equal. Outputs are elements alike, and never tied.
struct Vnnlib {
  Property property;
  int version = 1;                         ///< 1 or 2
  std::vector<Network> networks = {};      ///< 2.0 only
  std::vector<std::int32_t> input_of = {};   ///< the property's input of each element; empty: its own
  std::vector<std::int32_t> element_of = {}; ///< the first element of each input; empty: its own

  std::int64_t elements() const { return input_of.empty() ? property.inputs : std::int64_t(input_of.size()); }
  std::int64_t element(std::int64_t input) const { return element_of.empty() ? input : element_of[std::size_t(input)]; }
  /// What a value of each input is for each element.
  template <class T> std::vector<T> spread(std::span<const T> inputs) const {
    if (input_of.empty()) return {inputs.begin(), inputs.end()};
    std::vector<T> all;
    for (std::int32_t i : input_of) all.push_back(inputs[std::size_t(i)]);
    return all;
  }
};

inline constexpr std::uint64_t kMostVnnlibBytes = std::uint64_t{1} << 28;
inline constexpr int kMostVnnlibDepth = 512;

/// "X_3" in 1.0, "X[0,3]" in 2.0; where no networks are given, 2.0 has one of an input X and an output Y.
std::string element_name(const Vnnlib& v, bool input, std::int64_t element);
inline std::string input_name(const Vnnlib& v, std::int64_t input) { return element_name(v, true, v.element(input)); }

/// Numbers are read to the nearest float64, so that a float32 or float64 is within a bound exactly where it is within the file's decimal one.
/// Accepted beyond 1.0: `=`, `!=`, `distinct`, `not`, division by constants, SMT-LIB's commands without effect (set-logic, check-sat, ..). Fails with file, line and
/// column (invalid_file: what is malformed, not declared or without bounds; unsupported: what is not linear, hidden tensors in assertions,
/// functions of SMT-LIB such as ite). An input without a bound of its own takes it from rows of inputs alone. Threads: any.
Result<Vnnlib> parse_vnnlib(std::string_view text, std::string_view file);
/// The same of a file, which may be packed by gzip.
Result<Vnnlib> read_vnnlib(const std::filesystem::path& path);

/// A file of v.version; of 2.0 with the given networks, else with one of an input X and an output Y. Names that 2.0 does not allow are changed.
/// Read again it gives the same property. There is at least one case.
std::string print(const Vnnlib& v);

/// "Y_0 - 2 Y_1 <= 0.5"; positive terms stand on the left where the bound is 0: "Y_0 <= Y_3".
std::string sentence(const Vnnlib& v, const Row& row);
/// What a counterexample would be, in lines: how many inputs and how wide, the cases, each with its rows. Long lists are cut, with a count.
std::string explain(const Vnnlib& v);

/// How far the inputs of a property may go.
struct Extent {
  std::int64_t vary = 0;              ///< inputs with lo < hi in any case
  double least = 0, most = 0;         ///< widths of those
  std::int64_t boxes = 0, rows = 0;   ///< of all cases; a box that cases share counts once
};
Extent extent(const Property& property);

/// A counterexample as VNN-COMP and the standard write it, x by the property's inputs: for 1.0 ((X_0 v) .. (Y_0 v) ..), for 2.0 each tensor by a
/// line "X float32 [1,5]" and a line for each element. Each float32 has digits that give it back exactly, also where they are read as float64.
std::string print_counterexample(const Vnnlib& v, std::span<const float> x, std::span<const float> y);

}  // namespace saha::verify
