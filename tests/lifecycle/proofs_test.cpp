#include "lifecycle/proofs.hpp"

#include <gtest/gtest.h>

#include <random>

namespace saha::lifecycle {
namespace {
Proofs some() {
  Proofs p;
  p.saha = "0.1.0";
  p.model = Json{{"input", {{"x", {{"domain", {-1, 1}}}}}}};
  p.labels = {"below", "above"};
  p.data = {{"test", {"age"}}};
  p.texts = {{"a.req.yaml", "saha: 1\nrequirements: []\n"}, {"R1", "max(y(x)) <= 1"}};
  p.requirements = {{"R1", "passed"}};
  p.inputs = {{.name = "x", .steps = *data::Preprocess::parse(R"([{"scale": "x/255"}])"), .shape = {-1, 4}, .dtype = DType::f32}};
  p.raw = {{{4}, DType::u8}};
  p.sets["test"] = {{0, 1, 1}, {1, 1, 0}, {{"age", {"1", "2", "3"}}}};
  p.points["test"][2] = {1, 2, 3, 4};
  p.answers["R1.2#00"] = {.certificate = std::string("\x00\n\xff", 3), .counterexample = {}, .why = {}};
  p.answers["R1.3#00"] = {.certificate = {}, .counterexample = {0.5f, -1}, .why = {}};
  p.answers["R1.4#00"] = {.certificate = {}, .counterexample = {}, .why = "the time was over"};
  p.models["original"] = "not a model";
  return p;
}
}  // namespace

TEST(Proofs, come_back_as_they_were) {
  const std::string bytes = some().bytes();
  const auto again = Proofs::parse(bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->bytes(), bytes);
  EXPECT_EQ(again->points.at("test").at(2), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(again->answers.at("R1.2#00").certificate, std::string("\x00\n\xff", 3));
  EXPECT_EQ(again->answers.at("R1.3#00").counterexample, (std::vector<float>{0.5f, -1}));
  EXPECT_EQ(again->inputs[0].steps.str(), some().inputs[0].steps.str());
}

TEST(Proofs, other_bytes_are_refused_or_read_and_never_more) {
  const std::string bytes = some().bytes();
  EXPECT_FALSE(Proofs::parse(""));
  EXPECT_FALSE(Proofs::parse("saha-proofs\n{}"));
  EXPECT_FALSE(Proofs::parse("saha-proofs\n{}\n"));
  EXPECT_EQ(Proofs::parse(bytes.substr(0, bytes.size() - 1)).error().message, "the proofs are damaged: a part of them lies outside the file");
  EXPECT_FALSE(Proofs::parse("saha-proofs\n" + std::string(100'000, '[') + "\n"));
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string mutant = bytes;
    for (std::uint32_t k = 0; k < 1 + random() % 3; ++k) mutant[random() % mutant.size()] = char(random());
    if (random() % 4 == 0) mutant.resize(random() % mutant.size());
    if (const auto p = Proofs::parse(mutant)) (void)p->bytes();
  }
}

TEST(Proofs, nothing_is_passed_where_model_or_requirements_do_not_fit) {
  EXPECT_FALSE(recheck(some(), "not a model"));
}
}  // namespace saha::lifecycle
