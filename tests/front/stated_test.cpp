#include "front/stated.hpp"

#include <gtest/gtest.h>

#include <random>

namespace saha::front {
namespace {

data::Preprocess steps(const char* json) { return *data::Preprocess::parse(json); }

TEST(Stated, is_read_as_it_was_written_and_leaves_other_inputs_alone) {
  std::map<std::string, std::string> metadata = {{"author", "x"}};
  EXPECT_FALSE(*stated(metadata, "a"));
  const auto all = steps(R"([{"decode": "rgb"}, {"scale": "x/255"}])"), first = all.first(1);
  state(metadata, "a", {all, first});
  state(metadata, "odd \"name\"", {first, data::Preprocess()});
  ASSERT_TRUE(*stated(metadata, "a"));
  EXPECT_EQ((*stated(metadata, "a"))->steps.str(), all.str());
  EXPECT_EQ((*stated(metadata, "a"))->outside.str(), first.str());
  EXPECT_EQ((*stated(metadata, "odd \"name\""))->outside.str(), "[]");
  EXPECT_FALSE(*stated(metadata, "b"));
  EXPECT_EQ(metadata.at("author"), "x");
}
TEST(Stated, what_is_no_list_of_steps_is_an_error_and_noise_never_crashes) {
  const auto error = [](const std::string& text) {
    auto r = stated({{"saha.preprocess", text}}, "a");
    return r ? "no error" : r.error().message;
  };
  EXPECT_EQ(error("[]"), "the model's metadata 'saha.preprocess' is no object");
  EXPECT_EQ(error("{"), "the model's metadata 'saha.preprocess' is no object");
  EXPECT_EQ(error(std::string(100'000, '[')), "the model's metadata 'saha.preprocess' is no object");
  EXPECT_EQ(error(R"({"a": []})"), "the model's metadata 'saha.preprocess' says of input 'a' no 'steps'");
  EXPECT_EQ(error(R"({"a": {"steps": [{"blur": 1}], "outside": []}})").substr(0, 80), "the model's metadata 'saha.preprocess' of input 'a': preprocess step 'blur': the");
  EXPECT_EQ(error(R"({"b": 3})"), "no error");
  std::mt19937 random(3);
  std::map<std::string, std::string> good;
  state(good, "a", {steps(R"([{"decode": "gray"}, {"scale": "(x-1)/255"}])"), steps(R"([{"decode": "gray"}])")});
  for (int i = 0; i < 5000; ++i) {
    auto mutant = good;
    std::string& text = mutant["saha.preprocess"];
    for (unsigned k = 0; k <= random() % 3; ++k) text[random() % text.size()] = "[]{}\",:x1e-."[random() % 12];
    (void)stated(mutant, "a").has_value();
  }
}

}  // namespace
}  // namespace saha::front
