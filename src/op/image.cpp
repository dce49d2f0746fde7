// Pictures: DepthToSpace, SpaceToDepth, Col2Im with its adjoint Im2Col (domain saha), ImageDecoder.
#include <algorithm>

#include "data/image.hpp"
#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

// ---- DepthToSpace(input), SpaceToDepth(input) ----------------------------------------------------------------------------------------
template <class C> Result<bool> depth_first(const C& c) {
  if (c.s("mode") != "DCR" && c.s("mode") != "CRD") return c.fail("mode '" + c.s("mode") + "' is not DCR or CRD");
  if (c.i("blocksize") < 1 || c.i("blocksize") > 65535) return c.fail("blocksize is " + to_string(c.i("blocksize")));
  return c.s("mode") == "DCR";
}
template <bool kToSpace> Result<> infer_blocks(Infer& c) {
  SAHA_TRY(bool dcr, depth_first(c));
  (void)dcr;
  if (c.rank(0) != 4) return c.fail("the tensor has rank " + to_string(c.rank(0)) + ", 4 is needed");
  Dim b(c.i("blocksize"));
  std::vector<Dim> d = c.dims(0);
  auto divides = [&](const Dim& x, const Dim& by) { return !x.known() || *x.known() % *by.known() == 0; };
  bool fits = kToSpace ? divides(d[1], b * b) : divides(d[2], b) && divides(d[3], b);
  if (!fits) return c.fail(ir::str(d) + " is not divisible by a blocksize of " + b.str());
  if (kToSpace) d = {d[0], floor_div(d[1], b * b), d[2] * b, d[3] * b};
  else d = {d[0], d[1] * b * b, floor_div(d[2], b), floor_div(d[3], b)};
  return c.give(c.dtype(0), std::move(d));
}
template <bool kToSpace> Result<> eval_blocks(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(bool dcr, depth_first(c));
  if (x.rank() != 4) return c.fail("the tensor has rank " + to_string(x.rank()) + ", 4 is needed");
  std::int64_t b = c.i("blocksize"), n = x.dims[0];
  if (kToSpace ? x.dims[1] % (b * b) : x.dims[2] % b || x.dims[3] % b) return c.fail(str(x.dims) + " is not divisible by a blocksize of " + to_string(b));
  if (kToSpace) {
    std::int64_t ch = x.dims[1] / (b * b), h = x.dims[2], w = x.dims[3];
    SAHA_TRY(Tensor y, c.make(x.dtype, {n, ch, h * b, w * b}));
    // Source strides of [n, c, h, row in block, w, column in block].
    Dims s = row_major(x.dims);
    std::int64_t per_c = dcr ? s[1] : s[1] * b * b, per_row = dcr ? s[1] * ch * b : s[1] * b, per_column = dcr ? s[1] * ch : s[1];
    gather_strided(x, 0, Dims{s[0], per_c, s[2], per_row, s[3], per_column}, Dims{n, ch, h, b, w, b}, y);
    return c.give(std::move(y));
  }
  std::int64_t ch = x.dims[1], h = x.dims[2] / b, w = x.dims[3] / b;
  SAHA_TRY(Tensor y, c.make(x.dtype, {n, ch * b * b, h, w}));
  Dims s = row_major(x.dims);
  if (dcr) gather_strided(x, 0, Dims{s[0], s[2], s[3], s[1], s[2] * b, s[3] * b}, Dims{n, b, b, ch, h, w}, y);
  else gather_strided(x, 0, Dims{s[0], s[1], s[2], s[3], s[2] * b, s[3] * b}, Dims{n, ch, b, b, h, w}, y);
  return c.give(std::move(y));
}
Val depth_to_space_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("SpaceToDepth", {dy}, s.attrs); }
Val space_to_depth_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("DepthToSpace", {dy}, s.attrs); }

