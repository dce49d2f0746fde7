// The level `prove`: translation, graphs, boxes and verdicts. A stand-in samples every case's boxes (corners first) where a prover would prove:
// what it calls "holds" is right for these nets, and a counterexample is always one.
#include "validate/prove.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "op/text_form.hpp"
#include "validate/evaluate.hpp"
#include "validate/prove_import.hpp"
#include "validate/prove_problem.hpp"

using namespace saha;
using namespace saha::validate;

namespace {

std::vector<Datum> data_of(const ir::Graph& g, std::span<const double> x) {
  std::vector<Datum> in;
  std::size_t first = 0;
  for (ir::ValueId v : g.inputs()) {
    Dims dims;
    for (const ir::Dim& d : g.type(v).dims) dims.push_back(*d.known());
    const auto n = std::size_t(num_elements(dims));
    in.emplace_back(Tensor::of(DType::f32, dims, x.subspan(first, n)));
    first += n;
  }
  return in;
}

std::vector<double> run(const ir::Graph& g, std::span<const double> x) {
  auto out = op::run(g, data_of(g, x));
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  std::vector<double> y;
  for (const Datum& d : out ? *out : std::vector<Datum>())
    for (double v : values<double>(d.tensor)) y.push_back(v);
  return y;
}

class Sampling : public RecordedEvidence {
 public:
  std::map<std::string, std::shared_ptr<const Network>> nets;
  std::map<std::string, std::vector<std::vector<double>>> rows;   // by data set
  std::map<std::string, double> shift;                            // by model: what the shipped one gives more than the graph
  std::vector<Query> asked;
  verify::Verdict otherwise = verify::Verdict::holds;             // without a counterexample
  std::string integers = {};                                      // that the networks compute on

  void add(const std::string& name, const std::string& text, std::vector<bool> whole = {}) {
    auto g = op::parse(text);
    ASSERT_TRUE(g) << g.error().message;
    nets[name] = std::make_shared<const Network>(Network{std::move(*g), std::move(whole), {}});
  }
  Result<std::int64_t> count(std::string_view data) override {
    auto r = rows.find(std::string(data));
    return r == rows.end() ? RecordedEvidence::count(data) : Result<std::int64_t>(std::int64_t(r->second.size()));
  }
  Result<std::vector<double>> output(std::string_view model, std::string_view data, std::int64_t sample, std::string_view output) override {
    SAHA_TRY(Outputs all, execute(model, rows.at(std::string(data))[std::size_t(sample)]));
    return all.at(std::string(output));
  }
  Result<std::shared_ptr<const Network>> network(std::string_view model) override {
    auto n = nets.find(std::string(model));
    if (n == nets.end()) return Error{ErrorCode::invalid_data, "model '" + std::string(model) + "' is not here"};
    return std::shared_ptr(n->second);
  }
  Result<std::vector<double>> point(std::string_view data, std::int64_t sample) override { return std::vector(rows.at(std::string(data))[std::size_t(sample)]); }
  Result<Outputs> execute(std::string_view model, std::span<const double> x) override {
    SAHA_TRY(auto net, network(model));
    Outputs all;
    auto out = op::run(net->graph, data_of(net->graph, x));
    if (!out) return std::move(out.error());
    for (std::size_t k = 0; k < out->size(); ++k) {
      auto y = values<double>((*out)[k].tensor);
      for (double& v : y) v += shift[std::string(model)];
      all[net->graph.name(net->graph.outputs()[k])] = y;
    }
    return all;
  }
  Result<verify::Outcome> prove(const Query& q) override {
    asked.push_back(q);
    verify::Outcome o;
    o.verdict = otherwise;
    o.method = "sampled";
    o.integers = integers;
    std::mt19937_64 random(q.seed + 1);
    for (const verify::Case& c : q.property.cases) {
      for (int k = 0; k < 400; ++k) {
        ++o.regions;
        std::vector<double> x;
        for (std::size_t i = 0; i < c.box->lo.size(); ++i) {
          const double share = k < 64 ? double((k >> (i % 6)) & 1) : std::uniform_real_distribution<double>(0, 1)(random);
          x.push_back(double(float(c.box->lo[i] + share * (c.box->hi[i] - c.box->lo[i]))));
        }
        const auto y = run(q.graph, x);
        auto holds = [&](const verify::Row& r) {
          double s = 0;
          for (const auto& [i, v] : r.x) s += v * x[std::size_t(i)];
          for (const auto& [i, v] : r.y) s += v * y[std::size_t(i)];
          return r.strict ? s < r.bound : s <= r.bound;
        };
        if (!std::ranges::all_of(c.rows, holds)) continue;
        o.verdict = verify::Verdict::violated;
        o.x.assign(x.begin(), x.end());
        o.y.assign(y.begin(), y.end());
        return o;
      }
    }
    return o;
  }
};

// risk = 2 wear - load + 1 over wear in [0, 10], load in [0, 5] kN; kind is 0 or 1.
constexpr const char* kMachine = R"(graph (row: float32[1, 3]) {
  w: float32[3, 1] = float32[3, 1] {2, -1, 0}
  b: float32[1] = float32[1] {1}
  risk: float32[1, 1] = Gemm(row, w, b) {alpha = 1.0, beta = 1.0, transA = 0, transB = 0}
  return risk
})";
// two classes: score0 = x0, score1 = x1
constexpr const char* kPlain = R"(graph (x: float32[1, 2]) {
  w: float32[2, 2] = float32[2, 2] {1, 0, 0, 1}
  score: float32[1, 2] = MatMul(x, w)
  return score
})";

