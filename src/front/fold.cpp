// fold: the longest run of last steps that can be operators becomes operators.
#include "front/fold.hpp"

#include <algorithm>
#include <charconv>

#include "data/csv.hpp"
#include "front/sample.hpp"
#include "front/stated.hpp"
#include "passes/simplify.hpp"

namespace saha::front {
namespace {
using data::Step;
using ir::Dim;

template <class... Kinds> bool is_any(const Step& s) { return (std::holds_alternative<Kinds>(s) || ...); }
bool of_sound(const Step& s) { return is_any<data::Mono, data::ToRate, data::Peak, data::ToLength, data::LogMel, data::Mfcc>(s); }
bool of_size(const Step& s) { return is_any<data::Resize, data::Crop>(s); }
bool of_length(const Step& s) { return is_any<data::ToRate, data::ToLength, data::LogMel, data::Mfcc>(s); }

/// The dims of the input without the batch dimension; -1 is free.
Dims sample_dims(const ir::Type& t) {
  Dims d;
  for (std::size_t i = 1; i < t.dims.size(); ++i) d.push_back(t.dims[i].known().value_or(-1));
  return d;
}
/// What a raw sample is: sound where a step is of sound, a picture where a step is of pictures or its size is stated, else what the input takes.
Form raw_form(const ir::Type& input, std::span<const Step> steps, const Raw& raw) {
  if (std::ranges::any_of(steps, of_sound)) return {raw.dims.empty() ? Dims{-1, -1} : raw.dims, DType::f32, raw.rate_hz, true};
  const auto* decode = steps.empty() ? nullptr : std::get_if<data::Decode>(&steps[0]);
  if (!decode && !std::ranges::any_of(steps, of_size) && raw.dims.empty() && !raw.any_size) return {sample_dims(input), DType::f32, 0, false};
  const std::int64_t channels = decode && decode->channels == data::Channels::gray ? 1 : 3;
  return {{raw.dims.empty() ? -1 : raw.dims[0], raw.dims.empty() ? -1 : raw.dims[1], channels}, DType::u8, 0, false};
}
/// The form with sizes that follow from the input's, where no step changes them.
Form settled(Form form, const Dims& input, std::span<const Step> steps) {
  if (form.sound && form.dims[1] < 0 && form.dims[0] > 0 && !std::ranges::any_of(steps, of_length)) {
    const bool known = std::ranges::none_of(input, [](std::int64_t d) { return d < 0; });
    if (known && num_elements(input) % form.dims[0] == 0) form.dims[1] = num_elements(input) / form.dims[0];
  }
  if (!form.picture() || form.dims[0] >= 0 || std::ranges::any_of(steps, of_size) || input.size() != 3) return form;
  for (std::size_t at : {std::size_t(0), std::size_t(1)}) {   // [h, w, c], [c, h, w]
    Form guess = form;
    guess.dims[0] = input[at], guess.dims[1] = input[at + 1];
    if (guess.dims[0] < 0 || guess.dims[1] < 0) continue;
    Result<Form> end = guess;
    for (const Step& s : steps) if (end) end = advance(*end, s);
    if (end && data::fitting(end->dims, input)) return guess;
  }
  return form;
}
/// The order of the raw sample's axes in which they stand at the end: layout steps and the fitting undone.
std::vector<std::size_t> last_order(Form form, const Dims& input, std::span<const Step> steps) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < form.dims.size(); ++i) order.push_back(i);
  const auto rotate = [&order](bool last_to_front) { last_to_front ? std::rotate(order.begin(), order.end() - 1, order.end()) : std::rotate(order.begin(), order.begin() + 1, order.end()); };
  for (const Step& s : steps) {
    if (const auto* l = std::get_if<data::ToLayout>(&s)) rotate(l->channels_first);
    auto next = advance(form, s);
    if (!next || next->dims.size() != order.size()) return order;
    form = std::move(*next);
  }
  const auto fit = data::fitting(form.dims, input);
  if (fit && fit->move != data::Fitting::Move::none) rotate(fit->move == data::Fitting::Move::channels_first);
  return order;
}
/// What the nodes of step k are called; k behind the last step: those that fit the sample to the input.
std::string origin(std::span<const Step> steps, std::size_t k) { return std::string(kOrigin) + std::to_string(k + 1) + "." + (k < steps.size() ? std::string(data::name(steps[k])) : "fit"); }
std::string operators(const ir::Graph& g, const std::string& origin) {
  std::string all;
  for (const ir::Node& n : g.nodes()) if (n.origin && *n.origin == origin) all += (all.empty() ? "" : ", ") + std::string(n.op.str());
  return all;
}
/// The graph that takes a sample after the steps before `first`. `guilty`: the step that cannot be folded; the number of steps: none of them is the reason.
Result<ir::Graph> graph_from(const ir::Graph& g, std::size_t input, std::span<const Step> steps, std::size_t first, const Form& raw, bool any_size, std::size_t& guilty) {
  const ir::ValueId target = g.inputs()[input];
  const ir::Type& type = g.type(target);
  const Dims wanted = sample_dims(type);
  guilty = steps.size();
  Form form = raw;
  for (const Step& s : steps.first(first)) {
    auto next = advance(std::move(form), s);
    if (!next) return std::move(next.error()).within(std::string(data::name(s)));
    form = std::move(*next);
  }
  const auto rest = steps.subspan(first);
  form = settled(std::move(form), wanted, rest);
  const auto failed = [&](std::size_t k, Error e) {
    guilty = k;
    return e;
  };
  const bool open = std::ranges::any_of(form.dims, [](std::int64_t d) { return d < 0; });
  if (open && form.sound && !any_size) return failed(first, {ErrorCode::invalid_argument, "channels, samples and rate of the raw sound are not known: --raw 1x16000@16kHz states them"});
  return op::rewrite(g, {}, [&](std::size_t i, op::Builder& b) -> op::Val {
    const ir::ValueId v = g.inputs()[i];
    if (i != input) return b.input(g[v].type, g[v].name);
    std::vector<Dim> dims = {type.dims[0]};
    for (std::size_t k = 0; k < form.dims.size(); ++k) {
      if (form.dims[k] >= 0) dims.push_back(form.dims[k]);
      else dims.push_back(form.picture() && form.dtype == DType::u8 ? b.fresh(k == 0 ? "height" : "width") : form.sound ? b.fresh(k == 0 ? "channels" : "samples") : k + 1 < type.dims.size() ? type.dims[k + 1] : b.fresh("size"));
    }
    Sample sample(b, b.input(ir::tensor_type(form.dtype, std::move(dims)), g[v].name), form, last_order(form, wanted, rest), g[target].type);
    for (std::size_t k = first; k < steps.size() && !b.failed(); ++k) {
      b.origin = ir::make_name(origin(steps, k));
      Result<> done = open && of_size(steps[k]) && !any_size ? Result<>(Error{ErrorCode::invalid_argument, "what it does depends on the size of the raw picture: --raw 480x640 states it"}) : sample.apply(steps[k]);
      if (!done) b.fail(failed(k, std::move(done.error())));
    }
    if (b.failed()) return {};
    b.origin = ir::make_name(origin(steps, steps.size()));
    auto fitted = sample.fit(g.name(v));
    b.origin = {};
    if (!fitted) b.fail(std::move(fitted.error()));
    return fitted ? *fitted : op::Val{};
  }, g.outputs());
}
}  // namespace

