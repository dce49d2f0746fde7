#include <saha/session.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "backends/native/pack.hpp"
#include "system/file.hpp"
#include "tests/api/api_testing.hpp"

namespace {
std::atomic<long> allocations{0};
}
[[gnu::noinline]] void* operator new(std::size_t n) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace saha {
namespace {
using api_testing::bytes_of;
using api_testing::classifier;

Session open(const ir::Model& m, SessionOptions options = {}) {
  std::string text = bytes_of(m);
  auto s = Session::from_bytes(std::as_bytes(std::span(text)), options);
  EXPECT_TRUE(s) << s.error().message;
  return *s;
}
std::vector<float> image(int seed, std::size_t n = 4) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = float(int(i * 7 + std::size_t(seed) * 13) % 19 - 9) / 4;
  return x;
}

TEST(Session, opens_a_bundle_as_the_model_that_is_in_it) {
  const ir::Model m = classifier(-1);
  const std::string model = bytes_of(m);
  auto packed = native::pack(m, model, {.levels = {}, .shapes = {{{1, 4}}}, .about = bundle::Json::object(), .parts = {}});
  ASSERT_TRUE(packed) << packed.error().message;
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const std::string file = (folder->path() / "person.saha").string();
  ASSERT_TRUE(system::write_file(file, packed->bytes));
  auto opened = Session::open(file), from_bytes = Session::from_bytes(packed->bytes);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE(from_bytes) << from_bytes.error().message;
  Session plain = open(m);
  for (const Session& s : {*opened, *from_bytes}) {
    EXPECT_EQ(s.inputs()[0].str, plain.inputs()[0].str);
    EXPECT_EQ(s.outputs()[0].name, "score");
    for (std::size_t n : {std::size_t{4}, std::size_t{12}}) {   // the stored shape, and one that is planned from the model
      const auto x = image(1, n);
      std::vector<float> scores[2];
      for (int k = 0; k < 2; ++k) {
        auto c = (k ? plain : s).make_context();
        ASSERT_TRUE(c->set_input("image", x));
        auto ran = c->run();
        ASSERT_TRUE(ran) << ran.error().message;
        const auto score = *c->output<float>("score");
        scores[k].assign(score.begin(), score.end());
      }
      EXPECT_EQ(scores[0], scores[1]);
    }
  }
  auto damaged = packed->bytes;
  damaged.resize(damaged.size() - 1);
  ASSERT_TRUE(system::write_file(file, damaged));
  auto refused = Session::open(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_model);
  EXPECT_EQ(refused.error().message.find(file + ": it has "), 0u) << refused.error().message;
}

TEST(Session, tells_inputs_and_outputs) {
  Session s = open(classifier(-1));
  ASSERT_EQ(s.inputs().size(), 1u);
  EXPECT_EQ(s.inputs()[0].name, "image");
  EXPECT_EQ(s.inputs()[0].dtype, DType::f32);
  EXPECT_EQ(s.inputs()[0].dims, (std::vector<std::int64_t>{-1, 4}));
  EXPECT_EQ(s.inputs()[0].dim_names, (std::vector<std::string>{"N", ""}));
  EXPECT_EQ(s.inputs()[0].str, "float32[N, 4]");
  ASSERT_EQ(s.outputs().size(), 1u);
  EXPECT_EQ(s.outputs()[0].str, "float32[N, 3]");
}

TEST(Session, gives_what_the_operators_references_give) {
  auto model = classifier(1);
  Session s = open(model);
  auto c = s.make_context();
  ASSERT_TRUE(c) << c.error().message;
  auto x = image(1);
  ASSERT_TRUE(c->set_input("image", x));
  ASSERT_TRUE(c->run());
  auto y = c->output<float>("score");
  ASSERT_TRUE(y) << y.error().message;
  std::vector<double> wide(x.begin(), x.end());
  std::vector<Datum> in{Tensor::of(DType::f32, {1, 4}, wide)};
  auto expected = op::run(model.graph, std::span<const Datum>(in));
  ASSERT_TRUE(expected) << expected.error().message;
  ASSERT_EQ(y->size(), 3u);
  float sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR((*y)[i], (*expected)[0].tensor.at(std::int64_t(i)), 1e-5);
    sum += (*y)[i];
  }
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST(Session, one_free_dim_follows_from_the_count) {
  Session s = open(classifier(-1));
  auto c = s.make_context();
  ASSERT_TRUE(c);
  for (std::size_t n : {1u, 5u, 2u, 5u}) {
    auto x = image(3, n * 4);
    ASSERT_TRUE(c->set_input("image", x));
    auto ran = c->run();
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(*c->output_dims("score"), (std::vector<std::int64_t>{std::int64_t(n), 3}));
    EXPECT_EQ(c->output<float>("score")->size(), n * 3);
  }
}

TEST(Session, runs_without_an_allocation_once_a_shape_is_known) {
  for (std::int64_t n : {std::int64_t{2}, std::int64_t{-1}}) {
    Session s = open(classifier(n));
    auto c = s.make_context();
    ASSERT_TRUE(c);
    auto a = image(1, 8), b = image(2, 8);
    const std::int64_t dims[] = {2, 4};
    ASSERT_TRUE(c->set_input("image", a, dims));
    ASSERT_TRUE(c->run());
    long before = allocations.load();
    bool well = true;
    for (int i = 0; i < 10; ++i) {
      well = well && c->set_input("image", std::span<const float>(i % 2 ? a : b), dims).has_value();
      well = well && c->run().has_value();
    }
    EXPECT_EQ(allocations.load() - before, 0);
    EXPECT_TRUE(well);
  }
}

TEST(Session, threads_with_contexts_of_their_own_get_the_same_bits) {
  for (int threads : {1, 2}) {
    Session s = open(classifier(-1), {.threads = threads, .pin = threads == 2});
    constexpr int kThreads = 4, kImages = 8;
    std::vector<std::vector<float>> expected;
    auto alone = s.make_context();
    ASSERT_TRUE(alone);
    for (int i = 0; i < kImages; ++i) {
      auto x = image(i, std::size_t(i % 3 + 1) * 4);
      ASSERT_TRUE(alone->set_input("image", x));
      ASSERT_TRUE(alone->run());
      auto y = *alone->output<float>("score");
      expected.emplace_back(y.begin(), y.end());
    }
    std::atomic<int> wrong{0}, right{0};
    std::vector<std::thread> all;
    for (int t = 0; t < kThreads; ++t)
      all.emplace_back([&, t] {
        auto c = s.make_context();
        if (!c) { ++wrong; return; }
        for (int r = 0; r < 40; ++r) {
          int i = (r + t) % kImages;
          auto x = image(i, std::size_t(i % 3 + 1) * 4);
          if (!c->set_input("image", x) || !c->run()) { ++wrong; continue; }
          auto y = c->output<float>("score");
          const auto& e = expected[std::size_t(i)];
          if (y && y->size() == e.size() && std::memcmp(y->data(), e.data(), e.size() * 4) == 0) ++right; else ++wrong;
        }
      });
    for (auto& t : all) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(right, kThreads * 40);
  }
}

TEST(Session, a_context_outlives_its_session) {
  auto c = [] { return open(classifier(1)).make_context(); }();
  ASSERT_TRUE(c);
  auto x = image(1);
  ASSERT_TRUE(c->set_input("image", x));
  EXPECT_TRUE(c->run());
}

TEST(Session, says_what_does_not_fit) {
  Session s = open(classifier(2));
  auto c = s.make_context();
  ASSERT_TRUE(c);
  auto message = [](auto r) { return r ? std::string("(none)") : r.error().message; };
  EXPECT_EQ(message(c->run()), "input 'image' was not given");
  std::vector<float> x(8), few(5);
  std::vector<double> wide(8);
  EXPECT_EQ(message(c->set_input("picture", x)), "the model has no input 'picture'; it has 'image'");
  EXPECT_EQ(message(c->set_input("image", wide)), "input 'image' takes float32[2, 4], float64 was given");
  EXPECT_EQ(message(c->set_input("image", few)), "input 'image' takes float32[2, 4], 5 elements were given, 8 are needed");
  const std::int64_t turned[] = {4, 2}, flat[] = {8};
  EXPECT_EQ(message(c->set_input("image", x, turned)), "input 'image' takes float32[2, 4], [4, 2] was given");
  EXPECT_EQ(message(c->set_input("image", x, flat)), "input 'image' takes float32[2, 4], [8] was given");
  ASSERT_TRUE(c->set_input("image", x));
  EXPECT_EQ(message(c->output<float>("score")), "output 'score' was asked for before a run of these inputs");
  ASSERT_TRUE(c->run());
  EXPECT_EQ(message(c->output<float>("scores")), "the model has no output 'scores'; it has 'score'");
  EXPECT_EQ(message(c->output<double>("score")), "output 'score' is float32[2, 3], float64 was asked for");
  EXPECT_EQ(message(Session::open("no/such.onnx")).find("no/such.onnx") != std::string::npos, true);
  std::string text = bytes_of(classifier(2));
  EXPECT_EQ(message(Session::from_bytes(std::as_bytes(std::span(text)), {.threads = 0})), "a session takes 1 to 1024 threads, not 0");

  Session open_batch = open(classifier(-1));
  auto d = open_batch.make_context();
  ASSERT_TRUE(d);
  EXPECT_EQ(message(d->set_input("image", few)), "input 'image' takes float32[N, 4], 5 elements were given, no multiple of 4");
}

}  // namespace
}  // namespace saha
