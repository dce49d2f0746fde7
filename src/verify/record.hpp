#pragma once
// Record: the tree of a search while it grows, which ends as the payload of a certificate (check_proof/certificate.hpp).
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "check_proof/certificate.hpp"

namespace saha::verify {

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
  std::string bytes() const { return check_proof::Writer().tag(check_proof::Tag::claims).number(count_).append(claims_.bytes()).bytes(); }

 private:
  check_proof::Writer claims_;
  std::uint64_t count_ = 0;
};

/// Any thread may add at any time.
class Record {
 public:
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
  mutable std::mutex mutex_;
  std::vector<Node> nodes_;                          ///< without bytes: not added yet
  std::vector<Root> roots_;
  std::int64_t open_ = 0;                            ///< nodes that were not added
};

}  // namespace saha::verify
