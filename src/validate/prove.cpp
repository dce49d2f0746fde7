#include "validate/prove.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/figures.hpp"
#include "validate/prove_problem.hpp"

namespace saha::validate {
namespace {

using proof::Loop;
using proof::Problem;

/// What came of one query.
struct Answer {
  enum class Kind : std::uint8_t { proved, violated, open, left_out } kind = Kind::open;
  std::string why = {};                  // open: a sentence
  bool again = false;                    // open for want of time
  std::optional<Witness> witness = {};
};

class Prover {
 public:
  Prover(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) : r_(r), model_(model), scope_(scope), recall_(recall) {}

  PointVerdict run() {
    PointVerdict out;
    auto inconclusive = [&](std::string why) {
      out.text = std::move(why);
      return out;
    };
    proof_.arithmetic = r_.arithmetic == Arithmetic::real ? "real" : r_.arithmetic == Arithmetic::int8 ? "int8" : "float32";
    auto all = proof::loops(r_, model_, scope_, recall_);
    if (!all) return inconclusive(said(all.error()));
    loops_ = std::move(*all);
    std::int64_t combinations = 1;
    for (const Loop& l : loops_) combinations *= std::int64_t(l.size());
    started_ = std::chrono::steady_clock::now();
    std::vector<std::int64_t> open;
    std::string why;
    bool stopped = false;
    for (std::int64_t c = 0; c < combinations && !stopped; ++c) {
      auto a = ask(c, combinations - c);
      if (!a) return inconclusive(said(a.error()));
      stopped = take(*a, c, open, why);
    }
    if (!stopped && !open.empty() && left() > 0) {   // what others left over
      std::vector<std::int64_t> again;
      for (std::size_t k = 0; k < open.size() && !stopped; ++k) {
        if (left() <= 0.02 * r_.timeout_s) { again.insert(again.end(), open.begin() + std::ptrdiff_t(k), open.end()); break; }
        auto a = ask(open[k], std::int64_t(open.size() - k));
        if (!a) return inconclusive(said(a.error()));
        --proof_.open;
        stopped = take(*a, open[k], again, why);
      }
    }
    proof_.seconds = r_.timeout_s - left();
    for (const std::string& m : methods_) proof_.method += (proof_.method.empty() ? "" : ", ") + m;
    out.proof = proof_;
    auto count = [&](const char* name, std::int64_t n) { out.figures.push_back({name, double(n), "", "counted"}); };
    proof_.asked = proof_.proved + proof_.violated + proof_.open;
    out.proof->asked = proof_.asked;
    count("asked", proof_.asked);
    count("proved", proof_.proved);
    count("violated", proof_.violated);
    count("open", proof_.open);
    count("regions", proof_.regions);
    out.figures.push_back({"time", proof_.seconds, "s", "measured"});
    if (proof_.asked == 0) return inconclusive("no point meets the premise; vacuous");
    return verdict(std::move(out), combinations, why);
  }

 private:
  double left() const { return r_.timeout_s - std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(); }
  static std::string said(const Error& e) { return e.message + (e.help.empty() ? "" : "; " + e.help); }

  /// Counts an answer; true where the verdict is decided.
  bool take(const Answer& a, std::int64_t combination, std::vector<std::int64_t>& open, std::string& why) {
    switch (a.kind) {
      case Answer::Kind::left_out: break;
      case Answer::Kind::proved: ++proof_.proved; break;
      case Answer::Kind::open:
        ++proof_.open;
        if (a.again) open.push_back(combination);
        else if (!a.why.empty()) why = a.why;
        if (why.empty()) why = a.why;
        break;
      case Answer::Kind::violated:
        ++proof_.violated;
        if (!witness_) witness_ = a.witness;
        return proof_.violated > r_.accept.violated;
    }
    return false;
  }

