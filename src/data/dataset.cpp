// Opening the layouts, and samples on demand. Files are read when a sample is asked for; arrays and tables are held whole.
#include "data/dataset.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>
#include <unordered_map>

#include "data/dataset_store.hpp"
#include "data/idx.hpp"
#include "data/shuffle.hpp"
#include "data/wav.hpp"

namespace saha::data {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxSampleFile = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxDataFile = std::uint64_t{1} << 34;
constexpr std::int64_t kMaxClass = 10'000;  // integers up to here in a label column are class numbers

std::string lower(std::string s) {
  for (char& c : s) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return s;
}
bool is_sample_name(const std::string& name) {
  const std::string extension = lower(fs::path(name).extension().string());
  for (const char* known : {".jpg", ".jpeg", ".png", ".bmp", ".wav", ".npy"})
    if (extension == known) return true;
  return false;
}
std::optional<std::int64_t> integer(std::string_view cell) {
  const auto v = number(cell);
  if (!v || *v != std::floor(*v) || std::abs(*v) > 9e15) return {};
  return std::int64_t(*v);
}
std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

// The one place where label cells become class numbers. Empty cells are unknown (-1).
class LabelReader {
 public:
  explicit LabelReader(std::vector<std::string> classes) : given_(!classes.empty()), classes_(std::move(classes)) { index(); }

  // Without given names: numbers where all cells are, else the distinct words by byte value.
  template <class Cells> void learn(std::size_t n, Cells cell) {
    if (given_) return;
    std::int64_t largest = -1;
    bool numbers = true;
    std::set<std::string, std::less<>> words;
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view c = cell(i);
      if (c.empty()) continue;
      const auto v = numbers ? integer(c) : std::nullopt;
      numbers = v && *v >= 0 && *v < kMaxClass;
      if (numbers) largest = std::max(largest, *v);
      if (!words.contains(c)) words.emplace(c);
    }
    classes_.clear();
    if (numbers) for (std::int64_t k = 0; k <= largest; ++k) classes_.push_back(std::to_string(k));
    else classes_.assign(words.begin(), words.end());
    index();
  }
  Result<int> number_of(std::string_view cell, std::size_t row) const {
    if (cell.empty()) return -1;
    if (const auto it = place_.find(std::string(cell)); it != place_.end()) return it->second;
    if (const auto v = integer(cell); v && *v >= 0 && *v < std::int64_t(classes_.size())) return int(*v);
    return Error{ErrorCode::invalid_data, "label '" + std::string(cell.substr(0, 60)) + "' of row " + std::to_string(row + 1) + " is not among the " + std::to_string(classes_.size()) + " classes"};
  }
  std::vector<std::string> classes() const { return classes_; }

 private:
  void index() {
    place_.clear();
    for (std::size_t k = 0; k < classes_.size(); ++k) place_.emplace(classes_[k], int(k));
  }
  bool given_;
  std::vector<std::string> classes_;
  std::unordered_map<std::string, int> place_;
};

Result<Csv> load_csv(const fs::path& path, char delimiter) {
  SAHA_TRY(auto file, system::map_file(path));
  auto csv = Csv::parse(file.bytes(), {.delimiter = delimiter});
  if (!csv) return std::move(csv.error()).within(quoted(path));
  return csv;
}

bool is_label_name(const std::string& name) { return name == "y" || name == "label" || name == "labels" || name == "target"; }

}  // namespace

