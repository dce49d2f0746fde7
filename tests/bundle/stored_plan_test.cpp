// Plans in bundles: the same bits as plans that were made here, no plan runs that would touch what is not its own, and where no plan fits the model runs.
#include "kernels/contract.hpp"
#include "plan/stored.hpp"
#include "tests/bundle/bundle_testing.hpp"

namespace saha {
namespace {
using namespace test;
using bundle::Bundle;
using bundle::Json;
using kernels::Isa;

void expect_same(const std::vector<Datum>& a, const std::vector<Datum>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) EXPECT_TRUE(identical(a[k].tensor, b[k].tensor)) << k;
}

TEST(StoredPlan, gives_the_same_bits_as_the_plan_that_was_stored_at_every_level) {
  const ir::Model m = picture_net();
  const std::vector<Datum> data = {Datum(noise({1, 3, 9, 9}, 9))};
  std::vector<Isa> levels;
  for (Isa level : kernels::kLevels) if (kernels::runs(kernels::detect_isa(), level)) levels.push_back(level);
  const auto p = packed(m, {{{1, 3, 9, 9}}}, levels);
  EXPECT_TRUE(p.notes.empty());
  EXPECT_EQ(p.bytes, packed(m, {{{1, 3, 9, 9}}}, levels).bytes);   // the same bytes again
  for (Isa level : levels) {
    auto b = Bundle::from_bytes(p.bytes);
    ASSERT_TRUE(b);
    auto n = native::network_of(*b, level);
    ASSERT_TRUE(n) << n.error().message;
    auto got = run(*n, data), want = run(native::network_of(m.graph, level), data);
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_TRUE(want);
    expect_same(*got, *want);
    EXPECT_TRUE((*n)->notes().empty());   // by the plan, not by the model
  }
}

TEST(StoredPlan, of_another_architecture_is_made_here_and_not_run) {
  for (Isa level : kernels::kLevels) {
    if (!kernels::kernels(level).empty()) continue;
    const auto p = packed(picture_net(), {{{1, 3, 9, 9}}}, {level});
    EXPECT_TRUE(p.notes.empty()) << kernels::name(level);
    auto b = Bundle::from_bytes(p.bytes);
    ASSERT_TRUE(b);
    auto plans = runtime::stored_plans(**b);
    ASSERT_TRUE(plans && plans->size() == 1) << kernels::name(level);
    EXPECT_TRUE((*plans)[0].fits(level) && !(*plans)[0].fits(kernels::detect_isa()));
    EXPECT_TRUE(open_and_run(p.bytes, {Datum(noise({1, 3, 9, 9}, 9))}));   // by the model
  }
}

TEST(StoredPlan, is_one_for_levels_that_differ_in_16_bits_only) {
  for (Isa level : kernels::kLevels) {
    const Isa same = kernels::without_halves(level);
    const auto p = packed(picture_net(), {{{1, 3, 9, 9}}}, same == level ? std::vector{level} : std::vector{same, level});
    auto b = Bundle::from_bytes(p.bytes);
    ASSERT_TRUE(b);
    const auto plans = runtime::stored_plans(**b);
    ASSERT_TRUE(plans && plans->size() == 1) << kernels::name(level);
    for (Isa other : kernels::kLevels) EXPECT_EQ((*plans)[0].fits(other), kernels::without_halves(other) == same) << kernels::name(level) << " " << kernels::name(other);
  }
}

TEST(StoredPlan, in_float32_does_not_stand_for_bfloat16) {
  const auto p = packed(picture_net(), {{{1, 3, 9, 9}}}, {Isa::avx512amx});
  const Datum x(noise({1, 3, 9, 9}, 9));
  const Datum* in[] = {&x};
  for (const auto precision : {native::Precision::float32, native::Precision::bfloat16}) {
    auto b = Bundle::from_bytes(p.bytes);
    ASSERT_TRUE(b);
    auto n = native::network_of(*b, Isa::avx512amx, precision);
    ASSERT_TRUE(n) << n.error().message;
    ASSERT_TRUE((*n)->plan_for(in));   // planned, not run
    const std::vector<std::string> notes = precision == native::Precision::float32 ? std::vector<std::string>() : std::vector<std::string>{"planned from the bundle's model: its plans are in float32"};
    EXPECT_EQ((*n)->notes(), notes);
  }
}

TEST(StoredPlan, is_written_again_as_it_was_read) {
  const auto p = packed(picture_net(), {{{1, 3, 9, 9}}});
  auto b = Bundle::from_bytes(p.bytes);
  const auto bytes = *(*b)->section("plan/0");
  std::vector<plan::Place> places;
  auto plan = plan::read(bytes, [&](const plan::Place& place, std::uint64_t size) -> Result<std::shared_ptr<std::byte[]>> {
    places.push_back(place);
    return (*b)->memory(*(*b)->find("weights"), place.offset, size, 64, 64);
  });
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan::write(*plan, places), Bytes(bytes.begin(), bytes.end()));
}

