#pragma once
// How a kernel computes, in words: for profiles.
#include <string_view>

namespace saha::kernels {

/// "minimal filtering F(4x4, 3x3), channels last" of "winograd_f32"; "" of what is no kernel.
std::string_view algorithm(std::string_view kernel);

}  // namespace saha::kernels
