// The file: "saha-proofs\n", a line of JSON, and the bytes that it speaks of as [offset, length].
#include "lifecycle/proofs.hpp"

#include <algorithm>
#include <cstring>

#include "system/hash.hpp"

namespace saha::lifecycle {
namespace {
constexpr std::string_view kMagic = "saha-proofs\n", kSchema = "saha.proofs/1";

/// Bytes one behind the other, each by its place.
class Blob {
 public:
  Json place(std::string_view bytes) {
    const std::size_t at = all_.size();
    all_ += bytes;
    return {at, bytes.size()};
  }
  template <class T>
  Json place(const std::vector<T>& values) { return place(std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))); }
  const std::string& bytes() const { return all_; }

 private:
  std::string all_;
};

Error damaged(const std::string& what) { return {ErrorCode::invalid_data, "the proofs are damaged: " + what}; }

/// The other way; what lies outside sets `sound` to false.
class Pieces {
 public:
  explicit Pieces(std::string_view bytes) : bytes_(bytes) {}
  bool sound = true;

  std::string text(const Json& place) {
    const auto at = place.at(0).get<std::uint64_t>(), size = place.at(1).get<std::uint64_t>();
    if (at > bytes_.size() || size > bytes_.size() - at) return sound = false, std::string();
    return std::string(bytes_.substr(at, size));
  }
  template <class T>
  std::vector<T> values(const Json& place) {
    const std::string bytes = text(place);
    std::vector<T> v(bytes.size() / sizeof(T));
    if (v.size() * sizeof(T) != bytes.size()) sound = false;
    std::memcpy(v.data(), bytes.data(), v.size() * sizeof(T));
    return v;
  }

 private:
  std::string_view bytes_;
};

}  // namespace

std::string Proofs::key(const validate::Query& q) {
  system::Sha256 hash;
  auto number = [&](double v) { hash.update(std::string_view(reinterpret_cast<const char*>(&v), sizeof v)); };
  for (const verify::Case& c : q.property.cases) {
    number(double(c.box->lo.size()));
    for (std::size_t i = 0; i < c.box->lo.size(); ++i) number(c.box->lo[i]), number(c.box->hi[i]);
    for (const verify::Row& r : c.rows) {
      for (const auto* terms : {&r.x, &r.y}) {
        number(double(terms->size()));
        for (const auto& [element, coefficient] : *terms) number(element), number(coefficient);
      }
      number(r.bound), number(r.strict);
    }
  }
  return q.name + "#" + system::hex(hash.finish()).substr(0, 16);
}

std::string Proofs::bytes() const {
  Blob blob;
  Json j{{"schema", kSchema}, {"saha", saha}, {"model", model}, {"labels", labels}, {"data", Json::object()}, {"texts", Json::array()}, {"requirements", Json::array()}, {"inputs", Json::array()}, {"raw", Json::array()},
         {"sets", Json::object()}, {"points", Json::object()}, {"answers", Json::object()}, {"models", Json::object()}};
  for (const auto& [name, columns] : data) j["data"][name] = columns;
  for (const auto& [name, text] : texts) j["texts"].push_back({name, text});
  for (const Requirement& r : requirements) j["requirements"].push_back({{"id", r.id}, {"verdict", r.verdict}});
  for (const Form& f : raw) j["raw"].push_back({{"dims", f.dims}, {"dtype", name(f.dtype)}});
  for (const data::InputSpec& i : inputs) j["inputs"].push_back({{"name", i.name}, {"steps", i.steps.str()}, {"dims", i.shape}, {"dtype", name(i.dtype)}});
  for (const auto& [name, s] : sets) j["sets"][name] = {{"labels", blob.place(s.labels)}, {"correct", blob.place(s.correct)}, {"columns", s.columns}};
  for (const auto& [name, samples] : points)
    for (const auto& [number, values] : samples) j["points"][name][std::to_string(number)] = blob.place(values);
  for (const auto& [key, a] : answers) j["answers"][key] = a.why.empty() ? a.counterexample.empty() ? Json{{"certificate", blob.place(a.certificate)}} : Json{{"counterexample", blob.place(a.counterexample)}} : Json{{"open", a.why}};
  for (const auto& [name, file] : models) j["models"][name] = blob.place(file);
  return std::string(kMagic) + j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" + blob.bytes();
}

