#pragma once
// Names that come from files are read by people, terminals, JSON and Python: short UTF-8 without control characters.
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace saha {

/// What is wrong with a name, "is not UTF-8 at byte 3"; empty: nothing.
std::string fault_of_name(std::string_view name);
/// The beginning of a text, some 60 bytes, with what cannot be shown as \xHH.
std::string shown(std::string_view text);
/// Fails with a sentence on the name, which begins with `what`: "the name of tensor 3 'a\xff' is not UTF-8 at byte 1".
Result<> check_name(std::string_view name, std::string_view what);

}  // namespace saha
