// The level `test` of regions and transforms on a model whose failures are known in closed form.
#include "validate/tries.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "validate/slack.hpp"

using namespace saha::validate;
namespace yaml = saha::yaml;
using saha::Error;
using saha::ErrorCode;
using saha::Result;

namespace {

/// Samples of four numbers; score = (sum, 10 - sum), so that the class is 0 where the sum is above 5.
class Sums final : public Trials {
 public:
  std::vector<std::vector<double>> samples = {{2, 2, 2, 2}, {1, 2, 3, 2}, {0, 0, 1, 1}};
  std::int64_t runs = 0, searches = 0;
  bool whole = false, unstable = false, holds_domain_only = false;

  std::vector<double> at(const Altered& input) const {
    std::vector<double> v = samples[std::size_t(input.sample)];
    for (const Alteration& a : input.changes) {
      if (a.name.empty()) {
        v = *a.values;
        if (holds_domain_only) for (double& x : v) x = std::clamp(x, 0.0, 9.0);
      }
      else if (a.name == "brightness" || a.name == "rotate") for (double& x : v) x += a.numbers[0];
      else if (a.name == "fog") for (double& x : v) x -= 0.2 * a.numbers[0];
      else if (a.name == "shift") v[0] += a.numbers[0] + (a.numbers.size() > 1 ? a.numbers[1] : 0);
    }
    return v;
  }
  Result<Raw> raw(const Altered& input) override {
    Raw r{.values = at(input), .low = std::vector<double>(4, 0), .high = std::vector<double>(4, 9), .whole = whole, .picture = true};
    return r;
  }
  Result<std::vector<std::string>> corruptions(const std::string&, std::int64_t) override { return std::vector<std::string>{"fog", "none"}; }
  Result<std::vector<double>> output(const std::string&, const Altered& input, const std::string& name) override {
    if (name != "score") return Error{ErrorCode::invalid_data, "the model has no output '" + name + "'"};
    const auto v = at(input);
    const double sum = std::accumulate(v.begin(), v.end(), 0.0) + (unstable ? double(runs % 7) : 0);
    ++runs;
    return std::vector<double>{sum, 10 - sum};
  }
  /// Goes to the corner that the slope points to.
  Result<Searched> search(const Search& s) override {
    ++searches;
    std::vector<std::vector<double>> y = {{0, 0}}, slopes;
    y[0][0] = std::accumulate(s.centre.begin(), s.centre.end(), 0.0);
    y[0][1] = 10 - y[0][0];
    s.slack(y, &slopes);
    const double by = slopes[0][0] - slopes[0][1];   // of the slack by the sum
    Searched found;
    found.points.push_back(by > 0 ? s.low : s.high);
    found.runs = 2, found.how = "APGD";
    return found;
  }
};

struct Case {
  RecordedEvidence evidence;
  std::shared_ptr<Sums> sums = std::make_shared<Sums>();
  Scope scope;
  Case() {
    scope.inputs = {{.name = "x", .unit = "gray", .domain = Scope::Range{0, 9}}};
    scope.outputs = {{.name = "score", .width = 2}};
    scope.outputs_known = true;
    scope.data = {{"test", {}}};
    scope.data_known = true;
    (void)scope.units.declare("gray");
    evidence.labels_of["test"] = {0, 0, 1};
    auto& rows = evidence.outputs_of[{{"candidate", "test"}, "score"}];
    for (std::int64_t i = 0; i < 3; ++i) rows.push_back(*sums->output("candidate", {"test", i, {}}, "score"));
    evidence.models = sums;
  }
  Outcome judge(const std::string& assertion, const std::string& extra) {
    yaml::Diagnostics d;
    auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r.req.yaml", d);
    if (file) check(*file, scope, d);
    EXPECT_TRUE(d.ok()) << d.render();
    return file && d.ok() ? evaluate(file->requirements[0], scope, evidence) : Outcome{};
  }
  std::string said(const std::string& assertion, const std::string& extra) {
    const Outcome o = judge(assertion, extra);
    return std::string(name(o.verdict)) + " | " + o.level + " | " + o.evidence;
  }
};
const std::string kOver = ", for: {data: test}", kTest = ", for: {data: test}, level: test(300)";
const std::string kSame = "argmax(score(t(x))) == argmax(score(x))";

}  // namespace

