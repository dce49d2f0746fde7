#include "validate/evaluate.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "validate/plan.hpp"
#include "validate/report.hpp"

using namespace saha::validate;
namespace yaml = saha::yaml;

namespace {

Samples answers(std::int64_t right, std::int64_t n) {
  Samples s;
  for (std::int64_t i = 0; i < n; ++i) s.correct.push_back(i < right);
  return s;
}

Scope usual_scope() {
  Scope s;
  s.outputs = {{.name = "score", .width = 3}};
  s.outputs_known = true;
  s.data = {{"test", {"camera"}}, {"val", {}}};
  s.data_known = true;
  s.metrics = {{"balanced", "%"}, {"loss", ""}};
  s.labels = {"cat", "dog", "bird"};
  return s;
}

Outcome judge(const std::string& assertion, Evidence& evidence, const std::string& extra = "", Scope scope = usual_scope()) {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r.req.yaml", d);
  if (file) check(*file, scope, d);
  EXPECT_TRUE(d.ok()) << d.render();
  return file && d.ok() ? evaluate(file->requirements[0], scope, evidence) : Outcome{};
}

std::string said(const std::string& assertion, Evidence& evidence, const std::string& extra = "", Scope scope = usual_scope()) {
  Outcome o = judge(assertion, evidence, extra, std::move(scope));
  return std::string(name(o.verdict)) + " | " + o.level + " | " + o.evidence;
}

Measurement calls(std::vector<double> seconds) {
  Measurement m;
  m.samples = std::move(seconds);
  m.where = "native";
  return m;
}
Measurement value(double v, How how = How::measured, double uncertainty = 0) {
  Measurement m;
  m.value = v;
  m.how = how;
  m.uncertainty = uncertainty;
  return m;
}

}  // namespace

TEST(Evaluate, accuracy_is_judged_by_its_exact_bound) {
  RecordedEvidence e;
  e.samples_of[{"candidate", "test"}] = answers(866, 1000);
  EXPECT_EQ(said("accuracy(test) >= 85 %", e), "inconclusive | bound 95 % | 866 of 1000 = 86.6 %, lower bound 84.7 %; 385 more at this rate");
  EXPECT_EQ(said("accuracy(test) >= 84 %", e), "passed | bound 95 % | 866 of 1000 = 86.6 %, lower bound 84.7 %");
  EXPECT_EQ(said("84 % <= accuracy(test)", e), "passed | bound 95 % | 866 of 1000 = 86.6 %, lower bound 84.7 %");
  EXPECT_EQ(said("accuracy(test) >= 89 %", e), "violated | bound 95 % | 866 of 1000 = 86.6 %, upper bound 88.3 % (limit 89 %)");
  EXPECT_EQ(said("accuracy(test) >= 87 %", e), "inconclusive | bound 95 % | 866 of 1000 = 86.6 %, lower bound 84.7 %; more samples alone do not help: the rate does not clear the limit");
  EXPECT_EQ(said("accuracy(test) >= 84.5 %", e, ", level: bound(99 %)").substr(0, 27), "inconclusive | bound 99 % |");
  EXPECT_EQ(said("accuracy(test) >= 86.6 %", e, ", level: test"), "passed | test | 866 of 1000 = 86.6 %, point estimate");
  EXPECT_EQ(said("accuracy(test) >= 86.7 %", e, ", level: test"), "violated | test | 866 of 1000 = 86.6 %, point estimate (limit 86.7 %)");
  EXPECT_EQ(said("1 - accuracy(test) <= 16 %", e), "passed | bound 95 % | 866 of 1000 = 86.6 %, lower bound 84.7 %");
  EXPECT_EQ(said("accuracy(test) >= 85 %", e, ", fallback: test"),
            "passed | test | by fallback test: 866 of 1000 = 86.6 %, point estimate; asked for: 866 of 1000 = 86.6 %, lower bound 84.7 %; 385 more at this rate");
}

TEST(Evaluate, without_evidence_the_verdict_is_inconclusive_with_the_reason) {
  RecordedEvidence e;
  EXPECT_EQ(said("accuracy(test) >= 85 %", e), "inconclusive | - | 'candidate' was not run on data set 'test'");
  EXPECT_EQ(said("p90(latency) <= 5 ms", e), "inconclusive | - | latency of 'candidate' was not measured");
  EXPECT_EQ(said("map(test) >= 50 %", e), "inconclusive | - | 'map' needs boxes, which this version does not score");
  e.samples_of[{"candidate", "test"}] = {};
  EXPECT_EQ(said("accuracy(test) >= 85 %", e), "inconclusive | - | 'candidate' gives no right and wrong answers on 'test'");
}

