#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kWidth = 640, kPlotHeight = 250, kLeft = 64, kRight = 16, kBottom = 46, kLegendRow = 18;
using Point = std::pair<double, double>;

double size_of(double value) { return value < 0 ? -value : value; }
bool finite(double value) { return value - value == 0; }

struct Tick {
  double value;
  std::string text;
};

/// A tick's text with the decimals that its step needs; thousands and up in short.
std::string tick_text(double value, double step) {
  const double size = size_of(value);
  for (const auto& [unit, name] : {std::pair{1e9, "G"}, std::pair{1e6, "M"}, std::pair{1e3, "k"}})
    if (size >= 10 * unit || (size >= unit && unit > 1e3)) {
      int decimals = 0;
      for (double s = step / unit; s < 0.999 && decimals < 6; s *= 10) ++decimals;
      return fixed(value / unit, decimals) + name;
    }
  int decimals = 0;
  for (double s = step; s < 0.999 && decimals < 9; s *= 10) ++decimals;
  return fixed(value, decimals);
}

/// One axis: values to pixels.
class Axis {
 public:
  Axis(double low, double high, double from, double to, bool log) : log_(log), from_(from), to_(to) {
    if (log_) low = math::log(low), high = math::log(high);
    // Values that differ by rounding alone count as one: ticks between them could not be told apart.
    const double scale = std::max(size_of(low), size_of(high));
    const double pad = high - low > 1e-9 * scale ? 0.05 * (high - low) : scale > 0 ? 0.1 * scale : 0.5;
    low_ = low - pad;
    high_ = high + pad;
  }
  /// Bars stand on zero.
  void start_at(double value) { low_ = value; }

  double at(double value) const { return from_ + (to_ - from_) * ((log_ ? math::log(value) : value) - low_) / (high_ - low_); }

  std::vector<Tick> ticks() const {
    if (!log_) return linear_ticks(low_, high_);
    const double low = math::exp(low_), high = math::exp(high_);
    if (high < 8 * low) return linear_ticks(low, high);  // too few powers of ten to be of use
    std::vector<Tick> out;
    const bool sparse = high > 1e4 * low;
    for (int power = -12; power < 18; ++power)
      for (const double m : {1.0, 2.0, 5.0}) {
        const double unit = math::pow(10.0, power), value = m * unit;
        if (value < low || value > high || (sparse && m > 1)) continue;
        out.push_back({value, tick_text(value, unit)});
      }
    return out;
  }

 private:
  /// About five round values.
  static std::vector<Tick> linear_ticks(double low, double high) {
    const double raw = (high - low) / 5, power = math::pow(10.0, math::floor(math::log(raw) / math::log(10.0)));
    const double step = power * (raw > 5 * power ? 10 : raw > 2 * power ? 5 : raw > power ? 2 : 1);
    std::vector<Tick> out;
    const double first = -math::floor(-low / step);
    for (int k = 0; k < 20 && (first + k) * step <= high; ++k) {
      const double value = (first + k) * step;
      out.push_back({value, tick_text(value, step)});
    }
    return out;
  }

  bool log_;
  double from_, to_, low_ = 0, high_ = 1;
};

std::string px(double value) { return fixed(value, 1); }

/// Each style has a shape of its own, so that colour is never the only difference.
std::string mark(const std::string& style, double x, double y, double r) {
  const std::string head = "class=\"point " + style + "\" ";
  if (style == "best")
    return str("<path ", head, "d=\"M", px(x), " ", px(y - 1.4 * r), "l", px(1.4 * r), " ", px(1.4 * r), "l", px(-1.4 * r), " ",
               px(1.4 * r), "l", px(-1.4 * r), " ", px(-1.4 * r), "z\"");
  if (style == "second")
    return str("<rect ", head, "x=\"", px(x - r), "\" y=\"", px(y - r), "\" width=\"", px(2 * r), "\" height=\"", px(2 * r), "\"");
  if (style == "third")
    return str("<path ", head, "d=\"M", px(x), " ", px(y - 1.2 * r), "l", px(1.2 * r), " ", px(2.2 * r), "h", px(-2.4 * r), "z\"");
  if (style == "default")
    return str("<path ", head, "d=\"M", px(x), " ", px(y + 1.2 * r), "l", px(1.2 * r), " ", px(-2.2 * r), "h", px(-2.4 * r), "z\"");
  return str("<circle ", head, "cx=\"", px(x), "\" cy=\"", px(y), "\" r=\"", px(r), "\"");
}

