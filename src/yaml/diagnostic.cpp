#include "yaml/diagnostic.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace saha::yaml {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues(c); }));
}

std::string counted(std::size_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

constexpr std::size_t kExcerpt = 180;  // characters of a source line that are shown

// The line around the span and the place of the caret in it; a long line is cut around the caret.
struct Excerpt {
  std::string line;
  std::size_t caret, length;
};

Excerpt excerpt(std::string_view line, std::size_t begin, std::size_t end) {
  std::size_t from = 0, to = line.size();
  if (line.size() > kExcerpt) {
    from = begin > kExcerpt / 3 ? begin - kExcerpt / 3 : 0;
    to = std::min(line.size(), from + kExcerpt);
    while (from < to && continues(line[from])) ++from;
    while (to > from && to < line.size() && continues(line[to])) --to;
  }
  Excerpt e{from > 0 ? "..." : "", 0, 0};
  e.caret = e.line.size() + characters(line.substr(from, std::max(begin, from) - from));
  for (char c : line.substr(from, to - from)) {  // a control character would move the terminal's cursor
    e.line += c == '\t' ? ' ' : static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  if (to < line.size()) e.line += "...";
  std::size_t last = std::clamp(end, begin, std::max(begin, to));
  e.length = std::max<std::size_t>(1, characters(line.substr(std::min(begin, line.size()), last - begin)));
  return e;
}

}  // namespace

int Diagnostics::add_source(std::string file, std::string text) {
  const auto known = std::ranges::find_if(sources_, [&](const Source& s) { return s.file == file && s.text == text; });
  if (known != sources_.end()) return static_cast<int>(known - sources_.begin());
  Source s{std::move(file), std::move(text), {0}};
  for (std::size_t i = 0; i < s.text.size(); ++i) {
    if (s.text[i] == '\n') s.line_starts.push_back(i + 1);
  }
  sources_.push_back(std::move(s));
  return static_cast<int>(sources_.size()) - 1;
}

std::string_view Diagnostics::text(Span at) const {
  if (at.source < 0) return {};
  std::string_view all = text(at.source);
  std::size_t begin = std::min(at.begin, all.size());
  return all.substr(begin, std::max(at.end, begin) - begin);
}

void Diagnostics::add(Diagnostic d) {
  if (std::ranges::any_of(list_, [&](const Diagnostic& x) { return x.at == d.at && x.message == d.message; })) return;
  (d.severity == Diagnostic::Severity::error ? errors_ : warnings_) += 1;
  if (list_.size() < kMost) list_.push_back(std::move(d));
}

void Diagnostics::error(Span at, std::string message, std::string hint) {
  add({Diagnostic::Severity::error, std::move(message), std::move(hint), at});
}

void Diagnostics::warning(Span at, std::string message, std::string hint) {
  add({Diagnostic::Severity::warning, std::move(message), std::move(hint), at});
}

Location Diagnostics::locate(Span at) const {
  if (at.source < 0) return {};
  const Source& s = sources_[static_cast<std::size_t>(at.source)];
  std::size_t begin = std::min(at.begin, s.text.size());
  auto next = std::ranges::upper_bound(s.line_starts, begin);
  std::size_t start = *std::prev(next);
  std::size_t column = characters(std::string_view(s.text).substr(start, begin - start)) + 1;
  return {s.file, static_cast<int>(next - s.line_starts.begin()), static_cast<int>(column)};
}

std::vector<std::size_t> Diagnostics::order() const {
  std::vector<std::size_t> order(list_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return std::pair(list_[a].at.source, list_[a].at.begin) < std::pair(list_[b].at.source, list_[b].at.begin);
  });
  return order;
}