TEST(Evaluate, what_needs_the_verifier_says_so_by_name) {
  RecordedEvidence e;
  Scope s = usual_scope();
  s.inputs = {{.name = "image", .unit = "", .domain = Scope::Range{0, 1}, .fields = {{"rpm", "", Scope::Range{0, 9}}}}};
  EXPECT_EQ(said("for all d in near(test, 1 %): maxabs(original.score(d) - candidate.score(d)) <= 0.1", e, "", s), "inconclusive | prove | data set 'test' is not here");
  EXPECT_EQ(said("for all d in Linf(x, 2): argmax(score(d)) == label", e, ", for: {data: test}", s), "inconclusive | prove | data set 'test' is not here");
  EXPECT_EQ(said("rpm >= 3 => max(score(x)) <= 1", e, ", for: {data: test}, level: prove", s), "inconclusive | prove | data set 'test' is not here");
  EXPECT_EQ(said("rpm >= 3", e, "", s), "inconclusive | prove | 'prove' needs the verifier, which is not at hand here");
  EXPECT_EQ(said("for all x in outside(domain): reject(x)", e, "", s), "inconclusive | prove | 'prove' needs the verifier, which is not at hand here");
  EXPECT_EQ(said("for all d in Linf(x, 2): argmax(score(d)) == label", e, ", for: {data: test}, level: test(50)", s), "inconclusive | test 50 | data set 'test' is not here");
  e.labels_of[{"test"}] = {0, 1};
  EXPECT_EQ(said("for all t in rotate(-10 deg, 10 deg): argmax(score(t(x))) == argmax(score(x))", e, ", for: {data: test}, level: test(5000)", s), "inconclusive | test 5000 | inputs that no data set holds need the models, which are not at hand here");
}

TEST(Evaluate, a_vacuous_requirement_never_passes) {
  RecordedEvidence e;
  Scope s = usual_scope();
  s.inputs = {{.name = "row", .unit = "", .domain = {}, .fields = {{"rpm", "", Scope::Range{0, 9}}}}};
  EXPECT_EQ(said("rpm >= 10 => max(score(x)) <= 1", e, ", for: {data: test}", s), "inconclusive | - | the premise never holds: rpm >= 10 lies outside its domain [0, 9]; vacuous");
}

TEST(Evaluate, latency_is_judged_by_order_statistics) {
  RecordedEvidence e;
  std::vector<double> t;
  for (int i = 1; i <= 200; ++i) t.push_back(i * 1e-5);
  std::shuffle(t.begin(), t.end(), std::mt19937(1));
  e.measurement_of[{Quantity::latency_s, "candidate"}] = calls(t);
  EXPECT_EQ(said("p90(latency) <= 1.9 ms", e), "passed | test 200 | p90 1.8 ms over 200, measured (native), upper bound 1.88 ms");
  EXPECT_EQ(said("p90(latency) <= 1.85 ms", e), "inconclusive | test 200 | p90 1.8 ms over 200, measured (native), upper bound 1.88 ms; more calls narrow it");
  EXPECT_EQ(said("p90(latency) <= 1.7 ms", e), "violated | test 200 | p90 1.8 ms over 200, measured (native), lower bound 1.73 ms (limit 1.7 ms)");
  EXPECT_EQ(said("p99(latency) <= 5 ms", e), "inconclusive | test 200 | p99 1.98 ms over 200, measured (native); 99 more calls for a bound of p99");
  EXPECT_EQ(said("p90(latency) <= 1.9 ms", e, ", level: test(500)"), "inconclusive | test 500 | p90 1.8 ms over 200, measured (native), upper bound 1.88 ms; 200 of 500 calls measured");
  e.measurement_of[{Quantity::latency_s, "candidate"}] = value(0.130, How::emulated);
  EXPECT_EQ(said("p90(latency) <= 150 ms", e), "passed | test 200 | p90 130 ms emulated");
  e.measurement_of[{Quantity::latency_s, "candidate"}] = value(0.130);
  EXPECT_EQ(said("p90(latency) <= 150 ms", e), "inconclusive | - | the latency of 'candidate' has no single calls, so p90 is not known");
  e.measurement_of[{Quantity::latency_s, "candidate"}] = value(0.140, How::modelled, 0.3);
  EXPECT_EQ(said("p90(latency) <= 150 ms", e), "inconclusive | test 200 | p90 140 ms modelled, +-30 %; the model's uncertainty does not clear the limit; measure it");
}

