#pragma once
// A batch of samples on its way through the operators that stand for steps.
#include "data/preprocess.hpp"
#include "op/builder.hpp"

namespace saha::front {

/// What the steps make of a sample, without the batch dimension; -1 is a size that is not known.
struct Form {
  Dims dims;
  DType dtype = DType::u8;
  int rate_hz = 0;
  bool sound = false;   ///< [channels, samples]

  bool picture() const { return !sound && dims.size() == 3; }
};
/// The form after a step. Fails where a sample of this form cannot pass it.
Result<Form> advance(Form form, const data::Step& step);

/// The value and its form. Axes may lie in another order than in the form, and whole numbers of 0 to 255 may be kept in float32: neither is
/// undone before something needs it. The rules append operators; they fail with the reason why a step cannot be one, and then what they appended is void.
class Sample {
 public:
  /// `order[i]` is the axis of the form that is axis i + 1 of v. `last` is the order that is best for what follows the steps, `stored` the type of the input.
  Sample(op::Builder& b, op::Val v, Form form, std::vector<std::size_t> last, ir::TypeRef stored);

  Result<> apply(const data::Step& step);
  /// Fits the sample to the input of the graph: order, dims, dtype and scale.
  Result<op::Val> fit(const std::string& name);

 private:
  Result<> add(const data::Decode& s);
  Result<> add(const data::Resize& s);
  Result<> add(const data::Crop& s);
  Result<> add(const data::Scale& s);
  Result<> add(const data::Normalize& s);
  Result<> add(const data::ToLayout& s);
  Result<> add(const data::Mono& s);
  Result<> add(const data::ToRate& s);
  Result<> add(const data::Peak& s);
  Result<> add(const data::ToLength& s);
  Result<> add(const data::LogMel& s);
  Result<> add(const data::Mfcc& s);
  Result<> add(const data::Quantize& s);

  Result<> stretch(std::int64_t height, std::int64_t width, data::ResizeRule rule);
  void pick(std::size_t axis, const std::vector<std::int64_t>& at);
  Result<> pillow(std::size_t axis, const data::ResizeTables::Axis& taps, std::int64_t in);
  void opencv(const data::ResizeTables& tables);
  void blocks(std::int64_t by, std::int64_t bx);
  void weighted(std::size_t axis, const data::ResizeTables::Axis& taps, std::int64_t in);
  void interpolate(std::int64_t height, std::int64_t width, data::ResizeRule rule);
  op::Val product(std::size_t axis, const Tensor& matrix);
  Result<> spectrum(const data::LogMel& s);

  void bring(std::vector<std::size_t> order);
  void real();                                         ///< float32 from here on
  void regroup(Dims dims);                             ///< the sample's dims become these, in the order of the form
  std::size_t axis_of(std::size_t axis) const;         ///< of the value, that of the form
  op::Val along(std::size_t axis, const std::vector<double>& v);   ///< a float32 constant that varies along an axis of the form
  void part(std::size_t axis, std::int64_t first, std::int64_t count);
  void surround(const std::vector<std::array<std::int64_t, 3>>& axes, double value);   ///< {axis of the form, elements before, after}
  op::Val number(double v) { return b_.scalar(v, DType::f32); }
  std::int64_t batch() const;                          ///< -1: not known, as Reshape takes it

  op::Builder& b_;
  op::Val v_;
  Form form_;
  std::vector<std::size_t> order_, last_;
  ir::TypeRef stored_;
};

/// The matrix as a float32 constant, row by row.
Tensor matrix(const std::vector<std::vector<double>>& rows);

}  // namespace saha::front
