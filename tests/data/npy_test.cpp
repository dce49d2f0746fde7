#include "data/npy.hpp"

#include <gtest/gtest.h>

#include <random>

#include "data/bytes.hpp"

namespace saha::data {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::byte> npy(const std::string& header, const std::string& data, int version = 1) {
  std::string h = header + std::string((64 - (10 + header.size() + 1) % 64) % 64, ' ') + "\n";
  std::vector<std::byte> out;
  append(out, system::bytes_of(std::string("\x93NUMPY") + char(version) + '\0'));
  if (version == 1) append(out, std::uint16_t(h.size()));
  else append(out, std::uint32_t(h.size()));
  append(out, system::bytes_of(h));
  append(out, system::bytes_of(data));
  return out;
}
template <class T> std::string raw(std::initializer_list<T> values) { return std::string(reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)); }

TEST(Npy, every_dtype_that_is_written_is_read_back) {
  for (DType t : {DType::boolean, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64, DType::u16, DType::u32, DType::u64, DType::f16, DType::f32, DType::f64, DType::bf16}) {
    const Tensor x = Tensor::of(t, {2, 3}, {0, 1, 1, 0, 1, 1});
    auto bytes = write_npy(x);
    ASSERT_TRUE(bytes) << name(t);
    auto y = read_npy(*bytes);
    ASSERT_TRUE(y) << name(t);
    EXPECT_TRUE(identical(x, *y)) << name(t);
  }
  Tensor c = Tensor::zeros(DType::c64, {2});
  c.as<float>()[3] = 5;
  EXPECT_TRUE(identical(c, *read_npy(*write_npy(c))));
  for (Dims d : {Dims{}, Dims{0}, Dims{4, 0, 2}, Dims{7}}) EXPECT_EQ(read_npy(*write_npy(Tensor::zeros(DType::f32, d)))->dims, d);
  const Tensor text = Tensor::of_strings({3}, {"", "\xc3\xa4 b", "\xf0\x9f\x98\x80"});
  EXPECT_TRUE(identical(text, *read_npy(*write_npy(text))));
  auto refused = write_npy(Tensor::zeros(DType::i4, {2}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, ".npy: NumPy has no dtype for int4");
}
TEST(Npy, reads_fortran_order_big_endian_and_the_later_versions) {
  const std::string shape = "'shape': (2, 3), }";
  auto f = read_npy(npy("{'descr': '<i4', 'fortran_order': True, " + shape, raw<std::int32_t>({1, 4, 2, 5, 3, 6})));
  ASSERT_TRUE(f);
  EXPECT_TRUE(identical(*f, Tensor::of(DType::i32, {2, 3}, {1, 2, 3, 4, 5, 6})));
  auto three = read_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2), }", raw<std::uint8_t>({0, 4, 2, 6, 1, 5, 3, 7})));
  ASSERT_TRUE(three);
  EXPECT_TRUE(identical(*three, Tensor::of(DType::u8, {2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})));
  auto b = read_npy(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", std::string("\x3f\xc0\0\0", 4)));
  ASSERT_TRUE(b);
  EXPECT_EQ(b->at(0), 1.5);
  for (int version : {2, 3}) EXPECT_TRUE(read_npy(npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1L,), }", "\x07", version)));
  auto s = read_npy(npy("{\"descr\": '|S3', 'fortran_order': False, 'shape': (2,)}", std::string("ab\0xyz", 6)));
  ASSERT_TRUE(s);
  EXPECT_EQ(*s->text, (std::vector<std::string>{"ab", "xyz"}));
}
TEST(Npy, what_it_refuses_is_named) {
  const std::pair<std::string, std::string> cases[] = {
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Python objects"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "records"},
      {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "dtype '<f16'"},
      {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }", "dtype '<M8[ns]'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000, 1000000000), }", "[1000000000, 1000000000, 1000000000]"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "needs more than the 8 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "not a size"},
      {"{'descr': '<f4', 'fortran_order': False, }", "lacks"},
      {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }", "neither True nor False"},
      {"{'descr': '<f4', 'x': 1}", "unknown key 'x'"},
      {"import os", "not a dictionary"},
  };
  for (const auto& [header, part] : cases) {
    auto r = read_npy(npy(header, "12345678"));
    ASSERT_FALSE(r) << header;
    EXPECT_TRUE(contains(r.error().message, part)) << r.error().message;
  }
  EXPECT_TRUE(contains(read_npy(npy("{}", "", 4)).error().message, "version 4"));
  EXPECT_FALSE(read_npy({}));
}
TEST(Npy, a_file_is_mapped_and_says_its_name_when_damaged) {
  auto folder = system::TempFolder::make();
  const auto path = folder->path() / "x.npy";
  const Tensor x = Tensor::of(DType::f32, {3}, {1, 2, 3});
  ASSERT_TRUE(system::write_file(path, Bytes(*write_npy(x))));
  auto y = load_npy(path);
  ASSERT_TRUE(y);
  EXPECT_TRUE(identical(x, *y));
  ASSERT_TRUE(system::write_file(path, "nonsense"));
  EXPECT_TRUE(contains(load_npy(path).error().message, path.string()));
}
TEST(Npz, arrays_come_back_in_order_and_damage_is_noticed) {
  const std::vector<NamedTensor> arrays = {{"x", Tensor::of(DType::f32, {2}, {1, 2})}, {"y", Tensor::of(DType::i64, {1}, {7})}};
  auto bytes = write_npz(arrays);
  ASSERT_TRUE(bytes);
  auto back = read_npz(*bytes);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[1].first, "y");
  EXPECT_TRUE(identical((*back)[0].second, arrays[0].second));
  auto damaged = *bytes;
  damaged[30 + 5 + 130] ^= std::byte{1};
  EXPECT_TRUE(contains(read_npz(damaged).error().message, "checksum"));
  EXPECT_FALSE(read_npz(Bytes(*bytes).first(bytes->size() - 1)));
  EXPECT_TRUE(contains(read_npz(*bytes, 100).error().message, "the limit is 100"));
}
TEST(Gzip, round_trip_limit_and_damage) {
  const std::string text(100'000, 'z');
  const auto packed = gzip(system::bytes_of(text));
  EXPECT_LT(packed.size(), 1000u);
  EXPECT_EQ(system::text_of(*gunzip(packed)), text);
  auto two = packed;
  two.insert(two.end(), packed.begin(), packed.end());
  EXPECT_EQ(gunzip(two)->size(), 200'000u);
  EXPECT_EQ(gunzip(packed, 99'999).error().code, ErrorCode::out_of_memory);
  EXPECT_TRUE(contains(gunzip(Bytes(packed).first(packed.size() - 9)).error().message, "cut off"));
  auto damaged = packed;
  damaged[packed.size() - 6] ^= std::byte{1};
  EXPECT_FALSE(gunzip(damaged));
}
// Mutants: any outcome but a crash, a hang or more memory than the limit.
TEST(Npy, mutants_of_sound_files_never_crash) {
  auto npz = *write_npz({{"x", Tensor::of(DType::f32, {2, 2}, {1, 2, 3, 4})}, {"s", Tensor::of_strings({2}, {"ab", "c"})}});
  auto one = *write_npy(Tensor::of(DType::i16, {2, 2}, {1, 2, 3, 4}));
  const auto packed = gzip(one);
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    for (auto mutant : {npz, one, packed}) {
      for (unsigned k = 0; k <= random() % 4; ++k) mutant[random() % mutant.size()] = std::byte(random());
      if (random() % 3 == 0) mutant.resize(random() % mutant.size());
      (void)read_npz(mutant, 1 << 20).has_value();
      (void)read_npy(mutant).has_value();
      (void)gunzip(mutant, 1 << 20).has_value();
    }
  }
}

}  // namespace
}  // namespace saha::data