TEST(Evaluate, budgets_are_facts_and_join_with_and) {
  RecordedEvidence e;
  e.measurement_of[{Quantity::ram_bytes, "candidate"}] = value(77 * 1024.0);
  e.measurement_of[{Quantity::flash_bytes, "candidate"}] = value(600 * 1024.0);
  e.measurement_of[{Quantity::size_bytes, "candidate"}] = value(229 * 1024.0);
  e.measurement_of[{Quantity::energy_j, "candidate"}] = value(0.017, How::modelled, 0.3);
  e.measurement_of[{Quantity::edgetpu_mapped, "candidate"}] = value(1);
  e.measurement_of[{Quantity::throughput_per_s, "candidate"}] = value(161);
  e.measurement_of[{Quantity::load_time_s, "candidate"}] = value(0.05);
  EXPECT_EQ(said("peak(ram) <= 96 KiB and size <= 1 MiB", e), "passed | test 200 | peak 77 KiB measured; size 229 KiB measured");
  EXPECT_EQ(said("peak(ram) <= 96 KiB and flash <= 512 KiB", e), "violated | test 200 | flash 600 KiB measured (limit 512 KiB)");
  EXPECT_EQ(said("peak(ram) <= 96 KiB and energy <= 20 mJ", e), "inconclusive | test 200 | energy 17 mJ modelled, +-30 %; the model's uncertainty does not clear the limit; measure it");
  EXPECT_EQ(said("edgetpu_mapped == 100 %", e), "passed | test 200 | edgetpu_mapped 100 % measured");
  EXPECT_EQ(said("throughput >= 100 1/s", e), "passed | test 200 | throughput 161 1/s measured");
  EXPECT_EQ(said("load_time < 50 ms", e), "violated | test 200 | load_time 50 ms measured (limit 50 ms)");
  EXPECT_EQ(said("flash <= 512 KiB or peak(ram) <= 96 KiB", e), "passed | test 200 | peak 77 KiB measured");
  EXPECT_EQ(said("not flash <= 512 KiB", e).substr(0, 6), "passed");
  EXPECT_EQ(said("flash > 512 KiB => peak(ram) <= 64 KiB", e).substr(0, 8), "violated");
  EXPECT_EQ(said("flash <= 512 KiB => peak(ram) <= 64 KiB", e).substr(0, 6), "passed");
  EXPECT_EQ(said("64 KiB <= peak(ram) <= 96 KiB", e).substr(0, 6), "passed");
}

TEST(Evaluate, regression_is_paired_with_mcnemar_beside_it) {
  RecordedEvidence e;
  Samples now = answers(0, 1000), before = now;
  for (std::size_t i = 0; i < 1000; ++i) {
    now.correct[i] = i < 866;
    before.correct[i] = i >= 10 && i < 869;  // 10 better, 3 worse
  }
  e.samples_of[{"candidate", "test"}] = now;
  e.samples_of[{"previous", "test"}] = before;
  EXPECT_EQ(said("accuracy(test) >= previous.accuracy(test) - 1 pp", e),
            "passed | bound 95 % | 86.6 % against 85.9 %; difference 0.7 pp, lower bound 0.12 pp, paired; 10 better, 3 worse, McNemar p 0.092");
  EXPECT_EQ(said("accuracy(test) - previous.accuracy(test) >= -1 pp", e).substr(0, 6), "passed");
  EXPECT_EQ(said("previous.accuracy(test) <= accuracy(test) + 1 pp", e).substr(0, 6), "passed");
  EXPECT_EQ(said("accuracy(test) >= previous.accuracy(test) + 1 pp", e).substr(0, 12), "inconclusive");
  EXPECT_EQ(said("accuracy(test) >= previous.accuracy(test) + 2 pp", e),
            "violated | bound 95 % | 86.6 % against 85.9 %; difference 0.7 pp, upper bound 1.4 pp (limit 2 pp), paired; 10 better, 3 worse, McNemar p 0.092");
  EXPECT_EQ(said("abs(accuracy(test) - previous.accuracy(test)) <= 3 pp", e).substr(0, 6), "passed");
  EXPECT_EQ(said("abs(accuracy(test) - previous.accuracy(test)) <= 1 pp", e).substr(0, 12), "inconclusive");
  EXPECT_EQ(said("accuracy(test) / previous.accuracy(test) >= 0.9", e).substr(0, 6), "passed");
  e.measurement_of[{Quantity::size_bytes, "candidate"}] = value(100);
  e.measurement_of[{Quantity::size_bytes, "previous"}] = value(300);
  EXPECT_EQ(said("size <= 0.5 * previous.size", e), "passed | test 200 | candidate.size 100 B measured against previous.size 300 B measured; difference -50 B, upper bound -50 B");
}

TEST(Evaluate, slices_are_corrected_by_holm) {
  RecordedEvidence e;
  Samples s;
  std::vector<std::string> camera;
  auto add = [&](const char* name, int right, int n) {
    for (int i = 0; i < n; ++i) {
      s.correct.push_back(i < right);
      camera.push_back(name);
    }
  };
  add("a", 270, 300);
  add("b", 180, 210);
  add("c", 5, 20);
  e.samples_of[{"candidate", "test"}] = s;
  e.columns_of[{"test", "camera"}] = camera;
  // b alone: 180 of 210, p(rate < 80 %) = 0.0199; Holm over two: a's is far below, so b keeps its own.
  EXPECT_EQ(said("for each s in slices(camera) where n(s) >= 200: accuracy(s) >= 80 %", e),
            "passed | bound 95 % | 2 slices (1 left out), Holm; worst camera=b: 180 of 210 = 85.7 %, lower bound 81.1 %");
  EXPECT_EQ(said("for each s in slices(camera): accuracy(s) >= 80 %", e).substr(0, 8), "violated");
  EXPECT_NE(said("for each s in slices(camera): accuracy(s) >= 80 %", e).find("3 slices, 1 violated, Holm; worst camera=c: 5 of 20 = 25 %"), std::string::npos);
  EXPECT_EQ(said("for each s in slices(camera) where n(s) >= 2000: accuracy(s) >= 80 %", e), "inconclusive | - | no slice meets the condition; vacuous");
  EXPECT_EQ(said("for all s, t in slices(camera) where n(s) >= 200 and n(t) >= 200: abs(accuracy(s) - accuracy(t)) <= 20 pp", e).substr(0, 6), "passed");
  RecordedEvidence none;
  EXPECT_EQ(said("for each s in slices(camera): accuracy(s) >= 80 %", none), "inconclusive | - | data set 'test' has no column 'camera' here");
}

