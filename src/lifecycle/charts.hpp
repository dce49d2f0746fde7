#pragma once
// The report's figures as inline SVG. Eight colours that colour-blind people tell apart (Okabe and Ito), with shapes beside them.
#include <string>
#include <vector>

#include "lifecycle/store.hpp"

namespace saha::lifecycle::charts {

struct Point {
  double x = 0, y = 0, x_low = 0, x_high = 0, y_low = 0, y_high = 0;
  std::string label;
  int series = 0;
  bool hollow = false, marked = false;   ///< excluded; chosen
};
/// Points with error bars; x logarithmic where it spans more than a decade. `front` joins the points that nothing beats (less x, more y).
std::string scatter(const std::string& title, const std::string& x_title, const std::string& y_title, const std::vector<Point>& points, bool front);

struct Bar {
  std::string label, note;
  double value = 0;
  int series = 0;
};
std::string bars(const std::string& title, const std::string& unit, const std::vector<Bar>& bars);

struct Curve {
  std::string label;
  std::vector<double> y;
};
std::string curves(const std::string& title, const std::string& x_title, const std::vector<Curve>& curves);

/// A graph as picture() gives it.
std::string graph(const std::string& title, const Json& picture);
const char* color(int series);

}  // namespace saha::lifecycle::charts
