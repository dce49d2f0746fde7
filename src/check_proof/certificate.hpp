#pragma once
// Certificate: why a network has no counterexample to a property, as a file. "saha-proof\n", the length of a JSON header as 4 bytes (little endian), the header, and
// the payload: a tree in depth-first order. Numbers are LEB128 unless said otherwise; float32 little endian.
//
//   payload = trees, then for each: a list of cases (count, numbers), then a node over the box that these cases share
//   node    = 0 refuted: count, then for each: case, a float32 weight for each of its rows; what has none is refuted by single rows
//           | 1 input split: input, float32 value, the node with the input at most value, the node with it at least value
//           | 2 clip: count, then for each: input, float32 lo, float32 hi; a node over what is left
//           | 3 sign split: ReLU layer, element, the node with its operand at least 0, the node with it at most 0
//           | 4 refine: bounds of all hidden elements by linear bounds with default slopes; a node
//           | 5 slopes: count, then for each: ReLU layer, element (ascending): what later slopes speak of; a node
//           | 6 claims: count, then for each (ascending layers): ReLU layer, 2 * element + (1: upper bound), slopes of earlier layers, multipliers; a node
//           | 7 refuted by slopes: count, then for each: case, float32 weights of its rows, slopes, multipliers
//           | 8 cases: count, then for each: a list of cases, a node
//   slopes are 16 bits each, in units of 1 / 65535; multipliers are a float32 for each sign split on the way from the root, in that order.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace saha::check_proof {

enum class Tag : std::uint8_t { refuted, input_split, clip, sign_split, refine, slopes, claims, refuted_by_slopes, cases };

inline constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

/// The payload as it grows.
class Writer {
 public:
  Writer& tag(Tag t) {
    bytes_ += char(t);
    return *this;
  }
  Writer& number(std::uint64_t v) {
    for (; v >= 128; v >>= 7) bytes_ += char(v | 128);
    bytes_ += char(v);
    return *this;
  }
  void real(float v) { put(&v, 4); }
  void slope(float v) {
    const auto n = std::uint16_t(v * 65535.0f + 0.5f);
    put(&n, 2);
  }
  const std::string& bytes() const { return bytes_; }
  void append(std::string_view bytes) { bytes_ += bytes; }

 private:
  void put(const void* p, std::size_t n) { bytes_.append(static_cast<const char*>(p), n); }
  std::string bytes_;
};

/// Reads what Writer wrote; past the end, and after a number that is none, everything is 0 and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }
  Tag tag() {
    const auto v = std::uint8_t(*take(1));
    ok_ &= v <= std::uint8_t(Tag::cases);
    return Tag(v);
  }
  std::uint64_t number() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const auto b = std::uint8_t(*take(1));
      v |= std::uint64_t(b & 127) << shift;
      if (b < 128) return v;
    }
    ok_ = false;
    return 0;
  }
  /// A number of things of which each takes at least `bytes`.
  std::size_t count(std::size_t bytes) {
    const std::uint64_t n = number();
    if (n <= left() / bytes) return std::size_t(n);
    ok_ = false;
    return 0;
  }
  float real() {
    float v;
    std::memcpy(&v, take(4), 4);
    return v;
  }
  double slope() {
    std::uint16_t v;
    std::memcpy(&v, take(2), 2);
    return double(v) / 65535;
  }
  /// n bytes, to be read later.
  std::string_view skip(std::size_t n) {
    if (n > left()) return ok_ = false, std::string_view();
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }

 private:
  const char* take(std::size_t n) {
    static constexpr char kNone[8] = {};
    if (n > left()) return ok_ = false, at_ = bytes_.size(), kNone;
    at_ += n;
    return bytes_.data() + at_ - n;
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct Certificate {
  std::string saha;                                  ///< the version that wrote it
  std::string model_sha256, property_sha256;
  bool float32 = true;                               ///< what runs: float32 sums in any order; false: exact sums
  std::string payload;
};

/// The file appears whole or not at all.
Result<> write(const Certificate& c, const std::filesystem::path& path);
/// Fails (invalid_data) on any other than the bytes of write(): the payload's length and SHA-256 stand in the header. The tree itself is judged by check().
Result<Certificate> parse(std::string_view bytes);
Result<Certificate> read(const std::filesystem::path& path);

}  // namespace saha::check_proof
