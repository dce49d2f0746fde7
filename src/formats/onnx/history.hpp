#pragma once
// What changed between the 28 operator sets, as one table of rows: upgrade reads it forward, downgrade backward. Of some 430 steps
// between versions only those stand here that change more than the types an operator takes.
// Source: the schemas of the onnx package with their history.
#include "formats/onnx/downgrade.hpp"
#include "formats/onnx/upgrade.hpp"

namespace saha::onnx {

/// Rewrites the node in place (nothing is returned) or adds what it means itself.
using UpFn = std::optional<op::Vals> (*)(OldNode&, op::Builder&);
/// Brings the record one version back; fails by need_opset() where the older version cannot say it.
struct Down;
using DownFn = Result<> (*)(Down&);

enum class RowKind : std::uint8_t {
  drop,      ///< the attribute said nothing, or nothing that still matters
  set,       ///< the default was another one
  meant,     ///< the attribute is new; before it the operator behaved as if it had this value
  added,     ///< the attribute is new, and its default is what the operator did before
  renamed,   ///< the attribute had the other name
  operand,   ///< the attribute has become an operand
  function,  ///< everything else
};
enum class Form : std::uint8_t { vector, one, like };  ///< ints -> int64[n]; int -> int64[1]; float -> scalar of operand 0's type
struct Literal {
  char kind = 0;  ///< 'i', 'f', 's'; 0: none
  std::int64_t i = 0;
  float f = 0;
  std::string_view s = {};
};
struct Row {
  std::string_view ops;      ///< names, separated by spaces
  std::int64_t before;       ///< serves files whose operator set is older than this
  RowKind kind;
  std::string_view attr;     ///< `added` takes several
  std::string_view other = {};
  Literal value = {};
  int slot = 0;
  Form form = Form::vector;
  UpFn up = nullptr;
  DownFn down = nullptr;
};

/// Rows of an operator, oldest first.
std::span<const Row* const> history_of(std::string_view op);
/// The operator set that introduced it.
std::int64_t first_opset(std::string_view op);
ir::Attr attr_of(const Literal& l);
/// "a b c" -> a, b, c
std::vector<std::string_view> words(std::string_view text);

/// A node of the domain com.microsoft, as upgrade().
op::Vals import_microsoft(OldNode n, op::Builder& b);
/// com.microsoft has an operator of this name that means what ai.onnx's newest does, for files whose operator set is too old for that.
bool same_in_microsoft(std::string_view op);

// ---- the functions of the table, in its order: upgrade_functions.cpp, downgrade_functions.cpp ---------------------------------
#define SAHA_ONNX_UP(f) std::optional<op::Vals> f(OldNode& n, op::Builder& b)
SAHA_ONNX_UP(up_legacy_broadcast);
SAHA_ONNX_UP(up_prelu);
SAHA_ONNX_UP(up_cast);
SAHA_ONNX_UP(up_clip);
SAHA_ONNX_UP(up_dropout);
SAHA_ONNX_UP(up_batch_normalization);
SAHA_ONNX_UP(up_softmax);
SAHA_ONNX_UP(up_split);
SAHA_ONNX_UP(up_tile);
SAHA_ONNX_UP(up_upsample);
SAHA_ONNX_UP(up_resize_10);
SAHA_ONNX_UP(up_resize_empty);
SAHA_ONNX_UP(up_scatter);
SAHA_ONNX_UP(up_scan_8);
SAHA_ONNX_UP(up_group_normalization);
SAHA_ONNX_UP(up_grid_sample);
SAHA_ONNX_UP(up_dft);
SAHA_ONNX_UP(up_lp_pool);
SAHA_ONNX_UP(up_gru);
SAHA_ONNX_UP(up_mean_variance);
SAHA_ONNX_UP(up_label_encoder);
SAHA_ONNX_UP(up_affine);
SAHA_ONNX_UP(up_image_scaler);
SAHA_ONNX_UP(up_parametric_softplus);
SAHA_ONNX_UP(up_scaled_tanh);
SAHA_ONNX_UP(up_crop);
#undef SAHA_ONNX_UP

/// The state of one downgrade: the record so far, and the node that it stands for.
struct Down {
  const ir::Graph& g;
  const ir::Node& n;
  std::int64_t target;
  OldRecord r;

  bool has(std::size_t i) const;
  const Tensor* constant(std::size_t i) const;               ///< null: computed or omitted
  const ir::Type* type(std::size_t i) const;                 ///< null: omitted, or a new constant
  const ir::Node* producer(std::size_t i) const;
  void drop_operand(std::size_t i) { if (i < r.in.size()) r.in[i] = ir::ValueId::none; }
  const ir::Attr* attr(std::string_view name) const { return ir::find_attr(r.attrs, name); }
  void erase(std::string_view name);
  void set(std::string_view name, ir::Attr value);
  /// "node 'a' (Slice): WHAT needs opset 10 of ai.onnx, the model is of 9"
  Error need(std::int64_t opset, std::string_view what) const;
};
Result<> down_legacy_broadcast(Down& d);
Result<> down_prelu(Down& d);
Result<> down_same_shapes(Down& d);
Result<> down_gemm(Down& d);
Result<> down_cast(Down& d);
Result<> down_clip(Down& d);
Result<> down_dropout(Down& d);
Result<> down_batch_normalization(Down& d);
Result<> down_softmax(Down& d);
Result<> down_split(Down& d);
Result<> down_slice(Down& d);
Result<> down_tile(Down& d);
Result<> down_pad(Down& d);
Result<> down_resize_13(Down& d);
Result<> down_resize_10(Down& d);
Result<> down_upsample(Down& d);
Result<> down_scatter(Down& d);
Result<> down_scatter_reduction(Down& d);
Result<> down_resize_19(Down& d);
Result<> down_attention(Down& d);
Result<> down_max_pool(Down& d);
Result<> down_scan_8(Down& d);
Result<> down_group_normalization(Down& d);
Result<> down_grid_sample(Down& d);
Result<> down_dft(Down& d);
Result<> down_lp_pool(Down& d);
Result<> down_label_encoder(Down& d);

}  // namespace saha::onnx