std::string Diagnostics::render(std::string_view ending) const {
  std::string out;
  for (std::size_t i : order()) {
    const Diagnostic& d = list_[i];
    bool is_error = d.severity == Diagnostic::Severity::error;
    out += is_error ? "error: " : "warning: ";
    Location where = locate(d.at);
    if (where.line > 0) out += where.file + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) + ": ";
    out += d.message + "\n";
    if (where.line == 0 || (!is_error && d.hint.empty())) {
      if (!d.hint.empty()) out += "   help: " + d.hint + "\n";
      continue;
    }
    const Source& s = sources_[static_cast<std::size_t>(d.at.source)];
    std::size_t start = s.line_starts[static_cast<std::size_t>(where.line) - 1];
    std::string_view line = std::string_view(s.text).substr(start);
    line = line.substr(0, line.find_first_of("\r\n"));
    std::size_t begin = std::min(d.at.begin - start, line.size());
    Excerpt e = excerpt(line, begin, std::clamp(d.at.end < start ? begin : d.at.end - start, begin, line.size()));
    std::string number = std::to_string(where.line);
    number.insert(0, number.size() < 5 ? 5 - number.size() : 0, ' ');
    out += number + " | " + e.line + "\n" + std::string(number.size(), ' ') + " | " + std::string(e.caret, ' ') + "^" +
           std::string(e.length - 1, '~') + (d.hint.empty() ? "" : " " + d.hint) + "\n";
  }
  if (errors_ + warnings_ > list_.size()) out += "... and " + std::to_string(errors_ + warnings_ - list_.size()) + " more\n";
  if (errors_ + warnings_ == 0) return out;
  if (errors_ > 0) out += counted(errors_, "error") + (warnings_ > 0 ? ", " : "");
  if (warnings_ > 0) out += counted(warnings_, "warning");
  if (errors_ > 0 && !ending.empty()) out += "; " + std::string(ending);
  return out + "\n";
}

std::string Diagnostics::json() const {
  using nlohmann::ordered_json;
  ordered_json errors = ordered_json::array(), warnings = ordered_json::array();
  for (std::size_t i : order()) {
    const Diagnostic& d = list_[i];
    Location where = locate(d.at);
    ordered_json one = {{"code", name(ErrorCode::invalid_file)}, {"message", d.message}, {"help", d.hint}};
    one["file"] = where.line > 0 ? ordered_json(where.file) : ordered_json();
    one["line"] = where.line > 0 ? ordered_json(where.line) : ordered_json();
    one["column"] = where.line > 0 ? ordered_json(where.column) : ordered_json();
    (d.severity == Diagnostic::Severity::error ? errors : warnings).push_back(std::move(one));
  }
  ordered_json out = {{"schema", "saha.error/1"}, {"error", errors.empty() ? ordered_json() : errors[0]}};
  out["errors"] = std::move(errors);
  out["warnings"] = std::move(warnings);
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Error Diagnostics::first() const {
  for (std::size_t i : order()) {
    const Diagnostic& d = list_[i];
    if (d.severity != Diagnostic::Severity::error) continue;
    Location where = locate(d.at);
    std::string more = errors_ > 1 ? " (and " + counted(errors_ - 1, "more error") + ")" : "";
    return {ErrorCode::invalid_file, d.message + more, d.hint, where.file, where.line, where.column};
  }
  return {ErrorCode::internal, "no error was found", "", "", 0, 0};
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  auto lower = [](std::string_view s) {
    std::string out(s);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  };
  std::string a = lower(word.substr(0, 64));
  std::size_t best = std::max<std::size_t>(1, a.size() / 3) + 1;
  std::optional<std::string> found;
  for (const std::string& candidate : candidates) {
    std::string b = lower(candidate);
    if (b.size() > a.size() + best || a.size() > b.size() + best) continue;
    // Optimal string alignment: three rows of the edit table.
    std::vector<std::size_t> two(b.size() + 1), one(b.size() + 1), row(b.size() + 1);
    std::iota(one.begin(), one.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        row[j] = std::min({row[j - 1] + 1, one[j] + 1, one[j - 1] + (a[i - 1] != b[j - 1])});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], two[j - 2] + 1);
      }
      std::swap(two, one);
      std::swap(one, row);
    }
    std::string left = a, right = b;   // the same letters in another order, "ware" for "wear": one slip, wherever it put them
    std::ranges::sort(left), std::ranges::sort(right);
    const std::size_t distance = left == right ? std::min<std::size_t>(1, one[b.size()]) : one[b.size()];
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  auto found = nearest(word, candidates);
  return found ? "did you mean '" + *found + "'?" : "";
}

}  // namespace saha::yaml
