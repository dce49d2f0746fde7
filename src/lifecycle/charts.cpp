#include "lifecycle/charts.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/figures.hpp"
#include "lifecycle/html.hpp"

namespace saha::lifecycle::charts {
namespace {
std::string num(double v) { return figures::fixed(v, 1); }
std::string tick(double v, int digits = 3) { return std::fabs(v) >= 1000 && std::fabs(v) < 1e6 && digits == 3 ? figures::fixed(v, 0) : figures::significant(v, digits); }
/// Each with its text, in as many digits as tell them apart: 23.87, 23.88.
std::vector<std::pair<double, std::string>> marked(const std::vector<double>& ticks) {
  std::vector<std::pair<double, std::string>> r;
  for (int digits = 3; digits <= 12; ++digits) {
    r.clear();
    for (double v : ticks) r.emplace_back(v, tick(v, digits));
    if (std::adjacent_find(r.begin(), r.end(), [](const auto& a, const auto& b) { return a.second == b.second; }) == r.end()) break;
  }
  return r;
}
std::string open(const std::string& title, int w, int h) {
  return "<svg role=\"img\" viewBox=\"0 0 " + std::to_string(w) + " " + std::to_string(h) + "\" width=\"" + std::to_string(w) + "\" height=\"" + std::to_string(h) + "\"><title>" + html::escape(title) + "</title>";
}
std::string line(double x1, double y1, double x2, double y2, const std::string& more) { return "<line x1=\"" + num(x1) + "\" y1=\"" + num(y1) + "\" x2=\"" + num(x2) + "\" y2=\"" + num(y2) + "\" " + more + "/>"; }
std::string label(double x, double y, const std::string& t, const std::string& more = {}) { return "<text x=\"" + num(x) + "\" y=\"" + num(y) + "\" " + more + ">" + html::escape(t) + "</text>"; }

std::string shape(int series, double x, double y, bool hollow) {
  std::string paint = hollow ? "fill=\"none\" stroke=\"" + std::string(color(series)) + "\" stroke-width=\"2\"" : "fill=\"" + std::string(color(series)) + "\"";
  switch (series % 4) {
    case 0: return "<circle cx=\"" + num(x) + "\" cy=\"" + num(y) + "\" r=\"6\" " + paint + "/>";
    case 1: return "<rect x=\"" + num(x - 5.5) + "\" y=\"" + num(y - 5.5) + "\" width=\"11\" height=\"11\" " + paint + "/>";
    case 2: return "<path d=\"M" + num(x) + " " + num(y - 7) + "l7 12h-14z\" " + paint + "/>";
    default: return "<path d=\"M" + num(x) + " " + num(y - 7) + "l7 7l-7 7l-7 -7z\" " + paint + "/>";
  }
}
struct Scale {
  double low, high;
  bool log;
  double from, to;
  double operator()(double v) const {
    double t = log ? (std::log(std::max(v, 1e-12)) - std::log(low)) / (std::log(high) - std::log(low)) : (v - low) / (high - low);
    return from + std::clamp(t, -0.02, 1.02) * (to - from);
  }
  std::vector<double> ticks() const {
    std::vector<double> r;
    if (log) {
      for (double p = std::pow(10, std::floor(std::log10(low))); p <= high * 1.0001; p *= 10)
        for (double m : {1.0, 2.0, 5.0}) if (p * m >= low * 0.999 && p * m <= high * 1.001) r.push_back(p * m);
      return r;
    }
    double raw = (high - low) / 5, p = std::pow(10, std::floor(std::log10(raw))), step = raw / p < 1.5 ? p : raw / p < 3.5 ? 2 * p : raw / p < 7.5 ? 5 * p : 10 * p;
    for (double v = std::ceil(low / step) * step; v <= high + step * 1e-6; v += step) r.push_back(std::fabs(v) < step * 1e-9 ? 0 : v);
    return r;
  }
};
Scale scale(double low, double high, bool log, double from, double to) {
  if (log) return {low * 0.8, high * 1.25, true, from, to};
  double pad = std::max((high - low) * 0.08, std::max(std::fabs(high), 1e-9) * 1e-3);
  return {low - pad, high + pad, false, from, to};
}
std::string axes(const Scale& x, const Scale& y, const std::string& x_title, const std::string& y_title, bool y_ticks = true) {
  std::string s = line(x.from, y.from, x.to, y.from, "class=\"axis\"") + line(x.from, y.from, x.from, y.to, "class=\"axis\"");
  for (const auto& [v, text] : marked(x.ticks())) s += line(x(v), y.from, x(v), y.from + 4, "class=\"axis\"") + label(x(v), y.from + 17, text, "text-anchor=\"middle\" class=\"soft\"");
  if (y_ticks)
    for (const auto& [v, text] : marked(y.ticks())) s += line(x.from - 4, y(v), x.from, y(v), "class=\"axis\"") + label(x.from - 7, y(v) + 4, text, "text-anchor=\"end\" class=\"soft\"");
  s += label((x.from + x.to) / 2, y.from + 35, x_title, "text-anchor=\"middle\"");
  return s + "<text transform=\"translate(14 " + num((y.from + y.to) / 2) + ") rotate(-90)\" text-anchor=\"middle\">" + html::escape(y_title) + "</text>";
}
}  // namespace

const char* color(int series) {
  constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a00", "#777777"};
  return kColors[series & 7];
}

std::string scatter(const std::string& title, const std::string& x_title, const std::string& y_title, const std::vector<Point>& points, bool front) {
  if (points.empty()) return {};
  double x0 = INFINITY, x1 = 0, y0 = INFINITY, y1 = -INFINITY;
  for (const Point& p : points) {
    x0 = std::min({x0, p.x, p.x_low > 0 ? p.x_low : p.x});
    x1 = std::max({x1, p.x, p.x_high});
    y0 = std::min({y0, p.y, p.y_low});
    y1 = std::max({y1, p.y, p.y_high});
  }
  // Without a title y only keeps rows apart.
  const bool rows = y_title.empty();
  constexpr int kWidth = 560;
  const int height = rows ? 90 + 50 * int(points.size()) : 340;
  Scale x = scale(std::max(x0, 1e-9), std::max(x1, 1e-9), x0 > 0 && x1 / x0 > 10, 62, kWidth - 20), y = scale(rows ? y0 - 0.5 : y0, rows ? y1 + 0.5 : y1, false, height - 50, 16);
  std::string s = open(title, kWidth, height) + axes(x, y, x_title, y_title, !rows);
  if (front) {
    std::vector<const Point*> best;
    for (const Point& p : points) {
      if (p.hollow) continue;
      bool beaten = std::any_of(points.begin(), points.end(), [&](const Point& q) { return !q.hollow && q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y); });
      if (!beaten) best.push_back(&p);
    }
    std::sort(best.begin(), best.end(), [](const Point* a, const Point* b) { return a->x < b->x; });
    for (std::size_t i = 1; i < best.size(); ++i) s += line(x(best[i - 1]->x), y(best[i - 1]->y), x(best[i]->x), y(best[i]->y), "class=\"axis\" stroke-dasharray=\"4 3\"");
  }
  for (const Point& p : points) {
    double px = x(p.x), py = y(p.y);
    std::string stroke = "stroke=\"" + std::string(color(p.series)) + "\"";
    if (p.x_high > p.x_low) s += line(x(p.x_low), py, x(p.x_high), py, stroke);
    if (p.y_high > p.y_low) s += line(px, y(p.y_low), px, y(p.y_high), stroke);
    s += "<g><title>" + html::escape(p.label) + "</title>" + shape(p.series, px, py, p.hollow) + "</g>";
    if (p.marked) s += "<circle cx=\"" + num(px) + "\" cy=\"" + num(py) + "\" r=\"10\" fill=\"none\" class=\"axis\"/>";
  }
  // Labels where there is room for them, what was chosen first, then what is not excluded; a point that gets none is named by its title and in the table.
  struct Box { double left, right, top, bottom; };
  std::vector<Box> taken;
  std::vector<const Point*> order;
  for (const Point& p : points) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(), [](const Point* a, const Point* b) { return std::pair(!a->marked, a->hollow) < std::pair(!b->marked, b->hollow); });
  std::set<std::tuple<double, double, std::string>> named;
  for (const Point* p : order) {
    if (!named.insert({p->x, p->y, p->label}).second) continue;
    const double px = x(p->x), py = y(p->y), width = 6.6 * double(p->label.size());
    for (int k = 0; k < 24; ++k) {
      const double away = 13.0 * (k / 4), at = k % 4 < 2 ? py - 10 - away : py + 18 + away;   // above, below, farther
      const bool left = (k % 2 == 1) != (px > kWidth * 0.6);
      const Box box{left ? px - 10 - width : px + 10, left ? px - 10 : px + 10 + width, at - 10, at + 3};
      if (box.left < 64 || box.right > kWidth || box.top < 0 || box.bottom > height - 50) continue;
      if (std::any_of(taken.begin(), taken.end(), [&](const Box& t) { return box.left < t.right && t.left < box.right && box.top < t.bottom && t.top < box.bottom; })) continue;
      taken.push_back(box);
      s += label(left ? px - 10 : px + 10, at, p->label, left ? "text-anchor=\"end\"" : "");
      break;
    }
  }
  return "<figure>" + s + "</svg><figcaption>" + html::escape(title) + "</figcaption></figure>";
}

