// Plots for the report: inline SVG with classes, no script, the same bytes for the same numbers. Private to nas/transformer.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::nas {

/// Text for HTML: & < > " and ' escaped; control characters and bytes that are not UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

/// Joined points, points joined by steps (the value holds until the next point), points alone, bars from zero.
enum class PlotKind { points, line, steps, bars };

struct PlotSeries {
  std::string name;   ///< for the legend; series of the same name share an entry, an empty one has none
  std::string style;  ///< CSS class: "trial", "best", "second", "third", "default", "grey"
  PlotKind kind = PlotKind::points;
  std::vector<std::pair<double, double>> points;  ///< those that are not finite are left out
  std::vector<std::string> titles;                ///< of the points, shown on hover; may be empty
};

struct Plot {
  std::string title, description;  ///< read aloud in place of the picture
  std::string x_label, y_label;
  std::vector<PlotSeries> series;  ///< later ones are drawn on top
  bool log_x = false;              ///< points with x ≤ 0 are left out
  std::optional<double> limit_x;   ///< a dashed vertical line
};

/// Axes with round ticks around all points. Nothing to draw gives a sentence instead.
std::string plot_svg(const Plot& plot);

}  // namespace lathe::nas
