// Damaged requirement files: each is a file, or errors with places; none crashes, hangs or passes silently. The sanitizer build
// runs this too.
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "tests/validate/open_evidence.hpp"
#include "validate/evaluate.hpp"
#include "validate/report.hpp"

using namespace saha::validate;
namespace yaml = saha::yaml;

namespace {

const std::string kSeed = R"yaml(saha: 1
models: {original: o.onnx, acas: {file: "a.onnx", sha256: 0000000000000000000000000000000000000000000000000000000000000000}}
model:
  input: {image: {shape: [1, 96, 96, 3], domain: [0, 255], unit: gray, fields: {rpm: {index: 3, unit: 1/min, domain: [1168, 2886]}}}}
  output: {score: {meaning: logits, names: [COC, WL]}}
  labels: [no, yes]
data: {test: {csv: data/test.csv, root: 'data/test'}, slices: [camera, light]}
units: {kn: 0.514444 m/s}
requirements:
  - {id: R1, assert: "accuracy(test) >= 85 % and p90(latency) <= 5 ms", why: "contract \u00a7 4.2", severity: must}
  - id: R2
    assert: >-
      for each s in slices(camera, light) where n(s) >= 200:
      accuracy(s) >= 80 %
  - {id: R3, for: {data: test, take: 100, where: correct}, accept: {proved: ">= 95 %", violated: 0}, timeout: 30 s,
     assert: "for all d in Linf(x, 2 gray): argmax(score(d)) == label", level: test(50), fallback: bound(99 %), tags: [a, 'b''c']}
  - {id: R4, assert: "rpm >= 2000 1/min => COC <= 1500", arithmetic: int8, seed: 7}
)yaml";

std::string mutant(std::mt19937_64& random) {
  static const std::vector<std::string> kParts = {"{", "}", "[", "]", ":", "\n", "- ", "\"", "'", "&a ", "*a", "!!x ", "|", ">", "<<: ", "%", "\t", "\xFF", "\xC3\xA4", "for all ", "(", ")", "=>", "1e999", "---\n", "# "};
  std::string s = kSeed;
  for (std::uint64_t n = random() % 3 + 1; n > 0; --n) {
    std::size_t at = random() % (s.size() + 1), length = std::min<std::size_t>(random() % 30, s.size() - at);
    switch (random() % 5) {
      case 0: s.erase(at, length); break;
      case 1: s.insert(at, kParts[random() % kParts.size()]); break;
      case 2: s.insert(random() % (s.size() + 1), s.substr(at, length)); break;
      case 3:
        if (at < s.size()) s[at] = static_cast<char>(random());
        break;
      default: s.resize(std::max<std::size_t>(at, 20)); break;
    }
  }
  return s;
}

}  // namespace

TEST(Mutants, the_seed_itself_is_sound) {
  yaml::Diagnostics d;
  auto file = read_requirements(kSeed, "seed", d);
  ASSERT_TRUE(file) << d.render();
  Scope s = scope_of(*file, Scope{}, d);
  EXPECT_TRUE(check(*file, s, d)) << d.render();
}

TEST(Mutants, a_damaged_file_is_read_or_refused_in_bounded_time) {
  std::mt19937_64 random(11);
  int read = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = mutant(random);
    std::clock_t started = std::clock();
    yaml::Diagnostics d;
    auto file = read_requirements(text, "mutant", d);
    bool sound = false;
    if (file) {
      Scope s = scope_of(*file, Scope{}, d);
      sound = check(*file, s, d) && d.ok();
      RecordedEvidence none;
      for (const Requirement& r : file->requirements) {
        if (!sound) break;
        Outcome o = evaluate(r, s, none);
        EXPECT_NE(o.verdict, Verdict::passed) << text;
        EXPECT_FALSE(o.evidence.empty());
        (void)explain(r, s);
      }
    }
    EXPECT_EQ(sound, d.ok()) << text;
    (void)d.render();
    (void)d.json();
    ++(sound ? read : refused);
    EXPECT_LT(std::clock() - started, 2 * CLOCKS_PER_SEC) << text;
  }
  EXPECT_GT(read, 50);
  EXPECT_GT(refused, 1000);
}