std::string bars(const std::string& title, const std::string& unit, const std::vector<Bar>& all) {
  if (all.empty()) return {};
  double most = 0;
  for (const Bar& b : all) most = std::max(most, b.value);
  int h = int(all.size()) * 22 + 14, left = 250, width = 620;
  std::string s = open(title, width, h);
  for (std::size_t i = 0; i < all.size(); ++i) {
    double y = 8 + double(i) * 22, w = most > 0 ? (width - left - 120) * all[i].value / most : 0;
    std::string name = all[i].label.size() > 36 ? ".." + all[i].label.substr(all[i].label.size() - 34) : all[i].label;
    s += label(left - 8, y + 13, name, "text-anchor=\"end\"") + "<rect x=\"" + std::to_string(left) + "\" y=\"" + num(y) + "\" width=\"" + num(std::max(w, 1.0)) + "\" height=\"16\" fill=\"" + color(all[i].series) + "\"><title>" + html::escape(all[i].label + ": " + tick(all[i].value) + " " + unit) + "</title></rect>" +
         label(left + w + 6, y + 13, tick(all[i].value) + " " + unit + (all[i].note.empty() ? "" : ", " + all[i].note), "class=\"soft\"");
  }
  return "<figure>" + s + "</svg><figcaption>" + html::escape(title) + "</figcaption></figure>";
}

