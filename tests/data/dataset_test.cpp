#include "data/dataset.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <set>

#include "data/audit.hpp"
#include "data/wav.hpp"

namespace saha::data {
namespace {
namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class Sets : public testing::Test {
 protected:
  system::TempFolder folder_ = *system::TempFolder::make();
  fs::path at(const std::string& name) const { return folder_.path() / name; }
  void put(const std::string& name, Bytes content) const {
    ASSERT_TRUE(system::make_folders(at(name).parent_path()));
    ASSERT_TRUE(system::write_file(at(name), content));
  }
  void put(const std::string& name, std::string_view text) const { put(name, system::bytes_of(text)); }
  void put_picture(const std::string& name, double level, std::int64_t size = 4) const {
    put(name, Bytes(*encode_png(Tensor::of(DType::u8, {size, size, 1}, {level}))));
  }
  // Two classes of pictures; b/2.png holds the same picture as b/1.png.
  void make_folder() const {
    put_picture("set/b/1.png", 10);
    put_picture("set/b/2.png", 10);
    put_picture("set/b/3.PNG", 30);
    put_picture("set/A/x.png", 200);
    put("set/A/notes.txt", "not a sample");
    put("set/readme.png", "beside the classes");
  }
};
std::vector<std::int64_t> origins(const Dataset& d) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < d.size(); ++i) all.push_back(d.origin(i));
  return all;
}
// n samples x[i] = i, label i % classes.
Dataset numbered(std::int64_t n, std::int64_t classes) {
  Tensor x = Tensor::zeros(DType::f32, {n, 2}), y = Tensor::zeros(DType::i64, {n});
  for (std::int64_t i = 0; i < n; ++i) x.as<float>()[2 * i] = float(i), y.as<std::int64_t>()[i] = i % classes;
  return *Dataset::from_arrays({{"x", x}}, y);
}

