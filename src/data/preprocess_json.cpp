// Steps from and to JSON, in the words of saha.yaml.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/csv.hpp"
#include "data/preprocess.hpp"

namespace saha::data {
namespace {

using Json = nlohmann::ordered_json;

Error bad(const std::string& step, std::string why) { return {ErrorCode::invalid_file, "preprocess step '" + step + "': " + std::move(why)}; }

// "30 ms", "16 kHz" or a plain number, in seconds or hertz.
std::optional<double> quantity(const Json& v) {
  if (v.is_number()) return v.get<double>();
  if (!v.is_string()) return {};
  const std::string text = v.get<std::string>();
  const auto letter = text.find_first_not_of("0123456789.+-eE ");
  const auto n = number(std::string_view(text).substr(0, letter));
  if (!n || letter == std::string::npos) return n;
  static const std::map<std::string, double> kUnits = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"Hz", 1}, {"kHz", 1e3}};
  const auto unit = kUnits.find(text.substr(letter));
  if (unit == kUnits.end()) return {};
  return *n * unit->second;
}

// Reads the options of one step and remembers which it knew.
class Options {
 public:
  Options(std::string step, const Json& json) : step_(std::move(step)), json_(json) {}

  Error fail(const std::string& key, const char* wanted) const { return bad(step_, (json_.contains(key) ? "'" + key + "' is " + json_.at(key).dump() + "; " : "it lacks '" + key + "', ") + wanted + " is needed"); }
  const Json* find(const std::string& key) {
    known_.insert(key);
    const auto it = json_.find(key);
    return it == json_.end() ? nullptr : &*it;
  }
  template <class T> Result<> number(const std::string& key, T& out, const char* wanted = "a number") {
    const Json* v = find(key);
    if (!v) return {};
    const auto q = quantity(*v);
    if (!q || !std::isfinite(*q) || (std::is_integral_v<T> && *q != std::floor(*q)) || std::abs(*q) > 1e9) return fail(key, wanted);
    out = T(*q);
    return {};
  }
  Result<> pair(const std::string& key, double& a, double& b, const char* wanted, bool required) {
    const Json* v = find(key);
    if (!v && !required) return {};
    if (!v || !v->is_array() || v->size() != 2) return fail(key, wanted);
    const auto x = quantity((*v)[0]), y = quantity((*v)[1]);
    if (!x || !y) return fail(key, wanted);
    a = *x, b = *y;
    return {};
  }
  Result<> size(std::int64_t& height, std::int64_t& width) {
    double h = 0, w = 0;
    SAHA_DO(pair("to", h, w, "[height, width]", true));
    if (!(h >= 1 && w >= 1 && h <= 1 << 20 && w <= 1 << 20) || h != std::floor(h) || w != std::floor(w)) return fail("to", "[height, width]");
    height = std::int64_t(h), width = std::int64_t(w);
    return {};
  }
  template <class E> Result<> choice(const std::string& key, E& out, const std::vector<std::pair<std::string, E>>& choices, bool required = false) {
    const Json* v = find(key);
    if (!v && !required) return {};
    std::string all;
    for (const auto& [word, value] : choices) {
      if (v && v->is_string() && v->get<std::string>() == word) { out = value; return {}; }
      all += (all.empty() ? "" : ", ") + word;
    }
    return fail(key, ("one of " + all).c_str());
  }
  Result<> only_known() const {
    for (const auto& [key, value] : json_.items())
      if (!known_.count(key)) return bad(step_, "there is no option '" + key + "'");
    return {};
  }

 private:
  std::string step_;
  const Json& json_;
  std::set<std::string> known_;
};