// ---- opening ------------------------------------------------------------------------------------------------------------------
namespace {
using Store = DatasetStore;

Result<Store> open_folder(const DataSpec& spec) {
  Store store;
  store.inputs = {spec.input};
  store.root = spec.folder;
  SAHA_TRY(const auto names, system::list_folder(spec.folder));
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (fs::is_directory(spec.folder / name, ignored)) {
      if (!name.starts_with('.')) folders.push_back(name);
    } else if (is_sample_name(name)) {
      store.files.push_back(name);
    }
  }
  if (folders.empty()) {
    if (store.files.empty()) return Error{ErrorCode::invalid_data, "folder " + quoted(spec.folder) + " holds no samples (jpg, png, bmp, wav, npy) and no class folders"};
    return store;
  }
  store.files.clear();  // beside class folders, loose files are no samples
  store.classes = spec.classes.empty() ? folders : spec.classes;
  for (const std::string& folder : folders) {
    const auto place = std::find(store.classes.begin(), store.classes.end(), folder);
    if (place == store.classes.end()) return Error{ErrorCode::invalid_data, "class folder " + quoted(spec.folder / folder) + " is not among the " + std::to_string(store.classes.size()) + " labels"};
    SAHA_TRY(const auto files, system::list_folder(spec.folder / folder));
    for (const std::string& file : files) {
      if (!is_sample_name(file)) continue;
      store.files.push_back(folder + "/" + file);
      store.labels.push_back(int(place - store.classes.begin()));
    }
  }
  if (store.files.empty()) return Error{ErrorCode::invalid_data, "the class folders of " + quoted(spec.folder) + " hold no samples (jpg, png, bmp, wav, npy)"};
  return store;
}

Result<Store> open_csv(const DataSpec& spec) {
  SAHA_TRY(Csv csv, load_csv(spec.csv, spec.delimiter));
  const auto within = [&](Error e) { return std::move(e).within(quoted(spec.csv)); };
  Store store;
  store.inputs = {spec.input};
  // Without a column of files the numbers are the samples themselves.
  std::vector<std::string> features = spec.features;
  std::string target = spec.target;
  if (features.empty() && !csv.find(spec.file)) {
    if (!target.empty()) return within({ErrorCode::invalid_data, "it has a target, so it is a table, and a table needs features", "features: ['*'] takes every column but the target"});
    if (spec.file != "file") return within(csv.column(spec.file).error());
    for (const std::string& name : csv.names()) {
      const bool labels = name == spec.label || is_label_name(name);
      if (labels && target.empty()) target = name;
      if (labels || std::ranges::find(spec.slices, name) != spec.slices.end()) continue;
      SAHA_TRY(const std::size_t c, csv.column(name));
      if (!numbers(csv, c, spec.missing)) {
        Error e = csv.column(spec.file).error();
        e.help = "a table, which needs no file, has numbers only besides 'label', 'target' or 'y'; column '" + name + "' has others";
        return within(std::move(e));
      }
      features.push_back(name);
    }
    if (features.empty()) return within(csv.column(spec.file).error());
  }
  const bool is_table = !features.empty();
  for (const std::string& slice : spec.slices)
    if (auto c = csv.column(slice); !c) return within(c.error());
  store.slices = spec.slices;

  const std::string& label_name = is_table ? target : spec.label;
  const auto label_column = csv.find(label_name);
  const bool wants_label = is_table ? !target.empty() : spec.label != "label";
  if (wants_label && !label_column) return within(csv.column(label_name).error());
  if (is_table) {
    std::vector<std::string> names = features;
    if (names == std::vector<std::string>{"*"}) {
      names.clear();
      for (const std::string& name : csv.names())
        if (name != target && name != spec.label && std::find(spec.slices.begin(), spec.slices.end(), name) == spec.slices.end()) names.push_back(name);
    }
    auto table = make_table(csv, names, spec.missing);
    if (!table) return within(table.error());
    store.table = std::move(*table);
  } else {
    auto file_column = csv.column(spec.file);
    if (!file_column) return within(file_column.error());
    store.root = spec.root.empty() ? spec.csv.parent_path() : spec.root;
    store.confined = true;
    for (std::size_t r = 0; r < csv.rows(); ++r) store.files.emplace_back(csv.cell(r, *file_column));
  }
  if (label_column) {
    const std::size_t c = *label_column;
    LabelReader reader(spec.classes);
    auto values = numbers(csv, c, spec.missing);
    if (values) store.targets = *values;
    // Fractions and negative numbers are values to predict, not classes.
    const bool classes = !values || !spec.classes.empty() || std::all_of(values->begin(), values->end(), [](double v) { return std::isnan(v) || (v == std::floor(v) && v >= 0 && v < kMaxClass); });
    if (classes) {
      reader.learn(csv.rows(), [&](std::size_t r) { return csv.cell(r, c); });
      for (std::size_t r = 0; r < csv.rows(); ++r) {
        auto label = reader.number_of(csv.cell(r, c), r);
        if (!label) return within(label.error());
        store.labels.push_back(*label);
      }
      store.classes = reader.classes();
      if (const auto more = csv.find(spec.accepted))
        for (std::size_t r = 0; r < csv.rows(); ++r)
          for (std::string_view rest = csv.cell(r, *more); !rest.empty();) {
            const auto end = std::min(rest.find_first_of("|;"), rest.size());
            auto label = reader.number_of(rest.substr(0, end), r);
            if (!label) return within(label.error());
            if (*label >= 0) store.accepted[std::int64_t(r)].push_back(*label);
            rest.remove_prefix(std::min(end + 1, rest.size()));
          }
    }
  }
  store.csv = std::move(csv);
  return store;
}

