// Requirements whose thresholds are chosen on one data set and judged on another: conformal sets and intervals, strange inputs, rejection.
#include "validate/calibrated.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "validate/conformal.hpp"
#include "validate/statistics.hpp"

using namespace saha::validate;
namespace yaml = saha::yaml;

namespace {

Scope scope() {
  Scope s;
  s.outputs = {{.name = "score", .width = 3}, {.name = "features", .width = 2}};
  s.outputs_known = true;
  s.data = {{"test", {"camera"}}, {"calibration", {}}, {"train", {}}, {"ood", {}}};
  s.data_known = true;
  s.labels = {"cat", "dog", "bird"};
  return s;
}

// Three classes by logits that know their own doubt; strange inputs have small logits and far features.
RecordedEvidence evidence(const std::string& meaning = "logits") {
  RecordedEvidence e;
  std::mt19937_64 random(1);
  std::normal_distribution<double> z(0, 1);
  for (const auto& [data, n] : {std::pair<std::string, int>{"test", 1000}, {"calibration", 400}, {"train", 300}, {"ood", 500}}) {
    Samples s;
    s.decisive = "score";
    s.meaning = meaning;
    auto& rows = e.outputs_of[{{"candidate", data}, "score"}];
    auto& features = e.outputs_of[{{"candidate", data}, "features"}];
    for (int i = 0; i < n; ++i) {
      std::vector<double> logits = {2 * z(random), 2 * z(random), 2 * z(random)};
      for (double& v : logits) v = data == "ood" ? v / 10 : v + 4;
      const auto p = softmax(logits);
      const int label = std::discrete_distribution<int>(p.begin(), p.end())(random);
      s.predicted.push_back(int(std::max_element(p.begin(), p.end()) - p.begin()));
      s.correct.push_back(s.predicted.back() == label);
      e.labels_of[data].push_back(data == "ood" ? -1 : label);
      rows.push_back(meaning == "logits" ? logits : p);
      const double far = data == "ood" ? 6 : 0;
      features.push_back({4.0 * label + z(random), far + z(random)});
      if (data == "test") e.columns_of[{"test", "camera"}].push_back(i % 2 ? "a" : "b");
    }
    e.samples_of[{"candidate", data}] = s;
  }
  return e;
}

// Answers and interval outputs of a regression.
RecordedEvidence values() {
  RecordedEvidence e;
  std::mt19937_64 random(2);
  std::normal_distribution<double> z(0, 1);
  for (const auto& [data, n] : {std::pair<std::string, int>{"test", 1000}, {"calibration", 300}}) {
    Samples s;
    s.decisive = "y";
    s.meaning = "value";
    for (int i = 0; i < n; ++i) {
      const double x = double(random() % 100) / 10;
      s.value.push_back(x);
      s.target.push_back(x + z(random));
      e.outputs_of[{{"candidate", data}, "y"}].push_back({x});
      e.outputs_of[{{"candidate", data}, "band"}].push_back({x - 1, x + 1});
    }
    e.samples_of[{"candidate", data}] = s;
  }
  return e;
}
Scope values_scope() {
  Scope s = scope();
  s.outputs = {{.name = "y", .width = 1}, {.name = "band", .width = 2}};
  return s;
}

// The verdict, or the faults of the text.
std::string said(const std::string& assertion, Evidence& e, const Scope& s = scope(), const std::string& extra = "") {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r", d);
  if (file) check(*file, s, d);
  std::string out;
  for (const auto& f : d.list())
    if (f.severity == yaml::Diagnostic::Severity::error) out += (out.empty() ? "" : "; ") + f.message + (f.hint.empty() ? "" : " (" + f.hint + ")");
  if (!file || !out.empty()) return out;
  const Outcome o = evaluate(file->requirements[0], s, e);
  return std::string(name(o.verdict)) + " | " + o.evidence;
}

bool starts(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

}  // namespace

TEST(Calibrated, coverage_of_sets_is_judged_on_other_samples_by_its_exact_bound) {
  auto e = evidence();
  std::vector<double> scores;
  for (std::size_t i = 0; i < 400; ++i)
    scores.push_back(1 - softmax(e.outputs_of[{{"candidate", "calibration"}, "score"}][i])[std::size_t(e.labels_of["calibration"][i])]);
  const double threshold = conformal_threshold(scores, 0.9);
  std::int64_t hits = 0, size = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    const auto p = softmax(e.outputs_of[{{"candidate", "test"}, "score"}][i]);
    hits += 1 - p[std::size_t(e.labels_of["test"][i])] <= threshold;
    for (double v : p) size += 1 - v <= threshold;
  }
  const std::string text = said("coverage(test, conformal=calibration, level=90 %) >= 86 %", e);
  EXPECT_TRUE(starts(text, "passed | coverage " + std::to_string(hits) + " of 1000 = ")) << text;
  EXPECT_NE(text.find(", threshold 0."), std::string::npos) << text;
  EXPECT_NE(text.find(" from 400 of calibration, lower bound "), std::string::npos) << text;
  EXPECT_TRUE(starts(said("coverage(test, conformal=calibration, level=90 %) >= 97 %", e), "violated | ")) << hits;
  for (const char* method : {"aps", "raps", "lac"})
    EXPECT_TRUE(starts(said("coverage(test, conformal=calibration, level=90 %, method=" + std::string(method) + ") >= 86 %", e), "passed | ")) << method;
  const std::string sizes = said("set_size(test, conformal=calibration, level=90 %) <= 2.5", e);
  EXPECT_TRUE(starts(sizes, "passed | set_size " + std::to_string(size / 1000) + ".")) << sizes << " " << size;
  EXPECT_NE(sizes.find("upper bound"), std::string::npos) << sizes;
  EXPECT_TRUE(starts(said("for each s in slices(camera): coverage(s, conformal=calibration, level=90 %) >= 84 %", e), "passed | 2 slices, Holm")) << "slices";
  // Sure given this calibration set: a higher threshold.
  const std::string sure = said("coverage(test, conformal=calibration, level=90 %, confidence=99 %) >= 90 %", e);
  EXPECT_TRUE(starts(sure, "passed") || starts(sure, "inconclusive")) << sure;
  auto shares = evidence("probabilities");
  EXPECT_EQ(said("coverage(test, conformal=calibration, level=90 %) >= 86 %", shares), text);
}

