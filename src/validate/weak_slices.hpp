#pragma once
// Slices in which a model fails more often than in the rest, found by search: every value of every column, and of every two columns together.
// Each is held against the samples outside of it by Fisher's exact test; Holm's correction is over all that were searched.
// Sources: Fisher 1935; Holm 1979; Chung et al. 2019 (Slice Finder); Eyuboglu et al. 2022.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace saha::validate {

struct WeakSlice {
  std::string name;                    ///< "camera=front, light=dim"
  std::int64_t n = 0, failures = 0;
  double rate = 0, upper = 1;          ///< share of right answers, and its one-sided 95 % Clopper-Pearson bound
  double p = 1;                        ///< corrected
};

struct WeakSlices {
  std::vector<WeakSlice> found;        ///< p <= `most_p`, the smallest first; a pair only where it is weaker than both of its columns' slices
  std::int64_t searched = 0;
};

struct WeakSliceOptions {
  std::int64_t least = 20;             ///< samples of a slice
  double most_p = 0.05;
  std::size_t most_values = 50;        ///< of a column: numbers of more are cut at their quartiles, words of more are left out
};

/// P(at least `failures` of the n inside fail | `all_failures` of `all`): Fisher's exact test, one-sided.
double fisher_more(std::int64_t failures, std::int64_t n, std::int64_t all_failures, std::int64_t all);

/// `columns` by name, one text a sample; `correct` one a sample.
WeakSlices weak_slices(const std::vector<std::pair<std::string, std::vector<std::string>>>& columns, const std::vector<std::uint8_t>& correct, const WeakSliceOptions& options = {});

}  // namespace saha::validate