// Labels of array layouts: integers are classes, floats are numbers to predict.
Result<> set_labels(Store& store, const Tensor& y, std::vector<std::string> classes) {
  if (y.dtype == DType::none) return {};
  if (y.rank() > 1 && y.dims[0] == store.count() && y.size() != store.count() && y.dtype != DType::string) {
    store.truth = y;
    return {};
  }
  if (y.size() != store.count()) return Error{ErrorCode::invalid_data, std::to_string(y.size()) + " labels for " + std::to_string(store.count()) + " samples"};
  if (y.dtype == DType::string) {
    LabelReader reader(std::move(classes));
    reader.learn(y.text->size(), [&](std::size_t i) { return std::string_view((*y.text)[i]); });
    for (std::size_t i = 0; i < y.text->size(); ++i) {
      SAHA_TRY(const int label, reader.number_of((*y.text)[i], i));
      store.labels.push_back(label);
    }
    store.classes = reader.classes();
    return {};
  }
  store.targets = values<double>(y);
  if (is_float(y.dtype)) return {};
  std::int64_t largest = -1;
  for (double v : store.targets) {
    if (v < 0 || v >= kMaxClass) return {};
    largest = std::max(largest, std::int64_t(v));
  }
  if (!classes.empty() && largest >= std::int64_t(classes.size()))
    return Error{ErrorCode::invalid_data, "label " + std::to_string(largest) + " in the data, but there are " + std::to_string(classes.size()) + " classes"};
  store.labels.assign(store.targets.begin(), store.targets.end());
  store.classes = std::move(classes);
  for (std::int64_t k = std::int64_t(store.classes.size()); k <= largest; ++k) store.classes.push_back(std::to_string(k));
  return {};
}

Result<Store> of_arrays(std::vector<NamedTensor> arrays, const Tensor& labels, std::vector<std::string> classes) {
  Store store;
  if (arrays.empty()) return Error{ErrorCode::invalid_data, "no input array"};
  for (const auto& [name, t] : arrays) {
    if (t.rank() == 0) return Error{ErrorCode::invalid_data, "array '" + name + "' has no dimension for the samples"};
    if (t.dims[0] != arrays[0].second.dims[0])
      return Error{ErrorCode::invalid_data, "array '" + name + "' has " + std::to_string(t.dims[0]) + " samples, '" + arrays[0].first + "' has " + std::to_string(arrays[0].second.dims[0])};
    store.inputs.push_back(name);
  }
  store.arrays = std::move(arrays);
  SAHA_DO(set_labels(store, labels, std::move(classes)));
  return store;
}

// Splits the label array off the inputs: the one that the spec names, else one of the usual names.
Tensor take_labels(std::vector<NamedTensor>& arrays, const std::string& name) {
  auto it = std::find_if(arrays.begin(), arrays.end(), [&](const NamedTensor& a) { return a.first == name; });
  if (it == arrays.end()) it = std::find_if(arrays.begin(), arrays.end(), [](const NamedTensor& a) { return is_label_name(a.first); });
  if (it == arrays.end()) return {};
  Tensor labels = std::move(it->second);
  arrays.erase(it);
  return labels;
}

