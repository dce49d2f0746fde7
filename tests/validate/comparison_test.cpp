// Requirements on data alone: what stands in two sets, how far apart they lie, and whether a classifier tells them apart; and sequential levels.
#include "validate/comparison.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "validate/shift.hpp"
#include "validate/statistics.hpp"

using namespace saha::validate;
namespace yaml = saha::yaml;

namespace {

Scope scope() {
  Scope s;
  s.data = {{"test", {"site"}}, {"train", {"site"}}};
  s.data_known = true;
  s.outputs_known = true;
  s.outputs = {{.name = "score", .width = 2}};
  return s;
}

std::string said(const std::string& assertion, Evidence& e, const std::string& extra = "") {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r", d);
  if (file) check(*file, scope(), d);
  if (!file || !d.ok()) return d.render();
  const Outcome o = evaluate(file->requirements[0], scope(), e);
  return std::string(name(o.verdict)) + " | " + o.level + " | " + o.evidence;
}

Contents contents(std::size_t n, double shift, std::uint64_t seed, const std::string& site) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> z(0, 1);
  Contents c;
  c.numbers = {{"age", {}}, {"flow", {}}};
  c.words = {{"site", {}}, {"label", {}}};
  for (std::size_t i = 0; i < n; ++i) {
    c.hashes.push_back(site + std::to_string(i));
    c.looks.push_back(random());
    c.numbers[0].second.push_back(z(random));
    c.numbers[1].second.push_back(z(random) + shift);
    c.words[0].second.push_back(site + std::to_string(i % 4));
    c.words[1].second.push_back(random() % 3 ? "a" : "b");
  }
  return c;
}

}  // namespace

TEST(Comparison, copies_and_look_alikes_are_counted) {
  RecordedEvidence e;
  e.contents_of["train"] = contents(300, 0, 1, "x");
  e.contents_of["test"] = contents(100, 0, 2, "y");
  EXPECT_EQ(said("duplicates(train, test) == 0", e), "passed | bound 95 % | duplicates 0 of 100 samples of 'test' stand in 'train' too");
  e.contents_of["test"].hashes[7] = "x3";
  e.contents_of["test"].looks[9] = *e.contents_of["train"].looks[5] ^ 5;
  EXPECT_EQ(said("duplicates(train, test) == 0", e), "violated | bound 95 % | duplicates 1 of 100 samples of 'test' stand in 'train' too, the first: sample 7, as 3 there (limit 0)");
  EXPECT_EQ(said("duplicates(train, test, near=2) <= 1", e).substr(0, 45), "violated | bound 95 % | duplicates 2 of 100 s");
  EXPECT_EQ(said("duplicates(train, test, near=1) <= 1", e).substr(0, 6), "passed");
  e.contents_of["test"].looks.clear();
  EXPECT_EQ(said("duplicates(train, test, near=1) <= 1", e), "inconclusive | - | near duplicates are those of pictures; 'test' holds none");
  EXPECT_EQ(said("shared(train, test, by=site) == 0", e), "passed | bound 95 % | shared 0 of 4 values of 'site' in 'test' stand in 'train' too");
  e.contents_of["test"].words[0].second[0] = "x2";
  EXPECT_EQ(said("shared(train, test, by=site) == 0", e), "violated | bound 95 % | shared 1 of 5 values of 'site' in 'test' stand in 'train' too, like x2 (limit 0)");
  RecordedEvidence none;
  EXPECT_EQ(said("duplicates(train, test) == 0", none), "inconclusive | - | what data set 'train' holds was not read");
}

TEST(Comparison, drift_is_bounded_whatever_the_distributions) {
  RecordedEvidence e;
  e.contents_of["train"] = contents(4000, 0, 1, "x");
  e.contents_of["test"] = contents(4000, 0, 2, "x");
  EXPECT_EQ(said("drift(train, test) <= 15 %", e).substr(0, 6), "passed") << said("drift(train, test) <= 15 %", e);
  EXPECT_EQ(said("drift(train, test) <= 4 %", e).substr(0, 12), "inconclusive");
  EXPECT_EQ(said("distinguishable(train, test) <= 54 %", e).substr(0, 6), "passed") << said("distinguishable(train, test) <= 54 %", e);
  e.contents_of["test"] = contents(4000, 1, 2, "x");
  const std::string text = said("drift(train, test) <= 15 %", e);
  EXPECT_EQ(text.substr(0, 30), "violated | bound 95 % | drift ") << text;
  EXPECT_NE(text.find(" in 'flow' (PSI "), std::string::npos) << text;
  EXPECT_NE(text.find("; 1 of 4 columns differ"), std::string::npos) << text;
  EXPECT_EQ(said("distinguishable(train, test) <= 54 %", e).substr(0, 8), "violated");
  EXPECT_NE(said("drift(train, test.x) <= 15 %", e).find("error"), std::string::npos);
}

