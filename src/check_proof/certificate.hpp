#pragma once
// Certificate: why a network has no counterexample to a property, as a file. "saha-proof\n", the length of a JSON header as 4 bytes (little endian), the header, and
// the payload: a tree in depth-first order. Numbers are LEB128 unless said otherwise; float32 little endian.
//
//   payload = trees, then for each: a list of cases (count, numbers), then a box, at first the one that these cases share
//   box     = 0 refuted: linear bounds of the rows leave nothing of it, together with those of weighted sums of rows: count, then for each: case, float32 weights of its rows
//           | 1 input split: input, float32 value, the box with the input at most value, the box with it at least value
//           | 2 clip: the box becomes what the rows' bounds leave, as the checker sees it; a box
//           | 3 signs: a node
//   node    = 4 places: count, then for each: ReLU, element of its result (ascending): what all below speaks of, by its number in this list; a node
//           | 5 goals: count, then for each: case, float32 weights of its rows, a node that bounds their sum
//           | 6 claims: count, then for each: 2 * place + (1: upper bound of the ReLU's operand, 0: lower), a node that bounds it; a node for which these bounds hold
//           | 7 sign split: place, the node with its operand at least 0, the node with it at most 0
//           | 8 bounded: slopes, a byte each in units of 1 / 255, of the places of ReLUs before what is bounded; a float32 multiplier for each sign split on the way, in that
//             order, or -1 where the sign is not made use of
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace saha::check_proof {

enum class Tag : std::uint8_t { refuted, input_split, clip, signs, places, goals, claims, sign_split, bounded };

inline constexpr std::string_view kMagic = "saha-proof\n", kSchema = "saha.proof/2";
inline constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

/// Reads a payload; past the end, and after a number that is none, everything is 0 and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }
  Tag tag() {
    const auto v = std::uint8_t(take(1)[0]);
    ok_ &= v <= std::uint8_t(Tag::bounded);
    return Tag(v);
  }
  std::uint64_t number() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const auto b = std::uint8_t(take(1)[0]);
      v |= std::uint64_t(b & 127) << shift;
      if (b < 128) return v;
    }
    ok_ = false;
    return 0;
  }
  /// A number of things of which each takes at least `bytes`.
  std::size_t count(std::size_t bytes) {
    const std::uint64_t n = number();
    if (n <= left_.size() / bytes) return std::size_t(n);
    ok_ = false;
    return 0;
  }
  float real() {
    float v;
    std::memcpy(&v, take(4).data(), 4);
    return v;
  }
  /// n bytes; where there are fewer, 4 that are 0.
  std::string_view take(std::size_t n) {
    static constexpr char kNone[4] = {};
    if (n > left_.size()) return ok_ = false, left_ = {}, std::string_view(kNone, 4);
    const std::string_view bytes = left_.substr(0, n);
    left_.remove_prefix(n);
    return bytes;
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

struct Certificate {
  std::string saha;                                  ///< the version that wrote it
  std::string model_sha256, property_sha256;
  bool float32 = true;                               ///< what runs: float32 sums in any order; false: exact sums
  std::string payload;
};

/// Fails (invalid_data) on any other bytes: the payload's length and SHA-256 stand in the header. The tree itself is judged by check().
Result<Certificate> parse(std::string_view bytes);

}  // namespace saha::check_proof
