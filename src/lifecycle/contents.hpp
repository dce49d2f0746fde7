#pragma once
// Contents: what a data set holds, in the form in which two sets are compared: hashes, columns, and simple features of pictures and sounds.
#include <functional>

#include "data/dataset.hpp"
#include "validate/evidence.hpp"

namespace saha::lifecycle {

/// Reads every sample once. A table gives its columns; arrays of at most 64 numbers a column each; pictures (height and width of 8 and more) a perceptual hash, mean and
/// spread of each channel, contrast between neighbours and the means of a 4 by 4 grid; other arrays, sounds among them, level, spread, zero crossings, roughness and length.
/// The label is a column of words, or of numbers where numbers are to be predicted. Samples that cannot be read have no hash and NaN. Fails (cancelled) where `go_on` says so.
Result<validate::Contents> contents_of(const data::Dataset& set, const std::function<bool(std::int64_t done)>& go_on = {});

/// The perceptual hash of a gray picture [h, w]: signs of the 64 lowest frequencies of its 32 by 32 form against their median (Zauner 2010, DCT).
/// Nothing where the picture has no contrast to speak of.
std::optional<std::uint64_t> perceptual_hash(const std::vector<double>& gray, std::int64_t h, std::int64_t w);

}  // namespace saha::lifecycle