TEST(Calibrated, intervals_have_a_coverage_and_a_width) {
  auto e = values();
  const Scope s = values_scope();
  EXPECT_TRUE(starts(said("coverage(test, conformal=calibration, level=90 %) >= 86 %", e, s), "passed | ")) << said("coverage(test, conformal=calibration, level=90 %) >= 86 %", e, s);
  EXPECT_TRUE(starts(said("coverage(test, conformal=calibration, level=90 %, method=cqr, output=band) >= 86 %", e, s), "passed | "));
  const std::string width = said("width(test, conformal=calibration, level=90 %) <= 4", e, s);   // 2 * 1.645 of the normal
  EXPECT_TRUE(starts(width, "passed | width 3.")) << width;
  EXPECT_TRUE(starts(said("width(test, conformal=calibration, level=90 %, method=cqr, output=band) <= 4", e, s), "passed | width 3."));
  EXPECT_EQ(said("width(test, conformal=calibration, level=90 %, method=cqr) <= 4", e, s),
            "inconclusive | output 'y' has 1 value; method=cqr reads a lower and an upper quantile from it, the first and the last");
}

TEST(Calibrated, strange_inputs_are_told_at_a_false_positive_rate) {
  auto e = evidence();
  for (const char* score : {"energy", "entropy", "softmax"}) {
    const std::string by = ", score=" + std::string(score) + ", fpr=10 %";
    EXPECT_TRUE(starts(said("fpr(test" + by + ") <= 15 %", e), "passed | fpr ")) << score;
    EXPECT_TRUE(starts(said("tpr(ood" + by + ") >= 20 %", e), "passed | tpr ")) << score << said("tpr(ood" + by + ") >= 20 %", e);
    EXPECT_TRUE(starts(said("auroc(test, ood, score=" + std::string(score) + ") >= 70 %", e), "passed | auroc ")) << score;
  }
  for (const char* score : {"mahalanobis", "knn"}) {
    const std::string by = ", score=" + std::string(score) + ", output=features";
    EXPECT_TRUE(starts(said("tpr(ood" + by + ", fpr=5 %) >= 30 %", e), "passed | tpr ")) << said("tpr(ood" + by + ", fpr=5 %) >= 30 %", e);
    EXPECT_TRUE(starts(said("fpr(test" + by + ", fpr=5 %) <= 9 %", e), "passed | fpr ")) << said("fpr(test" + by + ", fpr=5 %) <= 9 %", e);
  }
  EXPECT_TRUE(starts(said("tpr(ood, score=mahalanobis, output=features, fpr=1 %) >= 95 %", e), "passed | tpr "));
  auto shares = evidence("probabilities");
  EXPECT_EQ(said("tpr(ood, score=energy, fpr=1 %) >= 90 %", shares), "inconclusive | score=energy reads logits, and the output holds probabilities; score=softmax reads these");
  EXPECT_EQ(said("tpr(ood, score=softmax, fpr=0.1 %) >= 90 %", e), "inconclusive | 400 samples of 'calibration' give no threshold at level 99.9 %; it needs 999");
}

