#pragma once
// VNN-LIB, the property files of the verification competitions: 1.0 (SMT-LIB with inputs X_0.. and outputs Y_0..) and 2.0 (declared networks,
// tensors with shapes), as they are or packed by gzip. Satisfiable means violated: the assertions describe the counterexamples.
#include <filesystem>
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

/// Numbers are read to the nearest float64, so that a float32 or float64 is within a bound exactly where it is within the file's decimal one.
/// Accepted beyond 1.0: `=`, `!=`, `distinct`, `not`, division by constants, SMT-LIB's commands without effect (set-logic, check-sat, ..). Fails with file, line and
/// column (invalid_file: what is malformed, not declared, not linear, or without bounds; unsupported: several networks, hidden tensors in
/// assertions, functions of SMT-LIB such as ite). One pass over the text; threads: any.
Result<Vnnlib> parse_vnnlib(std::string_view text, std::string_view file);
/// The same of a file, which may be packed by gzip.
Result<Vnnlib> read_vnnlib(const std::filesystem::path& path);

}  // namespace saha::verify