TEST(StoredPlan, of_another_level_or_another_build_leaves_the_work_to_the_model) {
  const ir::Model m = picture_net();
  const std::vector<Datum> data = {Datum(noise({1, 3, 9, 9}, 9))};
  const Bytes other_level = packed(m, {{{1, 3, 9, 9}}}, {Isa::generic}).bytes;
  const Bytes other_build = with_manifest(packed(m, {{{1, 3, 9, 9}}}).bytes, [](Json& j) { j["plans"][0]["kernels"] = "0000000000000000"; });
  for (const Bytes& bytes : {other_level, other_build}) {
    const Isa isa = &bytes == &other_level && kernels::detect_isa() == Isa::generic ? Isa::generic : kernels::detect_isa();
    auto b = Bundle::from_bytes(bytes);
    auto n = native::network_of(*b, isa);
    ASSERT_TRUE(n) << n.error().message;
    auto got = run(*n, data), want = run(native::network_of(m.graph, isa), data);
    ASSERT_TRUE(got) << got.error().message;
    expect_same(*got, *want);
    if (isa != Isa::generic) { ASSERT_EQ((*n)->notes().size(), 1u); }
  }
}

TEST(StoredPlan, is_one_for_each_stated_shape_and_others_come_from_the_model) {
  const ir::Model m = picture_net(ir::Dim::symbol("N"));
  const auto p = packed(m, {{{1, 3, 9, 9}}, {{4, 3, 9, 9}}});
  auto b = Bundle::from_bytes(p.bytes);
  auto n = native::network_of(*b, kernels::detect_isa());
  ASSERT_TRUE(n) << n.error().message;
  EXPECT_EQ((*n)->inputs()[0].dim_names[0], "N");
  for (std::int64_t batch : {1, 4, 3}) {
    const std::vector<Datum> data = {Datum(noise({batch, 3, 9, 9}, unsigned(batch)))};
    auto got = run(*n, data), want = run(native::network_of(m.graph, kernels::detect_isa()), data);
    ASSERT_TRUE(got) << got.error().message;
    expect_same(*got, *want);
    EXPECT_EQ((*n)->notes().size(), batch == 3 ? 1u : 0u) << batch;
  }
  auto wrong = run(*n, {Datum(noise({1, 3, 9, 8}, 1))});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "input 'image' takes float32[N, 3, 9, 9], float32[1, 3, 9, 8] was given");
}

TEST(StoredPlan, is_not_made_of_what_runs_without_a_kernel_which_the_bundle_says) {
  op::Builder b;
  op::Val x = b.input(ir::tensor_type(DType::f32, {ir::Dim(6)}), "x");
  const ir::Model m = model_of(std::move(b), {b.op("NonZero", {x})});
  const auto p = packed(m, {{{6}}});
  ASSERT_EQ(p.notes.size(), 1u);
  EXPECT_NE(p.notes[0].find("NonZero"), std::string::npos) << p.notes[0];
  auto opened = Bundle::from_bytes(p.bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->manifest()["unplanned"].size(), 1u);
  auto got = open_and_run(p.bytes, {Datum(Tensor::of(DType::f32, {6}, {0, 1, 0, 2, 0, 3}))});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ((*got)[0].tensor.dims, (Dims{1, 3}));
}