Result<Store> open_arrays(const DataSpec& spec) {
  SAHA_TRY(auto arrays, read_arrays(spec));
  const Tensor labels = take_labels(arrays, spec.label);
  auto store = of_arrays(std::move(arrays), labels, spec.classes);
  if (!store) return std::move(store.error()).within(quoted(!spec.images.empty() ? spec.images : !spec.npz.empty() ? spec.npz : spec.npy.begin()->second));
  return store;
}

}  // namespace

Result<std::vector<NamedTensor>> read_arrays(const DataSpec& spec) {
  std::vector<NamedTensor> arrays;
  const auto add = [&](const std::string& name, const fs::path& path) -> Result<> {
    SAHA_TRY(auto file, system::map_file(path));
    auto t = read_idx(file.bytes());
    if (!t) return std::move(t.error()).within(quoted(path));
    arrays.emplace_back(name, std::move(*t));
    return {};
  };
  if (!spec.images.empty()) {
    SAHA_DO(add(spec.input, spec.images));
    if (!spec.labels.empty()) SAHA_DO(add(spec.label, spec.labels));
  }
  if (!spec.npz.empty()) {
    SAHA_TRY(auto file, system::map_file(spec.npz));
    auto all = read_npz(file.bytes(), kMaxDataFile);
    if (!all) return std::move(all.error()).within(quoted(spec.npz));
    arrays = std::move(*all);
  }
  for (const auto& [name, path] : spec.npy) {
    SAHA_TRY(auto t, load_npy(path));
    arrays.emplace_back(name, std::move(t));
  }
  return arrays;
}

DataSpec DataSpec::of(const fs::path& path) {
  DataSpec spec;
  const std::string extension = lower(path.extension().string());
  if (extension == ".csv") spec.csv = path;
  else if (extension == ".npz") spec.npz = path;
  else if (extension == ".npy") spec.npy[spec.input] = path;
  else spec.folder = path;
  return spec;
}

Result<Dataset> Dataset::open(const DataSpec& spec) {
  const int layouts = !spec.folder.empty() + !spec.csv.empty() + (!spec.npz.empty() || !spec.npy.empty()) + !spec.images.empty();
  if (layouts != 1) return Error{ErrorCode::invalid_argument, "data: " + std::to_string(layouts) + " of folder, csv, npy or npz, images are given; one is needed"};
  auto opened = !spec.folder.empty() ? open_folder(spec) : !spec.csv.empty() ? open_csv(spec) : open_arrays(spec);
  if (!opened) return std::move(opened.error());
  if (opened->table) opened->make_features({});
  Dataset set;
  set.index_.resize(std::size_t(opened->count()));
  std::iota(set.index_.begin(), set.index_.end(), 0);
  set.store_ = std::make_shared<const Store>(std::move(*opened));
  if (!spec.where.empty()) {
    SAHA_TRY(set, set.where(spec.where));
  }
  if (spec.take) set = set.take(*spec.take, spec.seed);
  if (set.size() == 0) return Error{ErrorCode::invalid_data, "no sample is left" + (spec.where.empty() ? std::string() : " where " + spec.where)};
  return set;
}
Result<Dataset> Dataset::from_arrays(std::vector<NamedTensor> arrays, const Tensor& labels, std::vector<std::string> classes) {
  SAHA_TRY(Store store, of_arrays(std::move(arrays), labels, std::move(classes)));
  Dataset set;
  set.index_.resize(std::size_t(store.count()));
  std::iota(set.index_.begin(), set.index_.end(), 0);
  set.store_ = std::make_shared<const Store>(std::move(store));
  return set;
}