const std::vector<std::pair<std::string, Channels>> kChannels = {{"rgb", Channels::rgb}, {"bgr", Channels::bgr}, {"gray", Channels::gray}};
const std::vector<std::pair<std::string, Fit>> kFits = {{"stretch", Fit::stretch}, {"short-side", Fit::short_side}, {"letterbox", Fit::letterbox}};
const std::vector<std::pair<std::string, LogMel::Scale>> kScales = {{"htk", LogMel::Scale::htk}, {"slaney", LogMel::Scale::slaney}};
const std::vector<std::pair<std::string, LogMel::Triangles>> kTriangles = {{"hz", LogMel::Triangles::hz}, {"mel", LogMel::Triangles::mel}};
const std::vector<std::pair<std::string, DType>> kStored = {{"int8", DType::i8}, {"uint8", DType::u8}, {"int16", DType::i16}, {"uint16", DType::u16}};
const std::vector<std::pair<std::string, bool>> kPeaks = {{"abs", true}, {"max", false}};
const std::vector<std::pair<std::string, LogMel::Log>> kLogs = {{"ln", LogMel::Log::ln}, {"log10", LogMel::Log::log10}, {"db", LogMel::Log::db}};
template <class E> std::string word(const std::vector<std::pair<std::string, E>>& choices, E value) {
  for (const auto& [text, v] : choices)
    if (v == value) return text;
  return {};
}

Result<LogMel> mel_of(Options& o) {
  LogMel m;
  SAHA_DO(o.number("frame", m.frame_s, "a duration"));
  SAHA_DO(o.number("hop", m.hop_s, "a duration"));
  SAHA_DO(o.number("fft", m.fft));
  SAHA_DO(o.number("power", m.power, "1 or 2"));
  if (m.power != 1 && m.power != 2) return o.fail("power", "1 or 2");
  SAHA_DO(o.number("mels", m.mels));
  SAHA_DO(o.pair("range", m.low_hz, m.high_hz, "[low, high] in Hz", false));
  SAHA_DO(o.choice("scale", m.scale, kScales));
  SAHA_DO(o.choice("triangles", m.triangles, kTriangles));
  SAHA_DO(o.choice("log", m.log, kLogs));
  SAHA_DO(o.number("eps", m.eps));
  int none = 0;
  SAHA_DO(o.choice("window", none, {{"hann-periodic", 0}}));
  return m;
}

