#include "data/npy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "data/bytes.hpp"

namespace saha::data {
namespace {

constexpr std::size_t kMaxHeader = std::size_t{1} << 20;
constexpr std::size_t kMaxRank = 64;

struct Header {
  std::string descr;
  bool fortran = false;
  Dims dims;
  std::size_t data_offset = 0;
};
struct Element {
  DType dtype = DType::none;
  std::size_t width = 0;   // bytes of one element in the file
  bool swap = false;       // big-endian
  char kind = 0;           // 'U', 'S' for text, else 0
};

Error damaged(std::string message) { return {ErrorCode::invalid_data, ".npy: " + std::move(message)}; }

// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  Result<Header> header() {
    Header h;
    bool has_descr = false, has_order = false, has_shape = false;
    if (!take('{')) return damaged("its header is not a dictionary");
    while (!take('}')) {
      SAHA_TRY(const std::string key, quoted());
      if (!take(':')) return damaged("its header has no value for '" + key + "'");
      if (key == "descr") {
        if (peek() == '[') return Error{ErrorCode::unsupported, ".npy: it holds records (structured dtype), not one array of numbers"};
        SAHA_TRY(h.descr, quoted());
        has_descr = true;
      } else if (key == "fortran_order") {
        if (word("True")) h.fortran = true;
        else if (!word("False")) return damaged("fortran_order is neither True nor False");
        has_order = true;
      } else if (key == "shape") {
        SAHA_TRY(h.dims, shape());
        has_shape = true;
      } else {
        return damaged("its header has an unknown key '" + key + "'");
      }
      if (!take(',') && peek() != '}') return damaged("its header is not a dictionary");
    }
    if (!has_descr || !has_order || !has_shape) return damaged("its header lacks descr, fortran_order or shape");
    return h;
  }

 private:
  void skip() { while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_; }
  char peek() { skip(); return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) { const bool is = peek() == c && at_ < text_.size(); at_ += is; return is; }
  bool word(std::string_view w) { skip(); const bool is = text_.substr(at_).starts_with(w); at_ += is ? w.size() : 0; return is; }
  Result<std::string> quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return damaged("its header is not a dictionary");
    const auto end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return damaged("its header is cut off");
    std::string s(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return s;
  }
  Result<Dims> shape() {
    Dims dims;
    if (!take('(')) return damaged("its shape is not a tuple");
    while (!take(')')) {
      skip();
      std::int64_t d = 0;
      const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), d);
      if (code != std::errc() || d < 0) return damaged("its shape holds something that is not a size");
      at_ = std::size_t(end - text_.data());
      if (peek() == 'L') ++at_;  // Python 2 wrote long integers
      dims.push_back(d);
      if (dims.size() > kMaxRank) return damaged("it has more than " + std::to_string(kMaxRank) + " dimensions");
      if (!take(',') && peek() != ')') return damaged("its shape is not a tuple");
    }
    return dims;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

Result<Header> parse_header(Bytes b) {
  if (b.size() < 10 || std::memcmp(b.data(), "\x93NUMPY", 6) != 0) return damaged("it does not begin with the mark of a .npy file");
  const int version = int(b[6]);
  if (version < 1 || version > 3) return Error{ErrorCode::unsupported, ".npy: format version " + std::to_string(version) + "; 1 to 3 are read"};
  const std::size_t fixed = version == 1 ? 10 : 12;
  if (b.size() < fixed) return damaged("it is cut off in its header");
  const std::size_t length = version == 1 ? little<std::uint16_t>(b, 8) : little<std::uint32_t>(b, 8);
  if (length > kMaxHeader) return damaged("its header has " + std::to_string(length) + " bytes, the limit is " + std::to_string(kMaxHeader));
  if (b.size() - fixed < length) return damaged("its header has " + std::to_string(length) + " bytes, the file only " + std::to_string(b.size() - fixed));
  SAHA_TRY(Header h, Literal(system::text_of(b.subspan(fixed, length))).header());
  h.data_offset = fixed + length;
  return h;
}

