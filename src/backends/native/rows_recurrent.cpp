// LSTM and GRU with constant weights, default activations and full sequences on the float32 kernels.
#include <cctype>

#include "backends/native/kernel_table.hpp"
#include "kernels/recurrent.hpp"

namespace saha::native {
namespace {

bool default_activations(const NodeSite& s, std::vector<std::string> per_direction) {
  auto names = s.ss("activations");
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (char& c : names[i]) c = char(std::tolower(static_cast<unsigned char>(c)));
    if (names[i] != per_direction[i % per_direction.size()]) return false;
  }
  return true;
}

template <bool Lstm> std::optional<Prepared> recurrent(const NodeSite& s) {
  const std::size_t needed = Lstm ? 8 : 6;
  for (std::size_t i : {0, 1, 2, 3, 5, 6}) if (s.has(i) && s.dtype(i) != DType::f32) return {};
  if (!s.constant[1] || !s.constant[2] || (s.has(3) && !s.constant[3]) || s.has(4) || s.in.size() > needed || (Lstm && s.has(7))) return {};  // lengths, peepholes
  if (s.has_attr("clip") || s.i("layout") != 0 || s.i("input_forget") != 0) return {};
  if (!default_activations(s, Lstm ? std::vector<std::string>{"sigmoid", "tanh", "tanh"} : std::vector<std::string>{"sigmoid", "tanh"})) return {};
  Dims x = s.dims(0), r = s.dims(2);
  std::string direction = s.s("direction");
  bool reversed[2] = {direction == "reverse", true};
  std::span<const bool> directions(reversed, direction == "bidirectional" ? 2 : 1);
  // The kernel reads what these shapes promise; whatever else a model says is for the reference to refuse.
  if (x.size() != 3 || r.size() != 3) return {};
  const std::int64_t n = std::int64_t(directions.size()), h = r[2], rows = (Lstm ? 4 : 3) * h;
  if (r != Dims{n, rows, h} || s.dims(1) != Dims{n, rows, x[2]} || (s.has(3) && s.dims(3) != Dims{n, 2 * rows})) return {};
  for (std::size_t i : {5, 6}) if (s.has(i) && s.dims(i) != Dims{n, x[1], h}) return {};
  auto p = Lstm ? kernels::prepare_lstm(s.isa, x[0], x[1], x[2], r[2], directions, int(s.out.size()))
                : kernels::prepare_gru(s.isa, x[0], x[1], x[2], r[2], directions, s.i("linear_before_reset") != 0, int(s.out.size()));
  auto packed = packed_buffer(kernels::packed_recurrent_size(p));
  if (!packed) return {};
  kernels::pack_recurrent(s.isa, p, s.constant[1]->as<float>(), s.constant[2]->as<float>(), s.has(3) ? s.constant[3]->as<float>() : nullptr,
                          {packed->as<float>(), std::size_t(packed->size())});
  Prepared q = call(Lstm ? "lstm_f32" : "gru_f32", p, {Operand::node(0), Operand::packed(0), s.has(5) ? Operand::node(5) : Operand::none()});
  if (Lstm) q.operands.push_back(s.has(6) ? Operand::node(6) : Operand::none());
  q.packed.push_back(std::move(*packed));
  return q;
}

constexpr KernelDef kRows[] = {{"LSTM", recurrent<true>}, {"GRU", recurrent<false>}};
}  // namespace

std::span<const KernelDef> recurrent_rows() { return kRows; }

}  // namespace saha::native
