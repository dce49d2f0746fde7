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
  /// Becomes the other, which is empty then.
  void take(Record& other) { nodes_ = std::move(other.nodes_), roots_ = std::move(other.roots_), open_ = other.open_; }

 private:
  struct Node {
    std::string bytes;
    std::int64_t first = 0;
    std::int32_t children = 0;
  };
  mutable std::mutex mutex_;
  std::vector<Node> nodes_;
  std::vector<std::int64_t> roots_;
  std::int64_t open_ = 0;                            ///< nodes that were not added
};

}  // namespace saha::verify
