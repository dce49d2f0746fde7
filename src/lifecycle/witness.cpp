#include "lifecycle/witness.hpp"

#include <algorithm>
#include <cmath>

#include "corrupt/corrupt.hpp"
#include "data/image.hpp"
#include "data/npy.hpp"
#include "data/wav.hpp"
#include "lifecycle/html.hpp"
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
}  // namespace

Result<> keep_witness(validate::Witness& w, ModelTrials& trials, const std::filesystem::path& folder) {
  SAHA_DO(system::make_folders(folder));
  const validate::Altered original{w.input.data, w.input.sample, {}};
  for (const auto& [role, input] : {std::pair<std::string, const validate::Altered*>{"original", &original}, {"failing", &w.input}}) {
    SAHA_TRY(const data::Item item, trials.item(*input));
    SAHA_TRY(const auto npy, data::write_npy(item.tensor));
    std::string file = (folder / (role + ".npy")).string();
    SAHA_DO(system::write_file(file, npy));
    const corrupt::Range range = trials.range(item);
    if (const corrupt::Layout l = corrupt::layout(item, range); l.height > 0 && std::isfinite(range.low) && std::isfinite(range.high) && range.high > range.low) {
      SAHA_TRY(const auto png, data::encode_png(shown(item, l, range)));
      file = (folder / (role + ".png")).string();
      SAHA_DO(system::write_file(file, png));
      if (l.height * l.width <= kMostPixels) w.pictures.emplace_back(role, data::base64(png));
    } else if (item.rate_hz > 0 && item.tensor.dtype == DType::f32 && item.tensor.rank() == 2) {
      file = (folder / (role + ".wav")).string();
      SAHA_DO(system::write_file(file, data::write_wav({item.rate_hz, item.tensor})));
    }
    w.files.push_back(std::move(file));
  }
  return {};
}

Json witness_json(const validate::Witness& w) {
  Json pictures = Json::array();
  for (const auto& [role, png] : w.pictures) pictures.push_back({{"role", role}, {"png", png}});
  return {{"model", w.model}, {"data", w.data}, {"sample", w.sample}, {"text", w.text}, {"change", w.change}, {"found", w.found}, {"files", w.files}, {"pictures", pictures}};
}

std::string witness_figures(const Json& outcomes) {
  std::string all;
  for (const auto& o : outcomes) {
    if (!o.contains("witness") || o["witness"].is_null() || o["witness"]["pictures"].empty()) continue;
    const Json& w = o["witness"];
    std::string figures;
    for (const auto& p : w["pictures"]) {
      const std::string said = html::text(p["role"]) + (p["role"] == "failing" ? ": " + html::text(w["change"]) + "; " + html::text(w["text"]) : ": sample " + html::text(w["sample"]) + " of " + html::text(w["data"]));
      figures += "<figure><img alt=\"" + said + "\" src=\"data:image/png;base64," + p["png"].get<std::string>() + "\"><figcaption>" + said + "</figcaption></figure>";
    }
    all += "<h3>" + html::text(o["id"]) + " fails</h3><div class=\"pictures\">" + figures + "</div>";
  }
  return all;
}

}  // namespace saha::lifecycle