// The margin is that of any distribution: over 300 draws of equal distributions the lower bound never exceeds 0 more often than it says.
TEST(Comparison, the_lower_bound_of_a_drift_that_is_none_is_zero) {
  int errs = 0;
  for (std::uint64_t draw = 0; draw < 300; ++draw) {
    const auto a = contents(80, 0, 2 * draw, "x"), b = contents(120, 0, 2 * draw + 1, "x");
    const auto columns = column_distances(a, b);
    EXPECT_EQ(columns.size(), 4u);
    bool wrong = false;
    for (const auto& c : columns) wrong = wrong || c.distance > distance_margin(c, columns.size(), 0.95);
    errs += wrong;
  }
  EXPECT_LE(errs, 300 * 0.05);
}

TEST(Sequential, a_verdict_stops_at_the_first_sample_that_decides) {
  RecordedEvidence e;
  Samples s;
  std::mt19937_64 random(5);
  for (int i = 0; i < 3000; ++i) s.correct.push_back(random() % 100 < 97);
  e.samples_of[{"candidate", "test"}] = s;
  const std::string text = said("accuracy(test) >= 90 %", e, ", level: 'bound(95 %, sequential)'");
  EXPECT_EQ(text.substr(0, 34), "passed | bound 95 %, sequential | ") << text;
  EXPECT_NE(text.find(" of 3000 samples, decided (evidence "), std::string::npos) << text;
  const auto used = std::stoi(text.substr(text.find(" after ") + 7));
  EXPECT_LT(used, 500) << text;
  EXPECT_EQ(said("accuracy(test) >= 99 %", e, ", level: 'bound(95 %, sequential)'").substr(0, 8), "violated");
  EXPECT_EQ(said("accuracy(test) <= 99 %", e, ", level: bound(sequential)").substr(0, 6), "passed");
  const std::string open = said("accuracy(test) >= 97 %", e, ", level: bound(sequential)");
  EXPECT_NE(open.find("after 3000 of 3000 samples, not decided"), std::string::npos) << open;
  Samples worse = s;
  for (std::size_t i = 0; i < 300; ++i) worse.correct[i * 10] = 0;
  e.samples_of[{"previous", "test"}] = worse;
  const std::string pair = said("accuracy(test) >= previous.accuracy(test) - 1 pp", e, ", level: bound(sequential)");
  EXPECT_EQ(pair.substr(0, 45), "passed | bound 95 %, sequential | difference ") << pair;
  EXPECT_EQ(said("accuracy(test) >= previous.accuracy(test) + 15 pp", e, ", level: bound(sequential)").substr(0, 8), "violated");
  EXPECT_EQ(said("accuracy(test) == 97 %", e, ", level: bound(sequential)"),
            "inconclusive | bound 95 %, sequential | a sequential bound is one of a share, or of a difference of two shares on the same samples, against a limit");
}

TEST(Sequential, single_samples_are_run_until_it_is_decided) {
  RecordedEvidence e;
  std::mt19937_64 random(6);
  for (int i = 0; i < 2000; ++i) {
    e.outputs_of[{{"candidate", "test"}, "score"}].push_back({random() % 100 < 99 ? 1.0 : 0.0, 0.5});
    e.labels_of["test"].push_back(0);
  }
  const std::string text = said("argmax(score(x)) == 0", e, ", for: {data: test}, level: bound(sequential), accept: {proved: '>= 95 %', violated: 2000}");
  EXPECT_EQ(text.substr(0, 6), "passed") << text;
  EXPECT_NE(text.find(" of 2000 samples used"), std::string::npos) << text;
  EXPECT_EQ(text.find("2000 of 2000"), std::string::npos) << text;
}

TEST(Sequential, the_level_is_read_and_printed) {
  for (const char* written : {"bound(95 %, sequential)", "bound(sequential)"}) {
    const auto l = parse_level(written);
    ASSERT_TRUE(l) << written;
    EXPECT_TRUE(l->sequential);
    EXPECT_EQ(print(*l), "bound 95 %, sequential");
  }
  EXPECT_FALSE(parse_level("bound(95 %, often)"));
  EXPECT_FALSE(parse_level("test(sequential)"));
}
