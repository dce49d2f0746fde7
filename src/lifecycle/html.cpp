#include "lifecycle/html.hpp"

#include "base/figures.hpp"

namespace saha::lifecycle::html {

std::string escape(std::string_view t) {
  std::string s;
  for (char c : t) {
    if (c == '<') s += "&lt;";
    else if (c == '>') s += "&gt;";
    else if (c == '&') s += "&amp;";
    else if (c == '"') s += "&quot;";
    else s += c;
  }
  return s;
}
std::string text(const Json& v) {
  if (v.is_null()) return "-";
  if (v.is_string()) return escape(v.get<std::string>());
  if (v.is_boolean()) return v.get<bool>() ? "yes" : "no";
  if (v.is_number_integer()) return figures::grouped(double(v.get<std::int64_t>()));
  if (v.is_number()) return figures::significant(v.get<double>(), 4);
  return escape(v.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}
std::string short_hash(const std::string& h) { return h.substr(0, 8); }

namespace {
// A cell of more characters keeps a width to read it at where the page is narrow; the table scrolls.
constexpr std::size_t kProse = 40;
std::size_t visible(std::string_view html) {
  std::size_t n = 0;
  for (bool tag = false; char c : html) {
    tag = c == '<' || (tag && c != '>');
    n += !tag && c != '>';
  }
  return n;
}
}  // namespace

std::string Table::str() const {
  std::string s = "<div class=\"scroll\"><table><caption>" + escape(caption) + "</caption><thead><tr>";
  for (std::size_t i = 0; i < head.size(); ++i) s += "<th scope=\"col\"" + std::string(i < numeric.size() && numeric[i] ? " class=\"n\"" : "") + "><button type=\"button\">" + head[i] + "</button></th>";
  s += "</tr></thead><tbody>";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    s += "<tr" + (r < row_class.size() && !row_class[r].empty() ? " class=\"" + row_class[r] + "\"" : std::string()) + ">";
    for (std::size_t i = 0; i < rows[r].size(); ++i) s += (i < numeric.size() && numeric[i] ? "<td class=\"n\">" : visible(rows[r][i]) > kProse ? "<td class=\"prose\">" : "<td>") + rows[r][i] + "</td>";
    s += "</tr>";
  }
  return s + "</tbody></table></div>";
}
std::string section(const std::string& id, const std::string& title, const std::string& question, const std::string& content) {
  if (content.empty()) return {};
  return "<section id=\"" + id + "\" aria-labelledby=\"h-" + id + "\"><h2 id=\"h-" + id + "\">" + escape(title) + "</h2><p class=\"q\">" + escape(question) + "</p>" + content + "</section>\n";
}
std::string details(const std::string& summary, const std::string& content) { return "<details><summary>" + escape(summary) + "</summary>" + content + "</details>"; }

const char* const kStyle = R"css(
:root{--bg:#fff;--fg:#1b1f24;--soft:#5b6570;--line:#d4d9df;--card:#f6f8fa;--good:#0b6e3d;--bad:#b3261e;--open:#8a5a00;--accent:#0b5fa5}
@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e7eaee;--soft:#a3adb8;--line:#39424c;--card:#1d232a;--good:#5fd394;--bad:#ff8a80;--open:#ffc65c;--accent:#7fbcf5}}
*{box-sizing:border-box}
body{margin:0;overflow-wrap:break-word;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main,footer{max-width:76rem;margin:0 auto;padding:1rem 1.25rem}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2.2rem 0 .2rem}h3{font-size:1rem;margin:1rem 0 .3rem}
.meta,.q,caption,figcaption{color:var(--soft)}.q{margin:.1rem 0 .8rem}
.decision{border:1px solid var(--line);border-left:.4rem solid var(--good);background:var(--card);padding:.8rem 1.1rem;border-radius:.4rem;margin:.8rem 0}
.decision.no{border-left-color:var(--bad)}.decision strong{font-size:1.15rem}
nav{display:flex;flex-wrap:wrap;gap:.1rem .9rem}a{color:var(--accent)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.93rem;margin:.3rem 0 1rem}
caption{text-align:left;padding:.2rem 0}th,td{border-bottom:1px solid var(--line);padding:.35rem .45rem;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid var(--accent)}
tr.chosen td{font-weight:600;background:var(--card)}tr.out td{color:var(--soft)}
.passed{color:var(--good)}.violated,.FAIL{color:var(--bad)}.inconclusive,.skip{color:var(--open)}
.badge{border:1px solid currentColor;border-radius:.9rem;padding:0 .55rem;white-space:nowrap;font-size:.85rem}
figure{margin:.5rem 0 1rem}svg{max-width:100%;height:auto;display:block;margin-bottom:.25rem;background:var(--card);border:1px solid var(--line);border-radius:.4rem}
svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .axis{stroke:var(--soft)}svg .soft{fill:var(--soft)}svg .edge{stroke:var(--soft);fill:none;stroke-opacity:.6}svg .node{fill:var(--bg);stroke:var(--accent)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1.2rem}
.pictures{display:flex;flex-wrap:wrap;gap:.7rem}.pictures figure{width:7rem;margin:0;font-size:.8rem}.pictures img{width:7rem;height:7rem;image-rendering:pixelated;border:1px solid var(--line);background:#000}
td code{overflow-wrap:break-word}
.heat td{text-align:right;min-width:2.4rem}.mono{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}.hash{white-space:nowrap}
details{margin:.4rem 0}summary{cursor:pointer}
@media(max-width:40rem){header,main,footer{padding:.6rem .8rem}td.prose{min-width:11rem}.pictures figure,.pictures img{width:5.5rem}.pictures img{height:5.5rem}}
@media print{@page{margin:14mm}nav{display:none}th button{display:inline}.scroll{overflow:visible}tr,figure,.decision{break-inside:avoid}
h2,h3,.q,caption{break-after:avoid}.heat td{print-color-adjust:exact}body{font-size:9.5pt}table{font-size:8.5pt}th,td{padding:.2rem .35rem}header,main,footer{max-width:none;padding:.3rem 0}}
)css";

const char* const kScript = R"js(
document.querySelectorAll("th button").forEach(b=>b.addEventListener("click",()=>{const th=b.parentElement,i=[...th.parentElement.children].indexOf(th),t=th.closest("table").tBodies[0],d=th.dataset.d==="1"?-1:1;th.dataset.d=d===1?"1":"";
const v=r=>r.cells[i].dataset.v??r.cells[i].textContent.replace(/[, ]/g,"");[...t.rows].sort((a,b)=>{const x=v(a),y=v(b),n=parseFloat(x)-parseFloat(y);return d*(isNaN(n)?x.localeCompare(y):n)}).forEach(r=>t.append(r))}));
)js";

}  // namespace saha::lifecycle::html
