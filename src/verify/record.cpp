#include "verify/record.hpp"

#include <algorithm>

namespace saha::verify {

std::string bytes_of(const Bounding& b) {
  check_proof::Writer w;
  w.tag(check_proof::Tag::bounded).append(b.slopes);
  for (float m : b.multipliers) w.real(m);
  return w.bytes();
}

std::string bytes_of(std::vector<Part> parts) {
  // In depth-first order: of what is split, at least 0 first.
  std::ranges::sort(parts, std::greater(), &Part::path);
  check_proof::Writer w;
  std::span<const std::pair<std::int32_t, bool>> last;
  for (const Part& p : parts) {
    std::size_t shared = 0;
    while (shared < last.size() && last[shared] == p.path[shared]) ++shared;
    for (std::size_t k = last.empty() ? 0 : shared + 1; k < p.path.size(); ++k) w.tag(check_proof::Tag::sign_split).number(std::uint64_t(p.path[k].first));
    w.append(bytes_of(p.bounding)), last = p.path;
  }
  return w.bytes();
}

std::int64_t Record::root(std::span<const std::int32_t> cases) {
  check_proof::Writer w;
  w.number(cases.size());
  for (std::int32_t c : cases) w.number(std::uint64_t(c));
  std::lock_guard lock(mutex_);
  roots_.push_back({w.bytes(), std::int64_t(nodes_.size())});
  nodes_.emplace_back(), ++open_;
  return roots_.back().node;
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

void Record::cut(std::int64_t node) {
  std::lock_guard lock(mutex_);
  open_ += !nodes_[std::size_t(node)].bytes.empty();
  for (std::size_t i = std::size_t(node) + 1; i < nodes_.size(); ++i) open_ -= nodes_[i].bytes.empty();
  nodes_.resize(std::size_t(node) + 1);
  nodes_.back() = {};
}

std::string Record::payload() const {
  check_proof::Writer w;
  std::lock_guard lock(mutex_);
  w.number(roots_.size());
  for (const Root& r : roots_) {
    w.append(r.cases);
    for (std::vector<std::int64_t> stack{r.node}; !stack.empty();) {
      const Node& n = nodes_[std::size_t(stack.back())];
      stack.pop_back();
      w.append(n.bytes);
      for (std::int64_t c = n.children; c-- > 0;) stack.push_back(n.first + c);
    }
  }
  return w.bytes();
}

}  // namespace saha::verify