TEST(Evaluate, holm_makes_the_bar_higher_with_more_slices) {
  RecordedEvidence e;
  Samples s;
  std::vector<std::string> camera;
  for (int slice = 0; slice < 8; ++slice) {
    for (int i = 0; i < 210; ++i) {
      s.correct.push_back(i < 180);  // alone p = 0.02 < 0.05; eight of them: 0.16
      camera.push_back("c" + std::to_string(slice));
    }
  }
  e.samples_of[{"candidate", "test"}] = s;
  e.columns_of[{"test", "camera"}] = camera;
  EXPECT_EQ(said("for each s in slices(camera): accuracy(s) >= 80 %", e).substr(0, 12), "inconclusive");
  EXPECT_EQ(said("for all s in slices(camera): accuracy(s) >= 80 %", e).substr(0, 6), "passed");
}

TEST(Evaluate, classes_have_precision_recall_and_f1) {
  RecordedEvidence e;
  Samples s;
  std::vector<std::int32_t> labels;
  auto add = [&](int label, int predicted, int n) {
    for (int i = 0; i < n; ++i) {
      labels.push_back(label);
      s.predicted.push_back(predicted);
    }
  };
  add(1, 1, 80), add(1, 0, 20), add(0, 1, 10), add(0, 0, 90);
  e.samples_of[{"candidate", "test"}] = s;
  e.labels_of["test"] = labels;
  EXPECT_EQ(said("precision(test) >= 80 %", e).substr(0, 60), "passed | bound 95 % | precision 80 of 90 = 88.9 %, lower bou");
  EXPECT_EQ(said("recall(test) >= 90 %", e).substr(0, 54), "violated | bound 95 % | recall 80 of 100 = 80 %, upper");
  EXPECT_EQ(said("recall(test, class=cat) >= 80 %", e).substr(0, 46), "passed | bound 95 % | recall 90 of 100 = 90 %,");
  EXPECT_EQ(said("f1(test) >= 75 %", e).substr(0, 41), "passed | bound 95 % | f1 84.2 % of 200, l");
  EXPECT_EQ(said("recall(test, class=bird) >= 80 %", e), "inconclusive | - | no sample of class 2 in 'test'");
  add(2, 2, 50);
  e.samples_of[{"candidate", "test"}] = s;
  e.labels_of["test"] = labels;
  EXPECT_EQ(said("recall(test) >= 80 %", e).substr(0, 61), "passed | bound 95 % | recall 90 % of 250, mean of 3 classes, ");
}

TEST(Evaluate, regression_models_have_errors) {
  RecordedEvidence e;
  Samples s;
  for (int i = 0; i < 100; ++i) {
    s.target.push_back(i);
    s.value.push_back(i + (i % 2 ? 1.0 : -2.0));
  }
  e.samples_of[{"candidate", "test"}] = s;
  EXPECT_EQ(said("mae(test) <= 2", e), "passed | bound 95 % | mae 1.5 over 100, upper bound 1.583");
  EXPECT_EQ(said("rmse(test) <= 2", e), "passed | bound 95 % | rmse 1.581 over 100, upper bound 1.658");
  EXPECT_EQ(said("mae(test) <= 1", e).substr(0, 8), "violated");
  Samples better = s;
  for (std::size_t i = 0; i < better.value.size(); ++i) better.value[i] = better.target[i] + (better.value[i] - better.target[i]) / 2;
  e.samples_of[{"previous", "test"}] = s;
  e.samples_of[{"candidate", "test"}] = better;
  EXPECT_EQ(said("mae(test) <= previous.mae(test)", e).substr(0, 6), "passed");
  e.samples_of[{"candidate", "test"}].value[5] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(said("mae(test) <= 2", e), "inconclusive | - | the error of sample 5 of 'test' is not finite");
}

