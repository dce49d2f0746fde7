// How many queries are worked on at a time, and how a head's queries are cut into pieces, each of which packs the head's keys and values.
#include "kernels/attention.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {
namespace {
constexpr std::int64_t kScoreBytes = 32 << 10;   // of the queries worked on: with a panel of keys in the first-level cache or just behind it
constexpr std::int64_t kMostRows = 64, kTile = 8;
constexpr double kPieceProducts = 1e6;
constexpr std::int64_t kMostPieces = 32, kLeastRows = 32;
}  // namespace

AttentionParams prepare_attention(Isa isa, const AttentionShape& shape, float scale, bool masked) {
  AttentionParams p;
  p.shape = shape;
  p.scale = scale;
  p.masked = masked;
  const std::int64_t s = std::max<std::int64_t>(shape.queries, 1), heads = shape.batch * shape.heads;
  if (heads * shape.queries * shape.values == 0) return p;
  const double products = double(heads) * double(s) * double(std::max<std::int64_t>(shape.keys, 1)) * double(std::max<std::int64_t>(shape.depth + shape.values, 1));
  const auto wanted = static_cast<std::int64_t>(std::clamp(products / kPieceProducts, 1.0, double(kMostPieces)));
  p.cuts = even_cut(wanted, 1, std::clamp<std::int64_t>(s / kLeastRows, 1, wanted), 1, [&](std::int64_t cuts, std::int64_t) { return heads * cuts; }).first;
  const std::int64_t fit = kScoreBytes / 4 / std::max<std::int64_t>(shape.keys, 1), most = (s + p.cuts - 1) / p.cuts;
  p.rows = std::min(most, std::clamp<std::int64_t>(fit / kTile * kTile, kTile, kMostRows));
  const std::int64_t blocks = (most + p.rows - 1) / p.rows;
  p.rows = std::min(p.rows, ((most + blocks - 1) / blocks + kTile - 1) / kTile * kTile);   // as alike as their number allows
  p.scratch = static_cast<std::uint64_t>(attention_layout(shape, p.rows, lanes(isa)).all) * 4;
  return p;
}

std::uint32_t grid(const AttentionParams& p) { return p.shape.batch * p.shape.heads * p.shape.queries * p.shape.values == 0 ? 0 : static_cast<std::uint32_t>(p.shape.batch * p.shape.heads * p.cuts); }

std::uint64_t scratch_bytes(const AttentionParams& params) { return params.scratch; }

}  // namespace saha::kernels
