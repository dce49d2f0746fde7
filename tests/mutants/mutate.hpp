#pragma once
// Damaged models: what a mutant is made of a sound one by, from bits that flip to fields that lie.
#include <filesystem>
#include <limits>
#include <optional>
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

/// A model file; of OpenVINO IR the .xml, a zero byte, the .bin beside it. Empty: it cannot be read.
std::string read_model(const std::filesystem::path& file);
void write_model(const std::filesystem::path& file, const std::string& bytes);
/// Mutant number `n` of the model whose file holds `sound`, of any format; the same number gives the same bytes.
Mutant mutant(const std::string& sound, std::uint64_t n, const std::filesystem::path& folder);

using Random = std::mt19937_64;
/// A number that no size, index or extent should be.
inline std::int64_t hostile(Random& r) {
  constexpr std::int64_t all[] = {1'000'000'000'000'000'000, -1, 0, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                                  std::int64_t{1} << 31, -2, 1'000'000'007, std::int64_t{1} << 62, 3, 17};
  return all[r() % std::size(all)];
}
// One field of the format that lies; nothing where the bytes are of another format.
std::optional<Mutant> onnx_mutant(const std::string& sound, Random& random, const std::filesystem::path& folder);
std::optional<Mutant> tflite_mutant(const std::string& sound, Random& random);
std::optional<Mutant> openvino_mutant(const std::string& sound, Random& random);
std::optional<Mutant> bundle_mutant(const std::string& sound, Random& random);

}  // namespace saha::mutants
