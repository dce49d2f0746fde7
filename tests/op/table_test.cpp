// What holds for every entry of the operator table.
#include <gtest/gtest.h>

#include <set>

#include "op/op_def.hpp"

namespace saha::op {

TEST(Table, every_signature_parses) {
  for (auto table : tables())
    for (const OpDef& d : table) {
      auto s = parse_signature(d.signature);
      EXPECT_TRUE(s) << d.name.str() << ": " << s.error().message;
    }
}

TEST(Table, names_are_unique_over_all_domains) {
  std::set<std::string_view> seen;
  for (auto table : tables())
    for (const OpDef& d : table) EXPECT_TRUE(seen.insert(d.name.str()).second) << d.name.str();
}

TEST(Table, every_entry_can_be_run_and_inferred) {
  for (auto table : tables())
    for (const OpDef& d : table) {
      EXPECT_TRUE(d.eval || d.blocks || d.body) << d.name.str();
      EXPECT_TRUE(d.infer || d.blocks || d.body) << d.name.str();
    }
}

}  // namespace saha::op