Result<Step> step_of(const std::string& name, const Json& value) {
  if (std::ranges::find(step_names(), name) == step_names().end()) {
    std::string all;
    for (std::string_view known : step_names()) all += (all.empty() ? "" : ", ") + std::string(known);
    return bad(name, "there is no such step; there are " + all);
  }
  Options o(name, value);
  if (name == "decode") {
    Decode d;
    if (value.is_string()) {
      const Json wrapped = {{"to", value}};
      SAHA_DO(Options(name, wrapped).choice("to", d.channels, kChannels));
      return Step(d);
    }
    if (!value.is_object()) return bad(name, "rgb, bgr or gray is needed");
    SAHA_DO(o.choice("to", d.channels, kChannels, true));
    SAHA_DO(o.choice("exif", d.exif, {{"turn", true}, {"ignore", false}}));
    SAHA_DO(o.only_known());
    return Step(d);
  }
  if (name == "scale") {
    if (!value.is_string()) return bad(name, "an expression such as x/255 is needed");
    SAHA_TRY(Scale s, Scale::parse(value.get<std::string>()));
    return Step(std::move(s));
  }
  if (name == "layout") {
    ToLayout l;
    const Json wrapped = {{"to", value}};
    SAHA_DO(Options(name, wrapped).choice("to", l.channels_first, {{"nchw", true}, {"nhwc", false}}, true));
    return Step(l);
  }
  if (name == "mono") return Step(Mono{});
  if (name == "peak") {
    Peak p;
    const Json wrapped = {{"of", value}};
    SAHA_DO(Options(name, wrapped).choice("of", p.absolute, kPeaks, true));
    return Step(p);
  }
  if (!value.is_object()) return bad(name, "options {..} are needed, not " + value.dump());
  if (name == "resize") {
    Resize r;
    SAHA_DO(o.size(r.height, r.width));
    std::vector<std::pair<std::string, ResizeRule>> rules;
    for (ResizeRule rule : resize_rules()) rules.emplace_back(data::name(rule), rule);
    SAHA_DO(o.choice("rule", r.rule, rules, true));
    SAHA_DO(o.choice("fit", r.fit, kFits));
    SAHA_DO(o.number("pad", r.pad));
    SAHA_DO(o.choice("at", r.centered, {{"center", true}, {"top-left", false}}));
    SAHA_DO(o.only_known());
    return Step(r);
  }
  if (name == "crop") {
    Crop c;
    if (!value.contains("fraction")) SAHA_DO(o.size(c.height, c.width));
    else {
      SAHA_DO(o.number("fraction", c.fraction, "a share of the shorter side, above 0 and at most 1,"));
      if (!(c.fraction > 0 && c.fraction <= 1)) return o.fail("fraction", "a share of the shorter side, above 0 and at most 1,");
    }
    int none = 0;
    SAHA_DO(o.choice("at", none, {{"center", 0}}));
    SAHA_DO(o.only_known());
    return Step(c);
  }
  if (name == "normalize") {
    Normalize n;
    for (auto [key, list] : {std::pair{"mean", &n.mean}, {"std", &n.std}}) {
      const Json* v = o.find(key);
      if (v && v->is_number()) list->push_back(v->get<double>());
      else if (v && v->is_array() && !v->empty() && std::all_of(v->begin(), v->end(), [](const Json& e) { return e.is_number(); })) *list = v->get<std::vector<double>>();
      else return o.fail(key, "a number or a list of them");
    }
    for (double s : n.std)
      if (!(s > 0)) return bad(name, "a deviation of " + std::to_string(s));
    if (n.mean.size() != n.std.size() && n.mean.size() != 1 && n.std.size() != 1) return bad(name, std::to_string(n.mean.size()) + " means, " + std::to_string(n.std.size()) + " deviations");
    SAHA_DO(o.only_known());
    return Step(n);
  }
  if (name == "resample") {
    ToRate r;
    if (!o.find("to")) return o.fail("to", "a rate such as 16 kHz");
    SAHA_DO(o.number("to", r.rate_hz, "a rate such as 16 kHz"));
    SAHA_DO(o.only_known());
    return Step(r);
  }
  if (name == "length") {
    ToLength l;
    if (!o.find("to")) return o.fail("to", "a duration such as 1 s");
    SAHA_DO(o.number("to", l.seconds, "a duration such as 1 s"));
    if (!(l.seconds > 0 && l.seconds <= 86400)) return o.fail("to", "a duration up to a day");
    SAHA_DO(o.only_known());
    return Step(l);
  }
  if (name == "quantize") {
    Quantize q;
    if (!o.find("scale")) return o.fail("scale", "what a step of the integers stands for");
    SAHA_DO(o.number("scale", q.scale, "a number above 0"));
    if (!(float(q.scale) > 0)) return o.fail("scale", "a number above 0");
    SAHA_DO(o.number("zero_point", q.zero_point, "a whole number"));
    SAHA_DO(o.choice("to", q.to, kStored, true));
    const IntRange range = int_range(q.to);
    if (q.zero_point < range.lo || q.zero_point > range.hi) return o.fail("zero_point", ("a whole number from " + std::to_string(range.lo) + " to " + std::to_string(range.hi)).c_str());
    SAHA_DO(o.only_known());
    return Step(q);
  }
  if (name == "log_mel") {
    SAHA_TRY(LogMel m, mel_of(o));
    SAHA_DO(o.only_known());
    return Step(m);
  }
  Mfcc m;
  SAHA_TRY(m.mel, mel_of(o));
  SAHA_DO(o.number("coefficients", m.coefficients));
  int none = 0;
  SAHA_DO(o.choice("dct", none, {{"ortho", 0}}));
  SAHA_DO(o.only_known());
  return Step(m);
}

