#include "runtime/stored_plan.hpp"

#include <algorithm>

#include "kernels/contract.hpp"
#include "kernels/conv_half.hpp"
#include "plan/stored.hpp"

namespace saha::runtime {
namespace {
using bundle::Json;
constexpr std::size_t kMostRank = 64;

Error manifest(std::string what) { return {ErrorCode::invalid_model, "the manifest's " + std::move(what) + "; damaged, not loaded"}; }
using bundle::text_of;
const Json& list(const Json& j, const char* key) {
  static const Json none = Json::array();
  return j.is_object() && j.contains(key) && j[key].is_array() ? j[key] : none;
}
std::vector<std::string> texts(const Json& j, const char* key) {
  std::vector<std::string> r;
  for (const Json& t : list(j, key)) r.push_back(text_of(t));
  return r;
}
/// Bytes that a slot's memory has.
std::uint64_t bytes_at(const plan::Plan& p, std::uint32_t slot) { return std::uint64_t(storage_bytes(p.slots[slot].dtype, num_elements(p.slots[slot].dims))); }
}  // namespace

Json json_of(const Port& p) {
  Json j{{"name", p.name}, {"type", p.type}};
  if (!p.is_tensor) return j;
  j["dtype"] = name(p.dtype);
  if (!p.ranked) return j;
  j["dims"] = Json::array();
  for (std::size_t i = 0; i < p.dims.size(); ++i) j["dims"].push_back(p.dims[i] >= 0 ? Json(p.dims[i]) : p.dim_names[i].empty() ? Json() : Json(p.dim_names[i]));
  return j;
}
Result<std::vector<Port>> ports_of(const Json& m, const char* key) {
  std::vector<Port> ports;
  for (const Json& j : list(m, key)) {
    Port p;
    p.name = text_of(j, "name"), p.type = text_of(j, "type");
    const std::string where = std::string(key) + "[" + std::to_string(ports.size()) + "]";
    if (!j.is_object() || p.name.empty()) return manifest(where + " has no name");
    p.is_tensor = j.contains("dtype"), p.ranked = p.is_tensor && j.contains("dims");
    if (const auto t = dtype_of(text_of(j, "dtype"))) p.dtype = *t;
    else if (p.is_tensor && text_of(j, "dtype") != name(DType::none)) return manifest(where + " is of dtype '" + text_of(j, "dtype") + "', which there is not");
    if (list(j, "dims").size() > kMostRank) return manifest(where + " has " + std::to_string(list(j, "dims").size()) + " dims");
    for (const Json& d : list(j, "dims")) {
      if (d.is_number_integer() && d.get<std::int64_t>() < 0) return manifest(where + " has a negative dim");
      p.dims.push_back(d.is_number_integer() ? d.get<std::int64_t>() : -1);
      p.dim_names.push_back(text_of(d));
    }
    ports.push_back(std::move(p));
  }
  return ports;
}

bool StoredPlan::fits(kernels::Isa isa) const {
  // Stored plans are float32's: levels that differ in 16 bits only have them in common.
  return kernels == kernels::fingerprint() && std::ranges::any_of(kernels::kLevels, [&](kernels::Isa level) { return kernels::without_halves(level) == kernels::without_halves(isa) && std::ranges::find(levels, kernels::name(level)) != levels.end(); });
}

Result<std::vector<StoredPlan>> stored_plans(const bundle::Bundle& b) {
  std::vector<StoredPlan> plans;
  for (const Json& j : list(b.manifest(), "plans")) {
    StoredPlan p{text_of(j, "section"), texts(j, "levels"), texts(j, "weights"), {}, text_of(j, "kernels")};
    if (!b.has(p.section)) return manifest("plans[" + std::to_string(plans.size()) + "] is in section '" + p.section + "', which there is not");
    for (const Json& dims : list(j, "inputs")) {
      Dims d;
      if (dims.is_array()) for (const Json& n : dims) d.push_back(n.is_number_integer() ? n.get<std::int64_t>() : -1);
      p.inputs.push_back(std::move(d));
    }
    plans.push_back(std::move(p));
  }
  return plans;
}

Result<> bind(plan::Plan& p, kernels::Isa isa) {
  const bool foreign = kernels::kernels(isa).empty();
  p.runs.clear();
  for (const std::string& k : p.kernels) {
    p.runs.push_back(kernels::find(k, isa));
    if (!p.runs.back() && !foreign) return Error{ErrorCode::invalid_model, "there is no kernel '" + k + "' of level " + std::string(kernels::name(isa)) + "; the plan is damaged"};
  }
  std::vector<std::span<const std::byte>> constants;
  for (std::size_t i = 0; i < p.instructions.size(); ++i) {
    const plan::Instruction& k = p.instructions[i];
    const auto wrong = [&](const std::string& what) { return Error{ErrorCode::invalid_model, "instruction " + std::to_string(i) + " (" + p.kernels[k.kernel] + ") " + what + "; the plan is damaged"}; };
    const std::uint32_t* operands = p.operands.data() + k.first_operand;
    constants.assign(k.num_in, {});
    for (std::uint32_t o = 0; o < k.num_in; ++o)
      if (operands[o] != plan::kHost && p.slots[operands[o]].space == plan::Space::constant) constants[o] = {p.constants[p.slots[operands[o]].index].data.get(), std::size_t(bytes_at(p, operands[o]))};
    const auto needs = kernels::needs(p.kernels[k.kernel], isa, std::span<const std::byte>(p.params).subspan(std::size_t(k.params)), constants);
    if (!needs) return wrong("has params that no preparation makes");
    if (needs->reads.size() != k.num_in || needs->writes.size() != k.num_out)
      return wrong("takes " + std::to_string(needs->reads.size()) + " operands and gives " + std::to_string(needs->writes.size()) + ", the plan has " + std::to_string(k.num_in) + " and " + std::to_string(k.num_out));
    if (needs->phases != k.phases) return wrong("has " + std::to_string(needs->phases) + " phases, the plan says " + std::to_string(k.phases));
    if (needs->grid != k.grid || needs->scratch != k.scratch) return wrong("has " + std::to_string(needs->grid) + " pieces and " + std::to_string(needs->scratch) + " bytes of scratch, the plan says " + std::to_string(k.grid) + " and " + std::to_string(k.scratch));
    for (std::uint32_t o = 0; o < std::uint32_t{k.num_in} + k.num_out; ++o) {
      const auto& need = o < k.num_in ? needs->reads[o] : needs->writes[o - k.num_in];
      if (operands[o] == plan::kHost) {
        if (!need.optional) return wrong("lacks operand " + std::to_string(o));
        continue;
      }
      if (const auto have = bytes_at(p, operands[o]); need.bytes > have) return wrong("touches " + std::to_string(need.bytes) + " bytes of operand " + std::to_string(o) + ", which has " + std::to_string(have));
    }
  }
  return {};
}

Result<std::shared_ptr<const LoadedPlan>> load(std::shared_ptr<const bundle::Bundle> b, const StoredPlan& stored, kernels::Isa isa) {
  std::vector<const bundle::Section*> weights;
  for (const std::string& name : stored.weights) {
    SAHA_DO(b->section(name));
    weights.push_back(b->find(name));
  }
  const plan::Constants constants = [&](const plan::Place& place, std::uint64_t bytes) -> Result<std::shared_ptr<std::byte[]>> {
    std::shared_ptr<std::byte[]> memory;
    if (place.section < weights.size()) memory = b->memory(*weights[place.section], place.offset, bytes, plan::kConstantAlign, plan::kConstantSlack);
    if (!memory) return Error{ErrorCode::invalid_model, "a constant of " + std::to_string(bytes) + " bytes is to lie at " + std::to_string(place.offset) + " of its section " + std::to_string(place.section) + ", where it does not fit; the plan is damaged"};
    return memory;
  };
  SAHA_TRY(const auto bytes, b->section(stored.section));
  auto loaded = std::make_shared<LoadedPlan>();
  const auto fill = [&]() -> Result<> {
    SAHA_TRY(loaded->plan, plan::read(bytes, constants));
    if (loaded->plan.inputs.size() != stored.inputs.size()) return Error{ErrorCode::invalid_model, "it has " + std::to_string(loaded->plan.inputs.size()) + " inputs, the manifest says " + std::to_string(stored.inputs.size()) + "; the plan is damaged"};
    for (std::size_t i = 0; i < stored.inputs.size(); ++i)
      if (loaded->plan.slots[loaded->plan.inputs[i]].dims != stored.inputs[i]) return Error{ErrorCode::invalid_model, "input " + std::to_string(i) + " has other dims than the manifest says; the plan is damaged"};
    return bind(loaded->plan, isa);
  };
  if (auto r = fill(); !r) return std::move(r.error()).within("section '" + stored.section + "'");
  return std::shared_ptr<const LoadedPlan>(std::move(loaded));
}

}  // namespace saha::runtime