  /// One query, with its part of the time that `waiting` of them have.
  Result<Answer> ask(std::int64_t combination, std::int64_t waiting) {
    std::vector<std::size_t> at(loops_.size());
    std::int64_t rest = combination;
    for (std::size_t i = loops_.size(); i > 0; --i) {
      at[i - 1] = std::size_t(rest % std::int64_t(loops_[i - 1].size()));
      rest /= std::int64_t(loops_[i - 1].size());
    }
    if (left() <= 0) return Answer{.why = time_is_up()};
    SAHA_TRY(const Problem p, proof::translate(r_, model_, scope_, recall_, loops_, at));
    if (notes_.empty() && p.network) notes_ = p.network->notes;
    if (p.elements.empty()) {   // nothing varies: the models were run already
      if (!p.premise.at({}, {})) return Answer{.kind = Answer::Kind::left_out};
      methods_.insert("executed");
      if (!p.breaks.at({}, {})) return Answer{.kind = Answer::Kind::proved};
      executed_ = true;
      return broken(p, {}, {}, at);
    }
    SAHA_TRY(proof::Asked asked, proof::query(p, recall_));
    if (asked.vacuous) return Answer{.kind = Answer::Kind::left_out};
    if (asked.query.property.cases.empty()) return Answer{.kind = Answer::Kind::proved};
    Query& q = asked.query;
    q.name = r_.id + (r_.models.size() > 1 ? "." + model_ : "") + (loops_.empty() ? "" : "." + place(at));
    q.arithmetic = r_.arithmetic == Arithmetic::real ? verify::Arithmetic::real : verify::Arithmetic::float32;
    q.timeout_s = std::max(1e-3, left() / double(waiting));
    q.seed = r_.seed;
    q.member = [&p](std::span<const double> x) { return proof::nearest_member(p, x); };
    SAHA_TRY(const verify::Outcome o, recall_.evidence().prove(q));
    if (!o.integers.empty()) proof_.arithmetic = o.integers;   // of a network that computes on stored integers, whatever was asked for
    else if (r_.arithmetic == Arithmetic::int8) return Error{ErrorCode::unsupported, "arithmetic 'int8' is that of stored integers, and the network computes on none", "quantise it, or leave 'arithmetic' out"};
    proof_.regions += o.regions;
    if (!o.method.empty()) methods_.insert(o.method);
    switch (o.verdict) {
      case verify::Verdict::holds: return Answer{.kind = Answer::Kind::proved};
      case verify::Verdict::timeout: return Answer{.why = o.why.empty() ? time_is_up() : o.why, .again = true};
      case verify::Verdict::unknown: return Answer{.why = o.why.empty() ? "the prover came to its end" : o.why};
      case verify::Verdict::violated: break;
    }
    return confirmed(p, o, at);
  }

  std::string time_is_up() const { return figures::duration(r_.timeout_s) + " were not enough"; }

  /// "17", "17.0.1": the rows of samples and the places of values.
  std::string place(const std::vector<std::size_t>& at) const {
    std::string s;
    for (std::size_t i = 0; i < loops_.size(); ++i) s += (i > 0 ? "." : "") + std::to_string(loops_[i].data.empty() ? std::int64_t(at[i]) : loops_[i].samples[at[i]]);
    return s;
  }

  /// The prover's counterexample, or the member of the region next to it, on the models that ship.
  Result<Answer> confirmed(const Problem& p, const verify::Outcome& o, const std::vector<std::size_t>& at) {
    const std::vector<double> found(o.x.begin(), o.x.end()), y_found(o.y.begin(), o.y.end());
    if (found.size() != p.elements.size() || std::int64_t(y_found.size()) < p.width()) return Answer{.why = "the prover's counterexample has " + std::to_string(found.size()) + " values, " + std::to_string(p.elements.size()) + " were asked for"};
    const std::string outside = proof::not_member(p, found);
    const std::vector<double> x = proof::nearest_member(p, found);
    SAHA_TRY(const std::vector<double> y, proof::execute(p, x, recall_.evidence()));
    if (proof::not_member(p, x).empty() && p.breaks.at(x, y)) return broken(p, x, y, at);
    if (!outside.empty()) return Answer{.why = "the prover's counterexample is no member of the region (" + outside + "), and the member next to it breaks nothing"};
    std::string numbers = "what breaks it in the prover's arithmetic does not break it where it is run";
    for (const proof::Compared& c : p.compared) {
      if (c.holds.at(x, y_found) || !c.holds.at(x, y)) continue;
      numbers += ": " + c.left(x, y_found) + " " + std::string(symbol(negated(c.op))) + " " + c.right(x, y_found) + " proved, " + c.left(x, y) + " " + std::string(symbol(c.op)) + " " + c.right(x, y) + " run";
      break;
    }
    return Answer{.why = std::move(numbers)};
  }