struct Range {
  bool any = false, bars = false;
  double x0 = 0, x1 = 0, y0 = 0, y1 = 0;
};

/// `plot` without the points that cannot be drawn, and what the others span.
Range clean(std::vector<PlotSeries>& series, bool log_x) {
  Range range;
  for (PlotSeries& s : series) {
    PlotSeries kept = s;
    kept.points.clear(), kept.titles.clear();
    for (std::size_t i = 0; i < s.points.size(); ++i) {
      const auto [x, y] = s.points[i];
      if (!finite(x) || !finite(y) || (log_x && x <= 0)) continue;
      kept.points.push_back(s.points[i]);
      kept.titles.push_back(i < s.titles.size() ? s.titles[i] : s.name);
      range.x0 = range.any ? std::min(range.x0, x) : x, range.x1 = range.any ? std::max(range.x1, x) : x;
      range.y0 = range.any ? std::min(range.y0, y) : y, range.y1 = range.any ? std::max(range.y1, y) : y;
      range.any = true;
      range.bars = range.bars || s.kind == PlotKind::bars;
    }
    s = std::move(kept);
  }
  return range;
}

std::string series_svg(const PlotSeries& s, const Axis& x, const Axis& y, double bottom) {
  std::string out;
  if (s.kind == PlotKind::bars) {
    const double step = s.points.size() > 1 ? x.at(s.points[1].first) - x.at(s.points[0].first) : 24;
    for (std::size_t i = 0; i < s.points.size(); ++i) {
      const double top = y.at(s.points[i].second);
      out += str("<rect class=\"point ", s.style, "\" x=\"", px(x.at(s.points[i].first) - 0.4 * step), "\" y=\"", px(top),
                 "\" width=\"", px(std::max(0.8 * step, 1.0)), "\" height=\"", px(bottom - top), "\"><title>",
                 escape_html(s.titles[i]), "</title></rect>\n");
    }
    return out;
  }
  const bool joined = s.kind != PlotKind::points && s.points.size() > 1;
  if (joined) {
    out += str("<polyline class=\"line ", s.style, "\" points=\"");
    for (std::size_t i = 0; i < s.points.size(); ++i) {
      const double at = x.at(s.points[i].first);
      if (s.kind == PlotKind::steps && i > 0) out += str(px(at), ",", px(y.at(s.points[i - 1].second)), " ");
      out += str(px(at), ",", px(y.at(s.points[i].second)), i + 1 < s.points.size() ? " " : "");
    }
    out += "\"/>\n";
    if (s.style == "grey") return out;  // background: its points would hide the rest
  }
  for (std::size_t i = 0; i < s.points.size(); ++i)
    out += str(mark(s.style, x.at(s.points[i].first), y.at(s.points[i].second), joined ? 2.5 : 4), "><title>",
               escape_html(s.titles[i]), "</title></",
               s.style == "second"                       ? "rect"
               : s.style == "trial" || s.style == "grey" ? "circle"
                                                         : "path",
               ">\n");
  return out;
}