// ---- what a sample is -----------------------------------------------------------------------------------------------------------
const std::vector<std::string>& Dataset::inputs() const { return store_->inputs; }
bool Dataset::is_files() const { return !store_->files.empty(); }
const std::vector<std::string>& Dataset::slices() const { return store_->slices; }
std::vector<std::string> Dataset::columns() const {
  std::vector<std::string> names = store_->csv ? store_->csv->names() : std::vector<std::string>{};
  for (const char* own : {"label", "target"})
    if ((own[0] == 'l' ? has_labels() : has_targets()) && std::find(names.begin(), names.end(), own) == names.end()) names.push_back(own);
  return names;
}
bool Dataset::has_labels() const { return !store_->labels.empty(); }
bool Dataset::has_targets() const { return !store_->targets.empty(); }
bool Dataset::has_truth() const { return store_->truth.rank() > 0; }
Tensor Dataset::truth(std::int64_t i) const { return has_truth() ? DatasetStore::row(store_->truth, origin(i)) : Tensor{}; }
const std::vector<std::string>& Dataset::classes() const { return store_->classes; }
int Dataset::label(std::int64_t i) const { return has_labels() ? store_->labels[std::size_t(origin(i))] : -1; }
double Dataset::target(std::int64_t i) const { return has_targets() ? store_->targets[std::size_t(origin(i))] : kMissing; }
std::vector<int> Dataset::accepted(std::int64_t i) const {
  std::vector<int> all;
  if (const int l = label(i); l >= 0) all.push_back(l);
  if (const auto it = store_->accepted.find(origin(i)); it != store_->accepted.end())
    for (int l : it->second)
      if (std::find(all.begin(), all.end(), l) == all.end()) all.push_back(l);
  return all;
}
std::string Dataset::column(std::string_view name, std::int64_t i) const {
  if (store_->csv)
    if (const auto c = store_->csv->find(name)) return std::string(store_->csv->cell(std::size_t(origin(i)), *c));
  if (name == "label" && label(i) >= 0) return classes()[std::size_t(label(i))];
  if (name == "target" && has_targets()) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, target(i)).ptr);
  }
  return {};
}
std::string Dataset::title(std::int64_t i) const {
  return is_files() ? store_->files[std::size_t(origin(i))] : "row " + std::to_string(origin(i) + 1);
}
fs::path Dataset::path(std::int64_t i) const { return is_files() ? store_->root / store_->files[std::size_t(origin(i))] : fs::path(); }
const Table* Dataset::table() const { return store_->table ? &*store_->table : nullptr; }
Table Dataset::table_rows() const { return store_->table ? select_rows(*store_->table, index_) : Table{}; }

std::int64_t DatasetStore::count() const {
  if (!files.empty()) return std::int64_t(files.size());
  if (table) return std::int64_t(table->rows);
  return arrays.empty() ? 0 : arrays[0].second.dims[0];
}
void DatasetStore::make_features(const TableSteps& steps) {
  arrays.clear();
  no_features = {};
  if (auto t = features(*table, steps)) arrays.emplace_back(inputs[0], std::move(*t));
  else no_features = t.error();
}
Result<Item> DatasetStore::item(std::int64_t origin, std::size_t input, const ImageOptions& options) const {
  if (files.empty()) {
    if (no_features) return *no_features;
    return Item{row(arrays[input].second, origin), 0};
  }
  const std::string& name = files[std::size_t(origin)];
  const auto read = [&]() -> Result<Item> {
    fs::path path = root / name;
    if (confined) {
      SAHA_TRY(path, system::resolve_inside(root, name));
    }
    SAHA_TRY(const auto bytes, system::read_bytes(path, kMaxSampleFile));
    const std::string_view head = system::text_of(Bytes(bytes).first(std::min<std::size_t>(bytes.size(), 8)));
    if (head.starts_with("RIFF")) {
      SAHA_TRY(Audio audio, read_wav(bytes));
      return Item{std::move(audio.samples), audio.rate_hz};
    }
    if (head.starts_with("\x93NUMPY")) {
      SAHA_TRY(Tensor t, read_npy(bytes));
      return Item{std::move(t), 0};
    }
    SAHA_TRY(Tensor picture, decode_image(bytes, options));
    return Item{std::move(picture), 0};
  };
  auto item = read();
  if (std::error_code unknown; !item && confined && item.error().help.empty() && !fs::exists(root / name, unknown)) item.error().help = "'root' of a data set in saha.yaml states the folder of the files that a csv names; else it is that of the csv";
  if (!item && item.error().message.find(name) == std::string::npos) return std::move(item.error()).within("'" + name + "'");
  return item;
}
Tensor DatasetStore::row(const Tensor& all, std::int64_t i) {
  Dims dims(all.dims.begin() + 1, all.dims.end());
  const std::int64_t n = num_elements(dims);
  if (all.dtype != DType::string && bits(all.dtype) >= 8)
    return Tensor{all.dtype, std::move(dims), {all.data, all.data.get() + i * storage_bytes(all.dtype, n)}, {}};
  Tensor t = Tensor::zeros(all.dtype, std::move(dims));
  copy_elements(all, i * n, 1, t, 0, n);
  return t;
}

