// Split: the set `train` cut into parts. Each part is written out in the layout of the whole, so that the user's own training sees its part only.
#include "data/csv.hpp"
#include "data/npy.hpp"
#include "lifecycle/stages.hpp"
#include "system/file.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {

std::string quoted_cell(std::string_view text, char delimiter) {
  if (text.find_first_of(std::string("\"\r\n") + delimiter) == std::string_view::npos) return std::string(text);
  std::string q = "\"";
  for (char c : text) q += c == '"' ? std::string("\"\"") : std::string(1, c);
  return q + "\"";
}

/// The rows of a part, under the same header.
Result<> write_rows(const data::DataSpec& whole, const data::Dataset& part, const fs::path& to) {
  SAHA_TRY(auto bytes, system::read_bytes(whole.csv));
  SAHA_TRY(auto csv, data::Csv::parse(bytes, {.delimiter = whole.delimiter}));
  std::string text;
  auto add = [&](auto cell) {
    for (std::size_t c = 0; c < csv.columns(); ++c) text += (c ? std::string(1, whole.delimiter) : "") + quoted_cell(cell(c), whole.delimiter);
    text += "\n";
  };
  add([&](std::size_t c) { return std::string_view(csv.names()[c]); });
  for (std::int64_t i = 0; i < part.size(); ++i) add([&](std::size_t c) { return csv.cell(std::size_t(part.origin(i)), c); });
  return system::write_file(to, text);
}

/// The samples of a part, of every array.
Result<> write_arrays(const data::DataSpec& whole, const data::Dataset& part, const fs::path& to) {
  SAHA_TRY(auto arrays, data::read_arrays(whole));
  for (auto& [name, array] : arrays) {
    Dims dims = array.dims;
    dims[0] = part.size();
    SAHA_TRY(Tensor chosen, Tensor::make(array.dtype, dims));
    const std::int64_t each = array.size() / array.dims[0];
    for (std::int64_t i = 0; i < part.size(); ++i) copy_elements(array, part.origin(i) * each, 1, chosen, i * each, each);
    array = std::move(chosen);
  }
  SAHA_TRY(auto packed, data::write_npz(arrays));
  return system::write_file(to, system::Bytes{packed});
}

/// A folder of links to the files of a part.
Result<> link_files(const data::DataSpec& whole, const data::Dataset& part, const fs::path& to) {
  for (std::int64_t i = 0; i < part.size(); ++i) {
    const fs::path link = to / part.path(i).lexically_relative(whole.folder);
    SAHA_DO(system::make_folders(link.parent_path()));
    std::error_code failed;
    fs::create_symlink(fs::absolute(part.path(i)), link, failed);
    if (failed) return Error{ErrorCode::io, "no link '" + link.string() + "' can be made: " + failed.message()};
  }
  return {};
}

}  // namespace

Result<> Pipeline::split() {
  const data::DataSpec whole = specs_.at("train");
  SAHA_TRY(const std::string hash, content_hash(whole));
  Json parts = Json::object();
  for (const auto& [name, share] : c_.split->parts) parts[name] = share;
  const Json inputs{{"data", hash}, {"parts", parts}, {"stratify", c_.split->stratify}, {"group", c_.split->group}, {"seed", c_.split->seed}};
  auto make = [&](const fs::path& folder) -> Result<Json> {
    auto set = data::Dataset::open(whole);
    if (!set) return std::move(set.error()).within("data set 'train'");
    auto cut = set->split(*c_.split);
    if (!cut) return std::move(cut.error());
    Json sizes = Json::object();
    for (const auto& [name, part] : *cut) {
      if (!whole.csv.empty()) { SAHA_DO(write_rows(whole, part, folder / (name + ".csv"))); }
      else if (!whole.folder.empty()) { SAHA_DO(link_files(whole, part, folder / name)); }
      else { SAHA_DO(write_arrays(whole, part, folder / (name + ".npz"))); }
      sizes[name] = part.size();
    }
    return Json{{"samples", sizes}, {"classes", set->classes()}};
  };
  SAHA_TRY(const Stored s, stage("split", 1, inputs, make, [](const Json& j) {
    std::string n;
    for (const auto& [name, size] : j["samples"].items()) n += (n.empty() ? "" : ", ") + name + " " + std::to_string(size.get<std::int64_t>());
    return n;
  }));
  for (const auto& [name, size] : s.result["samples"].items()) {
    data::DataSpec part = whole;
    part.take.reset();
    part.where.clear();
    part.classes = s.result["classes"].get<std::vector<std::string>>();   // a part may lack one, labels mean the same in all
    if (!whole.csv.empty()) {
      part.csv = s.folder / (name + ".csv");
      if (part.root.empty()) part.root = whole.csv.parent_path().empty() ? fs::path(".") : whole.csv.parent_path();
    } else if (!whole.folder.empty()) {
      part.folder = s.folder / name;
    } else {
      part.npz = s.folder / (name + ".npz");
      part.npy.clear();
      part.images.clear();
      part.labels.clear();
    }
    specs_[name] = std::move(part);
  }
  report_["split"] = s.result["samples"];
  return {};
}

}  // namespace saha::lifecycle
