// Header, 64 bytes, little-endian: magic[8], version u32, least version of a reader u32, bytes of the file u64, bytes of the manifest u64, CRC-32C of the manifest u32,
// CRC-32C of the 36 bytes before u32, zeros. The manifest follows, then the sections in the order in which it lists them.
#include "bundle/bundle.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <set>

#include "base/figures.hpp"
#include "bundle/checksum.hpp"
#include "bundle/json_reader.hpp"

namespace saha::bundle {
namespace {
constexpr unsigned char kMagic[8] = {0x89, 'S', 'A', 'H', 'A', '\r', '\n', 0x1a};   // broken by what changes line ends or clears the eighth bit
constexpr std::size_t kHeader = 64, kChecked = 36;
constexpr std::uint64_t kPage = 4096;
constexpr std::string_view kKinds[] = {"model", "plan", "weights"};

std::string hex(std::uint32_t v) {
  std::string s(8, '0');
  for (int i = 0; i < 8; ++i) s[std::size_t(i)] = "0123456789abcdef"[v >> (28 - 4 * i) & 15];
  return s;
}
std::optional<std::uint32_t> from_hex(const std::string& s) {
  if (s.size() != 8 || s.find_first_not_of("0123456789abcdef") != std::string::npos) return {};
  return std::uint32_t(std::stoul(s, nullptr, 16));
}
std::string count(std::uint64_t n) { return figures::grouped(double(n)); }
Error damaged(std::string sentence) { return {ErrorCode::invalid_model, std::move(sentence) + "; damaged, not loaded", "copy it again, or make it again from its model"}; }
template <class T> T at(std::span<const std::byte> bytes, std::size_t offset) {
  T v;
  std::memcpy(&v, bytes.data() + offset, sizeof v);
  return v;
}
template <class T> void set(std::vector<std::byte>& bytes, std::size_t offset, T v) { std::memcpy(bytes.data() + offset, &v, sizeof v); }
}  // namespace

bool is_bundle(std::span<const std::byte> bytes) { return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0; }
std::string text_of(const Json& value) {
  if (!value.is_string()) return {};
  auto text = value.get<std::string>();
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }) ? std::string() : text;
}
std::string text_of(const Json& object, const char* key) { return object.is_object() && object.contains(key) ? text_of(object[key]) : std::string(); }
bool is_known(std::string_view section) { return std::ranges::find(kKinds, section.substr(0, section.find('/'))) != std::end(kKinds); }
bool is_bundle_file(const std::string& path) {
  std::array<char, sizeof kMagic> first{};
  std::ifstream file(path, std::ios::binary);
  return file.read(first.data(), first.size()) && is_bundle(std::as_bytes(std::span(first)));
}

Result<> Bundle::read_header() {
  const auto bytes = file_.bytes();
  if (!is_bundle(bytes)) return Error{ErrorCode::invalid_model, "it does not begin as a bundle does", "saha convert MODEL -o OUT.saha makes one"};
  if (bytes.size() < kHeader) return damaged("it has " + count(bytes.size()) + " bytes, a header alone has " + std::to_string(kHeader));
  if (const auto sum = crc32c(bytes.first(kChecked)), said = at<std::uint32_t>(bytes, kChecked); sum != said) return damaged("its header has checksum " + hex(sum) + ", it says " + hex(said));
  if (const auto least = at<std::uint32_t>(bytes, 12); least > kVersion)
    return Error{ErrorCode::unsupported, "it needs a reader of version " + std::to_string(least) + ", this program reads version " + std::to_string(kVersion), "use a newer saha"};
  if (const auto said = at<std::uint64_t>(bytes, 16); said != bytes.size())
    return damaged("it has " + count(bytes.size()) + " bytes, its header says " + count(said) + (bytes.size() < said ? "; it was cut short" : ""));
  const auto size = at<std::uint64_t>(bytes, 24);
  if (size > kMostManifestBytes || size > bytes.size() - kHeader) return damaged("its manifest is to have " + count(size) + " bytes, the file has " + count(bytes.size()) + " and a manifest may have " + count(kMostManifestBytes));
  const auto text = bytes.subspan(kHeader, std::size_t(size));
  if (const auto sum = crc32c(text), said = at<std::uint32_t>(bytes, 32); sum != said) return damaged("the manifest at byte " + std::to_string(kHeader) + " has checksum " + hex(sum) + ", the header says " + hex(said));
  auto manifest = read_json(system::text_of(text));
  if (!manifest || !manifest->is_object()) return damaged("the manifest at byte " + std::to_string(kHeader) + " is no JSON object");
  manifest_ = *std::move(manifest);
  return {};
}

