#include "verify/record.hpp"

namespace saha::verify {

std::int64_t Record::root(std::span<const std::int32_t> cases) {
  check_proof::Writer w;
  w.number(cases.size());
  for (std::int32_t c : cases) w.number(std::uint64_t(c));
  std::lock_guard lock(mutex_);
  roots_.push_back(std::int64_t(nodes_.size()));
  nodes_.push_back({w.bytes()}), ++open_;
  return roots_.back();
}

std::int64_t Record::add(std::int64_t node, std::string_view bytes, int children) {
  std::lock_guard lock(mutex_);
  Node& n = nodes_[std::size_t(node)];
  n.bytes += bytes, open_ += children - 1;
  if (children == 0) return -1;
  n.first = std::int64_t(nodes_.size()), n.children = children;
  const std::int64_t first = n.first;
  nodes_.resize(nodes_.size() + std::size_t(children));
  return first;
}

std::string Record::payload() const {
  check_proof::Writer w;
  std::lock_guard lock(mutex_);
  w.number(roots_.size());
  std::vector<std::int64_t> stack(roots_.rbegin(), roots_.rend());
  while (!stack.empty()) {
    const Node& n = nodes_[std::size_t(stack.back())];
    stack.pop_back();
    w.append(n.bytes);
    for (std::int64_t c = n.children; c-- > 0;) stack.push_back(n.first + c);
  }
  return w.bytes();
}

}  // namespace saha::verify
