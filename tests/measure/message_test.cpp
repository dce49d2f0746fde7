#include "measure/message.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace saha::measure {
namespace {

TEST(Message, every_kind_of_value_comes_back) {
  Message m;
  const std::vector<std::string> words{"", "saha"};
  const std::vector<double> numbers{0.5, -1};
  const std::vector<Datum> data{Tensor::of(DType::i4, {3}, {1, -2, 3}), Tensor::of_strings({2}, {"a", ""}), Datum(),
                                Datum::sequence({Tensor::scalar(DType::f32, 2)}), Datum::map(Tensor::of_ints(std::vector<std::int64_t>{1}), Tensor::of(DType::f32, {1}, {3})),
                                Tensor::zeros(DType::f32, {0, 4})};
  m.put(std::uint64_t{7}).put(2.5).put(std::string_view("text")).put(words).put(numbers).put(data);
  Message r(m.bytes());
  EXPECT_EQ(r.number(), 7u);
  EXPECT_EQ(r.real(), 2.5);
  EXPECT_EQ(r.text(), "text");
  EXPECT_EQ(r.texts(), words);
  EXPECT_EQ(r.reals(), numbers);
  const auto back = r.data();
  ASSERT_FALSE(r.failed());
  ASSERT_EQ(back.size(), data.size());
  EXPECT_TRUE(identical(back[0].tensor, data[0].tensor));
  EXPECT_TRUE(identical(back[1].tensor, data[1].tensor));
  EXPECT_EQ(back[2].kind, Datum::Kind::none);
  EXPECT_EQ(back[3].list()[0].tensor.at(0), 2);
  EXPECT_EQ(back[4].list()[1].tensor.at(0), 3);
  EXPECT_EQ(back[5].tensor.dims, (Dims{0, 4}));
  EXPECT_EQ(r.number(), 0u);
  EXPECT_TRUE(r.failed());
}

TEST(Message, one_that_is_cut_off_anywhere_fails_and_claims_no_memory) {
  Message m;
  m.put(std::vector<Datum>{Tensor::of(DType::f32, {2}, {1, 2}), Tensor::of_strings({1}, {"abc"})});
  for (std::size_t n = 0; n < m.bytes().size(); ++n) {
    Message r(m.bytes().substr(0, n));
    r.data();
    EXPECT_TRUE(r.failed()) << n;
  }
  Message huge;
  huge.put(~std::uint64_t{0});
  Message r(huge.bytes());
  EXPECT_TRUE(r.data().empty());
  EXPECT_TRUE(r.failed());
}

TEST(Message, passes_through_a_pipe_larger_than_its_buffer_and_notices_the_end) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string large(3'000'000, 'x');
  std::thread writer([&] {
    EXPECT_TRUE(send(ends[1], Message(large)));
    ::close(ends[1]);
  });
  auto got = receive(ends[0], 10'000);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->bytes(), large);
  writer.join();
  auto end = receive(ends[0], 10'000);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::io);
  ::close(ends[0]);
  ASSERT_EQ(::pipe(ends), 0);
  auto late = receive(ends[0], 10);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::cancelled);
  ::close(ends[0]), ::close(ends[1]);
}

}  // namespace
}  // namespace saha::measure
