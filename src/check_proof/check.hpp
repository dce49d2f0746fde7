#pragma once
// The checker of certificates: follows the tree of a certificate and shows with bounds of its own that no point of any case is left. Of the verifier it shares nothing but
// the file format; trusted are the readers of ONNX and VNN-LIB, the compiler, and round-to-nearest float64.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "check_proof/certificate.hpp"
#include "ir/graph.hpp"

namespace saha::check_proof {

/// What the certificate must show: no float32 x within a case's box and y, the network's outputs at x, satisfy all its rows: sum of x and y terms <= bound (< where strict).
struct Claim {
  struct Row {
    std::vector<std::pair<std::int32_t, double>> x, y;
    double bound = 0;
    bool strict = false;
  };
  struct Box {
    std::vector<double> lo, hi;
  };
  struct Case {
    std::shared_ptr<const Box> box;
    std::vector<Row> rows;
  };
  std::vector<Case> cases;
};

struct Judgement {
  bool valid = false;
  std::string why;                                   ///< of what is not valid: one sentence
  std::int64_t nodes = 0, regions = 0;               ///< of the tree; boxes that were bounded
};

/// Fails (unsupported) where the graph has an operator that the checker does not know, (invalid_argument) where the claim's numbers are not the graph's. The hashes in
/// the certificate are the caller's to compare. Threads: any number of calls.
Result<Judgement> check(const ir::Graph& g, const Claim& claim, const Certificate& certificate);

}  // namespace saha::check_proof