Result<Element> parse_descr(const std::string& descr) {
  const auto unsupported = [&](const std::string& why) { return Error{ErrorCode::unsupported, ".npy: dtype '" + descr + "' " + why}; };
  std::string_view d = descr;
  Element e;
  if (!d.empty() && (d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=')) {
    e.swap = d[0] == '>';
    d.remove_prefix(1);
  }
  if (d.empty()) return unsupported("is not known");
  const char kind = d[0];
  if (kind == 'O') return unsupported("holds Python objects, which are never read");
  int width = -1;
  const auto [end, code] = std::from_chars(d.data() + 1, d.data() + d.size(), width);
  if (code != std::errc() || end != d.data() + d.size() || width < 0) return unsupported("is not known");
  if (kind == 'U' || kind == 'S') {
    if (width > (1 << 24)) return unsupported("is too wide");
    e.dtype = DType::string, e.kind = kind, e.width = std::size_t(width) * (kind == 'U' ? 4 : 1);
    return e;
  }
  struct Row { char kind; int width; DType dtype; };
  constexpr Row kRows[] = {{'b', 1, DType::boolean}, {'?', 1, DType::boolean}, {'i', 1, DType::i8}, {'i', 2, DType::i16}, {'i', 4, DType::i32}, {'i', 8, DType::i64},
                           {'u', 1, DType::u8}, {'u', 2, DType::u16}, {'u', 4, DType::u32}, {'u', 8, DType::u64}, {'f', 2, DType::f16}, {'f', 4, DType::f32},
                           {'f', 8, DType::f64}, {'c', 8, DType::c64}, {'c', 16, DType::c128}, {'V', 2, DType::bf16}};
  for (const Row& row : kRows)
    if (row.kind == kind && row.width == width) {
      e.dtype = row.dtype, e.width = std::size_t(width);
      return e;
    }
  return unsupported("is not one that saha reads: bool, int8 to int64, uint8 to uint64, float16 to float64, complex, text, bfloat16");
}

// Unicode code points (UCS-4) to UTF-8; trailing zeros are padding.
std::string utf8(const char32_t* p, std::size_t n) {
  std::string s;
  while (n > 0 && p[n - 1] == 0) --n;
  for (std::size_t i = 0; i < n; ++i) {
    char32_t c = p[i] > 0x10ffff || (p[i] >= 0xd800 && p[i] < 0xe000) ? 0xfffd : p[i];
    if (c < 0x80) s += char(c);
    else if (c < 0x800) (s += char(0xc0 | c >> 6)) += char(0x80 | (c & 63));
    else if (c < 0x10000) ((s += char(0xe0 | c >> 12)) += char(0x80 | (c >> 6 & 63))) += char(0x80 | (c & 63));
    else (((s += char(0xf0 | c >> 18)) += char(0x80 | (c >> 12 & 63))) += char(0x80 | (c >> 6 & 63))) += char(0x80 | (c & 63));
  }
  return s;
}
std::u32string ucs4(std::string_view s) {
  std::u32string out;
  for (std::size_t i = 0; i < s.size();) {
    const auto b = static_cast<unsigned char>(s[i]);
    const std::size_t n = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    char32_t c = n == 1 ? b : b & (0x7f >> n);
    for (std::size_t k = 1; k < n; ++k) c = c << 6 | (i + k < s.size() ? static_cast<unsigned char>(s[i + k]) & 0x3f : 0);
    out += c;
    i += n;
  }
  return out;
}

// Column-major to row-major: walks the output in order and steps through the input by its strides.
template <class Copy> void from_fortran(const Dims& dims, Copy copy) {
  const std::size_t rank = dims.size();
  const std::int64_t n = num_elements(dims);
  std::array<std::int64_t, kMaxRank> stride{}, index{};
  stride[0] = 1;
  for (std::size_t a = 1; a < rank; ++a) stride[a] = stride[a - 1] * dims[a - 1];
  std::int64_t from = 0;
  for (std::int64_t to = 0; to < n; ++to) {
    copy(to, from);
    for (std::size_t a = rank; a-- > 0;) {
      from += stride[a];
      if (++index[a] < dims[a]) break;
      from -= stride[a] * dims[a];
      index[a] = 0;
    }
  }
}

struct Checked { Header header; Element element; std::int64_t count; Bytes data; };
Result<Checked> check(Bytes bytes) {
  SAHA_TRY(Header h, parse_header(bytes));
  SAHA_TRY(Element e, parse_descr(h.descr));
  const auto count = checked_elements(h.dims);
  const std::size_t have = bytes.size() - h.data_offset;
  // Compared by division, so a hostile shape cannot overflow.
  if (!count || (e.width > 0 && std::uint64_t(*count) > have / e.width) || (e.width == 0 && *count > (1 << 24)))
    return damaged("shape " + saha::str(h.dims) + " of '" + h.descr + "' needs more than the " + std::to_string(have) + " bytes that follow the header");
  const Bytes data = bytes.subspan(h.data_offset, std::size_t(*count) * e.width);
  return Checked{std::move(h), e, *count, data};
}

Result<Tensor> text_tensor(const Checked& c) {
  SAHA_TRY(Tensor t, Tensor::make(DType::string, c.header.dims));
  std::u32string wide(c.element.width / 4, 0);
  const auto one = [&](std::int64_t to, std::int64_t from) {
    const std::byte* p = c.data.data() + std::size_t(from) * c.element.width;
    std::string& s = (*t.text)[std::size_t(to)];
    if (c.element.kind == 'S') {
      const std::string_view all(reinterpret_cast<const char*>(p), c.element.width);
      s = all.substr(0, all.find_last_not_of('\0') + 1);
      return;
    }
    if (!wide.empty()) std::memcpy(wide.data(), p, c.element.width);
    if (c.element.swap) for (char32_t& w : wide) w = char32_t(__builtin_bswap32(std::uint32_t(w)));
    s = utf8(wide.data(), wide.size());
  };
  if (c.header.fortran) from_fortran(c.header.dims, one);
  else for (std::int64_t i = 0; i < c.count; ++i) one(i, i);
  return t;
}

Result<Tensor> copied(const Checked& c) {
  if (c.element.kind) return text_tensor(c);
  SAHA_TRY(Tensor t, Tensor::make(c.element.dtype, c.header.dims));
  const std::size_t w = c.element.width;
  if (c.header.fortran && c.header.dims.size() > 1)
    from_fortran(c.header.dims, [&](std::int64_t to, std::int64_t from) { std::memcpy(t.data.get() + std::size_t(to) * w, c.data.data() + std::size_t(from) * w, w); });
  else if (!c.data.empty()) std::memcpy(t.data.get(), c.data.data(), c.data.size());
  const bool complex = is_complex(c.element.dtype);
  if (c.element.swap) swap_elements(t.data.get(), std::size_t(c.count) * (complex ? 2 : 1), complex ? w / 2 : w);
  if (c.element.dtype == DType::boolean)
    for (std::int64_t i = 0; i < c.count; ++i) t.as<std::uint8_t>()[i] = t.as<std::uint8_t>()[i] != 0;
  return t;
}

}  // namespace

