#include "data/table.hpp"

#include <algorithm>
#include <cmath>

namespace saha::data {
namespace {

bool is_missing(std::string_view cell, const std::vector<std::string>& missing) {
  return cell.find_first_not_of(" \t") == std::string_view::npos || std::find(missing.begin(), missing.end(), cell) != missing.end();
}
double median(std::vector<double> v) {
  const auto middle = v.begin() + std::ptrdiff_t(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  if (v.size() % 2) return *middle;
  return (*middle + *std::max_element(v.begin(), middle)) / 2;
}

}  // namespace

Result<Table> make_table(const Csv& csv, const std::vector<std::string>& names, const std::vector<std::string>& missing) {
  Table table;
  table.rows = csv.rows();
  for (const std::string& name : names.empty() ? csv.names() : names) {
    SAHA_TRY(const std::size_t c, csv.column(name));
    Column column{name, {}, {}};
    if (auto v = numbers(csv, c, missing)) column.numbers = std::move(*v);
    else
      for (std::size_t r = 0; r < csv.rows(); ++r) {
        const std::string_view cell = csv.cell(r, c);
        column.words.emplace_back(is_missing(cell, missing) ? std::string_view() : cell);
      }
    table.columns.push_back(std::move(column));
  }
  return table;
}
Table select_rows(const Table& table, const std::vector<std::int64_t>& rows) {
  Table out;
  out.rows = rows.size();
  for (const Column& c : table.columns) {
    Column& to = out.columns.emplace_back(Column{c.name, {}, {}});
    for (std::int64_t r : rows) {
      if (c.is_number()) to.numbers.push_back(c.numbers[std::size_t(r)]);
      else to.words.push_back(c.words[std::size_t(r)]);
    }
  }
  return out;
}

Result<TableSteps> fit(TableSteps steps, const Table& train) {
  steps.fitted.clear();
  for (const Column& c : train.columns) {
    if (!c.is_number()) continue;
    std::vector<double> present;
    for (double v : c.numbers)
      if (!std::isnan(v)) present.push_back(v);
    if (present.empty()) return Error{ErrorCode::invalid_data, "column '" + c.name + "' has no value in " + std::to_string(train.rows) + " rows"};
    TableSteps::Fitted f;
    double sum = 0, squares = 0;
    for (double v : present) sum += v;
    const double mean = sum / double(present.size());
    if (steps.impute == TableSteps::Impute::mean) f.fill = mean;
    if (steps.impute == TableSteps::Impute::median) f.fill = median(present);
    // Deviations are those of the column after imputing, which is what the model sees.
    const double filled = double(c.numbers.size() - present.size());
    f.mean = steps.impute == TableSteps::Impute::none ? mean : (sum + filled * f.fill) / double(c.numbers.size());
    for (double v : present) squares += (v - f.mean) * (v - f.mean);
    const bool imputed = steps.impute != TableSteps::Impute::none;
    if (imputed) squares += filled * (f.fill - f.mean) * (f.fill - f.mean);
    f.std = std::sqrt(squares / double(imputed ? c.numbers.size() : present.size()));
    steps.fitted[c.name] = f;
  }
  return steps;
}

std::vector<std::string> feature_names(const Table& table, const TableSteps& steps) {
  std::vector<std::string> names;
  for (const Column& c : table.columns) {
    const auto hot = steps.onehot.find(c.name);
    if (hot == steps.onehot.end()) names.push_back(c.name);
    else
      for (const std::string& word : hot->second) names.push_back(c.name + "=" + word);
  }
  return names;
}

Result<Tensor> features(const Table& table, const TableSteps& steps) {
  const auto width = std::int64_t(feature_names(table, steps).size());
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, {std::int64_t(table.rows), width}));
  float* const p = out.as<float>();
  const auto at_row = [](const Column& c, std::size_t r) { return "column '" + c.name + "', row " + std::to_string(r + 1) + ": "; };
  std::int64_t feature = 0;
  for (const Column& c : table.columns) {
    if (const auto hot = steps.onehot.find(c.name); hot != steps.onehot.end()) {
      const std::vector<std::string>& words = hot->second;
      for (std::size_t r = 0; r < table.rows; ++r) {
        std::size_t place = words.size();
        for (std::size_t k = 0; k < words.size() && place == words.size(); ++k) {
          const auto v = c.is_number() ? number(words[k]) : std::nullopt;
          if (c.is_number() ? v && *v == c.numbers[r] : words[k] == c.words[r]) place = k;
        }
        if (place == words.size()) return Error{ErrorCode::invalid_data, at_row(c, r) + "'" + (c.is_number() ? std::to_string(c.numbers[r]) : c.words[r]) + "' is not among the onehot's " + std::to_string(words.size()) + " words"};
        p[std::int64_t(r) * width + feature + std::int64_t(place)] = 1;
      }
      feature += std::int64_t(words.size());
      continue;
    }
    if (!c.is_number()) return Error{ErrorCode::invalid_data, "column '" + c.name + "' holds words such as '" + c.words[0].substr(0, 40) + "'; give it a onehot"};
    TableSteps::Fitted f;
    const bool needs_fit = steps.standardize || steps.impute == TableSteps::Impute::mean || steps.impute == TableSteps::Impute::median;
    if (needs_fit) {
      const auto it = steps.fitted.find(c.name);
      if (it == steps.fitted.end()) return Error{ErrorCode::invalid_argument, "column '" + c.name + "' was not there when impute and standardize were fitted"};
      f = it->second;
    }
    for (std::size_t r = 0; r < table.rows; ++r) {
      double v = c.numbers[r];
      if (std::isnan(v)) {
        if (steps.impute == TableSteps::Impute::none) return Error{ErrorCode::invalid_data, at_row(c, r) + "no value; impute it or leave the row out"};
        v = f.fill;
      }
      if (steps.standardize) v = f.std > 0 ? (v - f.mean) / f.std : 0;
      p[std::int64_t(r) * width + feature] = float(v);
    }
    ++feature;
  }
  return out;
}

}  // namespace saha::data