Result<Item> Dataset::raw(std::int64_t i, const ImageOptions& options) const {
  SAHA_ASSERT(i >= 0 && i < size());
  return store_->item(origin(i), 0, options);
}
Result<std::vector<NamedTensor>> Dataset::sample(std::int64_t i) const {
  SAHA_TRY(auto raw, items(i));
  auto tensors = prepared(std::move(raw));
  if (!tensors) return std::move(tensors.error()).within("'" + title(i) + "'");
  return tensors;
}
Result<std::vector<Item>> Dataset::items(std::int64_t i) const {
  SAHA_ASSERT(i >= 0 && i < size());
  if (wanted_.empty()) return raw_inputs(i);
  std::vector<Item> items;
  for (const InputSpec& spec : wanted_) {
    const auto place = std::find(store_->inputs.begin(), store_->inputs.end(), spec.name);
    const std::size_t k = place == store_->inputs.end() ? 0 : std::size_t(place - store_->inputs.begin());
    SAHA_TRY(Item item, store_->item(origin(i), k, spec.steps.image_options()));
    items.push_back(std::move(item));
  }
  return items;
}
Result<std::vector<NamedTensor>> Dataset::prepared(std::vector<Item> items) const {
  std::vector<NamedTensor> tensors;
  if (wanted_.empty()) {
    for (std::size_t k = 0; k < items.size(); ++k) tensors.emplace_back(store_->inputs[k], std::move(items[k].tensor));
    return tensors;
  }
  SAHA_ASSERT(items.size() == wanted_.size());
  for (std::size_t k = 0; k < items.size(); ++k) {
    const InputSpec& spec = wanted_[k];
    SAHA_TRY(Tensor t, spec.steps.apply(std::move(items[k])));
    if (!spec.shape.empty() || spec.dtype != DType::none) {
      const Dims shape = spec.shape.empty() ? t.dims : Dims(spec.shape.begin() + 1, spec.shape.end());
      SAHA_TRY(t, conform(std::move(t), shape, spec.dtype == DType::none ? t.dtype : spec.dtype));
    }
    tensors.emplace_back(spec.name, std::move(t));
  }
  return tensors;
}
Result<std::vector<NamedTensor>> Dataset::batch(std::int64_t first, std::int64_t n) const {
  SAHA_ASSERT(first >= 0 && n >= 1 && first + n <= size());
  SAHA_TRY(auto one, sample(first));
  const auto dims_of = [n](const Tensor& t) { Dims d = t.dims; d.insert(d.begin(), n); return d; };
  bool in_a_row = is_files() ? false : true;
  for (std::int64_t k = 1; k < n && in_a_row; ++k) in_a_row = origin(first + k) == origin(first) + k;
  if (in_a_row) {
    // Samples that are plain pieces of an array: the batch is a longer piece.
    bool plain = true;
    for (std::size_t a = 0; a < one.size() && plain; ++a) {
      const auto place = std::find(store_->inputs.begin(), store_->inputs.end(), one[a].first);
      const Tensor& all = store_->arrays[place == store_->inputs.end() ? 0 : std::size_t(place - store_->inputs.begin())].second;
      plain = all.dtype != DType::string && one[a].second.data.get() == all.data.get() + origin(first) * one[a].second.bytes() && bits(all.dtype) >= 8;
    }
    if (plain) {
      for (auto& [name, t] : one) t.dims = dims_of(t);
      return one;
    }
  }
  std::vector<NamedTensor> all;
  for (const auto& [name, t] : one) {
    SAHA_TRY(Tensor stacked, Tensor::make(t.dtype, dims_of(t)));
    all.emplace_back(name, std::move(stacked));
  }
  for (std::int64_t k = 0; k < n; ++k) {
    if (k > 0) {
      SAHA_TRY(one, sample(first + k));
    }
    for (std::size_t a = 0; a < all.size(); ++a) {
      const Tensor& t = one[a].second;
      const Dims expected(all[a].second.dims.begin() + 1, all[a].second.dims.end());
      if (t.dims != expected || t.dtype != all[a].second.dtype)
        return Error{ErrorCode::invalid_data, "'" + title(first + k) + "' is " + std::string(name(t.dtype)) + str(t.dims) + ", '" + title(first) + "' is " + std::string(name(all[a].second.dtype)) + str(expected) + "; a batch needs one shape: add a resize"};
      copy_elements(t, 0, 1, all[a].second, k * t.size(), t.size());
    }
  }
  return all;
}
Result<std::vector<Item>> Dataset::raw_inputs(std::int64_t i) const {
  std::vector<Item> items;
  for (std::size_t k = 0; k < store_->inputs.size(); ++k) {
    SAHA_TRY(Item item, store_->item(origin(i), k, {}));
    items.push_back(std::move(item));
  }
  return items;
}
system::Digest content_digest(const std::vector<Item>& items) {
  system::Sha256 hash;
  for (const Item& item : items) {
    const Tensor& t = item.tensor;
    hash.update(std::string(name(t.dtype)) + str(t.dims));
    if (t.dtype != DType::string) hash.update(Bytes(t.data.get(), std::size_t(t.bytes())));
    else
      for (const std::string& s : *t.text) hash.update(std::string_view(s.c_str(), s.size() + 1));
  }
  return hash.finish();
}
Result<system::Digest> Dataset::digest(std::int64_t i) const {
  system::Sha256 hash;
  if (store_->table) {
    const auto r = std::size_t(origin(i));
    for (const Column& c : store_->table->columns) {
      if (c.is_number()) hash.update(std::as_bytes(std::span(&c.numbers[r], 1)));
      else hash.update(std::string_view(c.words[r].c_str(), c.words[r].size() + 1));
    }
    return hash.finish();
  }
  SAHA_TRY(const auto items, raw_inputs(i));
  return content_digest(items);
}

