#pragma once
// Split conformal prediction: sets of classes and intervals that hold the truth at a chosen rate, by scores on a data set of their own.
// Sources: Vovk, Gammerman and Shafer 2005; Sadinle, Lei and Wasserman 2019 (LAC); Romano, Sesia and Candes 2020 (APS); Angelopoulos et al.
// 2021 (RAPS); Romano, Patterson and Candes 2019 (CQR); Vovk 2012 (what holds given the calibration set).
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace saha::validate {

/// exp(x - max x) over its sum: finite for any finite x.
std::vector<double> softmax(std::span<const double> logits);

enum class SetRule : std::uint8_t { lac, aps, raps };
/// Only "lac", "aps", "raps" are rules of sets.
std::optional<SetRule> set_rule(std::string_view name);

/// How ill each class fits the probabilities [K]; a class belongs to the set where its score is at most the threshold.
/// lac: 1 - p. aps: the probability of all classes at least as likely, the class included, so that a set needs no draw and covers at least
/// what it promises. raps: aps + 0.01 max(0, rank - 5), rank 1 the likeliest. Classes of one probability share a score.
std::vector<double> set_scores(SetRule rule, std::span<const double> probabilities);

/// The threshold for new samples: the ceil((n + 1) level)-th smallest of the n scores, so that the truth is covered at `level` on average over
/// calibration sets. With `confidence`: the order statistic by which the coverage given this calibration set is at least `level` with that
/// confidence. Infinite where n is too small: then everything is covered. NaN among the scores counts as the largest.
double conformal_threshold(std::vector<double> scores, double level, std::optional<double> confidence = {});

/// The fewest calibration samples for a finite threshold.
std::int64_t samples_for_threshold(double level, std::optional<double> confidence = {});

/// How far the truth lies outside of [lower, upper]; negative inside: the score of CQR.
double interval_score(double lower, double upper, double truth);

}  // namespace saha::validate
