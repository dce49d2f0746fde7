// Real trained models and real data, which are no part of the project: the folder `shared` beside it, or $SAHA_SHARED. Skips where it is absent.
// The expected accuracies are those that its INDEX.md states, measured there with other tools (onnxruntime, PIL).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/registry.hpp"
#include "data/csv.hpp"
#include "data/npy.hpp"
#include "data/preprocess.hpp"
#include "formats/onnx/onnx.hpp"
#include "measure/difference.hpp"
#include "measure/inputs.hpp"
#include "system/file.hpp"
#include "system/process.hpp"

namespace saha {
namespace {
namespace fs = std::filesystem;

fs::path shared_data() {
  const char* given = std::getenv("SAHA_SHARED");
  return fs::absolute(given ? fs::path(given) : fs::path("..") / "shared").lexically_normal() / "data";
}
#define NEEDS_DATA()                                                                                                        \
  if (!fs::is_directory(shared_data() / "models"))                                                                          \
    GTEST_SKIP() << "acceptance data is not here: no ../shared/data/models beside the project, and SAHA_SHARED names none"

std::vector<fs::path> models() {
  std::vector<fs::path> all;
  for (const auto& e : fs::recursive_directory_iterator(shared_data() / "models")) if (e.path().extension() == ".onnx") all.push_back(e.path());
  std::sort(all.begin(), all.end());
  return all;
}

TEST(RealModels, load_and_equal_onnxruntime_on_random_inputs) {
  NEEDS_DATA();
  auto theirs = backends::open("onnxruntime");
  if (!theirs) GTEST_SKIP() << "onnxruntime is not here: " << theirs.error().message;
  auto ours = backends::open("native");
  ASSERT_TRUE(ours) << ours.error().message;
  ASSERT_FALSE(models().empty());
  for (const fs::path& file : models()) {
    SCOPED_TRACE(file.filename().string());
    auto model = onnx::import_file(file.string());
    if (!model) { ADD_FAILURE() << model.error().message; continue; }
    // Shapes of what the file leaves free and 1 does not suit.
    measure::Shapes shapes;
    const std::string name = file.filename().string();
    for (ir::ValueId v : model->graph.inputs()) {
      const std::string& input = model->graph.name(v);
      if (name.starts_with("silero") && input == "input") shapes[input] = {1, 576};
      if (name.starts_with("silero") && input == "state") shapes[input] = {2, 1, 128};
      if (name.starts_with("ppocr")) shapes[input] = {1, 3, 48, 192};
    }
    auto in = measure::random_inputs(model->graph, shapes, 1);
    if (!in) { ADD_FAILURE() << in.error().message; continue; }
    for (std::size_t i = 0; i < in->size(); ++i)
      if (model->graph.name(model->graph.inputs()[i]) == "sr") (*in)[i] = Tensor::of(DType::i64, {}, {16000});
    auto run = [&](runtime::Backend& engine) -> Result<std::pair<std::vector<std::string>, std::vector<Datum>>> {
      SAHA_TRY(auto program, engine.load(*model, {.threads = 2, .file = file.string()}));
      std::vector<Datum> fed;   // by name: an engine may list the inputs in another order, or not those with a value in the file
      for (const runtime::Port& p : program->inputs())
        for (std::size_t i = 0; i < in->size(); ++i) if (model->graph.name(model->graph.inputs()[i]) == p.name) fed.push_back((*in)[i]);
      SAHA_TRY(auto out, program->run(fed));
      std::vector<std::string> names;
      for (const runtime::Port& p : program->outputs()) names.push_back(p.name);
      return std::pair(std::move(names), std::move(out));
    };
    auto a = run(**theirs);
    auto b = run(**ours);
    if (!a || !b) { ADD_FAILURE() << (a ? b : a).error().message; continue; }
    EXPECT_EQ(a->first, b->first);
    auto d = measure::difference(a->second, b->second);
    std::cout << "  " << name << ": largest difference " << d.absolute << ", relative " << d.relative << "\n";
    EXPECT_LE(d.relative, 1e-4);
  }
}

/// Right answers and samples that `saha validate` counts.
std::pair<int, int> counted(const fs::path& model, const std::string& sections) {
  auto folder = system::TempFolder::make();
  if (!folder) { ADD_FAILURE() << folder.error().message; return {}; }
  fs::path requirements = folder->path() / "accuracy.req.yaml";
  std::string text = "saha: 1\n" + sections + "requirements:\n  - {id: accuracy, assert: \"accuracy(test) >= 1 %\"}\n", out;
  if (auto w = system::write_file(requirements, text); !w) { ADD_FAILURE() << w.error().message; return {}; }
  std::string messages;
  system::ProcessOptions options;
  options.on_stdout = [&](std::string_view l) { out += std::string(l) + "\n"; };
  options.on_stderr = [&](std::string_view l) { messages += std::string(l) + "\n"; };
  auto r = system::run_process({SAHA_BINARY, "validate", model.string(), "--requirements", requirements.string(), "--json"}, options);
  auto json = nlohmann::json::parse(out, nullptr, false);
  if (!r || json.is_discarded() || !json.contains("requirements")) { ADD_FAILURE() << model << ": " << out << messages; return {}; }
  int right = -1, all = -1;
  for (const auto& f : json["requirements"][0]["figures"]) {
    if (f["name"] == "count") right = int(f["value"].get<double>());
    if (f["name"] == "samples") all = int(f["value"].get<double>());
  }
  std::cout << "  " << model.filename().string() << ": " << right << " of " << all << " right\n";
  return {right, all};
}

TEST(RealModels, mnist_perceptron_reaches_its_stated_accuracy) {
  NEEDS_DATA();
  const fs::path digits = shared_data() / "datasets/mnist";
  auto [right, all] = counted(shared_data() / "models/mnist/mnist_mlp_64_32.onnx",
                              "model: {input: {x: {preprocess: [{scale: x/255}]}}}\ndata: {test: {idx: {images: " + (digits / "test-images-idx3-ubyte.gz").string() +
                                  ", labels: " + (digits / "test-labels-idx1-ubyte.gz").string() + "}}}\n");
  EXPECT_EQ(all, 1500);
  EXPECT_NEAR(right, 0.930 * 1500, 1);
}

TEST(RealModels, breast_cancer_perceptron_reaches_its_stated_accuracy) {
  NEEDS_DATA();
  auto [right, all] = counted(shared_data() / "models/tabular/breast_cancer_mlp_16_8.onnx",
                              "model: {labels: [malignant, benign]}\ndata:\n  test: {csv: " + (shared_data() / "datasets/tabular/breast_cancer_wisconsin.csv").string() +
                                  ", features: [\"*\"], target: benign, where: \"split == test\"}\n  slices: [split]\n");
  EXPECT_EQ(all, 169);
  EXPECT_EQ(right, 162);  // .959
}

// The middle square, 7/8 of the shorter side, shrunk as PIL does it; class k of the data is output k + 1.
Result<> pictures(std::int64_t size, const fs::path& file) {
  const fs::path set = shared_data() / "datasets/imagenet_labelled";
  SAHA_TRY(auto listed, system::read_bytes(set / "labels.csv"));
  SAHA_TRY(auto csv, data::Csv::parse(listed));
  SAHA_TRY(auto name_column, csv.column("file"));
  SAHA_TRY(auto label_column, csv.column("imagenet_index"));
  std::vector<double> x;
  std::vector<std::int64_t> y;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    SAHA_TRY(auto bytes, system::read_bytes(set / "images" / std::string(csv.cell(r, name_column))));
    SAHA_TRY(Tensor image, data::decode_image(bytes, {}));
    const auto side = std::to_string(std::int64_t(std::nearbyint(double(std::min(image.dims[0], image.dims[1])) * 0.875)));
    const auto to = std::to_string(size);
    SAHA_TRY(auto steps, data::Preprocess::parse(R"([{"decode": "rgb"}, {"crop": {"to": [)" + side + ", " + side + R"(], "at": "center"}}, {"resize": {"to": [)" + to + ", " + to +
                                                 R"(], "rule": "pil-bilinear", "fit": "stretch"}}, {"scale": "(x-127.5)/127.5"}])"));
    SAHA_TRY(Tensor ready, steps.apply({std::move(image), 0}));
    SAHA_TRY(ready, data::conform(std::move(ready), {3, size, size}, DType::f32));
    const std::size_t before = x.size();
    x.resize(before + std::size_t(ready.size()));
    load(ready, 0, 1, ready.size(), x.data() + before);
    y.push_back(1 + std::int64_t(data::number(csv.cell(r, label_column)).value_or(-1)));
  }
  const auto n = std::int64_t(y.size());
  Tensor all = Tensor::zeros(DType::f32, {n, 3, size, size}), labels = Tensor::zeros(DType::i64, {n});
  store(all, 0, all.size(), x.data());
  store(labels, 0, n, y.data());
  SAHA_TRY(auto packed, data::write_npz({{"x", all}, {"y", labels}}));
  return system::write_file(file, packed);
}

TEST(RealModels, mobilenets_reach_their_stated_top_1) {
  NEEDS_DATA();
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  struct Row { const char* file; std::int64_t size; double top_1; };
  for (const Row& r : {Row{"mobilenet_v1_0.25_128_float.onnx", 128, .457}, Row{"mobilenet_v1_0.75_192_float.onnx", 192, .667}, Row{"mobilenet_v2_1.0_224_float.onnx", 224, .679}}) {
    const fs::path file = folder->path() / (std::to_string(r.size) + ".npz");
    auto made = pictures(r.size, file);
    ASSERT_TRUE(made) << made.error().message;
    auto [right, all] = counted(shared_data() / "models/imagenet" / r.file, "data: {test: {npz: " + file.string() + "}}\n");
    EXPECT_EQ(all, 81);
    EXPECT_NEAR(right, r.top_1 * 81, 1.05) << r.file;  // one picture: JPEG decoders may differ in a last bit
  }
}
}  // namespace
}  // namespace saha