Result<Proofs> Proofs::parse(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return damaged("they do not begin as proofs do");
  bytes.remove_prefix(kMagic.size());
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) return damaged("the first line has no end");
  Pieces pieces(bytes.substr(end + 1));
  Proofs p;
  try {
    const Json j = Json::parse(bytes.substr(0, end));
    if (j.at("schema") != kSchema) return Error{ErrorCode::unsupported, "the proofs are of another version than " + std::string(kSchema)};
    p.saha = j.at("saha");
    p.model = j.at("model");
    p.labels = j.at("labels").get<std::vector<std::string>>();
    for (const auto& [name, columns] : j.at("data").items()) p.data.emplace_back(name, columns.get<std::vector<std::string>>());
    for (const Json& t : j.at("texts")) p.texts.emplace_back(t.at(0), t.at(1));
    for (const Json& r : j.at("requirements")) p.requirements.push_back({r.at("id"), r.at("verdict")});
    auto dtype = [&](const Json& said) { return dtype_of(said.get<std::string>()).value_or(DType::none); };
    for (const Json& f : j.at("raw")) {
      p.raw.push_back({f.at("dims").get<Dims>(), dtype(f.at("dtype"))});
      if (std::ranges::any_of(p.raw.back().dims, [](std::int64_t d) { return d < 0 || d > (std::int64_t{1} << 31); })) return damaged("a sample has dims that none has");
    }
    for (const Json& i : j.at("inputs")) {
      SAHA_TRY(auto steps, data::Preprocess::parse(i.at("steps").get<std::string>()));
      p.inputs.push_back({.name = i.at("name"), .steps = std::move(steps), .shape = i.at("dims").get<Dims>(), .dtype = dtype(i.at("dtype"))});
    }
    for (const auto& [name, s] : j.at("sets").items())
      p.sets[name] = {pieces.values<std::int32_t>(s.at("labels")), pieces.values<std::uint8_t>(s.at("correct")), s.at("columns").get<std::map<std::string, std::vector<std::string>>>()};
    for (const auto& [name, samples] : j.at("points").items())
      for (const auto& [number, place] : samples.items()) p.points[name][std::stoll(number)] = pieces.values<double>(place);
    for (const auto& [key, a] : j.at("answers").items()) {
      Answer& answer = p.answers[key];
      if (a.contains("certificate")) answer.certificate = pieces.text(a["certificate"]);
      else if (a.contains("counterexample")) answer.counterexample = pieces.values<float>(a["counterexample"]);
      else answer.why = a.at("open");
    }
    for (const auto& [name, place] : j.at("models").items()) p.models[name] = pieces.text(place);
  } catch (const std::exception&) {   // of nlohmann::json, whose words may be bytes of the file, and of numbers that are none
    return damaged("their first line does not say what they are");
  }
  if (!pieces.sound) return damaged("a part of them lies outside the file");
  return p;
}

check_proof::Claim claim_of(const verify::Property& p) {
  check_proof::Claim claim;
  const verify::Box* last = nullptr;
  std::shared_ptr<const check_proof::Claim::Box> box;
  for (const verify::Case& c : p.cases) {
    if (c.box.get() != last) box = std::make_shared<const check_proof::Claim::Box>(c.box->lo, c.box->hi), last = c.box.get();
    claim.cases.push_back({box, {}});
    for (const verify::Row& r : c.rows) claim.cases.back().rows.push_back({r.x, r.y, r.bound, r.strict});
  }
  return claim;
}

}  // namespace saha::lifecycle
