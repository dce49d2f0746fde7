// The container: what is written is read, what is damaged is refused by name, what is not known is kept.
#include "tests/bundle/bundle_testing.hpp"

namespace saha {
namespace {
using namespace test;
using bundle::Bundle;
using bundle::Json;
using bundle::Part;

Bytes bytes_of(std::string_view text) {
  const auto b = system::bytes_of(text);
  return {b.begin(), b.end()};
}
Bytes small() { return bundle::write(Json{{"schema", "saha.bundle/1"}, {"note", "kept"}}, std::vector<Part>{{"plan/0", bytes_of("a plan")}, {"weights", Bytes(5000, std::byte{7}), 4096}, {"model", bytes_of("a model")}}); }

TEST(Checksum, is_crc32c_by_either_way) {
  EXPECT_EQ(bundle::crc32c(system::bytes_of("123456789")), 0xe3069283u);   // RFC 3720's check value
  Bytes all(70'003);
  std::mt19937 engine(1);
  for (auto& b : all) b = std::byte(engine());
  for (std::size_t n : {0, 1, 7, 8, 31, 32, 33, 63, 64, 100, 1000, 65'536, 70'003})
    for (std::size_t from : {0, 1, 3})
      if (from <= n) { EXPECT_EQ(bundle::crc32c(std::span(all).subspan(from, n - from)), bundle::crc32c_by_table(std::span(all).subspan(from, n - from))) << n << " from " << from; }
}

TEST(Container, gives_back_what_was_put_in) {
  const Bytes file = small();
  EXPECT_EQ(file, small());   // the same bytes again
  auto b = Bundle::from_bytes(file);
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ((*b)->manifest()["note"], "kept");
  ASSERT_EQ((*b)->sections().size(), 3u);
  auto plan = (*b)->section("plan/0");
  ASSERT_TRUE(plan);
  EXPECT_EQ(system::text_of(*plan), "a plan");
  EXPECT_EQ((*b)->find("weights")->offset % 4096, 0u);
  EXPECT_EQ((*b)->section("weights")->size(), 5000u);
  EXPECT_FALSE((*b)->section("other"));
  EXPECT_TRUE((*b)->memory(*(*b)->find("weights"), 64, 64, 64, 64));
  EXPECT_FALSE((*b)->memory(*(*b)->find("weights"), 60, 64, 64, 64));
  EXPECT_FALSE((*b)->memory(*(*b)->find("weights"), 4928, 64, 64, 64));
  EXPECT_FALSE((*b)->memory(*(*b)->find("weights"), ~std::uint64_t{0} - 63, 64, 64, 64));
}

TEST(Container, names_the_damaged_section_and_loads_the_others) {
  const Bytes file = small();
  for (const char* name : {"plan/0", "weights", "model"}) {
    Bytes hurt = file;
    const auto offset = (*Bundle::from_bytes(file))->find(name)->offset;
    hurt[offset + 3] ^= std::byte{16};
    auto b = Bundle::from_bytes(hurt);
    ASSERT_TRUE(b);
    for (const char* other : {"plan/0", "weights", "model"}) {
      auto s = (*b)->section(other);
      EXPECT_EQ(bool(s), std::string_view(other) != name);
      if (s) continue;
      EXPECT_NE(s.error().message.find("section '" + std::string(name) + "' at byte "), std::string::npos) << s.error().message;
      EXPECT_NE(s.error().message.find(", the manifest says "), std::string::npos);
      EXPECT_NE(s.error().message.find("; damaged, not loaded"), std::string::npos);
    }
    EXPECT_FALSE((*b)->verify());
  }
}

TEST(Container, refuses_every_cut_and_every_changed_byte_before_the_sections) {
  const Bytes file = small();
  for (std::size_t n = 0; n < file.size(); n += n < 2000 ? 1 : 97) {
    auto b = Bundle::from_bytes(std::span(file).first(n));
    ASSERT_FALSE(b) << n;
    expect_sentence(b.error());
  }
  Bytes longer = file;
  longer.push_back({});
  EXPECT_FALSE(Bundle::from_bytes(longer));
  const std::size_t end = 64 + at<std::uint64_t>(file, 24);
  for (std::size_t i = 0; i < end; ++i) {
    if (i >= 40 && i < 64) continue;   // not used yet
    Bytes hurt = file;
    hurt[i] ^= std::byte{4};
    ASSERT_FALSE(Bundle::from_bytes(hurt)) << i;
  }
}

TEST(Container, reads_later_versions_as_far_as_they_allow_it) {
  Bytes file = small();
  set(file, 8, std::uint32_t{7});   // written by a later program
  reseal(file);
  EXPECT_TRUE(Bundle::from_bytes(file));
  set(file, 12, std::uint32_t{2});   // which asks for a later reader
  reseal(file);
  auto b = Bundle::from_bytes(file);
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().message, "it needs a reader of version 2, this program reads version 1");
  EXPECT_EQ(b.error().code, ErrorCode::unsupported);
}

TEST(Container, keeps_sections_that_it_does_not_know_unless_they_must_be_understood) {
  std::vector<Part> parts = {{"signature/ed25519", bytes_of("signed")}, {"model", bytes_of("m")}};
  auto b = Bundle::from_bytes(bundle::write(Json::object(), parts));
  ASSERT_TRUE(b) << b.error().message;
  native::PackOptions options;
  ASSERT_TRUE(native::keep(**b, options));
  ASSERT_EQ(options.parts.size(), 1u);
  EXPECT_EQ(options.parts[0].name, "signature/ed25519");
  parts[0].required = true;
  auto no = Bundle::from_bytes(bundle::write(Json::object(), parts));
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().message, "section 'signature/ed25519' must be understood, which this program does not");
}

TEST(Container, refuses_manifests_that_lie) {
  const Bytes file = small();
  const auto lies = std::initializer_list<std::function<void(Json&)>>{
      [](Json& m) { m.erase("sections"); },
      [](Json& m) { m["sections"] = 3; },
      [](Json& m) { m["sections"][0] = "x"; },
      [](Json& m) { m["sections"][0].erase("crc32c"); },
      [](Json& m) { m["sections"][0]["crc32c"] = "xyz"; },
      [](Json& m) { m["sections"][0]["name"] = ""; },
      [](Json& m) { m["sections"][1]["name"] = "plan/0"; },
      [](Json& m) { m["sections"][0]["offset"] = 0; },
      [](Json& m) { m["sections"][0]["offset"] = -64; },
      [](Json& m) { m["sections"][0]["offset"] = ~std::uint64_t{0} - 63; },
      [](Json& m) { m["sections"][0]["bytes"] = ~std::uint64_t{0}; },
      [](Json& m) { m["sections"][0]["bytes"] = 1e300; },
      [](Json& m) { m["sections"][2]["offset"] = m["sections"][1]["offset"]; },
      [](Json& m) { m["sections"][1]["offset"] = m["sections"][1]["offset"].get<std::uint64_t>() + 1; },
      [](Json& m) { m = Json::array({1}); },
  };
  int i = 0;
  for (const auto& lie : lies) {
    auto b = Bundle::from_bytes(with_manifest(file, lie));
    ASSERT_FALSE(b) << i;
    expect_sentence(b.error());
    ++i;
  }
  for (std::uint64_t size : {std::uint64_t{0}, std::uint64_t{5}, bundle::kMostManifestBytes + 1, ~std::uint64_t{0}}) {
    Bytes hurt = file;
    set(hurt, 24, size);
    reseal(hurt);
    ASSERT_FALSE(Bundle::from_bytes(hurt)) << size;
  }
}

}  // namespace
}  // namespace saha