TEST(Tries, no_failure_in_n_tries_passes_and_says_what_that_is_worth) {
  Case c;
  EXPECT_EQ(c.said("for all t in brightness(-0.7, 0.7): " + kSame, kTest), "passed | test 300 | 300 random tries on 3 samples hold; failure rate < 0.994 % at 95 %; none fails of 15 by grid");
  const Outcome o = c.judge("for all t in brightness(-0.7, 0.7): " + kSame, kTest);
  EXPECT_EQ(o.figures[0].value, 300);
  EXPECT_NEAR(o.figures.back().value, 1 - std::pow(0.05, 1.0 / 300), 1e-12);
  EXPECT_EQ(c.said("for all d in Linf(x, 0.7 gray): argmax(score(d)) == label", kTest), "passed | test 300 | 300 random tries on 3 samples hold; failure rate < 0.994 % at 95 %; none fails of 9 by grid, 3 samples by APGD (6 runs)");
}

TEST(Tries, a_sequential_bound_ends_at_the_first_try_that_decides) {
  Case c;
  const std::string level = ", for: {data: test}, level: 'bound(95 %, sequential)', accept: {proved: '>= 90 %'}";
  const Outcome passed = c.judge("for all t in brightness(-0.7, 0.7): " + kSame, level);
  EXPECT_EQ(passed.verdict, Verdict::passed) << passed.evidence;
  const double tries = passed.figures[0].value;
  EXPECT_GE(tries, 29);   // no bound at 95 % shows 90 % by fewer, Clopper and Pearson's among them
  EXPECT_LT(tries, 100);
  EXPECT_NE(passed.evidence.find(std::to_string(int(tries)) + " of 1000 tries used"), std::string::npos) << passed.evidence;
  const Outcome violated = c.judge("for all t in brightness(-2, 2): " + kSame, level);
  EXPECT_EQ(violated.verdict, Verdict::violated) << violated.evidence;
  EXPECT_LT(violated.figures[0].value, 300);
}

TEST(Tries, a_failure_is_shrunk_to_the_least_that_fails_and_repeats) {
  Case c;
  // Of sample 0 and 1 (sums 8) the class turns below 5: at a change of -0.75; of sample 2 (sum 2) from 5 on: at 0.75 and more.
  const Outcome o = c.judge("for all t in brightness(-2, 2): " + kSame, kTest);
  EXPECT_EQ(o.verdict, Verdict::violated);
  ASSERT_TRUE(o.witness);
  ASSERT_EQ(o.witness->input.changes.size(), 1u);
  EXPECT_NEAR(std::abs(o.witness->input.changes[0].numbers[0]), 0.75, 2e-4);
  EXPECT_GE(std::abs(o.witness->input.changes[0].numbers[0]), 0.75);
  EXPECT_NE(o.evidence.find("class 1 != class 0"), std::string::npos) << o.evidence;
  EXPECT_NE(o.witness->change.find("brightness by "), std::string::npos);
  EXPECT_EQ(c.judge("for all t in brightness(-2, 2): " + kSame, kTest).evidence, o.evidence);
  EXPECT_NE(c.judge("for all t in brightness(-2, 2): " + kSame, kTest + ", seed: 9").witness->found, o.witness->found);
  const Outcome s = c.judge("for all t in shift(-4, 4): " + kSame, kTest);
  EXPECT_EQ(s.verdict, Verdict::violated);
  EXPECT_EQ(std::abs(s.witness->input.changes[0].numbers[0] + s.witness->input.changes[0].numbers[1]), s.witness->sample == 2 ? 4 : 4);
  const Outcome f = c.judge("for all t in corruptions(1, 5): " + kSame, kTest);
  EXPECT_EQ(f.verdict, Verdict::violated);
  EXPECT_EQ(f.witness->change, "fog 4");   // 8 - 4 * 0.2 * 4 = 4.8
}

TEST(Tries, the_search_finds_what_random_points_miss_and_the_ball_shrinks) {
  Case c;
  // Only the corner of the box fails: sum 8 - 4 * 0.76 < 5.
  const Outcome o = c.judge("for all d in Linf(x, 0.76 gray): argmax(score(d)) == label", ", for: {data: test, take: 1}, level: test(20)");
  EXPECT_EQ(o.verdict, Verdict::violated) << o.evidence;
  ASSERT_TRUE(o.witness);
  EXPECT_TRUE(o.witness->found.starts_with("the grid") || o.witness->found.starts_with("APGD")) << o.witness->found;
  const Outcome ball = c.judge("for all d in L2(x, 4 gray): argmax(score(d)) == label", ", for: {data: test}, level: test(5)");
  EXPECT_EQ(ball.verdict, Verdict::violated);
  const auto& p = *ball.witness->input.changes[0].values;
  double d = 0;
  for (std::size_t i = 0; i < 4; ++i) d += (p[i] - c.sums->samples[std::size_t(ball.witness->sample)][i]) * (p[i] - c.sums->samples[std::size_t(ball.witness->sample)][i]);
  EXPECT_LE(std::sqrt(d), 4 + 1e-9);
  EXPECT_NE(ball.evidence.find(" in all"), std::string::npos) << ball.evidence;
}