TEST(Evaluate, own_metrics_without_single_values_have_no_bound) {
  RecordedEvidence e;
  e.metric_of[{"balanced", {"candidate", "test"}}] = {0.9, {}};
  EXPECT_EQ(said("balanced(test) >= 85 %", e), "inconclusive | - | 'balanced' gives one number for the whole set, so there is no bound; level: test compares the number itself");
  EXPECT_EQ(said("balanced(test) >= 85 %", e, ", level: test"), "passed | test | balanced 90 %, point estimate");
  e.metric_of[{"balanced", {"candidate", "test"}}] = {0.9, std::vector<double>(100, 0.9)};
  EXPECT_EQ(said("balanced(test) >= 85 %", e).substr(0, 6), "passed");
  e.metric_of[{"balanced", {"candidate", "test"}}] = {1, std::vector<double>(100, 1)};
  EXPECT_EQ(said("balanced(test) >= 85 %", e), "passed | bound 95 % | balanced 100 of 100 = 100 %, lower bound 97 %");
}

TEST(Evaluate, auc_is_the_share_of_ordered_pairs) {
  RecordedEvidence e;
  Samples s;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 200; ++i) {
    labels.push_back(i % 2);
    s.score.push_back(i % 2 ? 0.5 + i * 1e-4 : i * 1e-4);
  }
  s.score[1] = -1;  // one positive below all negatives: 99 of 100 positives stay above
  e.samples_of[{"candidate", "test"}] = s;
  e.labels_of["test"] = labels;
  EXPECT_EQ(said("auc(test) >= 95 %", e).substr(0, 66), "passed | bound 95 % | auc 99 % of 100 positive and 100 negative, l");
  e.labels_of["test"].assign(200, 1);
  EXPECT_EQ(said("auc(test) >= 95 %", e), "inconclusive | - | 'test' has samples of one class only; auc needs two");
}

TEST(Evaluate, closeness_is_run_on_every_sample) {
  RecordedEvidence e;
  std::vector<std::vector<double>> original, candidate;
  for (int i = 0; i < 100; ++i) {
    original.push_back({0.1, 0.2, i * 0.01});
    candidate.push_back({0.1, 0.2 + (i == 41 ? 0.143 : 1e-3), i * 0.01});
  }
  e.outputs_of[{{"original", "test"}, "score"}] = original;
  e.outputs_of[{{"candidate", "test"}, "score"}] = candidate;
  const std::string close = "maxabs(original.score(x) - candidate.score(x)) <= ";
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test}"), "passed | test | 100 of 100 hold, largest 0.143; failure rate < 2.95 % at 95 %");
  EXPECT_EQ(said(close + "0.1", e, ", for: {data: test}"), "violated | test | 99 of 100 hold; sample 41 of test: 0.143 > 0.1");
  EXPECT_EQ(said("for all d in test: maxabs(original.score(d) - candidate.score(d)) <= 0.1", e), "violated | test | 99 of 100 hold; sample 41 of test: 0.143 > 0.1");
  auto turned = candidate;
  turned[25][1] = 0.3;                               // there the third value led by 0.05
  e.outputs_of[{{"candidate", "test"}, "score"}] = turned;
  const std::string same = "same_class(original.score(x), candidate.score(x)";
  EXPECT_EQ(said(same + ")", e, ", for: {data: test}"), "violated | test | 99 of 100 hold; sample 25 of test: " + same + ") does not hold");
  EXPECT_EQ(said(same + ", margin=0.04)", e, ", for: {data: test}"), "violated | test | 99 of 100 hold; sample 25 of test: " + same + ", margin=0.04) does not hold");
  EXPECT_EQ(said(same + ", margin=0.06)", e, ", for: {data: test}"), "passed | test | 100 of 100 hold; failure rate < 2.95 % at 95 %");
  e.outputs_of[{{"candidate", "test"}, "score"}] = candidate;
  Outcome o = judge(close + "0.1", e, ", for: {data: test}");
  ASSERT_TRUE(o.witness);
  EXPECT_EQ(o.witness->sample, 41);
  EXPECT_EQ(said(close + "0.1", e, ", for: {data: test}, accept: {proved: '>= 95 %', violated: 3}"), "passed | test | 99 of 100 hold, largest 0.143");
  EXPECT_EQ(said(close + "0.1", e, ", for: {data: test}, accept: {proved: '>= 99.5 %', violated: 3}").substr(0, 8), "violated");
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test}, level: test(5000)"), "inconclusive | test 5000 | 100 of 100 hold, largest 0.143; failure rate < 2.95 % at 95 %; 5000 were asked for");
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test, take: 10, where: argmax(original.score(x)) == cat}").substr(0, 12), "inconclusive");
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test, take: 10}").substr(0, 32), "passed | test | 10 of 10 hold, l");
  EXPECT_EQ(said(close + "0.1", e, ", for: {data: test}, level: bound(95 %)"), "violated | bound 95 % | 99 of 100 hold; sample 41 of test: 0.143 > 0.1");
  EXPECT_EQ(said(close + "0.1", e, ", for: {data: test}, level: bound(95 %), accept: {proved: '>= 95 %', violated: 5}"), "passed | bound 95 % | 99 of 100 hold, lower bound 95.3 %");
  e.outputs_of[{{"candidate", "test"}, "score"}][7][0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test}"), "violated | test | 99 of 100 hold; sample 7 of test: nan > 0.2");
  e.outputs_of[{{"candidate", "test"}, "score"}].resize(50);
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test}, accept: {violated: 9}"), "inconclusive | test | output 'score' of 'candidate' has no sample 50");
  e.outputs_of.clear();
  EXPECT_EQ(said(close + "0.2", e, ", for: {data: test}"), "inconclusive | test | data set 'test' is not here");
}