  Result<Answer> broken(const Problem& p, const std::vector<double>& x, const std::vector<double>& y, const std::vector<std::size_t>& at) const {
    Witness w{.model = model_, .data = {}, .sample = 0, .text = {}};
    for (std::size_t i = 0; i < loops_.size() && w.data.empty(); ++i)
      if (!loops_[i].data.empty()) w.data = loops_[i].data, w.sample = loops_[i].samples[at[i]];
    for (const proof::Compared& c : p.compared) {
      if (c.holds.at(x, y)) continue;
      w.text = c.left(x, y) + " " + std::string(symbol(negated(c.op))) + " " + c.right(x, y);
      break;
    }
    if (w.text.empty()) w.text = print(r_.assertion.body) + " does not hold";
    if (!p.chosen.empty()) w.text += " for " + p.chosen;
    for (const proof::Named& n : p.named) {
      Witness::Point point{.name = n.name, .values = n.point.at(x)};
      std::size_t first = 0;
      for (ir::ValueId v : p.network->graph.inputs()) {
        std::int64_t size = 1;
        std::vector<std::int64_t> dims;
        for (const ir::Dim& d : p.network->graph.type(v).dims) size *= dims.emplace_back(d.known().value_or(0));
        point.inputs.emplace_back(p.network->graph.name(v), std::move(dims));
        for (const Scope::Input& i : scope_.inputs) {
          if (i.name != p.network->graph.name(v) && !(scope_.inputs.size() == 1 && p.network->graph.inputs().size() == 1)) continue;
          for (const Scope::Field& f : i.fields)
            if (f.index >= 0 && f.index < size) point.fields.emplace_back(f.name, point.values[first + std::size_t(f.index)]);
        }
        first += std::size_t(size);
      }
      w.points.push_back(std::move(point));
    }
    return Answer{.kind = Answer::Kind::violated, .why = {}, .again = false, .witness = std::move(w)};
  }

  std::string where(const Witness& w) const {
    std::string s = w.data.empty() ? "" : (executed_ ? " at" : " near") + std::string(" sample ") + std::to_string(w.sample) + " of " + w.data;
    std::string values;
    for (const Witness::Point& p : w.points) {
      for (const auto& [field, value] : p.fields) {
        if (values.size() > 160) { values += ", .."; break; }
        values += (values.empty() ? "" : ", ") + (w.points.size() > 1 ? p.name + "." : std::string()) + field + " = " + figures::significant(value, 6);
      }
      if (values.ends_with("..")) break;
    }
    return s + (values.empty() ? "" : (s.empty() ? " at " : ": ") + values);
  }

  PointVerdict verdict(PointVerdict out, std::int64_t combinations, const std::string& why) const {
    const std::int64_t asked = proof_.asked;
    std::string notes;
    for (const std::string& n : notes_) notes += "; " + n;
    const std::string work = (proof_.method.empty() ? "by ranges alone" : proof_.method) + (proof_.regions > 0 ? ", " + figures::grouped(double(proof_.regions)) + (proof_.regions == 1 ? " region" : " regions") : "");
    std::string counted = std::to_string(proof_.proved) + " of " + std::to_string(asked) + " proved";
    if (proof_.open) counted += ", " + std::to_string(proof_.open) + " open";
    if (proof_.violated || !proof_.open) counted += ", " + std::to_string(proof_.violated) + " violated";
    const bool one = combinations == 1;
    if (witness_) out.witness = witness_;
    const std::string shown = witness_ ? witness_->text + where(*witness_) + ", confirmed by running it" : "";
    if (proof_.violated > r_.accept.violated) {
      out.verdict = Verdict::violated;
      out.text = (one ? "" : counted + ": ") + shown + notes;
      return out;
    }
    const double share = double(proof_.proved) / double(asked), reachable = double(proof_.proved + proof_.open) / double(asked);
    auto enough = [&](double s) { return r_.accept.more_than ? s > r_.accept.proved : s >= r_.accept.proved; };
    if (!enough(reachable)) {
      out.verdict = Verdict::violated;
      out.text = counted + ", accepted are " + (r_.accept.more_than ? "> " : ">= ") + figures::percent(r_.accept.proved) + (shown.empty() ? "" : "; " + shown) + notes;
      return out;
    }
    if (enough(share)) {
      out.verdict = Verdict::passed;
      out.text = (one ? "holds at every point: " : counted + "; ") + work + (!one && proof_.open && !why.empty() ? "; open: " + why : "") + notes;
      return out;
    }
    out.text = (one ? "" : counted + ": ") + (why.empty() ? time_is_up() : why) + (proof_.regions > 0 ? " (" + work + ")" : "") + notes;
    return out;
  }

  const Requirement& r_;
  const std::string& model_;
  const Scope& scope_;
  Recall& recall_;
  std::vector<Loop> loops_;
  std::chrono::steady_clock::time_point started_;
  Proof proof_;
  std::set<std::string> methods_;
  std::optional<Witness> witness_;
  std::vector<std::string> notes_;
  bool executed_ = false;   // the counterexample is a sample with values set, no point of a region
};

}  // namespace

bool asks_for_proof(const Requirement& r, const Scope& scope) {
  if (!speaks_of_points(r, scope)) return false;
  if (r.level) return r.level->kind == Level::Kind::prove;
  bool samples = r.over.has_value();
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) {
      if (is_data_region(b.region, scope)) {
        samples = true;
        continue;
      }
      const Word* w = b.region.path.empty() ? nullptr : find_word(b.region.path.back());
      if (!w || w->group == WordGroup::region) return true;
    }
  }
  return !samples;
}

PointVerdict prove(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) { return Prover(r, model, scope, recall).run(); }

}  // namespace saha::validate