Scope machine_scope() {
  Scope s;
  (void)s.units.declare("kN");
  s.inputs = {{.name = "row", .unit = "", .domain = {},
               .fields = {{"wear", "", Scope::Range{0, 10}, 0}, {"load", "kN", Scope::Range{0, 5}, 1}, {"kind", "", Scope::Range{0, 1}, 2, true, {0, 1}}}}};
  s.outputs = {{.name = "risk", .names = {"hazard"}, .width = 1}};
  s.outputs_known = true;
  s.data = {{"test", {}}};
  s.data_known = true;
  return s;
}
Scope plain_scope(double most = 10) {
  Scope s;
  s.inputs = {{.name = "x", .unit = "", .domain = Scope::Range{0, most}, .fields = {}}};
  s.outputs = {{.name = "score", .width = 2}};
  s.outputs_known = true;
  s.data = {{"test", {}}};
  s.data_known = true;
  s.labels = {"cat", "dog"};
  return s;
}

Outcome judge(const std::string& assertion, Evidence& evidence, Scope scope, const std::string& extra = "") {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r.req.yaml", d);
  if (file) check(*file, scope, d);
  EXPECT_TRUE(d.ok()) << d.render();
  return file && d.ok() ? evaluate(file->requirements[0], scope, evidence) : Outcome{};
}
std::string said(const std::string& assertion, Evidence& evidence, Scope scope, const std::string& extra = "") {
  Outcome o = judge(assertion, evidence, std::move(scope), extra);
  return std::string(name(o.verdict)) + " | " + o.level + " | " + o.evidence;
}

void starts(const std::string& text, const std::string& with) { EXPECT_EQ(text.substr(0, with.size()), with); }

}  // namespace

TEST(Prove, limits_of_outputs_over_bare_fields_hold_or_break_in_their_units) {
  Sampling e;
  e.add("candidate", kMachine);
  starts(said("for all d in domain where d.wear <= 4 and d.load >= 1 kN: risk(d) <= 8", e, machine_scope()), "passed | prove float32 | holds at every point: sampled, 800 regions");
  ASSERT_EQ(e.asked.size(), 1u);
  // kind is a category: a box of each; the conditions are ranges, so that one row is left, that of the output.
  ASSERT_EQ(e.asked[0].property.cases.size(), 2u);
  EXPECT_EQ(e.asked[0].property.cases[0].rows.size(), 1u);
  EXPECT_EQ(e.asked[0].property.cases[0].box->hi[0], 4);
  EXPECT_EQ(e.asked[0].property.cases[0].box->lo[1], 1);
  EXPECT_TRUE(e.asked[0].property.cases[0].rows[0].strict);
  EXPECT_EQ(e.asked[0].property.cases[0].rows[0].bound, -8);
  Outcome o = judge("for all d in domain: risk(d) <= 20", e, machine_scope());
  EXPECT_EQ(std::string(name(o.verdict)) + " " + o.evidence, "violated 21 > 20 at wear = 10, load = 0, kind = 0, confirmed by running it");
  ASSERT_TRUE(o.witness);
  ASSERT_EQ(o.witness->points.size(), 1u);
  EXPECT_EQ(o.witness->points[0].values, (std::vector<double>{10, 0, 0}));
  ASSERT_TRUE(o.proof);
  EXPECT_EQ(o.proof->violated, 1);
}

