#include "cli/rejection.hpp"

#include "bundle/bundle.hpp"

namespace saha::cli {

Result<std::optional<validate::Rejector>> stored_rejector(const nlohmann::ordered_json& manifest) {
  const auto at = manifest.find("reject");
  if (at == manifest.end() || at->is_null()) return std::optional<validate::Rejector>();
  const Error senseless{ErrorCode::invalid_model, "'reject' in the bundle's manifest is no score and threshold"};
  if (!at->is_object()) return senseless;
  const auto score = validate::strangeness(bundle::text_of(*at, "score"));
  const auto threshold = at->find("threshold");
  if (!score || threshold == at->end() || !threshold->is_number()) return senseless;
  validate::Rejector r;
  r.score = score.value_or(validate::Strangeness::softmax);
  if (validate::needs_fit(r.score)) return senseless;
  r.threshold = threshold->get<double>();
  r.output = bundle::text_of(*at, "output");
  r.meaning = bundle::text_of(*at, "meaning");
  return std::optional(std::move(r));
}

}  // namespace saha::cli
