#include "system/file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace saha::system {
namespace {
namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  TempFolder folder_ = *TempFolder::make();
  fs::path at(const std::string& name) const { return folder_.path() / name; }
};
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(Files, what_is_written_is_read_back) {
  const std::string text("a\0b\nc", 5);
  ASSERT_TRUE(write_file(at("x"), text));
  EXPECT_EQ(*read_text(at("x")), text);
  EXPECT_EQ(read_bytes(at("x"))->size(), 5u);
  ASSERT_TRUE(write_file(at("x"), "new"));
  EXPECT_EQ(*read_text(at("x")), "new");
  ASSERT_TRUE(write_file(at("empty"), ""));
  EXPECT_EQ(*read_text(at("empty")), "");
}

TEST_F(Files, a_file_longer_than_the_limit_is_refused_with_both_numbers) {
  ASSERT_TRUE(write_file(at("x"), std::string(100, 'x')));
  EXPECT_TRUE(read_text(at("x"), 100));
  auto r = read_text(at("x"), 99);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, ErrorCode::out_of_memory);
  EXPECT_TRUE(contains(r.error().message, "has 100 bytes, the limit is 99")) << r.error().message;
  auto endless = read_bytes("/dev/zero", 1 << 20);
  ASSERT_FALSE(endless);
  EXPECT_TRUE(contains(endless.error().message, "more than 1048576 bytes")) << endless.error().message;
}

TEST_F(Files, what_cannot_be_read_is_named_with_the_reason) {
  auto missing = read_text(at("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::io);
  EXPECT_EQ(missing.error().message, "cannot open '" + at("none").string() + "': No such file or directory");
  auto folder = read_text(folder_.path());
  ASSERT_FALSE(folder);
  EXPECT_TRUE(contains(folder.error().message, "is a folder, a file is wanted"));
  EXPECT_TRUE(contains(map_file(folder_.path()).error().message, "is a folder, a file is wanted"));
  EXPECT_TRUE(contains(map_file("/dev/null").error().message, "not a regular file"));
}

TEST_F(Files, a_map_outlives_its_object_and_its_name) {
  ASSERT_TRUE(write_file(at("x"), "0123456789"));
  std::shared_ptr<std::byte[]> part;
  {
    auto map = map_file(at("x"));
    ASSERT_TRUE(map);
    EXPECT_EQ(map->size, 10u);
    EXPECT_EQ(text_of(map->bytes()), "0123456789");
    part = map->part(3);
  }
  fs::remove(at("x"));
  EXPECT_EQ(char(part[0]), '3');
  ASSERT_TRUE(write_file(at("empty"), ""));
  auto empty = map_file(at("empty"));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->size, 0u);
  EXPECT_NE(empty->data, nullptr);
}

TEST_F(Files, a_file_appears_only_with_commit) {
  ASSERT_TRUE(write_file(at("x"), "old"));
  {
    auto writer = FileWriter::open(at("x"));
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(std::string(200'000, 'n')));
    EXPECT_EQ(writer->size_bytes(), 200'000u);
    EXPECT_EQ(*read_text(at("x")), "old");
  }
  EXPECT_EQ(*read_text(at("x")), "old");
  EXPECT_EQ(*list_folder(folder_.path()), std::vector<std::string>{"x"});
}

TEST_F(Files, where_a_write_fails_the_temporary_goes_and_the_old_file_stays) {
  ASSERT_TRUE(write_file(at("x"), "old"));
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small{100'000, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  auto r = write_file(at("x"), std::string(300'000, 'n'));
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "cannot write '" + at("x").string() + "': File too large");
  EXPECT_EQ(*read_text(at("x")), "old");
  EXPECT_EQ(list_folder(folder_.path())->size(), 1u);
}

TEST_F(Files, writing_keeps_the_mode_of_the_file_it_replaces) {
  ASSERT_TRUE(write_file(at("x"), "a"));
  fs::permissions(at("x"), fs::perms(0741));
  ASSERT_TRUE(write_file(at("x"), "b"));
  EXPECT_EQ(fs::status(at("x")).permissions(), fs::perms(0741));
}

TEST_F(Files, a_folder_or_a_missing_folder_is_no_place_to_write) {
  EXPECT_TRUE(contains(write_file(folder_.path(), "x").error().message, "it is a folder"));
  EXPECT_TRUE(contains(write_file(at("no/x"), "x").error().message, "No such file or directory"));
  EXPECT_TRUE(contains(write_file(at("no/"), "x").error().message, "not a file name"));
}

TEST_F(Files, names_that_lead_out_of_a_folder_are_refused) {
  ASSERT_TRUE(make_folders(at("in/sub")));
  ASSERT_TRUE(write_file(at("secret"), "s"));
  ASSERT_TRUE(write_file(at("in/sub/x"), "x"));
  fs::create_symlink("sub/x", at("in/good"));
  fs::create_symlink("../secret", at("in/bad"));
  fs::create_directory_symlink(folder_.path(), at("in/up"));
  fs::create_symlink("nowhere", at("in/dangling"));
  ASSERT_TRUE(make_folders(at("inside-out")));
  fs::create_directory_symlink("../inside-out", at("in/sibling"));
  EXPECT_EQ(*resolve_inside(at("in"), "sub/x"), at("in/sub/x"));
  EXPECT_TRUE(resolve_inside(at("in"), "./sub/./x"));
  EXPECT_TRUE(resolve_inside(at("in"), "good"));
  EXPECT_TRUE(resolve_inside(at("in"), "new/file"));
  const std::pair<std::string, std::string> refused[] = {
      {"", "empty"}, {"/etc/passwd", "absolute"}, {"../secret", "'..'"}, {"sub/../../secret", "'..'"}, {"bad", "out of"}, {"up/secret", "out of"},
      {"sibling/x", "out of"}, {"dangling", "nowhere"}, {std::string("a\0b", 3), "zero byte"}};
  for (const auto& [name, part] : refused) {
    auto r = resolve_inside(at("in"), name);
    ASSERT_FALSE(r) << name;
    EXPECT_EQ(r.error().code, ErrorCode::invalid_data);
    EXPECT_TRUE(contains(r.error().message, part)) << r.error().message;
  }
}

TEST_F(Files, a_folder_is_listed_by_byte_value) {
  for (const char* name : {"b", "a", "B", "\xc3\xa4", "10", "9"}) ASSERT_TRUE(write_file(at(name), ""));
  EXPECT_EQ(*list_folder(folder_.path()), (std::vector<std::string>{"10", "9", "B", "a", "b", "\xc3\xa4"}));
  EXPECT_TRUE(contains(list_folder(folder_.path(), 3).error().message, "more than 3 names"));
  EXPECT_FALSE(list_folder(at("none")));
}

TEST_F(Files, a_temporary_folder_goes_with_everything_in_it) {
  fs::path path;
  {
    auto t = TempFolder::make(folder_.path());
    ASSERT_TRUE(t);
    path = t->path();
    ASSERT_TRUE(make_folders(path / "a/b"));
    ASSERT_TRUE(write_file(path / "a/b/x", "x"));
  }
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(write_file(at("file"), ""));
  EXPECT_FALSE(make_folders(at("file/sub")));
  EXPECT_FALSE(make_folders(at("file")));
  EXPECT_TRUE(remove_path(at("never there")));
}

}  // namespace
}  // namespace saha::system
