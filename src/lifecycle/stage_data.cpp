// Data: what the sets hold, and that none leaks into another.
#include <algorithm>
#include <map>
#include <set>

#include "base/figures.hpp"
#include "data/audit.hpp"
#include "lifecycle/contents.hpp"
#include "lifecycle/stages.hpp"
#include "system/hash.hpp"
#include "validate/comparison.hpp"
#include "validate/shift.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<std::string> content_hash(const data::DataSpec& s) {
  system::Sha256 h;
  auto file = [&](const fs::path& p) -> Result<> {
    SAHA_TRY(std::string digest, system::sha256_file(p));
    h.update(p.filename().string()).update("\n").update(digest).update("\n");
    return {};
  };
  auto folder = [&](const fs::path& root) -> Result<> {
    std::vector<fs::path> files;
    std::error_code e;
    for (const auto& x : fs::recursive_directory_iterator(root, e)) if (x.is_regular_file()) files.push_back(x.path());
    if (e) return Error{ErrorCode::io, "'" + root.string() + "' cannot be read: " + e.message()};
    std::sort(files.begin(), files.end());
    for (const auto& f : files) {
      SAHA_TRY(std::string digest, system::sha256_file(f));
      h.update(f.lexically_relative(root).string()).update("\n").update(digest).update("\n");
    }
    return {};
  };
  if (!s.folder.empty()) SAHA_DO(folder(s.folder));
  if (!s.csv.empty()) { SAHA_DO(file(s.csv)); if (s.features.empty()) SAHA_DO(folder(s.root.empty() ? (s.csv.parent_path().empty() ? fs::path(".") : s.csv.parent_path()) : s.root)); }
  if (!s.npz.empty()) SAHA_DO(file(s.npz));
  for (const auto& [name, p] : s.npy) { h.update(name); SAHA_DO(file(p)); }
  if (!s.images.empty()) { SAHA_DO(file(s.images)); SAHA_DO(file(s.labels)); }
  // What is read of them: which columns, and what their words stand for.
  for (const std::string* word : {&s.file, &s.label, &s.accepted, &s.target, &s.input}) h.update(*word).update("\n");
  for (const auto* words : {&s.features, &s.missing, &s.classes}) {
    for (const std::string& word : *words) h.update(word).update("\n");
    h.update("\n");
  }
  h.update(std::string(1, s.delimiter));
  h.update(s.where).update(std::to_string(s.take.value_or(-1)) + " " + std::to_string(s.seed));
  return system::hex(h.finish());
}
/// How test differs from train, on at most kCompared samples of each: look-alikes, columns, and whether a classifier tells them apart.
Result<Json> Pipeline::shift() const {
  constexpr std::int64_t kCompared = 2000;
  constexpr int kAlike = 2;   // of 64 bits
  auto go_on = [&](std::int64_t) { return !(o_.stop && o_.stop()); };
  SAHA_TRY(const auto train, contents_of(sets_.at("train").take(kCompared, 0), go_on));
  SAHA_TRY(const auto test, contents_of(sets_.at("test").take(kCompared, 0), go_on));
  const auto distances = validate::column_distances(train, test);
  Json columns = Json::array();
  for (const auto& c : distances)
    if (columns.size() < 20) columns.push_back({{"name", c.name}, {"distance", c.distance}, {"p", c.p}, {"psi", c.kinds ? Json() : Json(c.psi)}, {"wasserstein", c.kinds ? Json() : Json(c.wasserstein)}});
  std::vector<std::vector<double>> a, b;
  for (const auto& [name, x] : train.numbers)
    for (const auto& [other, y] : test.numbers)
      if (name == other) a.push_back(x), b.push_back(y);
  const auto told = validate::classifier_test(a, b, 0);
  return Json{{"samples", kCompared}, {"compared", distances.size()}, {"columns", columns}, {"look_alike", validate::duplicates(train, test, kAlike).count},
              {"told_apart", told.n ? Json{{"right", told.right}, {"of", told.n}, {"p", told.p}} : Json()}};
}

/// Without model.labels each set numbers the names that it holds; one in which a class does not occur would number them otherwise. All of them together, by byte value, hold for every set.
Result<> Pipeline::agree_on_classes() {
  std::set<std::string> all;
  for (const auto& [name, set] : sets_) if (are_words(set.classes())) all.insert(set.classes().begin(), set.classes().end());
  for (auto& [name, spec] : specs_) {
    const auto set = sets_.find(name);
    if (set == sets_.end() || !are_words(set->second.classes()) || set->second.classes().size() == all.size()) continue;
    spec.classes.assign(all.begin(), all.end());
    auto again = data::Dataset::open(spec);
    if (!again) return std::move(again.error()).within("data set '" + name + "'");
    set->second = std::move(*again);
  }
  return {};
}

