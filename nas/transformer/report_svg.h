// Plots for the report: inline SVG with classes, the same bytes for the same numbers, legible without script. Private to
// nas/transformer.
//
// A plot is 560 units wide. On a phone it is shown at about two thirds of that, where the style sheet makes its texts larger, so
// margins hold the larger ones. Legends are HTML, since they have to wrap.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::nas {

/// Text for HTML: & < > " and ' escaped; control characters and bytes that are not UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

/// Joined points, points joined by steps (the value holds until the next point), points alone, bars from zero, a filled band
/// (`points` its middle, `spread` its borders), points with a line from one end of `spread` to the other.
enum class PlotKind { points, line, steps, bars, band, ranges };

struct PlotSeries {
  std::string name;   ///< for the legend; series of the same name share an entry, an empty one has none
  std::string style;  ///< CSS class: "trial", "best", "second", "third", "default", "grey", "luck"
  PlotKind kind = PlotKind::points;
  std::vector<std::pair<double, double>> points;  ///< those that are not finite are left out
  std::vector<std::string> titles;                ///< of the points, shown on hover; may be empty
  std::vector<std::pair<double, double>> spread;  ///< low and high y of each point, for `band` and `ranges`
  std::vector<std::int64_t> trials;               ///< of the points, to find them in tables and other plots; may be empty
  bool focus = false;                             ///< its points can be reached by keyboard
  bool plain = false;                             ///< many points of which none needs a text: a tenth of the bytes
};

struct Plot {
  std::string title, description;  ///< caption; and what is read aloud in place of the picture
  std::string x_label, y_label;
  std::vector<PlotSeries> series;  ///< later ones are drawn on top
  bool log_x = false;              ///< points with x ≤ 0 are left out
  bool whole_x = false;            ///< x counts something: ticks at whole numbers
  bool diagonal = false;           ///< x = y, where both axes have the same range
  std::optional<double> limit_x;   ///< a dashed vertical line
  std::string limit_text;          ///< for the legend
};

/// A figure: caption, legend, axes with round ticks around all points. Nothing to draw gives a sentence instead.
std::string plot_svg(const Plot& plot);

/// Coordinates with one decimal.
std::string px(double value);
/// A number for a tick or label: at most three significant decimals, thousands and up in short ("1.2M").
std::string short_number(double value);

}  // namespace lathe::nas