TEST(Prove, bare_names_speak_of_every_point_of_the_domain) {
  Sampling e;
  e.add("candidate", kMachine);
  starts(said("wear <= 4 and load >= 1 kN => hazard <= 8", e, machine_scope()), "passed | prove float32 | holds at every point");
  starts(said("wear <= 4 and load >= 1000 N => hazard <= 7.5", e, [] { Scope s = machine_scope(); (void)s.units.define("N", *s.units.find("kN")); return s; }()), "inconclusive");
  EXPECT_EQ(said("wear <= 4 => hazard <= 8", e, machine_scope()), "violated | prove float32 | 9 > 8 at wear = 4, load = 0, kind = 0, confirmed by running it");
  starts(said("abs(hazard + load / 1 kN - 2 * wear - 1) <= 1e-4", e, machine_scope()), "passed");
  starts(said("not (hazard > 21) and hazard >= -4", e, machine_scope()), "passed");
  starts(said("hazard < -3 or hazard > -3 or wear == 0", e, machine_scope()), "passed");
}

TEST(Prove, scales_and_units_of_outputs_are_those_of_the_model_section) {
  Sampling e;
  e.add("candidate", kMachine);
  Scope s = machine_scope();
  s.outputs[0].unit = "min";
  s.outputs[0].factor = 10;
  s.outputs[0].offset = 5;   // 10 y + 5 minutes
  starts(said("for all d in domain: risk(d) <= 215 min", e, s), "passed");
  EXPECT_EQ(e.asked[0].property.cases[0].rows[0].bound, -210);
  EXPECT_EQ(said("for all d in domain: risk(d) <= 3.5 h", e, s), "violated | prove float32 | 215 > 210 at wear = 10, load = 0, kind = 0, confirmed by running it");
}

TEST(Prove, monotonicity_shares_what_is_the_same) {
  Sampling e;
  e.add("candidate", kMachine);
  starts(said("for all a, b in domain where same(a, b, except=wear) and b.wear >= a.wear: risk(b) >= risk(a)", e, machine_scope()), "passed");
  ASSERT_EQ(e.asked.size(), 1u);
  EXPECT_EQ(e.asked[0].property.inputs, 4);   // a, and the wear of b
  EXPECT_EQ(e.asked[0].property.outputs, 2);
  Outcome o = judge("for all a, b in domain where same(a, b, except=load) and b.load >= a.load: risk(b) >= risk(a)", e, machine_scope());
  EXPECT_EQ(std::string(name(o.verdict)), "violated") << o.evidence;
  ASSERT_TRUE(o.witness);
  ASSERT_EQ(o.witness->points.size(), 2u);
  EXPECT_EQ(o.witness->points[1].name, "b");
  EXPECT_EQ(o.witness->points[0].values[0], o.witness->points[1].values[0]);
  EXPECT_LT(o.witness->points[0].values[1], o.witness->points[1].values[1]);
}