TEST(Calibrated, the_rule_of_the_model_rejects_samples) {
  auto e = evidence();
  Scope s = scope();
  EXPECT_EQ(said("rejected(ood) >= 20 %", e), "inconclusive | nothing says what is rejected: add  reject: {score: softmax, accept: 95 %}  to the model section");
  s.reject = Scope::Reject{.score = "softmax", .accept = 0.9};
  EXPECT_TRUE(starts(said("rejected(ood) >= 20 % and rejected(test) <= 14 %", e, s), "passed | ")) << said("rejected(ood) >= 20 %", e, s);
  const std::string text = said("selective_accuracy(test) >= accuracy(test)", e, s);
  EXPECT_NE(text.find(" accepted of 1000, threshold 0."), std::string::npos) << text;
  EXPECT_TRUE(starts(said("reject(x)", e, s, ", for: {data: ood}, accept: {proved: '>= 20 %', violated: 500}"), "passed | ")) << said("reject(x)", e, s, ", for: {data: ood}");
  EXPECT_TRUE(starts(said("not reject(x) => conf(score(x)) >= 35 %", e, s, ", for: {data: test}"), "passed | "));
  EXPECT_EQ(said("reject(x)", e, s, ", for: {data: calibration}"), "'x' is judged by what was chosen on the same samples ('calibration'), which proves nothing (choose on another data set)");
  s.reject = Scope::Reject{.score = "softmax", .threshold = 0.0};
  EXPECT_TRUE(starts(said("rejected(test) >= 99 %", e, s), "passed | rejected 1000 of 1000 = 100 %, threshold 0"));
  EXPECT_EQ(said("selective_accuracy(test) >= 50 %", e, s), "inconclusive | every sample of 'test' is rejected");
}

TEST(Calibrated, faults_are_told_before_anything_runs) {
  RecordedEvidence none;
  EXPECT_EQ(said("coverage(test, conformal=test, level=90 %) >= 90 %", none),
            "'test' is judged by what was chosen on the same samples ('test'), which proves nothing (choose on another data set)");
  EXPECT_EQ(said("coverage(test, level=90 %) >= 90 %", none), "'coverage' wants the argument 'conformal' (like 'conformal=calibration')");
  EXPECT_EQ(said("coverage(test, conformal=calibration, level=90) >= 90 %", none), "'level' of 'coverage' wants a share between 0 % and 100 %, like 90 %");
  EXPECT_EQ(said("coverage(test, conformal=calibration, level=90 %, method=apz) >= 90 %", none), "'method' of 'coverage' wants lac, aps, raps, residual or cqr, not 'apz' (did you mean 'aps'?)");
  EXPECT_EQ(said("coverage(test, conformal=calibration, level=90 %, level=80 %) >= 90 %", none), "'level' is given twice to 'coverage'");
  EXPECT_EQ(said("coverage(test, conformal=calibration, levl=90 %) >= 90 %", none),
            "'coverage' has no argument 'levl' (did you mean 'level'?); 'coverage' wants the argument 'level' (like 'level=90 %')");
  EXPECT_EQ(said("tpr(ood, score=knn, fpr=1 %, k=0.5) >= 90 %", none), "'k' of 'tpr' wants a whole number above 0");
  EXPECT_EQ(said("tpr(ood, score=energy, fpr=1 %, output=scor) >= 90 %", none), "'output' of 'tpr' wants the name of an output (the outputs are 'score', 'features')");
  EXPECT_EQ(said("fpr(train, score=knn, fpr=1 %) <= 1 %", none), "'train' is judged by what was chosen on the same samples ('train'), which proves nothing (choose on another data set)");
  Scope bare = scope();
  bare.data = {{"test", {}}};
  EXPECT_EQ(said("tpr(test, score=energy, fpr=1 %) >= 90 %", none, bare), "'tpr' has no data set to choose a threshold on (declare data.calibration or data.val)");
}

TEST(Calibrated, what_the_models_must_be_run_on_is_known) {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"tpr(ood, score=knn, fpr=1 %) >= 90 % and accuracy(test) >= 80 % and n(train) >= 5\"}\n", "r", d);
  ASSERT_TRUE(file);
  ASSERT_TRUE(check(*file, scope(), d)) << d.render();
  EXPECT_EQ(file->requirements[0].run_on, (std::vector<std::string>{"calibration", "ood", "test", "train"}));
  file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"n(ood) >= 5\"}\n", "r", d);
  ASSERT_TRUE(check(*file, scope(), d)) << d.render();
  EXPECT_TRUE(file->requirements[0].run_on.empty());
}

TEST(Calibrated, the_new_words_are_said_in_english) {
  auto explained = [](const std::string& assertion) {
    yaml::Diagnostics d;
    auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"}\n", "r", d);
    return file && check(*file, scope(), d) ? explain(file->requirements[0], scope()) : d.render();
  };
  EXPECT_EQ(explained("coverage(test, conformal=calibration, level=90 %, method=aps) >= 88 %"),
            "R: It must hold that the share of truths within the conformal sets or intervals of candidate on test, calibrated on calibration at level 90 % by aps is at least 88 %.");
  EXPECT_EQ(explained("tpr(ood, score=energy, fpr=1 %) >= 90 %"),
            "R: It must hold that the true positive rate of candidate on the strange inputs ood by the score energy at a threshold for 1 % false positives is at least 90 %.");
  EXPECT_EQ(explained("rejected(ood) >= 90 %"), "R: It must hold that the share of rejections of candidate on ood is at least 90 %.");
}