Result<Dataset> Dataset::for_inputs(const std::vector<InputSpec>& specs) const {
  if (specs.size() != store_->inputs.size() && specs.size() > 1) {
    std::string names;
    for (const std::string& name : store_->inputs) names += (names.empty() ? "'" : ", '") + name + "'";
    return Error{ErrorCode::invalid_data, "the model has " + std::to_string(specs.size()) + " inputs, the data gives " + names};
  }
  for (const InputSpec& spec : specs)
    if (store_->inputs.size() > 1 && std::find(store_->inputs.begin(), store_->inputs.end(), spec.name) == store_->inputs.end())
      return Error{ErrorCode::invalid_data, "the data has no array '" + spec.name + "', which the model takes"};
  Dataset set = *this;
  set.wanted_ = specs;
  return set;
}
Result<Dataset> Dataset::with_table_steps(const TableSteps& steps) const {
  if (!store_->table) return Error{ErrorCode::invalid_argument, "impute, standardize and onehot are for tables"};
  auto store = std::make_shared<Store>(*store_);
  store->make_features(steps);
  if (store->no_features) {
    // Rows that are not in this set may be incomplete: only these count.
    const Table mine = table_rows();
    SAHA_TRY(Tensor t, features(mine, steps));
    SAHA_TRY(Tensor whole, Tensor::make(DType::f32, {store->count(), t.dims[1]}));
    for (std::size_t i = 0; i < index_.size(); ++i) copy_elements(t, std::int64_t(i) * t.dims[1], 1, whole, index_[i] * t.dims[1], t.dims[1]);
    store->arrays = {{store->inputs[0], std::move(whole)}};
    store->no_features = {};
  }
  Dataset set = *this;
  set.store_ = std::move(store);
  return set;
}

}  // namespace saha::data
