#pragma once
// Statistics of two data sets, without any model: what stands in both, and how far their distributions differ. Bounds that hold for any
// distribution: Massart 1990 (Kolmogorov distance, DKW), Weissman et al. 2003 (L1 distance of shares), Bonferroni over the columns.
#include "validate/estimate.hpp"

namespace saha::validate {

/// The distance of one column: Kolmogorov's of numbers, total variation of words.
struct ColumnDistance {
  std::string name;
  double distance = 0;
  std::int64_t n = 0, m = 0, kinds = 0;   ///< values of each set; kinds of words, 0 of numbers
  double p = 1;                           ///< Kolmogorov-Smirnov or chi-square, adjusted by Benjamini and Hochberg
  double psi = 0, wasserstein = 0;        ///< of numbers
};
/// Columns that both have, the furthest first. Words that hardly repeat, identifiers, are left out.
std::vector<ColumnDistance> column_distances(const Contents& a, const Contents& b);
/// How much the true distance of one of `columns` columns may lie above or below what was seen, at a confidence.
double distance_margin(const ColumnDistance& column, std::size_t columns, double confidence);

/// Samples of b that stand in a: of the same content, or with `near` pictures whose perceptual hashes differ in so many of 64 bits at most.
struct Duplicates {
  std::int64_t count = 0, first = -1, of = -1;   ///< the first: its place in b and in a
};
Duplicates duplicates(const Contents& a, const Contents& b, std::optional<int> near = {});

/// `duplicates`, `shared`, `drift`, `distinguishable`.
Result<Estimate> comparison(Estimate e, const Expr& atom, const Slice& slice, std::uint64_t seed, Recall& recall);

}  // namespace saha::validate
