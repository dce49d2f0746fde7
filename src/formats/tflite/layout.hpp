#pragma once
// In which order of axes each value of a graph stands in a TensorFlow Lite file. Convolutions, pools and their like want channels last, views
// and products the order that the graph states, everything else takes any; where a value is wanted otherwise than it is made, it is transposed.
// The choice that moves the fewest elements is a minimum cut: nodes on one side work channels last, those on the other side plainly.
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.hpp"

namespace saha::tflite {
using ir::Ints;

/// What a node asks of its operands' layouts.
enum class Place : std::uint8_t {
  plain,      ///< all as the graph states it
  last,       ///< operand 0 and the results channels last
  tied,       ///< operands of the result's rank and the results in one order, any
  first,      ///< operand 0 and the results in one order, any; the other operands are constants
  transpose,  ///< the result is the operand in another order, which costs nothing where that is wanted
  reshape,    ///< in any order that keeps together what is joined
  reduce,     ///< over `axes`, which go
  product,    ///< matrices, each as it is or with its last two axes exchanged
};
struct Placing {
  Place place = Place::plain;
  Ints axes;                                      ///< of reduce: those that go, ascending
  std::optional<std::size_t> glued_to;            ///< a node that is written as part of the one that makes its operand
  bool takes_flat = false;                        ///< operand 0 is a matrix whose columns may come in any order, as long as that is known
};

enum class Reads : std::uint8_t { plain, other, any };
struct Layout {
  std::vector<Ints> other;     ///< by value: the order that it may have beside the plain one; empty: none
  std::vector<Reads> reads;    ///< by node
  std::vector<char> makes;     ///< by node: its results stand in their other order
  std::vector<char> flat;      ///< by node: a view to a matrix whose columns come in the operand's own order
};
/// An order: place i in memory belongs to axis order[i].
Ints plain_order(std::size_t rank);
Ints channels_last_order(std::size_t rank);
Ints inverse(const Ints& order);
/// The tensor of x in order p, read as y = Transpose(x, perm): its order as y.
Ints transposed_order(const Ints& p, const Ints& perm);
/// The order in which y = Reshape(x) stands where x stands in order p and no element moves; nothing where elements would have to.
std::optional<Ints> reshaped_order(const ir::Type& x, const Ints& p, const ir::Type& y);
/// The order of what is left where axes go.
Ints reduced_order(const Ints& p, const Ints& axes);
/// From one order to the other only axes of extent 1 move.
bool moves_nothing(const ir::Type& x, const Ints& from, const Ints& to);

Layout solve_layout(const ir::Graph& g, std::span<const Placing> placing);

}  // namespace saha::tflite
