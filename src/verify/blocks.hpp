#pragma once
// Blocks: a sparse matrix as small dense ones. Rows that read the same elements - the channels of a convolution at one place - are multiplied together, so that what they read is
// loaded once for all of them.
#include <cstdint>
#include <span>
#include <vector>

#include "verify/loops.hpp"

namespace saha::verify {

/// Some rows over the same elements, as the dense loop reads them: panel_height(rows) rows at a time, for each element their weights.
void pack_panels(List elements, List rows, float* panels, auto weight) {
  const std::int32_t height = panel_height(rows.n);
  for (std::int32_t first = 0; first < rows.n; first += height)
    for (std::int32_t i = 0; i < elements.n; ++i, panels += height)
      for (std::int32_t r = 0; r < height && first + r < rows.n; ++r) panels[r] = weight(rows.at[first + r], elements.at[i]);
}
inline std::size_t panels_size(std::int32_t elements, std::int32_t rows) {
  const std::int32_t height = panel_height(rows);
  return rows ? std::size_t((rows + height - 1) / height * height) * std::size_t(elements) : 0;
}

class Blocks {
 public:
  /// Of row r the elements at[k] with values[place[k]] (place empty: values[k]), k from start[r] to start[r + 1]. Rows and elements that are not on are left out.
  Blocks(std::span<const std::int32_t> start, std::span<const std::int32_t> at, std::span<const float> values, std::span<const std::int32_t> place, std::span<const char> row_on,
         std::span<const char> element_on);
  /// c[row] (+)= sum over elements of weight a[element], for all rows that are on. Rows are `ld` floats apart; `columns` is a multiple of the vector.
  void multiply(const Loops& loops, const float* a, float* c, std::int64_t ld, std::int64_t columns, bool add) const;

 private:
  struct Block {
    std::int32_t row, rows, element, elements;       ///< where in rows_ and elements_
    std::int64_t panels;
  };
  std::vector<Block> blocks_;
  std::vector<std::int32_t> rows_, elements_;
  std::vector<float> panels_;
  std::vector<std::int32_t> alone_, start_, at_;     ///< rows that have too few companions
  std::vector<float> values_;
};

}  // namespace saha::verify