TEST(Prove, values_of_a_field_are_enumerated) {
  Sampling e;
  e.add("candidate", kMachine);
  starts(said("for all x in domain, g, h in kind: risk(x[kind=g]) == risk(x[kind=h])", e, machine_scope()), "passed | prove float32 | 4 of 4 proved, 0 violated; sa");
  e.add("candidate", R"(graph (row: float32[1, 3]) {
    w: float32[3, 1] = float32[3, 1] {2, -1, 3}
    risk: float32[1, 1] = MatMul(row, w)
    return risk
  })");
  Outcome o = judge("for all x in domain, g, h in kind: risk(x[kind=g]) == risk(x[kind=h])", e, machine_scope());
  EXPECT_EQ(std::string(name(o.verdict)), "violated") << o.evidence;
  EXPECT_NE(o.evidence.find("for g = 0, h = 1"), std::string::npos) << o.evidence;
  Scope open = machine_scope();
  open.inputs[0].fields[2].values.clear();
  open.inputs[0].fields[2].whole = false;
  EXPECT_EQ(said("for all x in domain, g in kind: risk(x[kind=g]) <= 99", e, open), "inconclusive | prove | the values of 'kind' are not known; state them: model.input.NAME.fields.kind.values: [0, 1]");
}

TEST(Prove, where_nothing_varies_the_models_are_run) {
  Sampling e;
  e.add("candidate", kMachine);
  e.rows["test"] = {{1, 2, 0}, {4, 1, 1}};
  EXPECT_EQ(said("for all g, h in kind: risk(x[kind=g]) <= risk(x[kind=h])", e, machine_scope(), ", for: {data: test}"), "passed | prove float32 | 8 of 8 proved, 0 violated; executed");
  e.add("candidate", R"(graph (row: float32[1, 3]) {
    w: float32[3, 1] = float32[3, 1] {2, -1, 3}
    risk: float32[1, 1] = MatMul(row, w)
    return risk
  })");
  EXPECT_EQ(said("for all g in kind: risk(x[kind=g]) <= 5", e, machine_scope(), ", for: {data: test}"),
            "violated | prove float32 | 2 of 3 proved, 1 violated: 7 > 5 for g = 0 at sample 1 of test: wear = 4, load = 1, kind = 1, confirmed by running it");
  EXPECT_TRUE(e.asked.empty());
}

TEST(Prove, robustness_counts_samples_and_accepts_a_share) {
  Sampling e;
  e.add("candidate", kPlain);
  e.rows["test"] = {{1, 5}, {5, 1}, {3, 3.5}, {0, 9}};
  e.labels_of["test"] = {1, 0, 1, 1};
  e.samples_of[{"candidate", "test"}].correct = {1, 1, 1, 1};
  const std::string robust = "for all d in Linf(x, 1): argmax(score(d)) == label";
  EXPECT_EQ(said(robust, e, plain_scope(), ", for: {data: test}"), "violated | prove float32 | 2 of 3 proved, 1 violated: class cat != class dog near sample 2 of test, confirmed by running it");
  starts(said(robust, e, plain_scope(), ", for: {data: test}, accept: {proved: '>= 75 %', violated: 1}"), "passed | prove float32 | 3 of 4 proved, 1 violated; sampled");
  starts(said(robust, e, plain_scope(), ", for: {data: test}, accept: {proved: '>= 80 %', violated: 1}"), "violated | prove float32 | 3 of 4 proved, 1 violated, accepted are >= 80 %; cl");
  starts(said(robust, e, plain_scope(), ", for: {data: test, where: label == cat}"), "passed | prove float32 | holds at every point");
  e.asked.clear();
  starts(said(robust, e, plain_scope(), ", for: {data: test, take: 2, where: correct}"), "passed");
  ASSERT_EQ(e.asked.size(), 2u);
  for (const Query& q : e.asked) {   // cut to the domain
    EXPECT_GE(q.property.cases[0].box->lo[0], 0);
    EXPECT_LE(q.property.cases[0].box->hi[1], 10);
    EXPECT_EQ(q.arithmetic, verify::Arithmetic::float32);
  }
  e.otherwise = verify::Verdict::timeout;
  EXPECT_EQ(said(robust, e, plain_scope(), ", for: {data: test, where: label == cat}, timeout: 2 s"), "inconclusive | prove float32 | 2 s were not enough (sampled, 800 regions)");
}

