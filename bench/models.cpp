// saha_make_models OUT_DIR [NAME...]: writes the networks that ./run bench measures, or those named, as ONNX files and prints their paths: those of models.hpp, a
// post-norm encoder (Vaswani et al. 2017: 6 layers of 384, 128 tokens) and the ACAS Xu network (Julian et al. 2016), all with random weights.
#include "bench/models.hpp"

#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

#include "formats/onnx/onnx.hpp"
#include "system/file.hpp"

namespace {
using namespace saha;

Result<ir::Model> encoder6_384() {
  constexpr std::int64_t kTokens = 128, kWidth = 384, kHeads = 6, kHead = kWidth / kHeads;
  bench::ModelBuilder n;
  op::Builder& b = n.b();
  op::Val x = n.input("x", {1, kTokens, kWidth});
  const auto split = [&](op::Val v, const ir::Ints& perm) { return b.op("Transpose", {b.op("Reshape", {v, b.ints({1, kTokens, kHeads, kHead})})}, {{"perm", perm}}); };
  for (int layer = 0; layer < 6; ++layer) {
    const op::Val q = split(n.dense(x, kWidth), {0, 2, 1, 3}), k = split(n.dense(x, kWidth), {0, 2, 3, 1}), v = split(n.dense(x, kWidth), {0, 2, 1, 3});
    const op::Val scores = b.op("Softmax", {b.op("MatMul", {q, k}) * (1 / std::sqrt(double(kHead)))});
    const op::Val mixed = b.op("Transpose", {b.op("MatMul", {scores, v})}, {{"perm", ir::Ints{0, 2, 1, 3}}});
    x = n.norm(x + n.dense(b.op("Reshape", {mixed, b.ints({1, kTokens, kWidth})}), kWidth));
    const op::Val h = n.dense(x, 4 * kWidth);
    x = n.norm(x + n.dense((h * 0.5) * (b.op("Erf", {h / std::sqrt(2.0)}) + 1.0), kWidth));  // Gelu as PyTorch's exporter writes it
  }
  return n.build("encoder6_384", x);
}

Result<ir::Model> acas_mlp() {
  bench::ModelBuilder n;
  op::Val x = n.input("x", {1, 5});
  for (int layer = 0; layer < 6; ++layer) x = n.relu(n.dense(x, 50));
  return n.build("acas_mlp", n.dense(x, 5));
}

struct Network {
  const char* file;
  Result<ir::Model> (*make)();
};
constexpr Network kNetworks[] = {{"mobilenet_v2", bench::mobilenet_v2}, {"efficientnet_lite0", bench::efficientnet_lite0}, {"resnet50", bench::resnet50},
                                 {"transformer", bench::transformer},   {"encoder6_384", encoder6_384},                    {"acas_mlp", acas_mlp}};
constexpr Network kSmall[] = {{"lenet_28", bench::lenet_28}, {"mlp_16_32_32_5", bench::mlp_16_32_32_5}};   // where they are named

Result<> write(const std::filesystem::path& folder, std::span<char* const> names) {
  std::vector<Network> wanted;
  if (names.empty()) wanted.assign(std::begin(kNetworks), std::end(kNetworks));
  for (const std::string_view name : names) {
    const std::size_t before = wanted.size();
    for (const auto& networks : {std::span<const Network>(kNetworks), std::span<const Network>(kSmall)})
      for (const Network& n : networks) if (n.file == name) wanted.push_back(n);
    if (wanted.size() == before) return Error{ErrorCode::invalid_argument, "there is no network '" + std::string(name) + "'"};
  }
  SAHA_DO(system::make_folders(folder));
  for (const Network& network : wanted) {
    SAHA_TRY(const ir::Model model, network.make());
    const auto file = folder / (std::string(network.file) + ".onnx");
    SAHA_DO(onnx::export_file(model, file.string(), {.opset = 17}));
    std::printf("%s\n", file.c_str());
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: saha_make_models OUT_DIR [NAME...]\n");
    return 2;
  }
  auto done = write(argv[1], std::span(argv, std::size_t(argc)).subspan(2));
  if (done) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return 1;
}