TEST(Mutants, floods_of_one_character_are_refused_in_bounded_time) {
  for (const char* part : {"[", "{", "- ", "? ", "a: ", "\"", "'", "&", "*", "!", "|", ">", "#", "-", "\n", "\t", " ", ",", "{a: ", "[[", "a: [", "- - ", "\\", "%", "a\n", "a: b\n"}) {
    std::string text;
    while (text.size() < 100'000) text += part;
    std::clock_t started = std::clock();
    yaml::Diagnostics d;
    auto file = read_requirements(text, "flood", d);
    EXPECT_FALSE(file);
    EXPECT_FALSE(d.ok()) << part;
    EXPECT_LT(d.render().size(), 100'000u);
    EXPECT_LT(std::clock() - started, 5 * CLOCKS_PER_SEC) << part;
  }
}

TEST(Mutants, what_is_to_be_proved_falls_into_queries_or_is_refused_in_bounded_time) {
  static const std::vector<std::string> kWords = {
      "max(", "min(", "abs(", "maxabs(", "argmax(", "rank(", "same(", "conf(", ")", ", ", "score(d)", "score(x)", "score(e)", "original.score(d)", "d", "e", "x[rpm=2000 1/min]", "rpm", "d.rpm", "COC", "WL", "label",
      "correct", " and ", " or ", "not ", " => ", " == ", " <= ", " < ", " != ", " >= ", " + ", " - ", " * ", " / ", "2", "0.5", "1e300", "2000 1/min", "5 gray", "no", "-", "("};
  static const std::vector<std::string> kHeads = {"", "for all d in domain: ", "for all d in Linf(x, 2 gray): ", "for all d, e in domain where same(d, e, except=rpm): ", "for all d in near(test, 1 %): ", "for all d in L2(x, 3 gray): ",
                                                  "for all d in domain, e in Linf(d, 1 gray): ", "for all d in test: ", "for all d in domain, e in rpm: "};
  static const std::vector<std::string> kBodies = {"argmax(score(d)) == argmax(original.score(d))", "maxabs(score(d) - original.score(d)) <= 0.1", "rank(score(d), label) <= 1", "COC <= max(WL, 2) and rpm >= 2000 1/min => abs(COC - WL) < 5",
                                                   "(max(score(d)) <= 1) == (min(score(d)) >= 0)", "d.rpm >= 1500 1/min => argmax(score(d)) == yes"};
  std::mt19937_64 random(5);
  int judged = 0;
  OpenEvidence evidence;
  for (int i = 0; i < 4000; ++i) {
    std::string body = kBodies[random() % kBodies.size()];
    for (std::uint64_t n = random() % 3; n > 0; --n) {
      std::size_t at = random() % (body.size() + 1);
      while (at < body.size() && body[at] != ' ') ++at;
      body.insert(at, " " + kWords[random() % kWords.size()]);
    }
    const std::string text = kHeads[random() % kHeads.size()] + body;
    const std::clock_t started = std::clock();
    yaml::Diagnostics d;
    auto file = read_requirements(kSeed.substr(0, kSeed.find("requirements:")) + "requirements:\n  - {id: R, for: {data: test}, level: prove, assert: \"" + text + "\"}\n", "mutant", d);
    if (!file) continue;
    Scope s = scope_of(*file, Scope{}, d);
    s.inputs[0].fields[0].whole = random() % 2;
    if (!check(*file, s, d)) continue;
    Outcome o = evaluate(file->requirements[0], s, evidence);
    EXPECT_FALSE(o.evidence.empty()) << text;
    ++judged;
    EXPECT_LT(std::clock() - started, 2 * CLOCKS_PER_SEC) << text;
  }
  EXPECT_GT(judged, 500);
  EXPECT_GT(evidence.asked, 500);
}