/// Entries in rows; the height that they take comes back in `height`.
std::string legend_svg(const std::vector<PlotSeries>& series, double& height) {
  std::string out;
  std::vector<std::string> seen;
  double at = kLeft, row = 0;
  for (const PlotSeries& s : series) {
    if (s.name.empty() || s.points.empty() || std::find(seen.begin(), seen.end(), s.name) != seen.end()) continue;
    seen.push_back(s.name);
    const double width = 44 + 7 * static_cast<double>(s.name.size());
    if (at + width > kWidth && at > kLeft) at = kLeft, row += 1;
    const double y = 10 + row * kLegendRow;
    if (s.kind == PlotKind::line || s.kind == PlotKind::steps)
      out += str("<line class=\"line ", s.style, "\" x1=\"", px(at), "\" y1=\"", px(y), "\" x2=\"", px(at + 22), "\" y2=\"", px(y),
                 "\"/>");
    out += mark(s.style, at + 11, y, 3.5) + "/>";
    out += str("<text x=\"", px(at + 27), "\" y=\"", px(y + 4), "\">", escape_html(s.name), "</text>\n");
    at += width;
  }
  height = seen.empty() ? 8 : 10 + (row + 1) * kLegendRow;
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto bad = invalid_utf8(text.substr(at));
    const std::size_t end = bad ? at + *bad : text.size();
    for (; at < end; ++at) {
      const char c = text[at];
      if (c == '&')
        out += "&amp;";
      else if (c == '<')
        out += "&lt;";
      else if (c == '>')
        out += "&gt;";
      else if (c == '"')
        out += "&quot;";
      else if (c == '\'')
        out += "&#39;";
      else if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
        append_utf8(out, 0xfffd);
      else
        out += c;
    }
    if (bad) append_utf8(out, 0xfffd), ++at;
  }
  return out;
}

std::string plot_svg(const Plot& plot) {
  std::vector<PlotSeries> series = plot.series;
  Range range = clean(series, plot.log_x);
  if (!range.any) return "<p class=\"soft\">Nothing to draw: no values were reported.</p>\n";
  if (plot.limit_x) range.x0 = std::min(range.x0, *plot.limit_x), range.x1 = std::max(range.x1, *plot.limit_x);
  double top = 0;
  const std::string legend = legend_svg(series, top);
  const double bottom = top + kPlotHeight, height = bottom + kBottom;
  const Axis x(range.x0, range.x1, kLeft, kWidth - kRight, plot.log_x);
  Axis y(range.y0, range.y1, bottom, top, false);
  if (range.bars) y.start_at(0);
  std::string out = str("<svg role=\"img\" viewBox=\"0 0 ", px(kWidth), " ", px(height), "\"><title>", escape_html(plot.title),
                        "</title><desc>", escape_html(plot.description), "</desc>\n", legend);
  for (const Tick& t : x.ticks()) {
    const std::string at = px(x.at(t.value));
    out += str("<line class=\"grid\" x1=\"", at, "\" y1=\"", px(top), "\" x2=\"", at, "\" y2=\"", px(bottom), "\"/><text x=\"", at,
               "\" y=\"", px(bottom + 16), "\" text-anchor=\"middle\">", t.text, "</text>\n");
  }
  for (const Tick& t : y.ticks()) {
    const double at = y.at(t.value);
    out += str("<line class=\"grid\" x1=\"", px(kLeft), "\" y1=\"", px(at), "\" x2=\"", px(kWidth - kRight), "\" y2=\"", px(at),
               "\"/><text x=\"", px(kLeft - 6), "\" y=\"", px(at + 4), "\" text-anchor=\"end\">", t.text, "</text>\n");
  }
  if (plot.limit_x)
    out += str("<line class=\"limit\" x1=\"", px(x.at(*plot.limit_x)), "\" y1=\"", px(top), "\" x2=\"", px(x.at(*plot.limit_x)),
               "\" y2=\"", px(bottom), "\"/>\n");
  out += str("<text x=\"", px((kLeft + kWidth) / 2), "\" y=\"", px(height - 8), "\" text-anchor=\"middle\">",
             escape_html(plot.x_label), "</text>\n<text transform=\"translate(14 ", px((top + bottom) / 2),
             ") rotate(-90)\" text-anchor=\"middle\">", escape_html(plot.y_label), "</text>\n");
  for (const PlotSeries& s : series) out += series_svg(s, x, y, bottom);
  return out + "</svg>\n";
}

}  // namespace lathe::nas