Result<Raw> Raw::parse(std::string_view text) {
  const auto fail = [&] { return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' is no raw sample", "480x640 is a picture of 480 rows and 640 columns, any a picture of any size, 1x16000@16kHz sound of one channel, any@16kHz of any length, 16kHz of a length that steps make"}; };
  Raw raw;
  const bool only_rate = text.ends_with("Hz") && text.find('@') == text.npos;
  const std::string_view size = only_rate ? std::string_view() : text.substr(0, text.find('@'));
  if (size.size() < text.size()) {
    std::string_view rate = only_rate ? text : text.substr(size.size() + 1);
    double factor = 1;
    if (rate.ends_with("kHz")) factor = 1000, rate.remove_suffix(3);
    else if (rate.ends_with("Hz")) rate.remove_suffix(2);
    const auto hz = data::number(rate);
    if (!hz || !(*hz * factor >= 1 && *hz * factor <= 1e7) || *hz * factor != std::int64_t(*hz * factor)) return fail();
    raw.rate_hz = int(*hz * factor);
  }
  raw.any_size = size == "any";
  if (only_rate || raw.any_size) return raw;
  const auto x = size.find('x');
  if (x == size.npos) return fail();
  for (std::string_view part : {size.substr(0, x), size.substr(x + 1)}) {
    std::int64_t n = 0;
    const auto [end, fault] = std::from_chars(part.data(), part.data() + part.size(), n);
    if (fault != std::errc() || end != part.data() + part.size() || n < 1 || n > (raw.rate_hz ? std::int64_t{1} << 31 : std::int64_t{1} << 20)) return fail();
    raw.dims.push_back(n);
  }
  return raw;
}

Result<Folded> fold(const ir::Graph& g, std::size_t input, const data::Preprocess& preprocess, const Raw& raw) {
  const std::vector<Step>& steps = preprocess.steps();
  if (input >= g.inputs().size()) return Error{ErrorCode::invalid_argument, "steps are to be folded, the model has no input for them"};
  const ir::ValueId v = g.inputs()[input];
  const std::string name = "input '" + g.name(v) + "'";
  const ir::Type& type = g.type(v);
  if (!type.is_tensor() || !type.ranked || type.dims.empty()) return Error{ErrorCode::unsupported, name + " is " + ir::str(type) + ", steps are folded in front of a tensor with a batch dimension"};
  const Form form = raw_form(type, steps, raw);
  if (form.sound != (raw.rate_hz > 0) && (form.sound ? !raw.dims.empty() || raw.any_size : raw.rate_hz > 0))
    return Error{ErrorCode::invalid_argument, form.sound ? "the steps are of sound, the raw sample is stated as a picture; 1x16000@16kHz is sound" : "the steps are not of sound, the raw sample is stated as sound; 480x640 is a picture"};
  Folded r;
  r.rows.resize(steps.size());
  for (std::size_t k = 0; k < steps.size(); ++k) r.rows[k].step = data::name(steps[k]);
  std::size_t first = 0;
  if (!steps.empty() && std::holds_alternative<data::Decode>(steps[0])) r.rows[first++].what = "a file is decoded before the graph";
  for (; first < steps.size(); ) {
    std::size_t guilty = 0;
    auto graph = graph_from(g, input, steps, first, form, raw.any_size, guilty);
    if (graph) {
      static const std::string kExact[] = {"quantise_bytes", "remove_dead"};
      SAHA_TRY(auto simple, passes::simplify(*graph, {}, {}, kExact));
      r.graph = std::move(simple.graph);
      r.outside = preprocess.first(first);
      for (std::size_t k = first; k < steps.size(); ++k) {
        const std::string what = operators(r.graph, origin(steps, k));
        r.rows[k] = {r.rows[k].step, true, what.empty() ? "nothing" : what};
      }
      if (std::string fit = operators(r.graph, origin(steps, steps.size())); !fit.empty()) r.rows.push_back({"fit", true, std::move(fit)});
      return r;
    }
    if (guilty == steps.size()) return std::move(graph.error());
    for (std::size_t k = first; k < guilty; ++k) r.rows[k].what = r.rows[guilty].step + ", which follows, stays outside";
    r.rows[guilty].what = graph.error().message;
    first = guilty + 1;
  }
  if (steps.empty()) return Error{ErrorCode::invalid_argument, "there is no step to fold"};
  return Error{ErrorCode::invalid_argument, "no step can be folded: " + r.rows.back().step + ": " + r.rows.back().what};
}

std::size_t affine_steps(const data::Preprocess& steps) {
  const auto& all = steps.steps();
  const auto first = std::find_if_not(all.rbegin(), all.rend(), is_any<data::Scale, data::Normalize, data::ToLayout>);
  return std::size_t(first - all.rbegin());
}

Result<ir::Graph> in_raw_units(const ir::Graph& g, std::span<const data::Preprocess> inside, std::span<const Dims> samples) {
  return op::rewrite(g, {}, [&](std::size_t i, op::Builder& b) -> op::Val {
    const ir::ValueId v = g.inputs()[i];
    const ir::Type& type = g.type(v);
    const std::vector<Step>& steps = inside[i].steps();
    const Dims wanted = sample_dims(type);
    const Form form{samples[i], DType::f32, 0, false};
    std::vector<Dim> dims(1, Dim(1));
    for (std::int64_t d : form.dims) dims.emplace_back(d);
    const op::Val raw = b.input(ir::tensor_type(DType::f32, std::move(dims)), g[v].name);
    if (!type.is_tensor() || !type.ranked || type.dims.empty()) {
      b.fail({ErrorCode::unsupported, "input '" + g.name(v) + "' is " + ir::str(type) + ", no tensor with a batch dimension"});
      return raw;
    }
    Sample sample(b, raw, form, last_order(form, wanted, steps), g[v].type);
    for (std::size_t k = 0; k < steps.size() && !b.failed(); ++k)
      if (auto done = sample.apply(steps[k]); !done) b.fail(std::move(done.error()).within(std::string(data::name(steps[k]))));
    if (b.failed()) return raw;
    auto fitted = sample.fit(g.name(v));
    if (!fitted) b.fail(std::move(fitted.error()));
    return fitted ? *fitted : raw;
  }, g.outputs());
}

}  // namespace saha::front