TEST(Prove, ties_go_to_the_lower_index_as_the_engine_decides) {
  Sampling e;
  e.add("candidate", kPlain);
  e.rows["test"] = {{4, 4}};
  e.labels_of["test"] = {0};
  starts(said("for all d in Linf(x, 0): argmax(score(d)) == label", e, plain_scope(), ", for: {data: test}"), "passed");
  e.labels_of["test"] = {1};
  starts(said("for all d in Linf(x, 0): argmax(score(d)) == label", e, plain_scope(), ", for: {data: test}"), "violated");
  starts(said("for all d in Linf(x, 0): argmax(score(d)) == cat and argmax(score(d)) != dog", e, plain_scope(), ", for: {data: test}"), "passed");
}

TEST(Prove, ranks_and_equal_classes) {
  Sampling e;
  e.add("candidate", R"(graph (x: float32[1, 2]) {
    w: float32[2, 3] = float32[2, 3] {1, 0, 1, 0, 1, 1}
    score: float32[1, 3] = MatMul(x, w)
    return score
  })");
  Scope s = plain_scope();
  s.outputs[0].width = 3;
  s.labels = {"cat", "dog", "bird"};
  starts(said("for all d in domain: rank(score(d), bird) == 1", e, s), "passed");
  starts(said("for all d in domain: rank(score(d), cat) <= 2", e, s), "violated");   // x0 < x1 < x0 + x1
  starts(said("for all d in domain: rank(score(d), cat) <= 3", e, s), "passed");
  starts(said("for all d in domain: rank(score(d), cat) < 4 and not (rank(score(d), bird) >= 2)", e, s), "passed");
  starts(said("for all d in domain: max(score(d)) - min(score(d)) <= 10", e, s), "passed");
  starts(said("for all d in domain: max(score(d)) - min(score(d)) <= 9", e, s), "violated");
  starts(said("for all d in domain: maxabs(score(d)) <= 20 and min(score(d)) >= 0 and abs(max(score(d)) - 10) <= 10", e, s), "passed");
  e.nets["original"] = e.nets["candidate"];
  starts(said("for all d in domain: argmax(original.score(d)) == argmax(candidate.score(d))", e, s), "passed");
}

TEST(Prove, closeness_runs_two_networks_on_one_input) {
  Sampling e;
  e.add("candidate", kPlain);
  e.add("original", R"(graph (x: float32[1, 2]) {
    w: float32[2, 2] = float32[2, 2] {1, 0.01, 0, 1}
    score: float32[1, 2] = MatMul(x, w)
    return score
  })");
  e.rows["test"] = {{1, 5}, {5, 1}, {9.99, 3}};
  const std::string close = "for all d in near(test, 1 %): maxabs(original.score(d) - candidate.score(d)) <= ";
  starts(said(close + "0.1001", e, plain_scope()), "passed | prove float32 | 3 of 3 proved, 0 violated");
  EXPECT_EQ(e.asked[0].property.inputs, 2);
  EXPECT_EQ(e.asked[0].property.outputs, 4);
  EXPECT_EQ(e.asked[0].property.cases.size(), 4u);   // a row a value: 2 outputs, above or below
  EXPECT_EQ(e.asked[2].property.cases[0].box->hi[0], 10);
  starts(said(close + "0.05", e, plain_scope()), "violated | prove float32 | 1 of 2 proved, 1 violated: 0.051 > 0");
}

TEST(Prove, stored_integers_are_proved_as_they_compute) {
  Sampling e;
  e.integers = "int8";
  e.add("candidate", kMachine);
  starts(said("for all d in domain: risk(d) <= 25", e, machine_scope(), ", arithmetic: int8"), "passed | prove int8 | holds at every point");
  starts(said("for all d in domain: risk(d) <= 25", e, machine_scope()), "passed | prove int8 | holds at every point");
  starts(said("for all d in domain: risk(d) <= 20", e, machine_scope(), ", arithmetic: int8"), "violated | prove int8 | ");
}

