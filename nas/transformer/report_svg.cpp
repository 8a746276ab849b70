#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kWidth = 560, kPlotHeight = 230, kTop = 30, kLeft = 62, kRight = 14, kBottom = 54;
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
  Axis(double low, double high, double from, double to, bool log, bool whole = false)
      : log_(log), whole_(whole), from_(from), to_(to) {
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
    const bool sparse = high > 2e3 * low;
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
  std::vector<Tick> linear_ticks(double low, double high) const {
    const double raw = (high - low) / 5, power = math::pow(10.0, math::floor(math::log(raw) / math::log(10.0)));
    double step = power * (raw > 5 * power ? 10 : raw > 2 * power ? 5 : raw > power ? 2 : 1);
    if (whole_) step = high - low < 9 ? 1 : std::max(step, 1.0);
    std::vector<Tick> out;
    const double first = -math::floor(-low / step);
    for (int k = 0; k < 20 && (first + k) * step <= high; ++k) {
      const double value = (first + k) * step;
      out.push_back({value, tick_text(value, step)});
    }
    return out;
  }

  bool log_, whole_;
  double from_, to_, low_ = 0, high_ = 1;
};

/// Each style has a shape of its own, so that colour is never the only difference.
std::string mark(const std::string& style, double x, double y, double r) {
  if (style == "best")
    return str("<path d=\"M", px(x), " ", px(y - 1.4 * r), "l", px(1.4 * r), " ", px(1.4 * r), "l", px(-1.4 * r), " ", px(1.4 * r),
               "l", px(-1.4 * r), " ", px(-1.4 * r), "z\"");
  if (style == "second")
    return str("<path d=\"M", px(x - r), " ", px(y - r), "h", px(2 * r), "v", px(2 * r), "h", px(-2 * r), "z\"");
  if (style == "third")
    return str("<path d=\"M", px(x), " ", px(y - 1.2 * r), "l", px(1.2 * r), " ", px(2.2 * r), "h", px(-2.4 * r), "z\"");
  if (style == "default")
    return str("<path d=\"M", px(x), " ", px(y + 1.2 * r), "l", px(1.2 * r), " ", px(-2.2 * r), "h", px(-2.4 * r), "z\"");
  return str("<circle cx=\"", px(x), "\" cy=\"", px(y), "\" r=\"", px(r), "\"");
}

const char* mark_name(const std::string& style) {
  return style == "best" || style == "second" || style == "third" || style == "default" ? "path" : "circle";
}

struct Range {
  bool any = false, bars = false;
  double x0 = 0, x1 = 0, y0 = 0, y1 = 0;
  void hold(double x, double y) {
    x0 = any ? std::min(x0, x) : x, x1 = any ? std::max(x1, x) : x;
    y0 = any ? std::min(y0, y) : y, y1 = any ? std::max(y1, y) : y;
    any = true;
  }
};

/// `series` without the points that cannot be drawn, and what the others span.
Range clean(std::vector<PlotSeries>& series, bool log_x) {
  Range range;
  for (PlotSeries& s : series) {
    PlotSeries kept = s;
    kept.points.clear(), kept.titles.clear(), kept.spread.clear(), kept.trials.clear();
    for (std::size_t i = 0; i < s.points.size(); ++i) {
      const auto [x, y] = s.points[i];
      const bool spread = i < s.spread.size();
      if (!finite(x) || !finite(y) || (log_x && x <= 0)) continue;
      if (spread && !(finite(s.spread[i].first) && finite(s.spread[i].second))) continue;
      kept.points.push_back(s.points[i]);
      kept.titles.push_back(i < s.titles.size() ? s.titles[i] : "");
      if (i < s.trials.size()) kept.trials.push_back(s.trials[i]);
      range.hold(x, y);
      if (spread) kept.spread.push_back(s.spread[i]), range.hold(x, s.spread[i].first), range.hold(x, s.spread[i].second);
      range.bars = range.bars || s.kind == PlotKind::bars;
    }
    s = std::move(kept);
  }
  return range;
}

std::string title_of(const std::string& text) { return text.empty() ? "" : "<title>" + escape_html(text) + "</title>"; }

std::string bars_svg(const PlotSeries& s, const Axis& x, const Axis& y, double bottom) {
  std::string out = "<g class=\"point " + s.style + "\">\n";
  const double step = s.points.size() > 1 ? x.at(s.points[1].first) - x.at(s.points[0].first) : 24;
  for (std::size_t i = 0; i < s.points.size(); ++i) {
    const double top = y.at(s.points[i].second);
    out += str("<rect x=\"", px(x.at(s.points[i].first) - 0.4 * step), "\" y=\"", px(top), "\" width=\"",
               px(std::max(0.8 * step, 1.0)), "\" height=\"", px(bottom - top), "\">", title_of(s.titles[i]), "</rect>\n");
  }
  return out + "</g>\n";
}

