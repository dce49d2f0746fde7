// Any bytes as a property of VNN-LIB; a sound one prints, in both versions, to a text of the same property.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "verify/vnnlib.hpp"

using namespace saha;
using namespace saha::verify;

namespace {

bool sound(const Property& p) {
  return !p.cases.empty() && std::ranges::all_of(p.cases, [&](const Case& c) {
    for (std::size_t i = 0; i < c.box->lo.size(); ++i)
      if (!std::isfinite(c.box->lo[i]) || !std::isfinite(c.box->hi[i]) || c.box->lo[i] > c.box->hi[i]) return false;
    return std::int64_t(c.box->lo.size()) == p.inputs && std::ranges::all_of(c.rows, [&](const Row& r) {
      auto terms = [](const auto& t, std::int64_t size) {
        for (std::size_t i = 0; i < t.size(); ++i)
          if (t[i].first < 0 || t[i].first >= size || !std::isfinite(t[i].second) || t[i].second == 0 || (i && t[i].first <= t[i - 1].first)) return false;
        return true;
      };
      return std::isfinite(r.bound) && terms(r.x, p.inputs) && terms(r.y, p.outputs) && (!r.y.empty() || r.x.size() > 1);
    });
  });
}

bool same(const Property& a, const Property& b) {
  auto rows = [](const Row& r, const Row& q) { return r.x == q.x && r.y == q.y && r.bound == q.bound && r.strict == q.strict; };
  return a.inputs == b.inputs && a.outputs == b.outputs && std::ranges::equal(a.cases, b.cases, [&](const Case& c, const Case& d) {
    return c.box->lo == d.box->lo && c.box->hi == d.box->hi && std::ranges::equal(c.rows, d.rows, rows);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto v = parse_vnnlib({reinterpret_cast<const char*>(bytes), size}, "fuzz.vnnlib");
  if (!v) {
    if (v.error().message.empty()) std::abort();
    return 0;
  }
  if (!sound(v->property)) std::abort();
  std::size_t rows = 0;
  for (const Case& c : v->property.cases) rows += 1 + c.rows.size();
  if (rows > 2000) return 0;
  for (int version : {v->version, 3 - v->version}) {
    v->version = version;
    auto again = parse_vnnlib(print(*v), "again.vnnlib");
    if (!again || !same(v->property, again->property)) std::abort();
  }
  return 0;
}
