// Plots for the report: inline SVG with classes, no script, the same bytes for the same numbers. Private to nas/transformer.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

/// Text for HTML: & < > " and ' escaped.
std::string escape_html(std::string_view text);

struct PlotSeries {
  std::string name;   ///< tooltip of its points
  std::string style;  ///< CSS class: "trial", "best", "default", "grey", …
  std::vector<std::pair<double, double>> points;
  bool line = false;                ///< joined; else points alone
  std::vector<std::string> titles;  ///< of the points; may be empty
};

/// Axes with round ticks around all points; log_x: the x axis is logarithmic. Nothing to draw gives a sentence instead.
std::string plot_svg(const std::string& title, const std::string& description, const std::string& x_label,
                     const std::string& y_label, const std::vector<PlotSeries>& series, bool log_x = false);

}  // namespace lathe::nas
