#pragma once
// The gradient of broadcasting: a gradient of the broadcast shape is summed over what was repeated.
#include "op/builder.hpp"

namespace saha::op {

/// dy summed so that it has x's shape; dy itself where the shapes are known to be the same.
inline Val sum_to(Val dy, Val x) {
  const Type &from = dy.b->type(dy), &to = dy.b->type(x);
  return from.ranked && to.ranked && from.dims == to.dims ? dy : dy.b->op("SumTo", {dy, x});
}
/// dy where the condition holds, else 0; and the other way round.
inline Val masked(Val condition, Val dy) { return dy.b->op("Where", {condition, dy, dy.b->scalar(0, dy)}); }
inline Val unless(Val condition, Val dy) { return dy.b->op("Where", {condition, dy.b->scalar(0, dy), dy}); }

}  // namespace saha::op