TEST(Evaluate, samples_have_labels_columns_and_conditions) {
  RecordedEvidence e;
  e.labels_of["test"] = {0, 1, 2, 0};
  e.columns_of[{"test", "camera"}] = {"front", "front", "back", "back"};
  e.outputs_of[{{"candidate", "test"}, "score"}] = {{3, 1, 1}, {1, 3, 1}, {1, 3, 1}, {3, 2, 1}};
  e.samples_of[{"candidate", "test"}].correct = {1, 1, 0, 1};
  const std::string over = ", for: {data: test}";
  EXPECT_EQ(said("argmax(score(x)) == label", e, over), "violated | test | 3 of 4 hold; sample 2 of test: class dog != class bird");
  EXPECT_EQ(said("camera == front => argmax(score(x)) == label", e, over).substr(0, 6), "passed");
  EXPECT_EQ(said("camera == left => argmax(score(x)) == label", e, over), "inconclusive | test | the premise held for none of 4 samples; vacuous");
  EXPECT_EQ(said("argmax(score(x)) == label", e, ", for: {data: test, where: correct}").substr(0, 6), "passed");
  EXPECT_EQ(said("argmax(score(x)) == label", e, ", for: {data: test, where: label != bird}").substr(0, 27), "passed | test | 3 of 3 hold");
  EXPECT_EQ(said("argmax(score(x)) == label", e, ", for: {data: test, where: label == bird and correct}"), "inconclusive | test | no sample of 'test' meets the condition; vacuous");
  EXPECT_EQ(said("rank(score(x), label) <= 2", e, over).substr(0, 6), "passed");
  EXPECT_EQ(said("rank(score(x), label) <= 1", e, over).substr(0, 8), "violated");
  EXPECT_EQ(said("max(score(x)) - min(score(x)) <= 2 and conf(score(x)) >= 50 %", e, over).substr(0, 6), "passed");
  EXPECT_EQ(said("not max(score(x)) > 5 or min(score(x)) > 100", e, over).substr(0, 6), "passed");
}

TEST(Evaluate, more_models_must_all_hold) {
  RecordedEvidence e;
  e.samples_of[{"candidate", "test"}] = answers(990, 1000);
  e.samples_of[{"deployed", "test"}] = answers(800, 1000);
  EXPECT_EQ(said("accuracy(test) >= 90 %", e, ", models: [candidate, deployed]"), "violated | bound 95 % | deployed: 800 of 1000 = 80 %, upper bound 82.1 % (limit 90 %)");
}

TEST(Evaluate, the_exit_code_is_the_worst_must) {
  auto of = [](Verdict v, Importance i) {
    Outcome o;
    o.verdict = v;
    o.importance = i;
    return o;
  };
  using V = Verdict;
  using I = Importance;
  EXPECT_EQ(exit_code(std::vector<Outcome>{}), 0);
  EXPECT_EQ(exit_code(std::vector{of(V::passed, I::must), of(V::violated, I::should), of(V::inconclusive, I::info)}), 0);
  EXPECT_EQ(exit_code(std::vector{of(V::passed, I::must), of(V::inconclusive, I::must)}), 3);
  EXPECT_EQ(exit_code(std::vector{of(V::inconclusive, I::must), of(V::violated, I::must)}), 1);
  EXPECT_EQ(exit_code(std::vector{of(V::passed, I::must), of(V::inconclusive, I::info)}, true), 1);
}

TEST(Evaluate, logic_is_three_valued) {
  using enum Verdict;
  EXPECT_EQ(both(passed, inconclusive), inconclusive);
  EXPECT_EQ(both(violated, inconclusive), violated);
  EXPECT_EQ(either(passed, inconclusive), passed);
  EXPECT_EQ(either(violated, inconclusive), inconclusive);
  EXPECT_EQ(!inconclusive, inconclusive);
}

