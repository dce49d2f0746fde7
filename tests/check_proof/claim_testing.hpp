#pragma once
// What tests of the checker share.
#include "check_proof/check.hpp"
#include "verify/property.hpp"

namespace saha::check_proof {

/// What a certificate of the property claims, each case with a box of its own.
inline Claim claim(const verify::Property& p) {
  Claim c;
  for (const auto& one : p.cases) {
    c.cases.push_back({std::make_shared<const Claim::Box>(one.box->lo, one.box->hi), {}});
    for (const auto& r : one.rows) c.cases.back().rows.push_back({r.x, r.y, r.bound, r.strict});
  }
  return c;
}

}  // namespace saha::check_proof
