#pragma once
// Record: the tree of a search while it grows, which ends as the payload of a certificate (check_proof/certificate.hpp).
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "check_proof/certificate.hpp"

namespace saha::verify {

/// The payload of a certificate as it grows.
class Writer {
 public:
  Writer& tag(check_proof::Tag t) {
    bytes_ += char(t);
    return *this;
  }
  Writer& number(std::uint64_t v) {
    for (; v >= 128; v >>= 7) bytes_ += char(v | 128);
    bytes_ += char(v);
    return *this;
  }
  Writer& real(float v) {
    bytes_.append(reinterpret_cast<const char*>(&v), 4);
    return *this;
  }
  Writer& append(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// The file appears whole or not at all.
Result<> write(const check_proof::Certificate& c, const std::filesystem::path& path);

/// A slope in [0, 1] as a certificate has it, in units of 1 / 255.
inline std::uint8_t slope_byte(float slope) { return std::uint8_t(slope * 255 + 0.5f); }
inline float slope_of(std::uint8_t byte) { return float(byte) / 255.0f; }

/// How something is bounded under some signs, as a certificate's node `bounded` has it: a byte for each slope, a multiplier for each sign on the way.
struct Bounding {
  std::string slopes;
  std::vector<float> multipliers;
};
std::string bytes_of(const Bounding& b);

/// What is bounded by parts: a part for each set of signs that splits led to.
struct Part {
  std::vector<std::pair<std::int32_t, bool>> path;   ///< place, sign: true at least 0
  Bounding bounding;
};
/// The tree whose leaves these parts are, in any order.
std::string bytes_of(std::vector<Part> parts);

/// A certificate's node `claims`: bounds of hidden elements, each with the tree that it is bounded by.
class Claims {
 public:
  void add(std::int32_t place, bool upper, std::string_view tree) { claims_.number(2 * std::uint64_t(place) + upper).append(tree), ++count_; }
  std::string bytes() const { return Writer().tag(check_proof::Tag::claims).number(count_).append(claims_.bytes()).bytes(); }

 private:
  Writer claims_;
  std::uint64_t count_ = 0;
};

/// The splits of inputs of one tree of a certificate, in depth-first order; input -1: a leaf.
struct SplitTree {
  struct Node {
    std::int32_t input = -1;
    float at = 0;
  };
  std::int32_t first_case = 0;
  std::vector<Node> nodes = {};
};
/// `rows`: of each case, how many it has. Nothing where a tree splits signs of ReLUs. Fails (invalid_data) where it is none over these cases and inputs.
Result<std::optional<std::vector<SplitTree>>> read_splits(std::string_view payload, std::span<const std::size_t> rows, std::int64_t inputs);

/// Any thread may add at any time.
class Record {
 public:
  /// `replayed`: what input splits begin with, of a proof of a similar network. Not `kept`: that is all that is wanted, and nothing is recorded.
  explicit Record(std::vector<SplitTree> replayed = {}, bool kept = true) : replayed_(std::move(replayed)), kept_(kept) {}
  const std::vector<SplitTree>& replayed() const { return replayed_; }
  bool kept() const { return kept_; }
  /// A tree of these cases, which share a box.
  std::int64_t root(std::span<const std::int32_t> cases);
  /// All of a node but the `children` nodes that follow it; returns the first of them.
  std::int64_t add(std::int64_t node, std::string_view bytes, int children);
  /// All trees in the order of their roots. Every node is complete.
  std::string payload() const;
  /// There is a tree, and no node waits for what follows it.
  bool complete() const { return !roots_.empty() && open_ == 0; }
  /// What followed the node is dropped, and of the node itself what was added. The last tree's only.
  void cut(std::int64_t node);
  /// Becomes the other, which is empty then.
  void take(Record& other) { nodes_ = std::move(other.nodes_), roots_ = std::move(other.roots_), open_ = other.open_; }

 private:
  struct Node {
    std::string bytes;
    std::int64_t first = 0;
    std::int32_t children = 0;
  };
  struct Root {
    std::string cases;
    std::int64_t node;
  };
  std::vector<SplitTree> replayed_;
  bool kept_;
  mutable std::mutex mutex_;
  std::vector<Node> nodes_;                          ///< without bytes: not added yet
  std::vector<Root> roots_;
  std::int64_t open_ = 0;                            ///< nodes that were not added
};

}  // namespace saha::verify
