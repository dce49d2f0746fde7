#include "verify/blocks.hpp"

#include <map>

namespace saha::verify {
namespace {
constexpr std::size_t kCompanions = 3;               ///< rows of a block at least: fewer leave too much of a tile empty
}

Blocks::Blocks(std::span<const std::int32_t> start, std::span<const std::int32_t> at, std::span<const float> values, std::span<const std::int32_t> place, std::span<const char> row_on,
               std::span<const char> element_on) {
  struct Row {
    std::vector<std::int32_t> at;
    std::vector<float> values;
  };
  std::vector<Row> kept(row_on.size());
  std::map<std::vector<std::int32_t>, std::vector<std::int32_t>> alike;
  for (std::size_t r = 0; r < row_on.size(); ++r) {
    if (!row_on[r]) continue;
    for (std::size_t k = std::size_t(start[r]); k < std::size_t(start[r + 1]); ++k)
      if (element_on[std::size_t(at[k])]) kept[r].at.push_back(at[k]), kept[r].values.push_back(values[place.empty() ? k : std::size_t(place[k])]);
    alike[kept[r].at].push_back(std::int32_t(r));
  }
  start_.assign(row_on.size() + 1, 0);
  std::vector<char> taken(row_on.size(), 0);
  for (const auto& [elements, rows] : alike) {
    if (rows.size() < kCompanions) continue;
    const Block b{std::int32_t(rows_.size()), std::int32_t(rows.size()), std::int32_t(elements_.size()), std::int32_t(elements.size()), std::int64_t(panels_.size())};
    blocks_.push_back(b);
    rows_.insert(rows_.end(), rows.begin(), rows.end()), elements_.insert(elements_.end(), elements.begin(), elements.end());
    panels_.resize(panels_.size() + panels_size(b.elements, b.rows), 0.0f);
    std::vector<std::int32_t> order(elements.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = std::int32_t(i);
    pack_panels({order.data(), b.elements}, {rows.data(), b.rows}, panels_.data() + b.panels, [&](std::int32_t r, std::int32_t i) { return kept[std::size_t(r)].values[std::size_t(i)]; });
    for (std::int32_t r : rows) taken[std::size_t(r)] = 1;
  }
  for (std::size_t r = 0; r < row_on.size(); ++r) {
    if (row_on[r] && !taken[r]) {
      alone_.push_back(std::int32_t(r));
      at_.insert(at_.end(), kept[r].at.begin(), kept[r].at.end()), values_.insert(values_.end(), kept[r].values.begin(), kept[r].values.end());
    }
    start_[r + 1] = std::int32_t(at_.size());
  }
}

void Blocks::multiply(const Loops& loops, const float* a, float* c, std::int64_t ld, std::int64_t columns, bool add) const {
  for (const Block& b : blocks_) loops.dense(panels_.data() + b.panels, {elements_.data() + b.element, b.elements}, {rows_.data() + b.row, b.rows}, a, c, ld, columns, add);
  if (!alone_.empty()) loops.sparse(start_.data(), at_.data(), nullptr, values_.data(), {alone_.data(), std::int32_t(alone_.size())}, a, c, ld, columns, add);
}

}  // namespace saha::verify