Result<> Bundle::read_sections() {
  const auto list = manifest_.find("sections");
  if (list == manifest_.end() || !list->is_array() || list->size() > kMostSections) return damaged("the manifest has no list of at most " + std::to_string(kMostSections) + " sections");
  std::uint64_t end = kHeader + at<std::uint64_t>(file_.bytes(), 24);
  std::set<std::string_view> names;
  sections_.reserve(list->size());
  for (const Json& j : *list) {
    const auto whole = [&](const char* key) { return j.is_object() && j.contains(key) && j[key].is_number_unsigned() ? std::optional(j[key].get<std::uint64_t>()) : std::nullopt; };
    Section s;
    s.name = text_of(j, "name");
    const auto offset = whole("offset"), size = whole("bytes");
    const auto sum = from_hex(text_of(j, "crc32c"));
    if (s.name.empty() || s.name.size() > 64 || !offset || !size || !sum) return damaged("section " + std::to_string(sections_.size()) + " of the manifest has no name, offset, bytes or crc32c");
    s.offset = *offset, s.bytes = *size, s.checksum = *sum;
    s.required = j.contains("required") && j["required"].is_boolean() && j["required"].get<bool>();
    if (s.offset < end || s.offset > file_.size || s.bytes > file_.size - s.offset || s.offset % 64)
      return damaged("section '" + s.name + "' of " + count(s.bytes) + " bytes is to begin at byte " + count(s.offset) + ", where " + count(end) + " to " + count(file_.size) + " are free");
    end = s.offset + s.bytes;
    sections_.push_back(std::move(s));
    const std::string_view name = sections_.back().name;
    if (!names.insert(name).second) return damaged("there are two sections '" + std::string(name) + "'");
    if (sections_.back().required && !is_known(name))
      return Error{ErrorCode::unsupported, "section '" + std::string(name) + "' must be understood, which this program does not", "use a newer saha"};
  }
  sound_ = std::make_unique<std::atomic<bool>[]>(sections_.size());
  return {};
}

Result<std::shared_ptr<const Bundle>> Bundle::make(system::MappedFile file, std::string path) {
  std::shared_ptr<Bundle> b(new Bundle);
  b->file_ = std::move(file), b->path_ = std::move(path);
  if (auto r = b->read_header(); !r) return b->named(std::move(r.error()));
  if (auto r = b->read_sections(); !r) return b->named(std::move(r.error()));
  return std::shared_ptr<const Bundle>(std::move(b));
}
Result<std::shared_ptr<const Bundle>> Bundle::open(const std::string& path) {
  SAHA_TRY(auto file, system::map_file(path));
  return make(std::move(file), path);
}
Result<std::shared_ptr<const Bundle>> Bundle::from_bytes(std::span<const std::byte> bytes) {
  auto* copy = static_cast<std::byte*>(std::aligned_alloc(kPage, (bytes.size() / kPage + 1) * kPage));
  if (!copy) return Error{ErrorCode::out_of_memory, "no memory for a bundle of " + count(bytes.size()) + " bytes"};
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  return make({std::shared_ptr<std::byte[]>(copy, [](std::byte* p) { std::free(p); }), bytes.size()}, {});
}

const Section* Bundle::find(std::string_view name) const {
  const auto it = std::ranges::find(sections_, name, &Section::name);
  return it == sections_.end() ? nullptr : &*it;
}
Result<std::span<const std::byte>> Bundle::section(std::string_view name) const {
  const Section* s = find(name);
  if (!s) return Error{ErrorCode::invalid_model, "there is no section '" + std::string(name) + "'"};
  const auto bytes = file_.bytes().subspan(std::size_t(s->offset), std::size_t(s->bytes));
  std::atomic<bool>& sound = sound_[std::size_t(s - sections_.data())];
  if (!sound.load(std::memory_order_acquire)) {
    if (const auto sum = crc32c(bytes); sum != s->checksum) return damaged("section '" + s->name + "' at byte " + count(s->offset) + " has checksum " + hex(sum) + ", the manifest says " + hex(s->checksum));
    sound.store(true, std::memory_order_release);
  }
  return bytes;
}
std::shared_ptr<std::byte[]> Bundle::memory(const Section& s, std::uint64_t offset, std::uint64_t bytes, std::uint64_t align, std::uint64_t slack) const {
  if (offset > s.bytes || bytes > s.bytes - offset || slack > s.bytes - offset - bytes || (s.offset + offset) % align) return {};
  return file_.part(s.offset + offset);
}
Result<> Bundle::verify() const {
  for (const Section& s : sections_) SAHA_DO(section(s.name));
  return {};
}

std::vector<std::byte> write(Json manifest, std::span<const Part> parts) {
  const auto up = [](std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; };
  // The manifest says where the sections lie and so how long it is itself: room is made for the largest numbers.
  Json& list = manifest["sections"] = Json::array();
  for (const Part& p : parts) {
    list.push_back({{"name", p.name}, {"offset", ~std::uint64_t{0}}, {"bytes", p.bytes.size()}, {"crc32c", hex(crc32c(p.bytes))}});
    if (p.required) list.back()["required"] = true;
  }
  const auto text = [&] { return manifest.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; };
  const std::size_t room = text().size();
  std::uint64_t end = kHeader + room;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    SAHA_ASSERT(parts[i].align >= 64 && parts[i].align <= kPage && kPage % parts[i].align == 0);
    const std::uint64_t offset = up(end, parts[i].align);
    list[i]["offset"] = offset;
    end = offset + parts[i].bytes.size();
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(end));
  std::string m = text();
  m.insert(m.size() - 1, room - m.size(), ' ');   // the room that is left
  std::memcpy(bytes.data(), kMagic, sizeof kMagic);
  set(bytes, 8, kVersion), set(bytes, 12, kVersion), set(bytes, 16, end), set(bytes, 24, std::uint64_t(m.size()));
  set(bytes, 32, crc32c(system::bytes_of(m)));
  set(bytes, kChecked, crc32c(std::span<const std::byte>(bytes).first(kChecked)));
  std::memcpy(bytes.data() + kHeader, m.data(), m.size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].bytes.empty()) std::memcpy(bytes.data() + list[i]["offset"].get<std::uint64_t>(), parts[i].bytes.data(), parts[i].bytes.size());
  return bytes;
}

}  // namespace saha::bundle