Result<> Pipeline::data() {
  Json inputs = Json::object();
  for (const auto& [name, spec] : specs_) {
    auto hash = content_hash(spec);
    if (!hash) return std::move(hash.error());
    set_hash_[name] = *hash;
    inputs[name] = *hash;
  }
  inputs["skip_bad"] = c_.skip_bad;
  for (const auto& [name, spec] : specs_) {
    auto set = data::Dataset::open(spec);
    if (!set) return std::move(set.error()).within("data set '" + name + "'");
    sets_.insert_or_assign(name, std::move(*set));
  }
  SAHA_DO(agree_on_classes());
  auto make = [&](const fs::path&) -> Result<Json> {
    Json j = Json::object();
    std::map<std::string, data::Audit> audits;
    for (const auto& [name, set] : sets_) {
      data::AuditOptions options;
      options.on_progress = [&, total = set.size()](std::int64_t done) { if (o_.on_progress) o_.on_progress("data/" + name, done, total); };
      options.stop = o_.stop;
      SAHA_TRY(data::Audit a, data::audit(set, options));
      Json ranges = Json::array(), duplicates = Json::array(), unreadable = Json::array(), per_class = Json::array(), shapes = Json::array();
      for (const auto& r : a.ranges) ranges.push_back({{"name", r.name}, {"min", r.min}, {"max", r.max}, {"mean", r.mean}, {"std", r.std}, {"count", r.count}, {"missing", r.missing}});
      for (const auto& d : a.duplicates) if (duplicates.size() < 50) duplicates.push_back({{"first", set.title(d.first)}, {"second", set.title(d.second)}, {"same_label", d.same_label}});
      for (const auto& u : a.unreadable) if (unreadable.size() < 50) unreadable.push_back({{"sample", u.title}, {"reason", u.reason}});
      for (const auto& [k, n] : a.per_class) per_class.push_back({k, n});
      for (const auto& [k, n] : a.shapes) shapes.push_back({k, n});
      Json slices = Json::object();
      for (const std::string& column : set.slices()) {
        std::map<std::string, std::int64_t> counts;
        for (std::int64_t i = 0; i < set.size(); ++i) ++counts[set.column(column, i)];
        slices[column] = counts;
      }
      j[name] = {{"samples", a.samples}, {"per_class", per_class}, {"ranges", ranges}, {"shapes", shapes}, {"duplicates", a.duplicates.size()}, {"duplicate_list", duplicates},
                 {"unreadable", a.unreadable.size()}, {"unreadable_list", unreadable}, {"slices", slices}};
      SAHA_TRY(auto readable, data::readable(set, a, c_.skip_bad));
      (void)readable;
      audits.emplace(name, std::move(a));
    }
    Json leaks = Json::object();
    for (const char* held : {"test", "val", "calibration"}) {
      const char* against = std::string_view(held) == "calibration" ? "test" : "train";
      if (!sets_.count(held) || !sets_.count(against)) continue;
      auto found = data::leaks(sets_.at(against), audits.at(against), sets_.at(held), audits.at(held));
      Json some = Json::array();
      for (const auto& l : found) if (some.size() < 20) some.push_back({sets_.at(against).title(l.train), sets_.at(held).title(l.test)});
      leaks[held] = {{"against", against}, {"count", found.size()}, {"some", some}};
      if (!found.empty())
        return Error{ErrorCode::invalid_data, figures::counted(std::int64_t(found.size()), "sample") + " of '" + std::string(held) + "' stand" + (found.size() == 1 ? "s" : "") + " in '" + against + "' too (same content), the first: " +
            sets_.at(held).title(found[0].test) + " and " + sets_.at(against).title(found[0].train),
                     "take them out of '" + std::string(against) + "': a figure on samples that were trained on proves nothing"};
    }
    j["leaks"] = leaks;
    if (sets_.count("train") && sets_.count("test")) { SAHA_TRY(j["shift"], shift()); }
    return j;
  };
  auto note = [&](const Json& j) -> std::string {
    std::string s;
    for (const auto& [name, set] : sets_) {
      if (!j.contains(name)) continue;
      s += (s.empty() ? "" : "; ") + name + " " + std::to_string(j[name]["samples"].get<std::int64_t>());
      if (auto d = j[name]["duplicates"].get<std::int64_t>()) s += " (" + figures::counted(d, "duplicate") + ")";
    }
    if (s.empty()) return std::string("no data: accuracy is not judged");
    s += sets_.size() > 1 ? "; no leakage" : "";
    if (!j.contains("shift")) return s;
    const Json& shift = j["shift"];
    const auto alike = shift["look_alike"].get<std::int64_t>();
    std::int64_t differ = 0;
    for (const Json& c : shift["columns"]) differ += c["p"].get<double>() <= 0.01;
    if (alike > 0) s += "; " + figures::counted(alike, "picture") + " of test look" + (alike == 1 ? "s" : "") + " like one of train";
    if (differ > 0) s += "; test differs from train in " + std::to_string(differ) + " of " + figures::counted(std::int64_t(shift["compared"].get<std::int64_t>()), "column") + ", most in '" + shift["columns"][0]["name"].get<std::string>() + "' (" + figures::percent(shift["columns"][0]["distance"]) + ")";
    return s;
  };
  SAHA_TRY(Stored s, stage("data", 2, inputs, make, note));
  report_["data"] = s.result;
  report_["shift"] = s.result.value("shift", Json());
  report_["data"].erase("shift");
  return {};
}

}  // namespace saha::lifecycle
