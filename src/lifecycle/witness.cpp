#include "lifecycle/witness.hpp"

#include <algorithm>
#include <cmath>

#include "base/figures.hpp"
#include "corrupt/corrupt.hpp"
#include "data/image.hpp"
#include "data/npy.hpp"
#include "data/wav.hpp"
#include "lifecycle/picture.hpp"
#include "system/file.hpp"

namespace saha::lifecycle {
namespace {
constexpr std::int64_t kMostPixels = 1024 * 1024;   // of a picture inside a page

/// uint8 [h, w, c] of a raw picture; its domain becomes 0 to 255.
Tensor shown(const data::Item& item, const corrupt::Layout& l, const corrupt::Range& range) {
  const auto v = values<double>(item.tensor);
  Tensor t = Tensor::zeros(DType::u8, {l.height, l.width, l.channels});
  for (std::int64_t c = 0; c < l.channels; ++c)
    for (std::int64_t y = 0; y < l.height; ++y)
      for (std::int64_t x = 0; x < l.width; ++x) {
        const double raw = v[std::size_t(l.channels_last ? (y * l.width + x) * l.channels + c : (c * l.height + y) * l.width + x)];
        t.as<std::uint8_t>()[(y * l.width + x) * l.channels + c] = std::uint8_t(std::nearbyint(std::clamp((raw - range.low) / (range.high - range.low), 0.0, 1.0) * 255));
      }
  return t;
}
Result<> add_difference(validate::Witness& w, const Tensor& before, const Tensor& after) {
  const auto d = difference(before, after);
  if (!d) return {};
  SAHA_TRY(const auto png, data::encode_png(d->image));
  w.pictures.emplace_back("difference x " + figures::significant(d->stretch, 2), data::base64(png));
  return {};
}
}  // namespace

Result<> keep_witness(validate::Witness& w, ModelTrials& trials, const std::filesystem::path& folder) {
  SAHA_DO(system::make_folders(folder));
  const validate::Altered original{w.input.data, w.input.sample, {}};
  std::vector<Tensor> images;
  for (const auto& [role, input] : {std::pair<std::string, const validate::Altered*>{"original", &original}, {"failing", &w.input}}) {
    SAHA_TRY(const data::Item item, trials.item(*input));
    SAHA_TRY(const auto npy, data::write_npy(item.tensor));
    std::string file = (folder / (role + ".npy")).string();
    SAHA_DO(system::write_file(file, npy));
    const corrupt::Range range = trials.range(item);
    if (const corrupt::Layout l = corrupt::layout(item, range); l.height > 0 && std::isfinite(range.low) && std::isfinite(range.high) && range.high > range.low) {
      images.push_back(shown(item, l, range));
      SAHA_TRY(const auto png, data::encode_png(images.back()));
      file = (folder / (role + ".png")).string();
      SAHA_DO(system::write_file(file, png));
      if (l.height * l.width <= kMostPixels) w.pictures.emplace_back(role, data::base64(png));
    } else if (item.rate_hz > 0 && item.tensor.dtype == DType::f32 && item.tensor.rank() == 2) {
      file = (folder / (role + ".wav")).string();
      SAHA_DO(system::write_file(file, data::write_wav({item.rate_hz, item.tensor})));
    }
    w.files.push_back(std::move(file));
  }
  return w.pictures.size() == 2 ? add_difference(w, images[0], images[1]) : Result<>();
}

Result<> show_points(validate::Witness& w, const std::vector<double>& sample) {
  const auto varies = [&](const validate::Witness::Point& p) { return p.values != sample; };
  const auto varying = std::ranges::count_if(w.points, varies);
  std::vector<Tensor> images;
  for (const auto& p : w.points) {
    if (!p.fields.empty() || p.inputs.size() != 1 || p.inputs[0].second.size() < 3) continue;
    const auto image = image_of(Tensor::of(DType::f32, p.inputs[0].second, std::span<const double>(p.values)));
    if (!image) continue;
    SAHA_TRY(const auto png, data::encode_png(*image));
    if (varies(p) && !sample.empty() && varying == 1) {
      if (const auto before = image_of(Tensor::of(DType::f32, p.inputs[0].second, std::span<const double>(sample)))) {
        SAHA_TRY(const auto other, data::encode_png(*before));
        w.pictures.emplace_back("original", data::base64(other));
        images = {*before, *image};
      }
    }
    if (varies(p) || w.points.size() == 1) w.pictures.emplace_back(varying > 1 ? p.name : "failing", data::base64(png));
  }
  return images.size() == 2 ? add_difference(w, images[0], images[1]) : Result<>();
}

Json witness_json(const validate::Witness& w) {
  Json pictures = Json::array();
  for (const auto& [role, png] : w.pictures) pictures.push_back({{"role", role}, {"png", png}});
  constexpr std::size_t kMostFields = 64;
  Json points = Json::array();
  for (const auto& p : w.points) {
    if (p.fields.empty() || p.fields.size() > kMostFields) continue;
    Json fields = Json::object();
    for (const auto& [field, value] : p.fields) fields[field] = value;
    points.push_back({{"name", p.name}, {"fields", fields}});
  }
  return {{"model", w.model}, {"data", w.data}, {"sample", w.sample}, {"text", w.text}, {"change", w.change}, {"found", w.found}, {"points", points}, {"files", w.files}, {"pictures", pictures}};
}

}  // namespace saha::lifecycle
