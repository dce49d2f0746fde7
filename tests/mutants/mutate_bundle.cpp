// Bundles that lie under right checksums: what the checks of header, manifest and plan must tell.
#include "tests/bundle/tamper.hpp"
#include "tests/mutants/mutate.hpp"

namespace saha::mutants {
namespace {
using test::Bytes;
using bundle::Json;

/// Any number, text or list of the manifest becomes something else.
void lie(Json& j, Random& r, int depth = 0) {
  if ((j.is_object() || j.is_array()) && !j.empty() && depth < 8 && r() % 8) {
    auto it = j.begin();
    std::advance(it, long(r() % j.size()));
    return lie(*it, r, depth + 1);
  }
  switch (r() % 5) {
    case 0: j = hostile(r); break;
    case 1: j = "x"; break;
    case 2: j = Json::array(); break;
    case 3: j = nullptr; break;
    default: j = std::uint64_t(hostile(r)); break;
  }
}
}  // namespace

std::optional<Mutant> bundle_mutant(const std::string& sound, Random& r) {
  const auto all = system::bytes_of(sound);
  const auto opened = bundle::Bundle::from_bytes(all);
  if (!opened) return {};
  Bytes b(all.begin(), all.end());
  Mutant m;
  const auto sections = (*opened)->sections();
  const auto changed = [&](std::string_view kind, auto change) {   // a section of that kind; any, where there is none
    std::vector<const bundle::Section*> some;
    for (const auto& s : sections) if (s.name.starts_with(kind)) some.push_back(&s);
    const bundle::Section& s = some.empty() ? sections[r() % sections.size()] : *some[r() % some.size()];
    Bytes bytes(b.begin() + std::ptrdiff_t(s.offset), b.begin() + std::ptrdiff_t(s.offset + s.bytes));
    if (!bytes.empty()) change(bytes);
    b = test::with_section(b, s, bytes);
  };
  switch (r() % 6) {
    case 0:
      m.kind = "header";
      r() % 2 ? test::set(b, 8 + 8 * (r() % 3), hostile(r)) : test::set(b, 8 + 4 * (r() % 6), std::uint32_t(hostile(r)));
      test::reseal(b);
      break;
    case 1:
      m.kind = "manifest";
      b = test::with_manifest(b, [&](Json& j) { for (std::uint64_t k = 0; k <= r() % 3; ++k) lie(j, r); });
      break;
    case 2:
      m.kind = "bits of a plan";
      changed("plan", [&](Bytes& bytes) { for (std::uint64_t k = 0; k <= r() % 4; ++k) bytes[r() % bytes.size()] ^= std::byte(1 << r() % 8); });
      break;
    case 3:
      m.kind = "numbers of a plan";
      changed("plan", [&](Bytes& bytes) {
        const std::size_t wide = r() % 2 ? 8 : 4, at = r() % bytes.size();
        const std::int64_t v = hostile(r);
        std::memcpy(bytes.data() + at, &v, std::min(wide, bytes.size() - at));
      });
      break;
    case 4:
      m.kind = "weights";
      changed("weights", [&](Bytes& bytes) { for (std::uint64_t k = 0, i = r() % bytes.size(); k < 256 && i < bytes.size(); ++k, ++i) bytes[i] = std::byte(r()); });
      break;
    default:
      m.kind = "the model";
      changed("model", [&](Bytes& bytes) { bytes[r() % bytes.size()] ^= std::byte(1 << r() % 8); });
      break;
  }
  m.bytes.assign(reinterpret_cast<const char*>(b.data()), b.size());
  return m;
}

}  // namespace saha::mutants
