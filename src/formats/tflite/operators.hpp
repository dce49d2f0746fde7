#pragma once
// How operators of TensorFlow Lite are said by those of the table: one row each. A rule sees its operator through Site.
#include <functional>

#include "formats/tflite/conventions.hpp"
#include "op/builder.hpp"
#include "tflite/schema_generated.h"

namespace saha::tflite {
using op::Attrs;
using op::Stored;
using op::Val;
using op::Vals;

/// One operator of the file while it is imported: its operands as values of the graph that is made, its options, and ways to build.
class Site {
 public:
  op::Builder& b;
  const fb::Operator& op;
  Vals in;                               ///< empty: omitted
  std::vector<Stored> out;               ///< how each result is kept
  std::vector<Ints> out_shape;           ///< as the file states them; a free dim is -1
  std::string name;                      ///< "CONV_2D 'model/conv1'", for messages
  std::vector<std::string>& notes;
  /// Inlines sub-graph i of the file on these operands.
  std::function<Vals(std::size_t i, op::Builder& b, const Vals& in)> call;

  template <class T> const T& options() const {
    const T* o = op.builtin_options_as<T>();
    static const std::vector<std::uint8_t> kEmpty = empty_table<T>();
    return o ? *o : *flatbuffers::GetRoot<T>(kEmpty.data());
  }
  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  const ir::Type& type(std::size_t i) const { return b.type(in[i]); }
  std::size_t rank(std::size_t i = 0) const { return type(i).dims.size(); }
  /// Fails naming the operator.
  void fail(std::string what) { b.fail({ErrorCode::invalid_model, name + ": " + std::move(what)}); }
  void unsupported(std::string what, std::string help = {}) { b.fail({ErrorCode::unsupported, name + ": " + std::move(what), std::move(help)}); }
  /// Elements of operand i, where they are known when the model is read.
  std::optional<Ints> known(std::size_t i);
  /// The same; fails where they are not.
  Ints ints(std::size_t i, std::string_view what);
  /// Operand i as int64.
  Val wide(std::size_t i) { return cast(in[i], DType::i64); }
  Val cast(Val v, DType t) { return b.failed() || b.type(v).dtype == t ? v : b.op("Cast", {v}, {{"to", std::int64_t(t)}}); }

  /// A scalar of a type that a file may state: of numbers or bool.
  Val number(double v, DType t) {
    if (t != DType::none && t != DType::string && !is_complex(t)) return b.scalar(v, t);
    unsupported("takes numbers, has " + std::string(saha::name(t)));
    return {};
  }

  /// A node whose result is kept as result k of the operator: on stored integers where a value is quantised.
  Val node(ir::OpName what, Vals operands, Attrs attrs = {}, std::size_t k = 0) { return kept(what, std::move(operands), std::move(attrs), out[k]); }
  Val kept(ir::OpName what, Vals operands, Attrs attrs, const Stored& stored);
  /// y, kept as result 0 is, with the activation that is fused into the operator.
  Val activated(Val y, fb::ActivationFunctionType a);

  std::string rounding = "fixed_double";
  std::vector<Stored> between = {};      ///< how the operator keeps what stands between its steps, where it says so

 private:
  template <class T> static std::vector<std::uint8_t> empty_table() {
    flatbuffers::FlatBufferBuilder f;
    f.Finish(flatbuffers::Offset<T>(f.EndTable(f.StartTable())));
    return {f.GetBufferPointer(), f.GetBufferPointer() + f.GetSize()};
  }
};

/// [N, .., C] as [N, C, ..]: the value that a transpose made it from, or a transpose of it.
Val channels_first(Val v);
/// [N, C, ..] as [N, .., C]
Val channels_last(Val v);
/// v is what channels_last gave.
bool was_channels_first(Val v);

/// Weights of 8 or 4 bits beside float data, operand 0: the kernels round the data in each run, which `rounding` states then. What no kernel has is taken as the
/// real numbers that the weights stand for.
Val hybrid_weights(Site& s, Val w, bool asymmetric);

inline constexpr int kAll = -1;
struct Rule {
  fb::BuiltinOperator code;
  Vals (*build)(Site&);
  int needs = 1;  ///< so many operands are there when `build` is called; kAll: each, and one at least
};
std::span<const Rule> layer_rules();     ///< convolution, pooling, fully connected, softmax, resize
std::span<const Rule> recurrent_rules(); ///< LSTM, RNN and SVDF, a step or a sequence
std::span<const Rule> movement_rules();  ///< reshape, slice, pad, concatenate, gather, ..
std::span<const Rule> selection_rules(); ///< segments, diagonals, boxes that suppress each other
const Rule& detection_rule();            ///< TFLite_Detection_PostProcess
std::span<const Rule> math_rules();      ///< elementwise, comparison, reduction, types
std::span<const Rule> control_rules();   ///< IF, WHILE, CALL
const Rule* find_rule(fb::BuiltinOperator code);
/// Of a custom operator, by its name in the file; null: not known.
const Rule* find_custom(std::string_view name);

}  // namespace saha::tflite
