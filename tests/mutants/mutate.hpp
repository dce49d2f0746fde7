#pragma once
// Damaged models: what a mutant is made of a sound one by, from bits that flip to fields that lie.
#include <filesystem>
#include <random>
#include <string>

namespace saha::mutants {

struct Mutant {
  std::string kind;           ///< "truncated", "dims of an initializer"
  std::string bytes;          ///< of the file
  bool must_fail = false;     ///< reads outside its folder, or what is not there: no success is right
};

/// A folder with what external data may point at wrongly: a file outside, a link to it, a file that is too short. Gives the folder that
/// mutants are to be put into.
std::filesystem::path make_folder(const std::filesystem::path& root);

/// Mutant number `n` of the model whose file holds `sound`; the same number gives the same bytes.
Mutant mutant(const std::string& sound, std::uint64_t n, const std::filesystem::path& folder);

}  // namespace saha::mutants
