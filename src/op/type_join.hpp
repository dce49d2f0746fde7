#pragma once
// What is known of a value that comes from one of two places: a branch, the last turn of a loop, any element of a sequence.
#include "op/builder.hpp"

namespace saha::op {

/// A type that both have. Dims that differ become fresh symbols, ranks that differ an unknown rank; fails where kinds or dtypes differ.
Result<TypeRef> join(Infer& c, const TypeRef& a, const TypeRef& b);
/// Dims replaced by what `f` gives for each symbol, in elements of sequences too.
TypeRef substitute(const TypeRef& t, const std::function<std::optional<Dim>(const std::string&)>& f);
/// One element of a sequence: dims that are unknown within the sequence are unknown anew in each element.
TypeRef element_type(Infer& c, const Type& sequence);

}  // namespace saha::op