TEST(Tries, whole_numbers_stay_whole_and_regions_stay_in_the_domain) {
  Case c;
  c.sums->whole = true;
  const Outcome o = c.judge("for all d in Linf(x, 3 gray): argmax(score(d)) == label", kTest);
  ASSERT_TRUE(o.witness) << o.evidence;
  for (double v : *o.witness->input.changes[0].values) {
    EXPECT_EQ(v, std::round(v));
    EXPECT_GE(v, 0);
  }
  EXPECT_EQ(c.judge("for all d in domain: max(score(d)) <= 36", ", level: test(200)").verdict, Verdict::passed);
  EXPECT_EQ(c.judge("for all d in domain: max(score(d)) <= 15", ", level: test(200)").verdict, Verdict::violated);
  EXPECT_EQ(c.judge("for all d in near(test, 5 %): max(score(d)) <= 10", ", level: test(200)").verdict, Verdict::passed);
  EXPECT_EQ(c.judge("for all d in box(x, 0 gray, 1 gray): max(score(d)) <= 12", kTest).verdict, Verdict::passed);
}

TEST(Tries, accept_counts_samples_and_bound_counts_tries) {
  Case c;
  c.evidence.labels_of["test"] = {0, 0, 0};   // sample 2 is wrong from the start
  EXPECT_EQ(c.said("for all d in Linf(x, 0.2 gray): argmax(score(d)) == label", kTest + ", accept: {proved: '>= 60 %', violated: 1}").substr(0, 70), "passed | test 300 | 2 of 3 samples hold = 66.7 % under 201 random trie");
  EXPECT_EQ(c.said("for all d in Linf(x, 0.2 gray): argmax(score(d)) == label", kTest + ", accept: {proved: '>= 70 %', violated: 1}").substr(0, 38), "violated | test 300 | 2 of 3 samples h");
  EXPECT_EQ(c.judge("for all t in brightness(-2, 2): " + kSame, kOver + ", level: bound(95 %), accept: {proved: '>= 90 %'}").verdict, Verdict::violated);
  EXPECT_EQ(c.judge("for all t in brightness(-0.8, 0.8): " + kSame, kOver + ", level: bound(95 %), accept: {proved: '>= 90 %'}").verdict, Verdict::passed);
  EXPECT_EQ(c.said("for all t in brightness(-2, 2): " + kSame, kOver + ", level: bound(95 %)"), "inconclusive | bound 95 % | level bound 95 % over random inputs needs accept: {proved: '>= 95 %'}");
}

TEST(Tries, what_does_not_repeat_or_is_never_met_is_inconclusive) {
  Case c;
  EXPECT_EQ(c.said("for all t in brightness(0, 1): max(score(t(x))) <= -5 => min(score(x)) >= 0", kTest), "inconclusive | test 300 | the premise held in none of 300 tries; vacuous");
  c.sums->unstable = true;
  const std::string said = c.said("for all t in brightness(0, 0.01): max(score(t(x))) <= 12", kTest);
  EXPECT_TRUE(said.find("violated") == 0 || said.find("did not repeat") != std::string::npos) << said;
}