// Every byte of a plan changed, in several ways, under a right checksum. What is taken runs; the sanitizers see that it touches nothing else.
TEST(StoredPlan, that_was_tampered_with_is_refused_or_runs_within_its_memory) {
  const auto p = packed(picture_net(), {{{1, 3, 9, 9}}});
  auto b = Bundle::from_bytes(p.bytes);
  const bundle::Section section = *(*b)->find("plan/0");
  const auto sound = *(*b)->section("plan/0");
  const std::vector<Datum> data = {Datum(noise({1, 3, 9, 9}, 9))};
  std::size_t refused = 0, ran = 0;
  for (std::size_t i = 0; i < sound.size(); ++i)
    for (const int way : {0, 1, 2}) {
      if (way == 2 && i % 8) continue;
      Bytes hurt(sound.begin(), sound.end());
      if (way == 0) hurt[i] ^= std::byte(1 << i % 8);
      else if (way == 1) hurt[i] = std::byte{0xff};
      else for (std::size_t k = i; k < std::min(i + 8, hurt.size()); ++k) hurt[k] = std::byte{0x7f};
      auto r = open_and_run(with_section(p.bytes, section, hurt), data);
      if (r) { ++ran; continue; }
      ++refused;
      expect_sentence(r.error());
      if (::testing::Test::HasFailure()) return;
    }
  EXPECT_GT(refused, ran / 4);
  std::printf("%zu refused, %zu ran\n", refused, ran);
}

TEST(StoredPlan, cut_short_anywhere_is_refused) {
  const auto p = packed(picture_net(), {{{1, 3, 9, 9}}});
  auto b = Bundle::from_bytes(p.bytes);
  const auto sound = *(*b)->section("plan/0");
  for (std::size_t n = 0; n < sound.size(); ++n) {
    auto r = plan::read(sound.first(n), [&](const plan::Place& place, std::uint64_t size) -> Result<std::shared_ptr<std::byte[]>> { return (*b)->memory(*(*b)->find("weights"), place.offset, size, 64, 64); });
    ASSERT_FALSE(r) << n;
    expect_sentence(r.error());
  }
}

TEST(StoredPlan, and_manifest_that_disagree_are_refused) {
  const Bytes file = packed(picture_net(), {{{1, 3, 9, 9}}}).bytes;
  const std::vector<Datum> data = {Datum(noise({1, 3, 9, 9}, 9))};
  const auto lies = std::initializer_list<std::pair<const char*, std::function<void(Json&)>>>{
      {"is in section 'plan/7'", [](Json& m) { m["plans"][0]["section"] = "plan/7"; }},
      {"has 1 outputs, the manifest says 2", [](Json& m) { m["outputs"].push_back(m["outputs"][0]); }},
      {"another element type", [](Json& m) { m["inputs"][0]["dtype"] = "int32"; m["plans"][0]["x"] = 1; }},
      {"is of dtype 'int33'", [](Json& m) { m["inputs"][0]["dtype"] = "int33"; }},
      {"has no name", [](Json& m) { m["inputs"][0]["name"] = "bell\a"; }},
      {"has no name", [](Json& m) { m["inputs"][0]["name"] = 3; }},
      {"has a negative dim", [](Json& m) { m["inputs"][0]["dims"][0] = -1; }},
      {"there is no section 'other'", [](Json& m) { m["plans"][0]["weights"][0] = "other"; }},
      {"where it does not fit", [](Json& m) { m["plans"][0]["weights"] = Json::array(); }},
  };
  for (const auto& [sentence, lie] : lies) {
    const bool other_type = std::string_view(sentence) == "another element type";
    auto r = open_and_run(with_manifest(file, lie), other_type ? std::vector<Datum>{Datum(Tensor::zeros(DType::i32, {1, 3, 9, 9}))} : data);
    ASSERT_FALSE(r) << sentence;
    EXPECT_NE(r.error().message.find(sentence), std::string::npos) << r.error().message;
  }
}

// What the loops would do with such params nobody finds out.
TEST(Contract, refuses_params_that_no_preparation_makes) {
  const std::array<std::byte, 1024> zeros{};
  std::array<std::byte, 1024> ones;
  ones.fill(std::byte{0xff});
  std::mt19937_64 engine(5);
  for (auto table : kernels::kernels(Isa::generic))
    for (const auto& k : table) {
      (void)kernels::needs(k.name, Isa::generic, zeros, {});
      EXPECT_FALSE(kernels::needs(k.name, Isa::generic, ones, {})) << k.name;
      EXPECT_FALSE(kernels::needs(k.name, Isa::generic, std::span(zeros).first(4), {})) << k.name;
      for (int i = 0; i < 2000; ++i) {
        std::array<std::int64_t, 128> random{};
        for (auto& v : random) v = std::int64_t(engine() >> engine() % 64) * (engine() % 8 ? 1 : -1);
        (void)kernels::needs(k.name, Isa::generic, std::as_bytes(std::span(random)), {});
      }
    }
  EXPECT_FALSE(kernels::needs("no_such_kernel", Isa::generic, zeros, {}));
}

}  // namespace
}  // namespace saha