TEST(Prove, the_class_stays_wherever_it_leads) {
  Sampling e;
  e.add("candidate", kPlain);
  e.add("original", R"(graph (x: float32[1, 2]) {
    w: float32[2, 2] = float32[2, 2] {1, 0.1, 0, 1}
    score: float32[1, 2] = MatMul(x, w)
    return score
  })");
  const std::string same = "for all d in domain: same_class(original.score(d), candidate.score(d)";
  starts(said(same + ")", e, plain_scope()), "violated | prove float32 | same_class(original.score(d), candidate.score(d)) does not hold");
  starts(said(same + ", margin=0.5)", e, plain_scope()), "violated | prove float32 | ");   // the second class gains 0.1 x0, up to 1
  starts(said(same + ", margin=1.01)", e, plain_scope()), "passed | prove float32 | holds at every point");
  EXPECT_EQ(e.asked.back().property.cases.size(), 2u);
  EXPECT_EQ(e.asked.back().property.cases[0].rows.size(), 2u);   // one leads by the margin in one network, the other in the other
  starts(said("for all d in domain: same_class(score(d), score(d))", e, plain_scope()), "passed | prove float32");
  starts(said("for all d in domain: not same_class(original.score(d), candidate.score(d), margin=1.01)", e, plain_scope()), "violated");
  EXPECT_EQ(said("for all d in domain: same_class(original.score(d), candidate.score(d), margin=max(score(d)))", e, plain_scope()), "inconclusive | prove | 'same_class(original.score(d), candidate.score(d), margin=max(score(d)))' cannot be proved: the margin is a constant");
}

TEST(Prove, what_is_not_linear_or_not_known_is_inconclusive_by_name) {
  Sampling e;
  e.add("candidate", kMachine);
  Scope s = machine_scope();
  auto why = [&](const std::string& a, const std::string& extra = "") { return said(a, e, s, extra); };
  EXPECT_EQ(why("for all d in domain: risk(d) * risk(d) >= 0"), "inconclusive | prove | 'risk(d) * risk(d)' cannot be proved: a product of two things that vary is not linear");
  EXPECT_EQ(why("for all d in domain: 1 / risk(d) <= 5"), "inconclusive | prove | '1 / risk(d)' cannot be proved: it divides by what varies");
  EXPECT_EQ(why("for all d in outside(domain): reject(d)"), "inconclusive | prove | 'outside(domain)' cannot be proved: what lies outside has no ends; level: test(n) tries it");
  EXPECT_EQ(why("for all d in domain: risk(d) <= 25", ", arithmetic: int8"), "inconclusive | prove | arithmetic 'int8' is that of stored integers, and the network computes on none; quantise it, or leave 'arithmetic' out");
  s.inputs[0].fields[1].domain = {};
  EXPECT_EQ(why("for all d in domain: risk(d) <= 20"), "inconclusive | prove | field 'load' has no domain");
  RecordedEvidence none;
  EXPECT_EQ(said("for all d in domain: risk(d) <= 20", none, machine_scope()), "inconclusive | prove | 'prove' needs the verifier, which is not at hand here");
}

TEST(Prove, a_premise_that_no_point_meets_is_vacuous) {
  Sampling e;
  e.add("candidate", kMachine);
  EXPECT_EQ(said("for all d in domain where d.wear + d.load / 1 kN >= 16: risk(d) <= 0", e, machine_scope()), "inconclusive | prove float32 | no point meets the premise; vacuous");
  EXPECT_EQ(said("for all d in domain: (d.wear >= 7 and d.wear + d.load / 1 kN <= 6 => risk(d) <= 0)", e, machine_scope()), "inconclusive | prove float32 | no point meets the premise; vacuous");
  EXPECT_EQ(said("for all d in domain where d.kind >= 0.2 and d.kind <= 0.8: risk(d) <= 0", e, machine_scope()), "inconclusive | prove float32 | no point meets the premise; vacuous");
}