// ---- Col2Im(input, image_shape, block_shape), Im2Col(image, block_shape) -------------------------------------------------------------
/// Where column l of block element k lies in the image; one geometry for both directions.
struct Blocks2 {
  Dims image, block, stride, pads, dilation, places;
  std::int64_t block_size = 1, num_places = 1, area = 1;
};
Result<Blocks2> block_geometry(const Eval& c, Dims image, Dims block) {
  std::size_t k = image.size();
  Blocks2 g{std::move(image), std::move(block), c.has_attr("strides") ? c.is("strides") : Dims(k, 1), c.has_attr("pads") ? c.is("pads") : Dims(2 * k, 0),
            c.has_attr("dilations") ? c.is("dilations") : Dims(k, 1), {}};
  if (k == 0 || g.block.size() != k || g.stride.size() != k || g.dilation.size() != k || g.pads.size() != 2 * k) return c.fail("image_shape, block_shape, strides, dilations and pads speak of different numbers of axes");
  for (std::size_t i = 0; i < k; ++i) {
    constexpr std::int64_t most = std::int64_t{1} << 31;
    for (std::int64_t v : {g.image[i], g.block[i], g.stride[i], g.dilation[i]}) if (v < 1 || v > most) return c.fail("axis " + to_string(i) + " of the image has a size, block, stride or dilation of " + to_string(v));
    for (std::int64_t v : {g.pads[i], g.pads[i + k]}) if (v < 0 || v > most) return c.fail("axis " + to_string(i) + " of the image has a pad of " + to_string(v));
    std::int64_t span = g.image[i] + g.pads[i] + g.pads[i + k] - (g.dilation[i] * (g.block[i] - 1) + 1);
    if (span < 0) return c.fail("a block of " + to_string(g.block[i]) + " does not fit axis " + to_string(i) + " of " + to_string(g.image[i]));
    g.places.push_back(span / g.stride[i] + 1);
  }
  auto size = checked_elements(g.block), count = checked_elements(g.places), area = checked_elements(g.image);
  if (!size || !count || !area) return c.fail("the image " + str(g.image) + " is too large");
  g.block_size = *size;
  g.num_places = *count;
  g.area = *area;
  return g;
}
/// Calls f(column element, image element) for every pair that lies in the image.
template <class F> void each_pair(const Blocks2& g, F f) {
  std::size_t k = g.image.size();
  Dims none(k, 0), image_stride = row_major(g.image);
  Walk<1> b{g.block, {none}};
  for (std::int64_t e = 0; e < g.block_size; ++e, b.next()) {
    Walk<1> p{g.places, {none}};
    for (std::int64_t l = 0; l < g.num_places; ++l, p.next()) {
      std::int64_t to = 0;
      bool inside = true;
      for (std::size_t i = 0; i < k && inside; ++i) {
        std::int64_t at = p.at[i] * g.stride[i] - g.pads[i] + b.at[i] * g.dilation[i];
        inside = at >= 0 && at < g.image[i];
        to += at * image_stride[i];
      }
      if (inside) f(e * g.num_places + l, to);
    }
  }
}
Result<> infer_col2im(Infer& c) {
  const Known *image = c.known(1), *block = c.known(2);
  if (c.rank(0) != 3) return c.fail("the input has rank " + to_string(c.rank(0)) + ", 3 is needed");
  if (!image) {
    auto n = c.rank(1) == 1 ? c.dims(1)[0].known() : std::nullopt;
    if (!n || *n < 0 || *n > 64) return c.give_unranked(c.dtype(0));
    std::vector<Dim> d(std::size_t(*n) + 2);
    for (Dim& x : d) x = c.fresh("image");
    d[0] = c.dims(0)[0];
    return c.give(c.dtype(0), std::move(d));
  }
  Dim size(1);
  if (block) for (const Dim& b : *block) size = size * b;
  if (size.is(0)) return c.fail("a block has no elements");
  std::vector<Dim> d = {c.dims(0)[0], block ? floor_div(c.dims(0)[1], size) : c.fresh("channels")};
  d.insert(d.end(), image->begin(), image->end());
  return c.give(c.dtype(0), std::move(d));
}
template <class T> void col2im(const Blocks2& g, const Tensor& x, const Tensor& y) {
  std::vector<T> v = values<T>(x), sum(static_cast<std::size_t>(y.size()), T{});
  std::int64_t planes = y.size() / g.area, columns = g.block_size * g.num_places;
  each_pair(g, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t p = 0; p < planes; ++p) sum[std::size_t(p * g.area + to)] += v[std::size_t(p * columns + from)];
  });
  fill(y, std::span<const T>(sum));
}
Result<> eval_col2im(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() != 3) return c.fail("the input has rank " + to_string(x.rank()) + ", 3 is needed");
  if (x.dtype == DType::string || is_complex(x.dtype)) return c.fail("is not defined for " + std::string(name(x.dtype)));
  SAHA_TRY(Blocks2 g, block_geometry(c, c.ints(1), c.ints(2)));
  if (x.dims[1] % g.block_size || x.dims[2] != g.num_places) return c.fail("the input is " + str(x.dims) + ", blocks of " + str(g.block) + " at " + to_string(g.num_places) + " places are needed");
  Dims d = {x.dims[0], x.dims[1] / g.block_size};
  d.insert(d.end(), g.image.begin(), g.image.end());
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (is_float(x.dtype)) col2im<double>(g, x, y);
  else col2im<std::uint64_t>(g, x, y);  // sums of integers wrap alike, signed or not
  return c.give(std::move(y));
}
Val col2im_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("Im2Col", {dy, s.in[2]}, s.attrs); }
Result<> infer_im2col(Infer& c) {
  if (c.rank(0) < 3) return c.fail("the image has rank " + to_string(c.rank(0)) + ", at least 3 is needed");
  std::size_t k = c.rank(0) - 2;
  auto block = c.numbers(1);
  Dims stride = c.has_attr("strides") ? c.is("strides") : Dims(k, 1), pads = c.has_attr("pads") ? c.is("pads") : Dims(2 * k, 0), dilation = c.has_attr("dilations") ? c.is("dilations") : Dims(k, 1);
  if (!block) return c.give(c.dtype(0), {c.dims(0)[0], c.fresh("columns"), c.fresh("places")});
  if (block->size() != k || stride.size() != k || dilation.size() != k || pads.size() != 2 * k) return c.fail("block_shape, strides, dilations and pads speak of different numbers of axes");
  Dim size = c.dims(0)[1], places(1);
  for (std::size_t i = 0; i < k; ++i) {
    if (stride[i] < 1) return c.fail("a stride is " + to_string(stride[i]));
    size = size * Dim((*block)[i]);
    places = places * (floor_div(c.dims(0)[2 + i] + Dim(pads[i] + pads[i + k] - 1) - Dim(dilation[i]) * Dim((*block)[i] - 1), Dim(stride[i])) + Dim(1));
  }
  return c.give(c.dtype(0), {c.dims(0)[0], size, places});
}
Result<> eval_im2col(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() < 3) return c.fail("the image has rank " + to_string(x.rank()) + ", at least 3 is needed");
  SAHA_TRY(Blocks2 g, block_geometry(c, Dims(x.dims.begin() + 2, x.dims.end()), c.ints(1)));
  SAHA_TRY(Tensor y, c.make(x.dtype, {x.dims[0], x.dims[1] * g.block_size, g.num_places}));
  std::int64_t planes = x.dims[0] * x.dims[1], columns = g.block_size * g.num_places;
  each_pair(g, [&](std::int64_t to, std::int64_t from) {
    for (std::int64_t p = 0; p < planes; ++p) copy_elements(x, p * g.area + from, 1, y, p * columns + to, 1);
  });
  return c.give(std::move(y));
}
Val im2col_adjoint(const Site& s, std::size_t, Val dy) {
  auto rank = std::int64_t(s.type(0).dims.size());
  return s.b.op("Col2Im", {dy, s.b.op("Shape", {s.in[0]}, {{"start", std::int64_t{2}}, {"end", rank}}), s.in[1]}, s.attrs);
}