TEST_F(Sets, a_folder_of_classes_is_sorted_by_byte_value) {
  make_folder();
  auto set = Dataset::open(DataSpec::of(at("set")));
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"A", "b"}));
  ASSERT_EQ(set->size(), 4);
  EXPECT_EQ(set->title(0), "A/x.png");
  EXPECT_EQ(set->label(0), 0);
  EXPECT_EQ(set->label(3), 1);
  EXPECT_EQ(set->column("label", 3), "b");
  auto s = set->sample(1);
  ASSERT_TRUE(s);
  EXPECT_EQ((*s)[0].second.dims, (Dims{4, 4, 3}));
  DataSpec named = DataSpec::of(at("set"));
  named.classes = {"b", "A"};
  EXPECT_EQ(Dataset::open(named)->label(0), 1);
  named.classes = {"b", "c"};
  EXPECT_TRUE(contains(Dataset::open(named).error().message, "is not among the 2 labels"));
  EXPECT_TRUE(contains(Dataset::open(DataSpec::of(at("set/none"))).error().message, "No such file"));
  ASSERT_TRUE(system::make_folders(at("empty")));
  EXPECT_TRUE(contains(Dataset::open(DataSpec::of(at("empty"))).error().message, "holds no samples"));
}
TEST_F(Sets, samples_come_as_the_model_wants_them) {
  make_folder();
  auto steps = Preprocess::parse(R"([{"decode": "gray"}, {"resize": {"to": [2, 2], "rule": "pil-bilinear"}}, {"scale": "x/255"}])");
  ASSERT_TRUE(steps) << steps.error().message;
  auto set = Dataset::open(DataSpec::of(at("set")))->for_inputs({{"image", *steps, {-1, 1, 2, 2}, DType::f32}});
  ASSERT_TRUE(set);
  auto batch = set->batch(0, 3);
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ((*batch)[0].first, "image");
  EXPECT_TRUE(identical((*batch)[0].second, Tensor::of(DType::f32, {3, 1, 2, 2}, {200.f / 255, 200.f / 255, 200.f / 255, 200.f / 255, 10.f / 255, 10.f / 255, 10.f / 255, 10.f / 255, 10.f / 255, 10.f / 255, 10.f / 255, 10.f / 255})));
  auto wrong = Dataset::open(DataSpec::of(at("set")))->for_inputs({{"image", *steps, {1, 9, 9, 3}, DType::f32}});
  EXPECT_EQ(wrong->sample(0).error().message, "'A/x.png': the sample is float32[2, 2, 1], the model takes float32[9, 9, 3]");
}
TEST_F(Sets, a_csv_names_files_labels_answers_and_slices) {
  make_folder();
  put("set/test.csv", "file,label,accepted,light\nA/x.png,cat,,dim\nb/1.png,dog,\"cat|fox\",bright\nb/3.PNG,fox,,dim\n");
  DataSpec spec = DataSpec::of(at("set/test.csv"));
  spec.slices = {"light"};
  auto set = Dataset::open(spec);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"cat", "dog", "fox"}));
  EXPECT_EQ(set->accepted(1), (std::vector<int>{1, 0, 2}));
  EXPECT_EQ(set->accepted(0), std::vector<int>{0});
  EXPECT_EQ(set->column("light", 1), "bright");
  EXPECT_EQ(origins(*set->where("light == dim and label != cat")), std::vector<std::int64_t>{2});
  EXPECT_EQ(origins(*set->where("label = 'dog' or light=dim")), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(set->where("lihgt == dim").error().message, "condition 'lihgt == dim': no column 'lihgt'; there are file, label, accepted, light");
  EXPECT_TRUE(contains(set->where("light ~ dim").error().message, "'~' is not a relation"));
  EXPECT_TRUE(contains(set->where("light").error().message, "COLUMN RELATION VALUE"));
  spec.slices = {"camera"};
  EXPECT_TRUE(contains(Dataset::open(spec).error().message, "no column 'camera'"));
  put("set/bad.csv", "file\n../secret.png\n/etc/passwd\nnone.png\n");
  auto bad = Dataset::open(DataSpec::of(at("set/bad.csv")));
  ASSERT_TRUE(bad);
  EXPECT_TRUE(contains(bad->sample(0).error().message, "'..'"));
  EXPECT_TRUE(contains(bad->sample(1).error().message, "absolute"));
  EXPECT_TRUE(contains(bad->sample(2).error().message, "No such file"));
}
TEST_F(Sets, a_table_is_fitted_on_train_and_applied_to_test) {
  put("t.csv", "rpm,type,y,id\n1,L,0,a\n,M,1,b\n5,H,1,c\n3,L,0,d\n");
  DataSpec spec = DataSpec::of(at("t.csv"));
  spec.features = {"rpm", "type"};
  spec.target = "y";
  auto set = Dataset::open(spec);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(set->label(2), 1);
  EXPECT_EQ(set->target(2), 1);
  EXPECT_EQ(set->sample(0).error().message, "column 'rpm', row 2: no value; impute it or leave the row out");
  TableSteps steps;
  steps.impute = TableSteps::Impute::median;
  steps.standardize = true;
  steps.onehot = {{"type", {"L", "M", "H"}}};
  auto fitted = fit(steps, set->table_rows());
  ASSERT_TRUE(fitted);
  EXPECT_EQ(fitted->fitted.at("rpm").fill, 3);
  EXPECT_EQ(fitted->fitted.at("rpm").mean, 3);
  EXPECT_DOUBLE_EQ(fitted->fitted.at("rpm").std, std::sqrt(2.0));
  auto ready = set->with_table_steps(*fitted);
  ASSERT_TRUE(ready);
  const float s = float(2 / std::sqrt(2.0));
  EXPECT_TRUE(identical((*ready->batch(0, 4))[0].second, Tensor::of(DType::f32, {4, 4}, {-s, 1, 0, 0, 0, 0, 1, 0, s, 0, 0, 1, 0, 1, 0, 0})));
  EXPECT_EQ(feature_names(*set->table(), *fitted), (std::vector<std::string>{"rpm", "type=L", "type=M", "type=H"}));
  steps.onehot = {{"type", {"L", "M"}}};
  EXPECT_EQ(set->with_table_steps(*fit(steps, set->table_rows())).error().message, "column 'type', row 3: 'H' is not among the onehot's 2 words");
  steps.onehot = {};
  EXPECT_TRUE(contains(set->with_table_steps(*fit(steps, set->table_rows())).error().message, "give it a onehot"));
  spec.features = {"*"};
  spec.slices = {"id"};
  EXPECT_EQ(Dataset::open(spec)->table()->columns.size(), 2u);
  spec.target = "z";
  EXPECT_TRUE(contains(Dataset::open(spec).error().message, "no column 'z'"));
}
TEST_F(Sets, arrays_and_idx_files_are_sets_too) {
  const Tensor x = Tensor::of(DType::u8, {3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), y = Tensor::of(DType::u8, {3}, {2, 0, 1});
  put("a.npz", Bytes(*write_npz({{"x", x}, {"y", y}})));
  put("x.npy", Bytes(*write_npy(x)));
  put("y.npy", Bytes(*write_npy(Tensor::of(DType::f32, {3}, {0.5, 1, 2}))));
  put("i.gz", Bytes(gzip(system::bytes_of(std::string_view("\0\0\x08\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", 28)))));
  put("l.gz", Bytes(gzip(system::bytes_of(std::string_view("\0\0\x08\x01\0\0\0\x03\x02\0\x01", 11)))));
  DataSpec npz = DataSpec::of(at("a.npz")), npy, idx;
  npy.npy = {{"x", at("x.npy")}, {"y", at("y.npy")}};
  idx.images = at("i.gz"), idx.labels = at("l.gz");
  for (const DataSpec& spec : {npz, npy, idx}) {
    auto set = Dataset::open(spec);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(set->inputs(), std::vector<std::string>{"x"});
    auto batch = set->batch(1, 2);
    ASSERT_TRUE(batch);
    EXPECT_TRUE(identical((*batch)[0].second, Tensor::of(DType::u8, {2, 2, 2}, {5, 6, 7, 8, 9, 10, 11, 12})));
    EXPECT_EQ((*batch)[0].second.data.get(), (*set->sample(1))[0].second.data.get()) << "a batch in a row is not copied";
  }
  EXPECT_EQ(Dataset::open(npz)->label(0), 2);
  EXPECT_EQ(Dataset::open(npz)->classes(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_FALSE(Dataset::open(npy)->has_labels()) << "floats are numbers to predict";
  EXPECT_EQ(Dataset::open(npy)->target(0), 0.5);
  put("y.npy", Bytes(*write_npy(Tensor::of(DType::i32, {2}, {0, 1}))));
  EXPECT_TRUE(contains(Dataset::open(npy).error().message, "2 labels for 3 samples"));
  EXPECT_TRUE(contains(Dataset::open(DataSpec{}).error().message, "0 of folder, csv"));
}
TEST(Dataset, take_is_seeded_sorted_and_without_repeats) {
  const Dataset set = numbered(100, 5);
  const auto a = origins(set.take(30, 7)), b = origins(set.take(30, 7)), c = origins(set.take(30, 8));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_TRUE(std::is_sorted(a.begin(), a.end()));
  EXPECT_EQ(std::set<std::int64_t>(a.begin(), a.end()).size(), 30u);
  EXPECT_EQ(set.take(1000, 1).size(), 100);
  EXPECT_EQ(origins(set.take(3, 0)), (std::vector<std::int64_t>(origins(numbered(100, 2).take(3, 0))))) << "depends on size and seed only";
}
TEST(Dataset, a_split_covers_everything_once_and_keeps_the_classes_share) {
  const Dataset set = numbered(1000, 4);
  auto parts = set.split({.parts = {{"test", 0.2}, {"val", 0.1}}, .stratify = "label", .group = "", .seed = 3});
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ(parts->back().first, "train");
  std::multiset<std::int64_t> all;
  for (const auto& [name, part] : *parts) {
    std::vector<int> counts(4, 0);
    for (std::int64_t i = 0; i < part.size(); ++i) ++counts[std::size_t(part.label(i))], all.insert(part.origin(i));
    const int share = name == "test" ? 50 : name == "val" ? 25 : 175;
    EXPECT_EQ(counts, std::vector<int>(4, share)) << name;
  }
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_EQ(std::set<std::int64_t>(all.begin(), all.end()).size(), 1000u);
  EXPECT_NE(origins((*parts)[0].second), origins((*set.split({.parts = {{"test", 0.2}, {"val", 0.1}}, .stratify = "label", .group = "", .seed = 4}))[0].second));
  EXPECT_FALSE(set.split({.parts = {{"a", 0.6}, {"b", 0.4}}, .stratify = "", .group = "", .seed = 0}));
  EXPECT_FALSE(set.split({.parts = {{"a", 0.6}}, .stratify = "nothing", .group = "", .seed = 0}));
}
TEST_F(Sets, a_group_never_straddles_two_parts) {
  std::string text = "a,y,camera\n";
  for (int i = 0; i < 300; ++i) text += std::to_string(i) + "," + std::to_string(i % 3) + ",c" + std::to_string(i * i % 23) + "\n";
  put("t.csv", text);
  DataSpec spec = DataSpec::of(at("t.csv"));
  spec.features = {"a"};
  spec.target = "y";
  auto parts = Dataset::open(spec)->split({.parts = {{"test", 0.3}}, .stratify = "y", .group = "camera", .seed = 1});
  ASSERT_TRUE(parts);
  std::set<std::string> cameras[2];
  for (std::size_t p = 0; p < 2; ++p)
    for (std::int64_t i = 0; i < (*parts)[p].second.size(); ++i) cameras[p].insert((*parts)[p].second.column("camera", i));
  for (const std::string& c : cameras[0]) EXPECT_FALSE(cameras[1].count(c)) << c;
  EXPECT_NEAR(double((*parts)[0].second.size()), 90, 15);
}
TEST_F(Sets, the_audit_counts_ranges_duplicates_and_what_cannot_be_read) {
  make_folder();
  put("set/b/4.png", "broken");
  auto set = Dataset::open(DataSpec::of(at("set")));
  auto a = audit(*set);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->per_class, (std::vector<std::pair<std::string, std::int64_t>>{{"A", 1}, {"b", 4}}));
  ASSERT_EQ(a->duplicates.size(), 1u);
  EXPECT_EQ(a->duplicates[0].first, 1);
  EXPECT_EQ(a->duplicates[0].second, 2);
  EXPECT_TRUE(a->duplicates[0].same_label);
  ASSERT_EQ(a->unreadable.size(), 1u);
  EXPECT_EQ(a->unreadable[0].title, "b/4.png");
  EXPECT_EQ(a->shapes, (std::vector<std::pair<std::string, std::int64_t>>{{"uint8[4, 4, 3]", 4}}));
  ASSERT_EQ(a->ranges.size(), 3u);
  EXPECT_EQ(a->ranges[0].name, "red");
  EXPECT_EQ(a->ranges[0].min, 10);
  EXPECT_EQ(a->ranges[0].max, 200);
  EXPECT_DOUBLE_EQ(a->ranges[0].mean, 62.5);
  EXPECT_NEAR(a->ranges[0].std, 79.8044, 1e-4);
  EXPECT_EQ(readable(*set, *a).error().message, "1 of 5 samples cannot be read (20.0 %, skip_bad allows 0.0 %): 'b/4.png': not a PNG, JPEG, BMP, PNM, TIFF, WebP or JPEG 2000 picture");
  EXPECT_EQ(readable(*set, *a, 0.2)->size(), 4);
}
TEST_F(Sets, the_audit_counts_channels_apart_and_mixed_samples_together) {
  const auto ranges = [](const Tensor& x) { return audit(*Dataset::from_arrays({{"x", x}}))->ranges; };
  for (DType t : {DType::u8, DType::f32}) {
    auto last = ranges(Tensor::of(t, {2, 1, 2, 2}, {1, 10, 2, 20, 3, 30, 4, 40}));
    ASSERT_EQ(last.size(), 2u);
    EXPECT_EQ(last[0].max, 4);
    EXPECT_EQ(last[1].mean, 25);
    auto first = ranges(Tensor::of(t, {1, 2, 5, 6}, [] { std::vector<double> v(60, 1); std::fill(v.begin() + 30, v.end(), 7); return v; }()));
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[1].min, 7);
    EXPECT_EQ(first[1].count, 30);
    auto all = ranges(Tensor::of(t, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].mean, 4.5);
    EXPECT_EQ(all[0].count, 8);
    EXPECT_NEAR(all[0].std, 2.29129, 1e-5);
  }
  for (DType t : {DType::u8, DType::f64}) {  // [2, 2, 3] and [2, 5]
    put("mixed/1.npy", Bytes(*write_npy(Tensor::of(t, {2, 2, 3}, {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}))));
    put("mixed/2.npy", Bytes(*write_npy(Tensor::of(t, {2, 5}, {4}))));
    auto mixed = audit(*Dataset::open(DataSpec::of(at("mixed"))))->ranges;
    ASSERT_EQ(mixed.size(), 1u);
    EXPECT_EQ(mixed[0].count, 22);
    EXPECT_EQ(mixed[0].max, 4);
    EXPECT_NEAR(mixed[0].mean, 64.0 / 22, 1e-12);
    EXPECT_NEAR(mixed[0].std, 1.16419, 1e-4);
  }
}
TEST_F(Sets, leaks_are_found_by_content_across_formats) {
  make_folder();
  const Tensor same = Tensor::of(DType::u8, {4, 4, 3}, {30});
  put("other/b/copy.npy", Bytes(*write_npy(same)));
  put_picture("other/A/new.png", 99);
  auto train = *Dataset::open(DataSpec::of(at("set"))), test = *Dataset::open(DataSpec::of(at("other")));
  const auto found = leaks(train, *audit(train), test, *audit(test));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(train.title(found[0].train), "b/3.PNG");
  EXPECT_EQ(test.title(found[0].test), "b/copy.npy");
  EXPECT_TRUE(found[0].same_label);
}
TEST_F(Sets, the_audit_of_a_table_counts_missing_values_and_words) {
  put("t.csv", "rpm,type,y\n1,L,0\nNA,M,1\n5,L,1\n1,L,0\n1,L,1\n");
  DataSpec spec = DataSpec::of(at("t.csv"));
  spec.features = {"rpm", "type"}, spec.target = "y", spec.missing = {"NA"};
  auto a = audit(*Dataset::open(spec));
  ASSERT_TRUE(a);
  ASSERT_EQ(a->ranges.size(), 2u);
  EXPECT_EQ(a->ranges[0].missing, 1);
  EXPECT_EQ(a->ranges[0].count, 4);
  EXPECT_EQ(a->ranges[0].max, 5);
  EXPECT_EQ(a->ranges[1].words, (std::vector<std::pair<std::string, std::int64_t>>{{"L", 4}, {"M", 1}}));
  ASSERT_EQ(a->duplicates.size(), 2u);
  EXPECT_TRUE(a->duplicates[0].same_label);
  EXPECT_FALSE(a->duplicates[1].same_label);
}
TEST_F(Sets, sound_is_a_sample) {
  put("set/yes/1.wav", Bytes(write_wav({8000, Tensor::of(DType::f32, {2, 4}, {0.5, 0, 0, 0, -0.5, 0, 0, 0.25})})));
  auto steps = Preprocess::parse(R"(["mono", {"scale": "x*2"}])");
  ASSERT_TRUE(steps);
  auto set = Dataset::open(DataSpec::of(at("set")))->for_inputs({{"audio", *steps, {-1, -1}, DType::f32}});
  ASSERT_TRUE(set);
  EXPECT_EQ(set->raw(0)->rate_hz, 8000);
  auto s = set->sample(0);
  ASSERT_TRUE(s) << s.error().message;
  EXPECT_TRUE(identical((*s)[0].second, Tensor::of(DType::f32, {4}, {0, 0, 0, 0.25})));
}
TEST_F(Sets, big_sets_are_quick) {
  using Clock = std::chrono::steady_clock;
  const std::int64_t n = 10'000;
  Tensor x = Tensor::zeros(DType::u8, {n, 28, 28}), y = Tensor::zeros(DType::i64, {n});
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<std::uint8_t>()[i] = std::uint8_t((std::uint64_t(i) * 2654435761u) >> 13);
  for (std::int64_t i = 0; i < n; ++i) y.as<std::int64_t>()[i] = i % 10;
  put("a.npz", Bytes(*write_npz({{"x", x}, {"y", y}})));
  const auto wrote = Clock::now();
  auto set = Dataset::open(DataSpec::of(at("a.npz")));
  ASSERT_TRUE(set);
  auto a = audit(*set);
  ASSERT_TRUE(a);
  auto ready = set->for_inputs({{"image", *Preprocess::parse(R"([{"scale": "x/255"}])"), {-1, 1, 28, 28}, DType::f32}});
  ASSERT_TRUE(ready->batch(0, n));
  const auto pictures = Clock::now();
  std::string text = "a,b,c,d,e,f,g,h,y\n";
  for (int r = 0; r < 100'000; ++r) {
    for (int c = 0; c < 8; ++c) text += std::to_string((r * 37 + c * 11) % 1000) + "." + std::to_string(r % 100) + ",";
    text += std::to_string(r % 2) + "\n";
  }
  put("t.csv", text);
  const auto made = Clock::now();
  DataSpec spec = DataSpec::of(at("t.csv"));
  spec.features = {"*"}, spec.target = "y";
  auto table = Dataset::open(spec);
  ASSERT_TRUE(table);
  ASSERT_TRUE(audit(*table));
  ASSERT_TRUE(table->split({.parts = {{"test", 0.2}}, .stratify = "y", .group = "", .seed = 1}));
  ASSERT_TRUE(table->where("a >= 500 and y == 1"));
  const auto rows = Clock::now();
  const auto ms = [](auto d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); };
  RecordProperty("pictures_ms", int(ms(pictures - wrote)));
  RecordProperty("rows_ms", int(ms(rows - made)));
  std::printf("10,000 pictures: %d ms; 100,000 rows: %d ms\n", int(ms(pictures - wrote)), int(ms(rows - made)));
  EXPECT_LT(ms(pictures - wrote) + ms(rows - made), 20'000) << "generous: a slow machine under sanitizers";
}

}  // namespace
}  // namespace saha::data