Result<Tensor> read_npy(Bytes bytes) {
  SAHA_TRY(const Checked c, check(bytes));
  return copied(c);
}

Result<Tensor> load_npy(const std::filesystem::path& path) {
  SAHA_TRY(const system::MappedFile file, system::map_file(path));
  const auto within = [&](Error e) { return std::move(e).within("'" + path.string() + "'"); };
  auto c = check(file.bytes());
  if (!c) return within(c.error());
  const bool plain = !c->element.kind && !c->element.swap && c->element.dtype != DType::boolean && (!c->header.fortran || c->header.dims.size() < 2);
  if (plain && c->header.data_offset % 16 == 0) return Tensor{c->element.dtype, c->header.dims, file.part(c->header.data_offset), {}};
  auto t = copied(*c);
  if (!t) return within(t.error());
  return t;
}

Result<std::vector<std::byte>> write_npy(const Tensor& t) {
  std::string descr;
  std::vector<std::u32string> wide;
  std::size_t longest = 1;
  switch (t.dtype) {
    case DType::boolean: descr = "|b1"; break;
    case DType::i8: descr = "|i1"; break;
    case DType::u8: descr = "|u1"; break;
    case DType::i16: descr = "<i2"; break;
    case DType::i32: descr = "<i4"; break;
    case DType::i64: descr = "<i8"; break;
    case DType::u16: descr = "<u2"; break;
    case DType::u32: descr = "<u4"; break;
    case DType::u64: descr = "<u8"; break;
    case DType::f16: descr = "<f2"; break;
    case DType::f32: descr = "<f4"; break;
    case DType::f64: descr = "<f8"; break;
    case DType::c64: descr = "<c8"; break;
    case DType::c128: descr = "<c16"; break;
    case DType::bf16: descr = "<V2"; break;
    case DType::string:
      for (const std::string& s : *t.text) longest = std::max(longest, wide.emplace_back(ucs4(s)).size());
      descr = "<U" + std::to_string(longest);
      break;
    default: return Error{ErrorCode::unsupported, ".npy: NumPy has no dtype for " + std::string(name(t.dtype))};
  }
  std::string shape = "(";
  for (std::size_t i = 0; i < t.dims.size(); ++i) shape += std::to_string(t.dims[i]) + (t.dims.size() == 1 ? "," : i + 1 < t.dims.size() ? ", " : "");
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "), }";
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::vector<std::byte> out;
  out.reserve(10 + header.size() + (t.dtype == DType::string ? 0 : std::size_t(t.bytes())));
  append(out, system::bytes_of(std::string_view("\x93NUMPY\x01\x00", 8)));
  append(out, std::uint16_t(header.size()));
  append(out, system::bytes_of(header));
  if (t.dtype != DType::string) append(out, Bytes(t.data.get(), std::size_t(t.bytes())));
  for (std::u32string& s : wide) {
    s.resize(longest);
    append(out, std::as_bytes(std::span(s.data(), s.size())));
  }
  return out;
}

Result<std::vector<NamedTensor>> read_npz(Bytes bytes, std::uint64_t limit) {
  SAHA_TRY(const auto entries, zip_entries(bytes));
  std::vector<NamedTensor> arrays;
  for (const ZipEntry& e : entries) {
    SAHA_TRY(const auto content, zip_read(bytes, e, limit));
    limit -= content.size();
    std::string name = e.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    auto t = read_npy(content);
    if (!t) return std::move(t.error()).within("array '" + name + "'");
    arrays.emplace_back(std::move(name), std::move(*t));
  }
  return arrays;
}

Result<std::vector<std::byte>> write_npz(const std::vector<NamedTensor>& arrays) {
  std::vector<std::vector<std::byte>> contents;
  std::vector<ZipMember> members;
  contents.reserve(arrays.size());
  for (const auto& [name, tensor] : arrays) {
    auto content = write_npy(tensor);
    if (!content) return std::move(content.error()).within("array '" + name + "'");
    contents.push_back(std::move(*content));
    members.push_back({name + ".npy", contents.back()});
  }
  return zip_stored(members);
}

}  // namespace saha::data