// ---- ImageDecoder(encoded_stream) ----------------------------------------------------------------------------------------------------
Result<> infer_decoder(Infer& c) {
  std::string f = c.s("pixel_format");
  if (f != "RGB" && f != "BGR" && f != "Grayscale") return c.fail("pixel_format '" + f + "' is not RGB, BGR or Grayscale");
  return c.give(DType::u8, {c.fresh("height"), c.fresh("width"), Dim(f == "Grayscale" ? 1 : 3)});
}
Result<> eval_decoder(Eval& c) {
  std::string f = c.s("pixel_format");
  data::ImageOptions o;
  o.channels = f == "RGB" ? data::Channels::rgb : f == "BGR" ? data::Channels::bgr : data::Channels::gray;
  o.turn_by_exif = false;
  auto image = data::decode_image(std::span(c.x(0).data.get(), std::size_t(c.x(0).size())), o);
  if (image) return c.give(std::move(*image));
  if (image.error().code == ErrorCode::unsupported || image.error().code == ErrorCode::out_of_memory) return c.fail(image.error().message);
  // The specification: a stream that cannot be decoded gives an empty matrix.
  SAHA_TRY(Tensor empty, c.make(DType::u8, {0, 0, f == "Grayscale" ? 1 : 3}));
  return c.give(std::move(empty));
}

constexpr std::string_view kColumns = "(input: T, image_shape: int64!, block_shape: int64!) -> (output: T) where T: number bool string complex | dilations: ints?, pads: ints?, strides: ints?";
constexpr OpDef kOps[] = {
    {.name = "DepthToSpace", .since_version = 28, .signature = "(input: T) -> (output: T) where T: number bool string complex | blocksize: int, mode: string = DCR",
     .traits = kMovement, .infer = infer_blocks<true>, .eval = eval_blocks<true>, .linear = joint({0}), .adjoint = depth_to_space_adjoint},
    {.name = "SpaceToDepth", .since_version = 28, .signature = "(input: T) -> (output: T) where T: number bool string complex | blocksize: int, mode: string = DCR",
     .traits = kMovement, .infer = infer_blocks<false>, .eval = eval_blocks<false>, .linear = joint({0}), .adjoint = space_to_depth_adjoint},
    {.name = "Col2Im", .since_version = 18, .signature = kColumns, .infer = infer_col2im, .eval = eval_col2im, .linear = joint({0}), .adjoint = col2im_adjoint, .rounding = ErrorModel::dot},
    {.name = "Im2Col", .domain = "saha", .signature = "(image: T, block_shape: int64!) -> (columns: T) where T: number | dilations: ints?, pads: ints?, strides: ints?",
     .infer = infer_im2col, .eval = eval_im2col, .linear = joint({0}), .adjoint = im2col_adjoint},
    {.name = "ImageDecoder", .since_version = 20, .signature = "(encoded_stream: uint8) -> (image: uint8) | pixel_format: string = RGB",
     .traits = kDataShape, .infer = infer_decoder, .eval = eval_decoder, .no_gradient = "bytes of a file have no gradient", .no_bounds = "bytes of a file have no bounds"},
};
}  // namespace

std::span<const OpDef> image() { return kOps; }

}  // namespace saha::op
