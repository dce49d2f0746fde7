#include "backends/native/rows_last.hpp"

#include "backends/native/rows.hpp"
#include "backends/native/ways.hpp"
#include "kernels/conv_half.hpp"
#include "kernels/conv_last.hpp"
#include "kernels/depthwise_last.hpp"
#include "kernels/gemv.hpp"
#include "kernels/pool_last.hpp"
#include "kernels/winograd.hpp"

namespace saha::native {
namespace {

/// 1x1, each point of the image one of the result, so few of them that the weights are read once: squeeze-and-excite, classifiers.
bool is_product_of_few_rows(const kernels::ConvShape& s) {
  const std::int64_t points = s.batch * s.out_h * s.out_w;
  return kernels::is_pointwise(s) && s.groups == 1 && points >= 1 && points <= kernels::kGemvRows && s.in_channels > 0 && s.out_channels > 0;
}

}  // namespace

std::optional<Prepared> conv_last(const NodeSite& s, const kernels::ConvShape& shape, kernels::Epilogue epilogue, const float* weights) {
  const kernels::Isa isa = s.isa;
  auto made = [=](std::string_view kernel, const auto& params, std::int64_t size, auto pack) -> std::optional<Prepared> {
    auto packed = packed_buffer(size);
    if (!packed) return {};
    pack(isa, params, weights, std::span(packed->as<float>(), std::size_t(size)));
    Prepared p = call(kernel, params, {});
    p.packed.push_back(std::move(*packed));
    return p;
  };
  if (kernels::is_depthwise(shape)) {
    const auto params = kernels::prepare_depthwise_last(isa, shape, epilogue);
    return made("depthwise_last_f32", params, kernels::packed_depthwise_last_size(isa, params), kernels::pack_depthwise_last);
  }
  if (shape.groups > 1 && shape.in_channels == shape.groups) return {};  // several outputs for each input: the kernel on planes is made for that
  if (epilogue.bias != kernels::Bias::none) epilogue.bias = kernels::Bias::per_column;
  if (const auto half = half_of(s.precision); half && kernels::suits_conv_half(isa, *half, shape)) {
    const auto params = kernels::prepare_conv_half(isa, *half, shape, epilogue);
    return made(kernels::kernel(params), params, kernels::packed_conv_half_size(isa, params), kernels::pack_conv_half);
  }
  if (is_product_of_few_rows(shape)) {
    const auto params = kernels::prepare_gemv(isa, {shape.batch * shape.out_h * shape.out_w, shape.out_channels, shape.in_channels, shape.in_channels, 1}, epilogue);
    return made("gemv_f32", params, kernels::packed_gemv_size(isa, params), [&](kernels::Isa level, const kernels::GemvParams& p, const float* w, std::span<float> out) {
      kernels::pack_gemv(level, p, w, 1, shape.in_channels, out);
    });
  }
  Ways ways(s.picker);
  const auto filtered = [&] {
    ways.add("winograd_f32", [&](std::uint32_t blocks) { return kernels::prepare_winograd(isa, shape, epilogue, blocks); },
             [=](const kernels::WinogradParams& p) { return made("winograd_f32", p, kernels::packed_winograd_size(isa, p), kernels::pack_winograd); });
  };
  const bool suits = kernels::suits_winograd(shape);
  if (suits) filtered();
  ways.add("conv_last_f32", [&](std::uint32_t blocks) { return kernels::prepare_conv_last(isa, shape, epilogue, blocks); },
           [=](const kernels::ConvLastParams& p) { return made("conv_last_f32", p, kernels::packed_conv_last_size(isa, p), kernels::pack_conv_last); });
  if (!suits && kernels::may_winograd(shape)) filtered();
  return ways.made([&] { return "float32 convolution, channels last, " + layer_text(shape) + layer_text(epilogue); });
}

Prepared pool_last(const kernels::PoolShape& shape, std::int64_t channels, kernels::Pool op) {
  return call("pool_last_f32", kernels::prepare_pool_last(shape, channels, op), {Operand::node(0)});
}

}  // namespace saha::native