std::string curves(const std::string& title, const std::string& x_title, const std::vector<Curve>& all) {
  double low = INFINITY, high = -INFINITY;
  std::size_t n = 0;
  for (const Curve& c : all) for (double v : c.y) if (std::isfinite(v)) { low = std::min(low, v); high = std::max(high, v); n = std::max(n, c.y.size()); }
  if (n < 2) return {};
  Scale x = scale(1, double(n), false, 62, 440), y = scale(low, high, false, 210, 16);
  std::string s = open(title, 560, 260) + axes(x, y, x_title, "");
  for (std::size_t k = 0; k < all.size(); ++k) {
    std::string path;
    for (std::size_t i = 0; i < all[k].y.size(); ++i) if (std::isfinite(all[k].y[i])) path += (path.empty() ? "M" : "L") + num(x(double(i + 1))) + " " + num(y(all[k].y[i]));
    s += "<path d=\"" + path + "\" fill=\"none\" stroke-width=\"2\" stroke=\"" + color(int(k)) + "\"/>";
    s += shape(int(k), 460, 24 + 20 * double(k), false) + label(474, 28 + 20 * double(k), all[k].label);
  }
  return "<figure>" + s + "</svg><figcaption>" + html::escape(title) + "</figcaption></figure>";
}

std::string graph(const std::string& title, const Json& p) {
  if (!p.is_object() || p["nodes"].empty()) return {};
  constexpr double kWide = 150, kHigh = 34, kGapX = 14, kGapY = 22;
  std::map<int, int> per_level;
  int levels = 0, widest = 1;
  for (const auto& n : p["nodes"]) {
    int level = n["level"];
    levels = std::max(levels, level + 1);
    widest = std::max(widest, ++per_level[level]);
  }
  double width = widest * (kWide + kGapX) + kGapX, height = levels * (kHigh + kGapY) + kGapY;
  std::map<int, std::pair<double, double>> at;
  for (const auto& n : p["nodes"]) {
    int level = n["level"], column = n["column"];
    double start = (width - per_level[level] * (kWide + kGapX) + kGapX) / 2;
    at[n["id"]] = {start + column * (kWide + kGapX), kGapY + level * (kHigh + kGapY)};
  }
  std::string s = "<svg role=\"img\" viewBox=\"0 0 " + num(width) + " " + num(height) + "\" width=\"" + num(width) + "\"><title>" + html::escape(title) + "</title>";
  for (const auto& e : p["edges"]) {
    auto a = at[e[0]], b = at[e[1]];
    double x1 = a.first + kWide / 2, y1 = a.second + kHigh, x2 = b.first + kWide / 2, y2 = b.second;
    s += "<path class=\"edge\" d=\"M" + num(x1) + " " + num(y1) + "C" + num(x1) + " " + num(y1 + kGapY) + " " + num(x2) + " " + num(y2 - kGapY) + " " + num(x2) + " " + num(y2) + "\"/>";
  }
  for (const auto& n : p["nodes"]) {
    auto [x, y] = at[n["id"]];
    std::string text = n["label"], shown = text.size() > 22 ? text.substr(0, 20) + ".." : text, name = n["name"];
    s += "<g><title>" + html::escape(text + (name.empty() ? "" : " (" + name + ")")) + "</title><rect class=\"node\" rx=\"5\" x=\"" + num(x) + "\" y=\"" + num(y) + "\" width=\"" + num(kWide) + "\" height=\"" + num(kHigh) + "\"/>" + label(x + kWide / 2, y + 21, shown, "text-anchor=\"middle\"") + "</g>";
  }
  return "<figure class=\"scroll\">" + s + "</svg><figcaption>" + html::escape(title) + (p["grouped"].get<bool>() ? "; neighbours share a box" : "") + "</figcaption></figure>";
}

}  // namespace saha::lifecycle::charts