TEST(Prove, a_counterexample_must_be_a_member_and_break_what_ships) {
  Sampling e;
  e.add("candidate", kPlain, {true});   // whole numbers, as pictures
  e.rows["test"] = {{2, 4}};
  e.labels_of["test"] = {1};
  const std::string extra = ", for: {data: test}";
  starts(said("for all d in box(x, -0.6, 0.6): max(score(d)) <= 4.2", e, plain_scope(), extra), "passed");   // the whole numbers are 2 and 4 alone
  EXPECT_EQ(said("for all d in Linf(x, 1): max(score(d)) <= 4.2", e, plain_scope(), extra), "violated | prove float32 | 5 > 4.2 near sample 0 of test, confirmed by running it");
  // In a ball: the corner of its box is none of it, but what is drawn in may break it.
  Sampling f;
  f.add("candidate", kPlain);
  f.rows["test"] = {{2, 4}};
  starts(said("for all d in L2(x, 1): min(score(d)) <= 2.5", f, plain_scope(), extra), "violated");
  Outcome o = judge("for all d in L2(x, 1): min(score(d)) + max(score(d)) <= 7.5", f, plain_scope(), extra);
  EXPECT_EQ(std::string(name(o.verdict)), "inconclusive");
  EXPECT_NE(o.evidence.find("in the box around the ball of 1"), std::string::npos) << o.evidence;
  // What ships answers otherwise than the graph: both numbers are told.
  f.shift["candidate"] = -2;
  EXPECT_EQ(said("for all d in Linf(x, 1): max(score(d)) <= 4.5", f, plain_scope(), extra),
            "inconclusive | prove float32 | what breaks it in the prover's arithmetic does not break it where it is run: 5 > 4.5 proved, 3 <= 4.5 run (sampled, 403 regions)");
}

TEST(Prove, a_vnnlib_property_comes_back_as_the_same_query) {
  std::string text;
  for (const char* v : {"X_0", "X_1", "X_2", "Y_0"}) text += std::string("(declare-const ") + v + " Real)\n";
  text += "(assert (<= X_0 10))(assert (>= X_0 0.1))(assert (<= X_1 5))(assert (>= X_1 -1e-7))(assert (<= X_2 1))(assert (>= X_2 0))\n"
          "(assert (or (and (>= Y_0 20.5) (<= X_0 9)) (and (<= Y_0 -3.25) (<= (+ X_0 X_1) 2))))\n";
  auto property = verify::parse_vnnlib(text, "p.vnnlib");
  ASSERT_TRUE(property) << property.error().message;
  Sampling e;
  e.add("candidate", kMachine);
  auto yaml = requirements_of(*property, e.nets["candidate"]->graph, "p");
  ASSERT_TRUE(yaml) << yaml.error().message;
  yaml::Diagnostics d;
  auto file = read_requirements(*yaml, "p.req.yaml", d);
  ASSERT_TRUE(file) << d.render() << *yaml;
  Scope scope = scope_of(*file, Scope{}, d);
  EXPECT_TRUE(check(*file, scope, d)) << d.render();
  (void)evaluate(file->requirements[0], scope, e);
  ASSERT_EQ(e.asked.size(), 1u);
  const verify::Property &is = e.asked[0].property, &was = property->property;
  EXPECT_EQ(is.inputs, was.inputs);
  EXPECT_EQ(is.outputs, was.outputs);
  ASSERT_EQ(is.cases.size(), was.cases.size());
  for (std::size_t i = 0; i < is.cases.size(); ++i) {
    EXPECT_EQ(is.cases[i].box->lo, was.cases[i].box->lo);
    EXPECT_EQ(is.cases[i].box->hi, was.cases[i].box->hi);
    ASSERT_EQ(is.cases[i].rows.size(), was.cases[i].rows.size());
    for (const verify::Row& r : was.cases[i].rows)
      EXPECT_TRUE(std::ranges::any_of(is.cases[i].rows, [&](const verify::Row& s) { return s.x == r.x && s.y == r.y && s.bound == r.bound && s.strict == r.strict; })) << verify::sentence(*property, r);
  }
  Sampling other;
  other.add("candidate", kPlain);
  auto wrong = requirements_of(*property, other.nets["candidate"]->graph, "p");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "the property has 3 inputs, the network 2");
}

TEST(Prove, a_condition_beside_its_negation_is_asked_of_no_prover) {
  Sampling e;
  e.add("candidate", kMachine);
  starts(said("for all d in domain, g, h in kind where g != h: (risk(d) >= 3) == (risk(d) >= 3)", e, machine_scope()), "passed | prove float32 | 2 of 2 proved");
  EXPECT_TRUE(e.asked.empty());
}

