// What a *.req.yaml and the life cycle around it say about models, data and units, as one Scope.
#include <algorithm>
#include <tuple>

#include "base/figures.hpp"
#include "data/preprocess.hpp"
#include "validate/check.hpp"

namespace saha::validate {
namespace {

template <class T>
T& named(std::vector<T>& all, std::string_view name) {
  auto found = std::ranges::find(all, name, &T::name);
  if (found != all.end()) return *found;
  all.push_back(T{.name = std::string(name), .unit = {}});
  return all.back();
}

void declare(Scope& scope, const yaml::Value& unit, yaml::Diagnostics& diagnostics) {
  if (auto ok = scope.units.declare(unit.text()); !ok) diagnostics.error(unit.at(), ok.error().message, ok.error().help);
}

void read_domain(std::optional<Scope::Range>& domain, const yaml::Value& v, yaml::Diagnostics& diagnostics) {
  if (!v) return;
  if (v.items().size() != 2 || !(v.items()[0].number() <= v.items()[1].number())) {
    diagnostics.error(v.at(), "'domain' wants [lo, hi] with lo <= hi");
    return;
  }
  domain = {v.items()[0].number(), v.items()[1].number()};
}

// factor * x + offset
std::pair<double, double> line_of(const data::Scale& scale) {
  double factor = 1, offset = 0;
  for (const auto& [kind, c] : scale.operations) {
    switch (kind) {
      case data::Scale::Kind::add: offset += c; break;
      case data::Scale::Kind::subtract: offset -= c; break;
      case data::Scale::Kind::subtract_from: factor = -factor, offset = c - offset; break;
      case data::Scale::Kind::multiply: factor *= c, offset *= c; break;
      case data::Scale::Kind::divide: factor /= c, offset /= c; break;
    }
  }
  return {factor, offset};
}

}  // namespace

void read_model(Scope& scope, const yaml::Value& model, yaml::Diagnostics& diagnostics) {
  for (const auto& [name, v] : model["input"].entries()) {
    Scope::Input& input = named(scope.inputs, name);
    if (v.has("unit")) {
      input.unit = v["unit"].text();
      declare(scope, v["unit"], diagnostics);
    }
    read_domain(input.domain, v["domain"], diagnostics);
    for (const auto& [field_name, f] : v["fields"].entries()) {
      Scope::Field& field = named(input.fields, field_name);
      if (f.has("unit")) {
        field.unit = f["unit"].text();
        declare(scope, f["unit"], diagnostics);
      }
      read_domain(field.domain, f["domain"], diagnostics);
      if (f.has("index")) field.index = f["index"].integer();
      field.whole = field.whole || f["whole"].boolean();
      if (f.has("values")) {
        field.values.clear();
        for (const yaml::Value& value : f["values"].items()) field.values.push_back(value.number());
        std::ranges::sort(field.values);
        field.values.erase(std::ranges::unique(field.values).begin(), field.values.end());
        const Scope::Range all{field.values.front(), field.values.back()};
        if (!field.domain) field.domain = all;
        else if (all.first < field.domain->first || all.second > field.domain->second)
          diagnostics.error(f["values"].at(), "'values' of '" + field_name + "' leave its domain [" + figures::shortest(field.domain->first) + ", " + figures::shortest(field.domain->second) + "]");
      }
    }
  }
  for (const auto& [name, v] : model["output"].entries()) {
    Scope::Output& output = named(scope.outputs, name);
    if (v.has("unit")) {
      output.unit = v["unit"].text();
      declare(scope, v["unit"], diagnostics);
    }
    if (v.has("scale")) {
      if (auto scale = data::Scale::parse(v["scale"].text())) std::tie(output.factor, output.offset) = line_of(*scale);
      else diagnostics.error(v["scale"].at(), scale.error().message, scale.error().help);
      if (output.factor == 0) diagnostics.error(v["scale"].at(), "'scale' does not depend on x");
    }
    if (!v.has("names")) continue;
    output.names.clear();
    for (const yaml::Value& n : v["names"].items()) output.names.push_back(n.text());
    output.width = static_cast<std::int64_t>(output.names.size());
  }
  const yaml::Value& labels = model["labels"];
  const yaml::Value& list = labels.kind() == yaml::Value::Kind::map ? labels["names"] : labels;
  if (list.kind() == yaml::Value::Kind::list) {
    scope.labels.clear();
    for (const yaml::Value& l : list.items()) scope.labels.push_back(l.text());
  }
}

const Scope::Output* Scope::output(std::string_view name) const {
  auto found = std::ranges::find(outputs, name, &Output::name);
  return found == outputs.end() ? nullptr : &*found;
}

const Scope::Data* Scope::find_data(std::string_view name) const {
  auto found = std::ranges::find(data, name, &Data::name);
  return found == data.end() ? nullptr : &*found;
}

const Scope::Field* Scope::field(std::string_view name) const {
  for (const Input& i : inputs) {
    auto found = std::ranges::find(i.fields, name, &Field::name);
    if (found != i.fields.end()) return &*found;
  }
  return nullptr;
}

void read_reject(Scope& scope, const yaml::Value& model, yaml::Diagnostics& diagnostics) {
  const yaml::Value& v = model["reject"];
  if (!v) return;
  Scope::Reject r{.score = v["score"].text()};
  if (v.has("output")) r.output = v["output"].text();
  if (v.has("data")) r.data = v["data"].text();
  r.accept = v["accept"].number();
  if (v.has("confidence")) r.confidence = v["confidence"].number();
  if (v.has("threshold")) r.threshold = v["threshold"].number();
  if (!(r.accept > 0 && r.accept < 1)) diagnostics.error(v["accept"].at(), "'accept' wants a share between 0 % and 100 %");
  if (r.confidence && !(*r.confidence > 0 && *r.confidence < 1)) diagnostics.error(v["confidence"].at(), "'confidence' wants a share between 0 % and 100 %");
  if (r.threshold && (v.has("data") || v["accept"].given() || r.confidence)) diagnostics.error(v["threshold"].at(), "'threshold' states what 'data', 'accept' and 'confidence' would find: give one of the two");
  scope.reject = std::move(r);
}

std::string calibration_set(const Scope& scope) {
  for (const char* name : {"calibration", "val"})
    if (!scope.data_known || scope.find_data(name)) return name;
  return {};
}

Scope scope_of(const RequirementFile& file, Scope scope, yaml::Diagnostics& diagnostics) {
  // Own units may stand upon units that the model section brings in, and the other way round: what is not known before it is tried after it.
  auto defined = [&](const yaml::Node& name, const yaml::Node& value, bool last) {
    auto m = yaml::measure(value.text);
    auto unit = m ? scope.units.find(m->unit.empty() ? "1/1" : m->unit) : Result<yaml::Unit>(m.error());
    if (m && m->unit.empty()) unit = yaml::Unit{};
    if (unit) {
      unit->factor *= m->value;
      unit->difference = false;
      if (auto ok = scope.units.define(name.text, *unit); !ok) diagnostics.error(name.at, ok.error().message, ok.error().help);
    } else if (last) {
      diagnostics.error(value.at, unit.error().message, unit.error().help.empty() ? "for example '0.514444 m/s'" : unit.error().help);
    }
    return unit.has_value();
  };
  std::vector<std::size_t> later;
  for (std::size_t i = 0; i < file.units.size(); ++i)
    if (!defined(file.units[i].first, file.units[i].second, false)) later.push_back(i);
  for (const ModelFile& m : file.models) {
    if (std::ranges::find(scope.models, m.name) == scope.models.end()) scope.models.push_back(m.name);
    std::erase(scope.models_without_file, m.name);
  }
  read_model(scope, file.model, diagnostics);
  for (std::size_t i : later) defined(file.units[i].first, file.units[i].second, true);
  read_reject(scope, file.model, diagnostics);
  std::vector<std::string> slices;
  for (const yaml::Value& s : file.data["slices"].items()) slices.push_back(s.text());
  for (const auto& [name, value] : file.data.entries()) {
    if (name != "train" && name != "test" && name != "val" && name != "calibration") continue;
    if (!scope.find_data(name)) scope.data.push_back({name, {}});
  }
  for (const auto& [name, value] : file.data["sets"].entries())
    if (!scope.find_data(name)) scope.data.push_back({name, {}});
  for (Scope::Data& d : scope.data) {
    for (const std::string& s : slices) {
      if (std::ranges::find(d.columns, s) == d.columns.end()) d.columns.push_back(s);
    }
  }
  return scope;
}

}  // namespace saha::validate
