#include "system/hash.hpp"

#include <gtest/gtest.h>

namespace saha::system {
namespace {

// Vectors of FIPS 180-4's example document.
TEST(Sha256, equals_the_standards_examples) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
TEST(Sha256, does_not_depend_on_the_pieces_and_starts_anew) {
  Sha256 hash;
  hash.update("a").update("").update("bc");
  EXPECT_EQ(hex(hash.finish()), sha256_hex("abc"));
  hash.update("abc");
  EXPECT_EQ(hex(hash.finish()), sha256_hex("abc"));
}
TEST(Sha256, of_a_file_is_that_of_its_bytes) {
  auto folder = TempFolder::make();
  const std::string text(1'000'001, 'q');
  ASSERT_TRUE(write_file(folder->path() / "x", text));
  EXPECT_EQ(*sha256_file(folder->path() / "x"), sha256_hex(text));
  EXPECT_FALSE(sha256_file(folder->path() / "none"));
  EXPECT_FALSE(sha256_file(folder->path()));
}

}  // namespace
}  // namespace saha::system