TEST(Slack, is_the_distance_from_failing_with_its_slope) {
  Case c;
  const auto slack_of = [&](const std::string& assertion, std::vector<double> y, std::vector<double>* slope = nullptr) {
    yaml::Diagnostics d;
    auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, for: {data: test}, assert: \"for all d in Linf(x, 1 gray): " + assertion + "\", level: test}\n", "r.req.yaml", d);
    if (file) check(*file, c.scope, d);
    EXPECT_TRUE(d.ok()) << d.render();
    Recall recall(c.evidence);
    const Requirement& r = file->requirements[0];
    Interpreter run(r, "candidate", c.scope, recall);
    run.data = "test";
    run.bound = {{"x", "test", 0}, {"d", "test", 0}};
    auto s = Slack::of(r.assertion.body, "d", run);
    if (!s) return std::string(s.error().message).find("has no slope") != std::string::npos ? 1e6 : 1e7;
    std::vector<std::vector<double>> slopes;
    auto v = s->at({y}, &slopes);
    EXPECT_TRUE(v) << v.error().message;
    if (slope) *slope = slopes[0];
    for (std::size_t i = 0; i < y.size(); ++i) {   // the slope is the difference
      auto up = y, down = y;
      up[i] += 1e-6, down[i] -= 1e-6;
      EXPECT_NEAR(slopes[0][i], (*s->at({up}, nullptr) - *s->at({down}, nullptr)) / 2e-6, 1e-5) << assertion << i;
    }
    return *v;
  };
  EXPECT_NEAR(slack_of("argmax(score(d)) == label", {3, 1}), 2, 1e-12);
  EXPECT_NEAR(slack_of("argmax(score(d)) != label", {3, 1}), -2, 1e-12);
  EXPECT_NEAR(slack_of("argmax(score(x)) == argmax(score(d))", {3, 1}), 2, 1e-12);
  EXPECT_NEAR(slack_of("max(score(d)) <= 5", {3, 1}), 2, 1e-12);
  EXPECT_NEAR(slack_of("1.5 <= max(score(d)) <= 5", {3, 1}), 1.5, 1e-12);
  EXPECT_NEAR(slack_of("maxabs(score(d) - score(x)) < 4", {3, 1}), -1, 1e-12);   // score(x) = (8, 2)
  EXPECT_NEAR(slack_of("max(score(d)) * min(score(d)) >= 2 and max(score(d)) / 2 <= 2", {3, 1}), 0.5, 1e-12);
  EXPECT_NEAR(slack_of("not (max(score(d)) <= 5)", {3, 1}), -2, 1e-12);
  EXPECT_NEAR(slack_of("max(score(d)) >= 2 => min(score(d)) >= 4", {3, 1}), -1, 1e-12);
  EXPECT_NEAR(slack_of("conf(score(d)) >= 50 %", {3, 1}), 1 / (1 + std::exp(-2)) - 0.5, 1e-9);
  EXPECT_EQ(slack_of("rank(score(d), label) <= 1", {3, 1}), 1e6);
}

TEST(Tries, inputs_outside_the_domain_are_tried_one_value_or_several_beyond_it) {
  Case c;   // score[0] is the sum; each value's domain is [0, 9]
  EXPECT_EQ(c.judge("for all d in outside(domain): max(score(d)) <= 90", ", level: test(300)").verdict, Verdict::passed);   // four values of 18 at most
  const Outcome o = c.judge("for all d in outside(domain): max(score(d)) <= 30", ", level: test(300)");
  EXPECT_EQ(o.verdict, Verdict::violated);
  ASSERT_TRUE(o.witness);
  const auto& p = *o.witness->input.changes[0].values;
  EXPECT_TRUE(std::ranges::any_of(p, [](double v) { return v < 0 || v > 9; })) << o.evidence;
  EXPECT_NE(o.evidence.find(" lies outside in "), std::string::npos) << o.evidence;
  // The least that fails: one value beyond the domain, by little.
  const Outcome least = c.judge("for all d in outside(domain): max(score(d)) <= -1", ", for: {data: test}, level: test(50)");
  ASSERT_TRUE(least.witness);
  EXPECT_EQ(std::ranges::count_if(*least.witness->input.changes[0].values, [](double v) { return v < 0 || v > 9; }), 1) << least.evidence;
  c.sums->whole = true;
  const Outcome w = c.judge("for all d in outside(domain): max(score(d)) <= 30", ", level: test(300)");
  ASSERT_TRUE(w.witness) << w.evidence;
  for (double v : *w.witness->input.changes[0].values) EXPECT_EQ(v, std::round(v));
  EXPECT_NE(c.said("for all d in outside(Linf(x, 1 gray)): max(score(d)) <= 12", kTest).find("those of outside(domain) are"), std::string::npos);
  c.sums->holds_domain_only = true;   // as pictures of bytes do
  EXPECT_NE(c.said("for all d in outside(domain): max(score(d)) <= 12", ", level: test(5)").find("cannot hold numbers beyond the domain"), std::string::npos);
}

TEST(Tries, independent_tries_tell_of_each_corruption_and_severity) {
  Case c;   // fog takes 0.8 from the sum for each severity: samples 0 and 1 (sums 8) hold below 4; "none" changes nothing
  const Outcome o = c.judge("for all t in corruptions(1, 5): " + kSame, kOver + ", level: bound(95 %), accept: {proved: '>= 10 %'}");
  ASSERT_EQ(o.corruptions.size(), 10u);
  std::int64_t tries = 0;
  for (const Tally& t : o.corruptions) {
    tries += t.tries;
    if (t.corruption == "none" || t.severity < 4) EXPECT_EQ(t.held, t.tries) << t.corruption << t.severity;
    else EXPECT_LT(t.held, t.tries);
  }
  EXPECT_EQ(double(tries), o.figures[0].value);
  EXPECT_TRUE(c.judge("for all t in corruptions(1, 5): " + kSame, kTest).corruptions.empty());   // they end early
}