namespace {
std::vector<Outcome> three() {
  RecordedEvidence e;
  e.samples_of[{"candidate", "test"}] = answers(866, 1000);
  e.outputs_of[{{"original", "val"}, "score"}] = {{0.5, 0, 0}};
  e.outputs_of[{{"candidate", "val"}, "score"}] = {{0.643, 0, 0}};
  yaml::Diagnostics d;
  auto file = read_requirements(R"yaml(saha: 1
requirements:
  - {id: R1-accuracy, assert: "accuracy(test) >= 85 %", why: "contract <4.2>"}
  - {id: R2-lower, assert: "accuracy(test) >= 84 %", tags: [safety]}
  - {id: R8-close, assert: "maxabs(original.score(x) - candidate.score(x)) <= 0.1", for: {data: val}}
  - {id: R9-later, assert: "flash <= 1 MiB", severity: should}
)yaml", "person.req.yaml", d);
  std::vector<Outcome> out;
  Scope s = usual_scope();
  EXPECT_TRUE(check(*file, s, d)) << d.render();
  for (const Requirement& r : file->requirements) {
    out.push_back(evaluate(r, s, e));
    out.back().seconds = 2;
  }
  return out;
}
const Subject kSubject = {"0.1.0", "person.req.yaml", {{"candidate", "ab12"}}, ".saha/evidence", false};
}  // namespace

TEST(Report, the_table_has_the_look_of_the_document) {
  EXPECT_EQ(table(three(), kSubject),
            "id           verdict       level       evidence                                                          time\n"
            "R1-accuracy  inconclusive  bound 95 %  866 of 1000 = 86.6 %, lower bound 84.7 %; 385 more at this rate    2 s\n"
            "R2-lower     passed        bound 95 %  866 of 1000 = 86.6 %, lower bound 84.7 %                           2 s\n"
            "R8-close     VIOLATED      test        0 of 1 hold; sample 0 of val: 0.143 > 0.1                          2 s\n"
            "R9-later     inconclusive  -           flash of 'candidate' was not measured                              2 s\n"
            "must: 1 passed, 1 violated, 1 inconclusive       should: 0 passed, 0 violated, 1 inconclusive       witness: .saha/evidence/R8-close/\n");
  std::string narrow = table(three(), kSubject, {80, true});
  EXPECT_NE(narrow.find("\x1b[31mVIOLATED"), std::string::npos);
  EXPECT_NE(narrow.find("\n                                       "), std::string::npos);
  EXPECT_EQ(table({}, kSubject).substr(0, 2), "id");
}

TEST(Report, json_holds_everything) {
  auto j = nlohmann::json::parse(json(three(), kSubject));
  EXPECT_EQ(j["schema"], "saha.validate/1");
  EXPECT_EQ(j["exit_code"], 1);
  EXPECT_EQ(j["requirements"].size(), 4u);
  EXPECT_EQ(j["requirements"][0]["verdict"], "inconclusive");
  EXPECT_EQ(j["requirements"][0]["line"], 3);
  EXPECT_EQ(j["requirements"][0]["column"], 31);
  EXPECT_EQ(j["requirements"][2]["witness"]["sample"], 0);
  EXPECT_EQ(j["requirements"][1]["tags"][0], "safety");
  EXPECT_EQ(j["summary"]["must"]["violated"], 1);
  EXPECT_EQ(j["sha256"]["candidate"], "ab12");
  EXPECT_EQ(j["requirements"][0]["figures"][0]["value"], 0.866);
}

TEST(Report, junit_is_red_for_a_must_and_only_for_it) {
  std::string x = junit(three(), kSubject);
  EXPECT_NE(x.find("<testsuites tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"8.000\">"), std::string::npos) << x;
  EXPECT_NE(x.find("<error type=\"inconclusive\" message=\"866 of 1000"), std::string::npos);
  EXPECT_NE(x.find("contract &lt;4.2&gt;"), std::string::npos);
  EXPECT_NE(x.find("accuracy(test) &gt;= 85 %"), std::string::npos);
  EXPECT_NE(x.find("<skipped message=\"should, inconclusive"), std::string::npos);
}

TEST(Report, sarif_points_at_the_assertion) {
  auto j = nlohmann::json::parse(sarif(three(), kSubject));
  EXPECT_EQ(j["version"], "2.1.0");
  auto& results = j["runs"][0]["results"];
  EXPECT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0]["kind"], "open");
  EXPECT_EQ(results[2]["kind"], "fail");
  EXPECT_EQ(results[2]["level"], "error");
  EXPECT_EQ(results[2]["locations"][0]["physicalLocation"]["region"]["startLine"], 5);
  EXPECT_EQ(j["runs"][0]["tool"]["driver"]["rules"][3]["defaultConfiguration"]["level"], "warning");
}

