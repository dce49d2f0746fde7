// One function for each rule of the grammar. Each leaves `at_` behind what it read, or gives false.
#include "bundle/json_reader.hpp"

#include <charconv>

namespace saha::bundle {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}
  bool whole(Json& to) { return value(to, 0) && (skip_space(), at_ == end_); }

 private:
  bool is(char c) const { return at_ < end_ && *at_ == c; }
  bool take(char c) { return is(c) && (++at_, true); }
  bool take(std::string_view word) { return std::string_view(at_, std::size_t(end_ - at_)).starts_with(word) && (at_ += word.size(), true); }
  bool in(unsigned char lo, unsigned char hi) const { return at_ < end_ && static_cast<unsigned char>(*at_) >= lo && static_cast<unsigned char>(*at_) <= hi; }
  bool is_digit() const { return in('0', '9'); }
  void skip_space() {
    while (is(' ') || is('\t') || is('\n') || is('\r')) ++at_;
  }

  bool value(Json& to, int depth) {
    skip_space();
    if (take('{')) return object(to = Json::object(), depth + 1);
    if (take('[')) return array(to = Json::array(), depth + 1);
    if (take('"')) return text(*(to = std::string()).get_ptr<std::string*>());
    if (take("true")) return to = true, true;
    if (take("false")) return to = false, true;
    if (take("null")) return to = nullptr, true;
    return number(to);
  }
  bool object(Json& to, int depth) {
    if (depth > kMostJsonDepth) return false;
    skip_space();
    if (take('}')) return true;
    do {
      std::string key;
      skip_space();
      if (!take('"') || !text(key)) return false;
      skip_space();
      if (!take(':') || !value(to[key], depth)) return false;
      skip_space();
    } while (take(','));
    return take('}');
  }
  bool array(Json& to, int depth) {
    if (depth > kMostJsonDepth) return false;
    skip_space();
    if (take(']')) return true;
    do {
      to.push_back(nullptr);
      if (!value(to.back(), depth)) return false;
      skip_space();
    } while (take(','));
    return take(']');
  }
  bool number(Json& to) {
    const char* from = at_;
    const auto digits = [&] {
      if (!is_digit()) return false;
      while (is_digit()) ++at_;
      return true;
    };
    const bool negative = take('-');
    if (!take('0') && !digits()) return false;
    bool integer = true;
    if (take('.') && (integer = false, !digits())) return false;
    if (is('e') || is('E')) {
      ++at_, integer = false;
      if (is('+') || is('-')) ++at_;
      if (!digits()) return false;
    }
    const auto as = [&](auto v) { return std::from_chars(from, at_, v).ec == std::errc() && (to = v, true); };
    return (integer && (negative ? as(std::int64_t{}) : as(std::uint64_t{}))) || as(double{});
  }

  /// Behind its first quotation mark, to the last one.
  bool text(std::string& to) {
    while (at_ < end_) {
      const char* from = at_;
      if (take('"')) return true;
      if (take('\\')) {
        if (!escape(to)) return false;
      } else if (character()) {
        to.append(from, at_);
      } else {
        return false;
      }
    }
    return false;
  }
  /// One in UTF-8, none of the control characters (Unicode, table 3-7).
  bool character() {
    const auto next = [&](unsigned char lo = 0x80, unsigned char hi = 0xbf) { return in(lo, hi) && (++at_, true); };
    const auto first = static_cast<unsigned char>(*at_++);
    if (first < 0x80) return first >= 0x20;
    if (first < 0xc2 || first > 0xf4) return false;
    if (first < 0xe0) return next();
    if (first < 0xf0) return next(first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && next();
    return next(first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && next() && next();
  }
  bool escape(std::string& to) {
    static constexpr std::string_view kEscaped = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (at_ == end_) return false;
    if (const auto i = kEscaped.find(*at_); i != kEscaped.npos) return ++at_, to += kMeant[i], true;
    std::uint32_t c = 0, low = 0;
    if (!unit(c) || (c >= 0xdc00 && c < 0xe000)) return false;
    if (c >= 0xd800 && c < 0xdc00) {
      if (!take('\\') || !unit(low) || low < 0xdc00 || low >= 0xe000) return false;
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    to += static_cast<char>(more == 0 ? c : (0xff00 >> (more + 1) & 0xff) | c >> (6 * more));
    for (int i = more - 1; i >= 0; --i) to += static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
    return true;
  }
  /// uXXXX, a code unit of UTF-16.
  bool unit(std::uint32_t& c) {
    if (!take('u') || end_ - at_ < 4) return false;
    const auto r = std::from_chars(at_, at_ + 4, c, 16);
    return r.ptr == at_ + 4 && (at_ += 4, true);
  }

  const char *at_, *end_;
};

}  // namespace

std::optional<Json> read_json(std::string_view text) {
  Json j;
  if (!Reader(text).whole(j)) return {};
  return j;
}

}  // namespace saha::bundle
