// Layers are joined where one reads what another writes, unless both engines write that value; there the layers that write it are joined, of both engines.
#include "measure/align.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace saha::measure {
namespace {
using runtime::LayerTime;

class Groups {
 public:
  explicit Groups(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) {
    a = root(a), b = root(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parent_;
};

using Writers = std::map<std::string, std::vector<std::size_t>>;
Writers writers(std::span<const LayerTime> layers, std::size_t first) {
  Writers by_name;
  for (std::size_t i = 0; i < layers.size(); ++i)
    for (const auto& names : layers[i].writes)
      for (const auto& name : names) by_name[name].push_back(first + i);
  return by_name;
}
void join_inside(std::span<const LayerTime> layers, std::size_t first, const Writers& own, const Writers& others, Groups& groups) {
  for (std::size_t i = 0; i < layers.size(); ++i)
    for (const auto& names : layers[i].reads) {
      if (std::ranges::any_of(names, [&](const auto& n) { return own.count(n) && others.count(n); })) continue;
      for (const auto& name : names)
        if (const auto at = own.find(name); at != own.end())
          for (std::size_t w : at->second) groups.join(first + i, w);
    }
}
}  // namespace

std::vector<Segment> align(std::span<const LayerTime> left, std::span<const LayerTime> right) {
  const Writers of_left = writers(left, 0), of_right = writers(right, left.size());
  Groups groups(left.size() + right.size());
  join_inside(left, 0, of_left, of_right, groups);
  join_inside(right, left.size(), of_right, of_left, groups);
  for (const auto& [name, layers] : of_left) {
    const auto at = of_right.find(name);
    if (at == of_right.end()) continue;
    for (std::size_t w : layers) groups.join(layers.front(), w);
    for (std::size_t w : at->second) groups.join(layers.front(), w);
  }
  std::map<std::size_t, Segment> segments;  // by the first layer, those of the left engine before the others
  for (std::size_t i = 0; i < left.size(); ++i) {
    Segment& s = segments[groups.root(i)];
    s.left.push_back(i);
    s.left_ms += left[i].ms;
    for (const auto& names : left[i].writes)
      for (const auto& name : names)
        if (of_right.count(name) && std::ranges::find(s.values, name) == s.values.end()) s.values.push_back(name);
  }
  for (std::size_t i = 0; i < right.size(); ++i) {
    Segment& s = segments[groups.root(left.size() + i)];
    s.right.push_back(i);
    s.right_ms += right[i].ms;
  }
  std::vector<Segment> all;
  for (auto& [first, s] : segments) all.push_back(std::move(s));
  return all;
}

}  // namespace saha::measure
