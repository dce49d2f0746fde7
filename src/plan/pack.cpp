#include <algorithm>
#include <numeric>

#include "plan/plan.hpp"

namespace saha::plan {
namespace {
constexpr std::uint64_t kAlign = 64;
std::uint64_t aligned(std::uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }
}  // namespace

Packing pack(std::span<const Life> lives) {
  Packing p;
  p.offsets.assign(lives.size(), 0);
  std::vector<std::uint32_t> order(lives.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lives[a].bytes > lives[b].bytes; });
  struct Taken { std::uint64_t from, to; std::uint32_t first, last; };
  std::vector<Taken> taken;  // by offset
  for (std::uint32_t i : order) {
    const Life& l = lives[i];
    std::uint64_t at = 0, size = aligned(std::max<std::uint64_t>(l.bytes, 1));
    // Moving up past one buffer may run into one that was checked before: walk until nothing overlaps.
    for (bool moved = true; moved;) {
      moved = false;
      for (const Taken& t : taken) {
        if (t.from >= at + size) break;
        if (l.first <= t.last && t.first <= l.last && t.to > at) { at = t.to; moved = true; }
      }
    }
    p.offsets[i] = at;
    p.bytes = std::max(p.bytes, at + size);
    Taken mine{at, at + size, l.first, l.last};
    taken.insert(std::upper_bound(taken.begin(), taken.end(), mine, [](const Taken& a, const Taken& b) { return a.from < b.from; }), mine);
  }
  // The lower bound: a sweep over births and deaths.
  std::vector<std::pair<std::uint64_t, std::int64_t>> events;  // (instruction * 2 + is death, bytes)
  for (const Life& l : lives) {
    events.emplace_back(std::uint64_t(l.first) * 2, std::int64_t(aligned(l.bytes)));
    events.emplace_back(std::uint64_t(l.last) * 2 + 1, -std::int64_t(aligned(l.bytes)));
  }
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second > b.second; });
  std::int64_t live = 0;
  for (const auto& [when, bytes] : events) {
    live += bytes;
    p.live = std::max(p.live, std::uint64_t(std::max<std::int64_t>(live, 0)));
  }
  return p;
}

}  // namespace saha::plan