TEST(Prove, explained_in_plain_english) {
  auto english = [](const std::string& a, Scope s, const std::string& extra = "") {
    yaml::Diagnostics d;
    auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + a + "\"" + extra + "}\n", "r.req.yaml", d);
    if (file) check(*file, s, d);
    EXPECT_TRUE(d.ok()) << d.render();
    return file ? explain(file->requirements[0], s) : "";
  };
  EXPECT_EQ(english("wear >= 4 and load >= 1 kN => hazard <= 8", machine_scope()), "R: It must hold that if wear is at least 4 and load is at least 1 kN, then hazard is at most 8. It must be proved for every such input.");
  EXPECT_EQ(english("for all a, b in domain where same(a, b, except=wear) and b.wear >= a.wear: risk(b) >= risk(a)", machine_scope()),
            "R: It must hold that for all a and b in the whole input domain where a and b agree in everything but wear and wear of b is at least wear of a: output 'risk' at b is at least output 'risk' at a. It must be proved for every such input.");
  EXPECT_EQ(english("for all x in domain, g, h in kind: risk(x[kind=g]) == risk(x[kind=h])", machine_scope()),
            "R: It must hold that for every x in the whole input domain and all g and h in the values of kind: output 'risk' at x with kind set to g equals output 'risk' at x with kind set to h. It must be proved for every such input.");
  EXPECT_EQ(english("for all d in Linf(x, 2): argmax(score(d)) == label", plain_scope(), ", for: {data: test, take: 9, where: correct}, accept: {proved: '>= 95 %', violated: 0}, timeout: 90 s"),
            "R: It must hold that for 9 samples x of test where correct, for every d in the inputs that differ from x by at most 2 in each value: the class with the largest value of output 'score' at d equals the label. It must be proved for every such input. Accepted where at least 95 % hold and none is violated.");
}

RC_GTEST_PROP(ProveFormula, cases_hold_where_the_formula_holds_and_never_both_it_and_its_negation, (std::vector<int> seeds, double a, double b)) {
  // A random formula over two numbers: comparisons of max, min and abs in and, or, not.
  using namespace saha::validate::proof;
  std::size_t at = 0;
  auto next = [&] { return at < seeds.size() ? std::abs(seeds[at++] % 97) : 1; };
  std::function<Number(int)> number_of = [&](int depth) -> Number {
    int k = next();
    if (depth == 0 || k % 5 == 0) return k % 2 ? number(Linear::of_x(k % 3 % 2)) : number(Linear::of_y(0));
    Number l = number_of(depth - 1), r = number_of(depth - 1);
    return k % 5 == 1 ? greatest({l, r}) : k % 5 == 2 ? least({l, r, number(k)}) : k % 5 == 3 ? sum(absolute(l), r, -1) : sum(times(l, 0.5), number(double(k) - 40));
  };
  std::function<Formula(int)> formula_of = [&](int depth) -> Formula {
    int k = next();
    if (depth == 0 || k % 4 == 0) {
      auto f = compare(number_of(2), Op(k % 6), number_of(1));
      RC_ASSERT(bool(f));
      return *f;
    }
    Formula l = formula_of(depth - 1), r = formula_of(depth - 1);
    return k % 4 == 1 ? all_of({l, r}) : k % 4 == 2 ? any_of({l, negation(r)}) : negation(l);
  };
  const Formula f = formula_of(2);
  const double x[] = {std::round(a * 4) / 4, std::round(b * 4) / 4}, y[] = {1};
  auto in_cases = [&](const Formula& g) {
    auto c = cases(g);
    if (!c) return g.at(x, y);   // beyond the limits
    return std::ranges::any_of(*c, [&](const auto& atoms) { return std::ranges::all_of(atoms, [&](const Atom& t) { return t.at(x, y); }); });
  };
  RC_ASSERT(in_cases(f) == f.at(x, y));
  RC_ASSERT(in_cases(negation(f)) == !f.at(x, y));
}