std::string band_svg(const PlotSeries& s, const Axis& x, const Axis& y) {
  std::string out = str("<path class=\"band ", s.style, "\" d=\"M");
  for (std::size_t i = 0; i < s.points.size(); ++i)
    out += str(i ? "L" : "", px(x.at(s.points[i].first)), " ", px(y.at(s.spread[i].second)));
  for (std::size_t i = s.points.size(); i-- > 0;) out += str("L", px(x.at(s.points[i].first)), " ", px(y.at(s.spread[i].first)));
  out += str("z\"/>\n<polyline class=\"line ", s.style, "\" points=\"");
  for (std::size_t i = 0; i < s.points.size(); ++i)
    out += str(i ? " " : "", px(x.at(s.points[i].first)), ",", px(y.at(s.points[i].second)));
  return out + "\"/>\n";
}

std::string joined_svg(const PlotSeries& s, const Axis& x, const Axis& y) {
  std::string out = str("<polyline class=\"line ", s.style, "\" points=\"");
  for (std::size_t i = 0; i < s.points.size(); ++i) {
    const double at = x.at(s.points[i].first);
    if (s.kind == PlotKind::steps && i > 0) out += str(px(at), ",", px(y.at(s.points[i - 1].second)), " ");
    out += str(px(at), ",", px(y.at(s.points[i].second)), i + 1 < s.points.size() ? " " : "");
  }
  return out + "\"/>\n";
}

/// Background points as one path of round dots: a tenth of the bytes.
std::string dots_svg(const PlotSeries& s, const Axis& x, const Axis& y) {
  std::string out = "<path class=\"dots " + s.style + "\" d=\"";
  for (const auto& [at, value] : s.points) out += str("M", px(x.at(at)), " ", px(y.at(value)), "h0");
  return out + "\"/>\n";
}

std::string series_svg(const PlotSeries& s, const Axis& x, const Axis& y, double bottom) {
  if (s.points.empty()) return "";
  if (s.kind == PlotKind::bars) return bars_svg(s, x, y, bottom);
  if (s.kind == PlotKind::band) return band_svg(s, x, y);
  std::string out;
  const bool joined = (s.kind == PlotKind::line || s.kind == PlotKind::steps) && s.points.size() > 1;
  if (joined) out += joined_svg(s, x, y);
  if (joined && s.style == "grey") return out;  // background: its points would hide the rest
  if (s.plain) return dots_svg(s, x, y);
  out += "<g class=\"point " + s.style + "\">\n";
  for (std::size_t i = 0; i < s.points.size(); ++i) {
    const double at = x.at(s.points[i].first);
    if (s.kind == PlotKind::ranges)
      out += str("<path class=\"line ", s.style, "\" d=\"M", px(at), " ", px(y.at(s.spread[i].first)), "V",
                 px(y.at(s.spread[i].second)), "\"/>");
    out += str(mark(s.style, at, y.at(s.points[i].second), joined ? 3 : 3.6), s.focus ? " tabindex=\"0\"" : "",
               i < s.trials.size() ? str(" data-t=\"", s.trials[i], "\"") : std::string());
    out += s.titles[i].empty() ? std::string("/>\n") : str(">", title_of(s.titles[i]), "</", mark_name(s.style), ">\n");
  }
  return out + "</g>\n";
}

/// HTML with a small picture of each style.
std::string legend(const std::vector<PlotSeries>& series, const Plot& plot) {
  std::string out;
  const auto entry = [&](const std::string& picture, const std::string& name) {
    out += "<span><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">" + picture + "</svg>" + escape_html(name) +
           "</span>\n";
  };
  std::vector<std::string> seen;
  for (const PlotSeries& s : series) {
    if (s.name.empty() || s.points.empty() || std::find(seen.begin(), seen.end(), s.name) != seen.end()) continue;
    seen.push_back(s.name);
    std::string picture;
    if (s.kind == PlotKind::band) picture += "<rect class=\"band " + s.style + "\" x=\"0\" y=\"1\" width=\"24\" height=\"10\"/>";
    if (s.kind != PlotKind::points && s.kind != PlotKind::bars && s.kind != PlotKind::ranges)
      picture += "<path class=\"line " + s.style + "\" d=\"M0 6H24\"/>";
    if (s.kind == PlotKind::ranges) picture += "<path class=\"line " + s.style + "\" d=\"M12 0V12\"/>";
    if (s.kind != PlotKind::band && !(s.kind == PlotKind::line && s.style == "grey"))
      picture += "<g class=\"point " + s.style + "\">" + mark(s.style, 12, 6, 3.6) + "/></g>";
    entry(picture, s.name);
  }
  if (plot.limit_x && !plot.limit_text.empty()) entry("<path class=\"limit\" d=\"M12 0V12\"/>", plot.limit_text);
  return out.empty() ? "" : "<div class=\"legend\">" + out + "</div>\n";
}

