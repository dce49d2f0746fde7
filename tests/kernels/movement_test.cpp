#include "kernels/movement.hpp"

#include <algorithm>
#include <numeric>

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

template <class T>
void check_transpose(const std::vector<std::int64_t>& x, const std::vector<std::int64_t>& perm) {
  std::int64_t n = 1;
  for (auto d : x) n *= d;
  std::vector<T> in(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<T>(i * 7 + 1);
  for (Isa isa : levels()) {
    const MoveParams p = prepare_transpose(sizeof(T), x, perm);
    Aligned<T> y(in.size(), 1), again(in.size());
    run_whole(kernel(p), isa, p, {in.data(), y.data()}, grid(p), 0);
    run_pieces(kernel(p), isa, p, {in.data(), again.data()}, grid(p), 0);
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t rest = i, at = 0;
      for (std::size_t d = x.size(); d-- > 0;) {
        const auto axis = static_cast<std::size_t>(perm[d]);
        std::int64_t stride = 1;
        for (std::size_t j = axis + 1; j < x.size(); ++j) stride *= x[j];
        at += rest % x[axis] * stride, rest /= x[axis];
      }
      ASSERT_EQ(y[static_cast<std::size_t>(i)], in[static_cast<std::size_t>(at)]) << name(isa) << " " << i;
      ASSERT_EQ(again[static_cast<std::size_t>(i)], in[static_cast<std::size_t>(at)]);
    }
  }
}

TEST(Movement, every_permutation_of_four_axes_is_right) {
  std::vector<std::int64_t> perm = {0, 1, 2, 3};
  do {
    check_transpose<std::uint32_t>({3, 9, 1, 17}, perm);
    check_transpose<std::uint64_t>({2, 3, 4, 5}, perm);
    check_transpose<std::uint8_t>({2, 19, 4, 5}, perm);
  } while (std::next_permutation(perm.begin(), perm.end()));
  check_transpose<std::uint32_t>({197, 3, 64}, {1, 0, 2});
  check_transpose<std::uint32_t>({300, 257}, {1, 0});
  check_transpose<std::uint16_t>({30, 25}, {1, 0});
  check_transpose<std::uint16_t>({41, 50}, {1, 0});
  check_transpose<std::uint8_t>({2, 37, 50}, {0, 2, 1});
  check_transpose<std::uint8_t>({2, 3, 64, 16}, {0, 3, 1, 2});
  check_transpose<std::uint32_t>({4, 0, 3}, {2, 1, 0});
  check_transpose<std::uint32_t>({100000}, {0});
}

TEST(Movement, slices_with_steps_and_expansions_are_copies_with_strides) {
  std::vector<float> x = noise(6 * 50);
  for (Isa isa : levels()) {
    const std::int64_t dims[] = {3, 10}, strides[] = {100, -2};
    MoveParams p = prepare_move(4, dims, strides, 49);  // rows 0, 2, 4, backwards
    Aligned<float> y(30, 1);
    run_pieces(kernel(p), isa, p, {x.data(), y.data()}, grid(p), 0);
    for (std::size_t i = 0; i < 30; ++i) ASSERT_EQ(y[i], x[i / 10 * 100 + 49 - i % 10 * 2]);
    const std::int64_t wide[] = {4, 5, 6}, zero[] = {0, 1, 0};
    p = prepare_move(4, wide, zero);
    Aligned<float> e(120, 1);
    run_whole(kernel(p), isa, p, {x.data(), e.data()}, grid(p), 0);
    for (std::size_t i = 0; i < 120; ++i) ASSERT_EQ(e[i], x[i / 6 % 5]);
  }
}

TEST(Movement, concat_and_split_undo_each_other) {
  for (std::int64_t outer : {1, 3, 200})
    for (Isa isa : levels()) {
      ConcatParams p;
      p.outer = outer, p.parts = 3, p.bytes[0] = 5, p.bytes[1] = 0, p.bytes[2] = 64;
      std::vector<std::uint8_t> a(static_cast<std::size_t>(outer * 5)), c(static_cast<std::size_t>(outer * 64));
      std::iota(a.begin(), a.end(), std::uint8_t{1}), std::iota(c.begin(), c.end(), std::uint8_t{7});
      Aligned<std::uint8_t> y(static_cast<std::size_t>(outer * 69)), a2(a.size()), c2(c.size());
      run_pieces("concat", isa, p, {a.data(), nullptr, c.data(), y.data()}, grid(p), 0);
      for (std::size_t o = 0; o < static_cast<std::size_t>(outer); ++o) {
        ASSERT_EQ(std::memcmp(y.data() + o * 69, a.data() + o * 5, 5), 0);
        ASSERT_EQ(std::memcmp(y.data() + o * 69 + 5, c.data() + o * 64, 64), 0);
      }
      run_whole("split", isa, p, {y.data(), a2.data(), nullptr, c2.data()}, grid(p), 0);
      ASSERT_TRUE(std::equal(a.begin(), a.end(), a2.data()) && std::equal(c.begin(), c.end(), c2.data()));
    }
}

TEST(Movement, gather_takes_rows_and_answers_bad_indices_with_zeros) {
  const auto x = noise(2 * 10 * 3);
  const std::vector<std::int64_t> index = {0, 9, -1, -10, 10, -11, 4};
  const std::vector<std::int32_t> narrow(index.begin(), index.end());
  for (Isa isa : levels())
    for (bool wide : {false, true}) {
      GatherParams p{2, 10, 7, 12, wide};
      Aligned<float> y(2 * 7 * 3);
      run_pieces("gather", isa, p, {x.data(), wide ? static_cast<const void*>(index.data()) : narrow.data(), y.data()}, grid(p), 0);
      for (std::size_t o = 0; o < 2; ++o)
        for (std::size_t i = 0; i < 7; ++i)
          for (std::size_t j = 0; j < 3; ++j) {
            const std::int64_t k = index[i] < 0 ? index[i] + 10 : index[i];
            ASSERT_EQ(y[(o * 7 + i) * 3 + j], k >= 0 && k < 10 ? x[(o * 10 + static_cast<std::size_t>(k)) * 3 + j] : 0.f);
          }
    }
}

}  // namespace
}  // namespace saha::kernels
