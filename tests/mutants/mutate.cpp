#include "tests/mutants/mutate.hpp"

#include <fstream>
#include <iterator>

namespace saha::mutants {
namespace {
void write(const std::filesystem::path& path, std::size_t bytes) { std::ofstream(path, std::ios::binary) << std::string(bytes, 'x'); }
}  // namespace

std::filesystem::path make_folder(const std::filesystem::path& root) {
  std::filesystem::create_directories(root / "models");
  write(root / "outside.bin", 1 << 20);
  write(root / "models" / "short.bin", 3);
  std::error_code already;
  std::filesystem::create_symlink(root / "outside.bin", root / "models" / "link.bin", already);
  return root / "models";
}

std::string read_model(const std::filesystem::path& file) {
  const auto all = [](const std::filesystem::path& path) {
    std::ifstream f(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(f), {});
  };
  std::string bytes = all(file);
  return bytes.starts_with("<?xml") ? bytes + '\0' + all(std::filesystem::path(file).replace_extension(".bin")) : bytes;
}
void write_model(const std::filesystem::path& file, const std::string& bytes) {
  const std::filesystem::path beside = std::filesystem::path(file).replace_extension(".bin");
  const std::size_t end = bytes.starts_with("<?xml") ? bytes.find('\0') : std::string::npos;
  std::ofstream(file, std::ios::binary) << bytes.substr(0, end);
  if (end == std::string::npos) std::filesystem::remove(beside);
  else std::ofstream(beside, std::ios::binary) << bytes.substr(end + 1);
}

Mutant mutant(const std::string& sound, std::uint64_t n, const std::filesystem::path& folder) {
  Random random(n * 0x9e3779b97f4a7c15u + 1);
  std::string b = sound;
  // Half of the blind damage goes to the ends, where the structure is, not the weights.
  auto place = [&] { return random() % 2 ? random() % b.size() : random() % 2 ? random() % std::min<std::size_t>(b.size(), 4096) : b.size() - 1 - random() % std::min<std::size_t>(b.size(), 4096); };
  switch (random() % 24) {
    case 0: b.resize(place()); return {"truncated", std::move(b)};
    case 1: for (std::uint64_t i = random() % 8 + 1; i; --i) b[place()] ^= char(1u << random() % 8); return {"flipped bits", std::move(b)};
    case 2: { std::size_t at = place(); b.insert(place(), b.substr(at, random() % 256 + 1)); return {"bytes inserted", std::move(b)}; }
    case 3: { std::size_t at = place(); b.erase(at, random() % 256 + 1); return {"bytes removed", std::move(b)}; }
    default: break;
  }
  if (auto m = openvino_mutant(sound, random)) return std::move(*m);
  if (auto m = bundle_mutant(sound, random)) return std::move(*m);
  if (auto m = tflite_mutant(sound, random)) return std::move(*m);
  if (auto m = onnx_mutant(sound, random, folder)) return std::move(*m);
  // No fields are known: a word where offsets and sizes stand.
  const std::size_t at = place() / 4 * 4;
  const auto word = std::uint32_t(hostile(random));
  if (at + 4 <= b.size()) b.replace(at, 4, reinterpret_cast<const char*>(&word), 4);
  return {"a word", std::move(b)};
}

}  // namespace saha::mutants
