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
};

struct Vnnlib {
  Property property;
  int version = 1;                    ///< 1 or 2
  std::string network;                ///< 2.0: its name
  std::vector<Port> inputs, outputs;  ///< 2.0 only
};

inline constexpr std::uint64_t kMostVnnlibBytes = std::uint64_t{1} << 28;
inline constexpr int kMostVnnlibDepth = 512;

/// "X_3" in 1.0, "X[0,3]" in 2.0; where no tensors are given, 2.0 has one input X and one output Y.
std::string element_name(const Vnnlib& v, bool input, std::int64_t element);

/// Numbers are read to the nearest float64, so that a float32 or float64 is within a bound exactly where it is within the file's decimal one.
/// Accepted beyond 1.0: `=`, `!=`, `distinct`, `not`, division by constants, SMT-LIB's commands without effect (set-logic, check-sat, ..). Fails with file, line and
/// column (invalid_file: what is malformed, not declared, not linear, or without bounds; unsupported: several networks, hidden tensors in
/// assertions, functions of SMT-LIB such as ite). One pass over the text; threads: any.
Result<Vnnlib> parse_vnnlib(std::string_view text, std::string_view file);
/// The same of a file, which may be packed by gzip.
Result<Vnnlib> read_vnnlib(const std::filesystem::path& path);

/// A file of v.version; of 2.0 with the given tensors, else with an input X and an output Y. Names that 2.0 does not allow are changed. Read
/// again it gives the same property. There is at least one case.
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

/// A counterexample as VNN-COMP writes it, one element a line: ((X_0 v) .. (Y_0 v) ..), each float32 by digits that give it back exactly, also
/// where they are read as float64.
std::string print_counterexample(std::span<const float> x, std::span<const float> y);

}  // namespace saha::verify