Json json_of(const Decode& d) { return {{"decode", {{"to", word(kChannels, d.channels)}, {"exif", d.exif ? "turn" : "ignore"}}}}; }
Json json_of(const Resize& r) {
  Json o = {{"to", {r.height, r.width}}, {"rule", data::name(r.rule)}, {"fit", word(kFits, r.fit)}};
  if (r.fit == Fit::letterbox) o["pad"] = r.pad, o["at"] = r.centered ? "center" : "top-left";
  return {{"resize", o}};
}
Json json_of(const Crop& c) {
  Json o;
  if (c.fraction != 0) o["fraction"] = c.fraction;
  else o["to"] = {c.height, c.width};
  o["at"] = "center";
  return {{"crop", o}};
}
Json json_of(const Scale& s) { return {{"scale", s.expression}}; }
Json json_of(const Normalize& n) { return {{"normalize", {{"mean", n.mean}, {"std", n.std}}}}; }
Json json_of(const ToLayout& l) { return {{"layout", l.channels_first ? "nchw" : "nhwc"}}; }
Json json_of(const Mono&) { return {{"mono", true}}; }
Json json_of(const ToRate& r) { return {{"resample", {{"to", r.rate_hz}}}}; }
Json json_of(const Peak& p) { return {{"peak", word(kPeaks, p.absolute)}}; }
Json json_of(const ToLength& l) { return {{"length", {{"to", l.seconds}}}}; }
Json json_of(const Quantize& q) { return {{"quantize", {{"to", word(kStored, q.to)}, {"scale", q.scale}, {"zero_point", q.zero_point}}}}; }
Json mel_json(const LogMel& m) {
  return {{"frame", m.frame_s}, {"hop", m.hop_s}, {"fft", m.fft}, {"window", "hann-periodic"}, {"power", m.power}, {"mels", m.mels}, {"range", {m.low_hz, m.high_hz}}, {"scale", word(kScales, m.scale)},
          {"triangles", word(kTriangles, m.triangles)}, {"log", word(kLogs, m.log)}, {"eps", m.eps}};
}
Json json_of(const LogMel& m) { return {{"log_mel", mel_json(m)}}; }
Json json_of(const Mfcc& m) {
  Json o = mel_json(m.mel);
  o["dct"] = "ortho", o["coefficients"] = m.coefficients;
  return {{"mfcc", o}};
}

}  // namespace

Result<Preprocess> Preprocess::parse(std::string_view text) {
  constexpr int kMaxDepth = 16;
  bool too_deep = false;
  const Json json = Json::parse(text, [&](int depth, Json::parse_event_t, Json&) { too_deep |= depth > kMaxDepth; return !too_deep; }, false);
  if (too_deep || !json.is_array() || json.size() > 100) return Error{ErrorCode::invalid_file, "preprocess: a list of steps such as [{\"decode\": \"rgb\"}, {\"scale\": \"x/255\"}] is needed"};
  std::vector<Step> steps;
  for (const Json& entry : json) {
    if (entry.is_string() && entry.get<std::string>() == "mono") { steps.emplace_back(Mono{}); continue; }
    if (!entry.is_object() || entry.size() != 1) return Error{ErrorCode::invalid_file, "preprocess: a step is a name with its options, not " + entry.dump().substr(0, 80)};
    SAHA_TRY(Step step, step_of(entry.begin().key(), entry.begin().value()));
    if (std::holds_alternative<Decode>(step) && !steps.empty()) return Error{ErrorCode::invalid_file, "preprocess: decode must be the first step"};
    steps.push_back(std::move(step));
  }
  return Preprocess(std::move(steps));
}
std::string Preprocess::str() const {
  Json json = Json::array();
  for (const Step& step : steps_) json.push_back(std::visit([](const auto& s) { return json_of(s); }, step));
  return json.dump();
}

}  // namespace saha::data