TEST(Report, the_plan_counts_samples_before_any_is_collected) {
  auto planned = [](const std::string& requirement, const PlanOptions& options = {}) {
    yaml::Diagnostics d;
    auto file = read_requirements("saha: 1\nrequirements:\n  - {id: A, " + requirement + "}\n", "r", d);
    if (file) check(*file, usual_scope(), d);
    EXPECT_TRUE(file && d.ok()) << d.render();
    std::string out;
    for (const PlannedSamples& p : plan(file->requirements[0], usual_scope(), options))
      out += (out.empty() ? "" : "; ") + (p.samples ? std::to_string(*p.samples) : "-") + (p.without_failure ? " without failure" : p.expected ? " at " + std::to_string(*p.expected).substr(0, 6) : "") + " " + p.note;
    return out;
  };
  EXPECT_EQ(planned("assert: \"accuracy(test) >= 95 % and p99(latency) <= 5 ms\"", {.expect = 0.97}), "59 without failure samples; 694 at 0.9700 samples; 299 calls; a bound of p99 needs that many");
  EXPECT_EQ(planned("assert: \"accuracy(test) >= 95 %\"", {.expect = 0.95}), "59 without failure samples; - at 0.9500 no number shows it: the rate does not clear the limit");
  EXPECT_EQ(planned("assert: \"1 - recall(test, cat) <= 5 %\"").substr(0, 41), "59 without failure samples of the class; ");
  EXPECT_EQ(planned("assert: \"argmax(score(x)) == label\", for: {data: test}, level: test(5000)"), "5000 tries; without a failure they show a failure rate < 0.0599 % at 95 %");
  EXPECT_EQ(planned("assert: \"argmax(score(x)) == label\", for: {data: test}, level: bound(95 %), accept: {proved: '>= 99 %'}").substr(0, 27), "299 without failure tries; ");
  EXPECT_EQ(planned("assert: \"accuracy(test) >= previous.accuracy(test) - 1 pp\""), "3162 at 0.0000 samples, paired, if the models differ on 5 % of them");
  EXPECT_EQ(planned("assert: \"for each s in slices(camera): accuracy(s) >= 90 %\"").substr(0, 67), "29 without failure samples in each slice, before Holm's correction;");
  EXPECT_EQ(planned("assert: \"size <= 1 MiB\""), "");
  EXPECT_EQ(planned("assert: \"coverage(test, conformal=val, level=90 %) >= 88 %\"").substr(0, 51), "24 without failure samples; and 9 of val at least; ");
}

// Whatever the answers: a pass means that the bound clears the limit, a violation that the opposite bound misses it.
RC_GTEST_PROP(Evaluate, a_verdict_never_contradicts_the_bounds, ()) {
  auto n = *rc::gen::inRange<std::int64_t>(1, 400);
  auto k = *rc::gen::inRange<std::int64_t>(0, n + 1);
  int limit = *rc::gen::inRange(1, 100);
  RecordedEvidence e;
  e.samples_of[{"candidate", "test"}] = answers(k, n);
  Verdict least = judge("accuracy(test) >= " + std::to_string(limit) + " %", e).verdict;
  Verdict most = judge("accuracy(test) < " + std::to_string(limit) + " %", e).verdict;
  RC_ASSERT(most == !least);
  double rate = static_cast<double>(k) / static_cast<double>(n);
  if (least == Verdict::passed) RC_ASSERT(rate > limit / 100.0);
  if (least == Verdict::violated) RC_ASSERT(rate < limit / 100.0);
}

// Any text in place of an assertion is an error with a place or a verdict; nothing else.
RC_GTEST_PROP(Evaluate, any_assertion_is_refused_or_judged, ()) {
  static const std::vector<std::string> kParts = {"accuracy", "(", ")", "test", ">=", "<=", "85 %", "5 ms", "p90", "latency", "and", "or", "not", "=>", "for all ", "d", " in ", "slices", "camera",
                                                  ":", "score", "x", "label", "argmax", "==", "-", "+", "*", "/", "2", ",", "abs", "max", "n", "previous.", "where", "near", "1 pp", "[", "]", "=",
                                                  "coverage(test, conformal=", "val", ", level=90 %", "drift(val, ", "tpr(", "score=energy", "fpr=1 %", "rejected", "reject", "set_size", "auroc", "duplicates"};
  std::string text;
  for (int i = *rc::gen::inRange(1, 14); i > 0; --i) text += kParts[*rc::gen::inRange<std::size_t>(0, kParts.size())] + " ";
  yaml::Diagnostics d;
  yaml::Node node;
  node.kind = yaml::Node::Kind::scalar;
  node.quoted = true;
  node.text = text;
  node.at = {d.add_source("r", "\"" + text + "\""), 0, text.size() + 2};
  Scope s = usual_scope();
  auto r = read_assertion(node, "R", d);
  if (*rc::gen::arbitrary<bool>() && r) {
    r->over = Over{.data = "test"};
    r->over->data_node = node;
  }
  if (r && check(*r, s, d)) {
    RecordedEvidence e;
    e.samples_of[{"candidate", "test"}] = answers(9, 10);
    e.outputs_of[{{"candidate", "test"}, "score"}].assign(10, {1, 2, 3});
    e.columns_of[{"test", "camera"}].assign(10, "a");
    Outcome o = evaluate(*r, s, e);
    RC_ASSERT(!o.evidence.empty());
    (void)explain(*r, s);
    (void)plan(*r, s);
  } else {
    RC_ASSERT(!d.ok());
    (void)d.render();
  }
}