std::string grid_svg(const Axis& x, const Axis& y, double top, double bottom) {
  std::string out;
  for (const Tick& t : x.ticks()) {
    const std::string at = px(x.at(t.value));
    out += str("<path class=\"grid\" d=\"M", at, " ", px(top), "V", px(bottom), "\"/><text x=\"", at, "\" y=\"", px(bottom + 18),
               "\" text-anchor=\"middle\">", t.text, "</text>\n");
  }
  for (const Tick& t : y.ticks()) {
    const double at = y.at(t.value);
    out += str("<path class=\"grid\" d=\"M", px(kLeft), " ", px(at), "H", px(kWidth - kRight), "\"/><text x=\"", px(kLeft - 7),
               "\" y=\"", px(at + 4.5), "\" text-anchor=\"end\">", t.text, "</text>\n");
  }
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

std::string px(double value) {
  std::string text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string short_number(double value) {
  if (!finite(value)) return "-";
  const double size = size_of(value);
  if (size >= 1e15) return number(value);
  for (const auto& [unit, name] : {std::pair{1e9, "G"}, std::pair{1e6, "M"}, std::pair{1e4, "k"}})
    if (size >= unit) return short_number(value / (unit == 1e4 ? 1e3 : unit)) + name;
  if (size == math::floor(size)) return number(value);
  int decimals = 2;
  for (double s = size; s < 1 && decimals < 12; s *= 10) ++decimals;
  std::string text = fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : decimals);
  if (text.find('.') != std::string::npos) {
    while (text.ends_with("0")) text.pop_back();
    if (text.ends_with(".")) text.pop_back();
  }
  return text;
}

std::string plot_svg(const Plot& plot) {
  std::vector<PlotSeries> series = plot.series;
  Range range = clean(series, plot.log_x);
  if (!range.any) return "<p class=\"soft\">" + escape_html(plot.title) + ": nothing to draw, no values were reported.</p>\n";
  if (plot.limit_x) range.x0 = std::min(range.x0, *plot.limit_x), range.x1 = std::max(range.x1, *plot.limit_x);
  if (plot.diagonal) {
    range.x0 = range.y0 = std::min(range.x0, range.y0);
    range.x1 = range.y1 = std::max(range.x1, range.y1);
  }
  const double top = kTop, bottom = top + kPlotHeight, height = bottom + kBottom;
  const Axis x(range.x0, range.x1, kLeft, kWidth - kRight, plot.log_x, plot.whole_x);
  Axis y(range.y0, range.y1, bottom, top, false, range.bars);
  if (range.bars) y.start_at(0);
  std::string out = str("<figure><figcaption>", escape_html(plot.title), "</figcaption>\n", legend(series, plot),
                        "<svg role=\"img\" viewBox=\"0 0 ", px(kWidth), " ", px(height), "\"><title>", escape_html(plot.title),
                        "</title><desc>", escape_html(plot.description), "</desc>\n", grid_svg(x, y, top, bottom));
  if (plot.diagonal)
    out += str("<path class=\"line grey\" d=\"M", px(x.at(range.x0)), " ", px(y.at(range.y0)), "L", px(x.at(range.x1)), " ",
               px(y.at(range.y1)), "\"/>\n");
  if (plot.limit_x) out += str("<path class=\"limit\" d=\"M", px(x.at(*plot.limit_x)), " ", px(top), "V", px(bottom), "\"/>\n");
  out +=
      str("<text class=\"axis\" x=\"", px((kLeft + kWidth - kRight) / 2), "\" y=\"", px(height - 10), "\" text-anchor=\"middle\">",
          escape_html(plot.x_label), "</text>\n<text class=\"axis\" x=\"2\" y=\"15\">", escape_html(plot.y_label), "</text>\n");
  for (const PlotSeries& s : series) out += series_svg(s, x, y, bottom);
  return out + "</svg></figure>\n";
}

}  // namespace lathe::nas
