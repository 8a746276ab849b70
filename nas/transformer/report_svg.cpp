#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kWidth = 640, kHeight = 300, kLeft = 64, kRight = 16, kTop = 14, kBottom = 46;

/// One axis: values to pixels.
class Axis {
 public:
  Axis(double low, double high, double from, double to, bool log) : log_(log), from_(from), to_(to) {
    if (log_) low = math::log(std::max(low, 1e-300)), high = math::log(std::max(high, 1e-300));
    const double pad = high > low ? 0.05 * (high - low) : std::max(0.5, 0.01 * (high < 0 ? -high : high));
    low_ = low - pad;
    high_ = high + pad;
  }
  double at(double value) const {
    if (log_) value = math::log(std::max(value, 1e-300));
    return from_ + (to_ - from_) * (value - low_) / (high_ - low_);
  }
  /// About five round values inside the axis.
  std::vector<double> ticks() const {
    std::vector<double> out;
    if (log_) {
      for (int power = -12; power < 16; ++power)
        for (const double m : {1.0, 2.0, 5.0}) {
          const double value = m * math::pow(10.0, power), l = math::log(value);
          if (l >= low_ && l <= high_) out.push_back(value);
        }
      return out;
    }
    const double raw = (high_ - low_) / 5, power = math::pow(10.0, math::floor(math::log(raw) / math::log(10.0)));
    const double step = raw / power > 5 ? 10 * power : raw / power > 2 ? 5 * power : raw / power > 1 ? 2 * power : power;
    for (double k = math::floor(low_ / step) + 1; k * step <= high_; k += 1) out.push_back(k * step);
    return out;
  }

 private:
  bool log_;
  double from_, to_, low_ = 0, high_ = 1;
};

std::string tick_text(double value) {
  const double size = value < 0 ? -value : value;
  if (size >= 1e9) return fixed(value / 1e9, size < 1e10 ? 1 : 0) + "G";
  if (size >= 1e6) return fixed(value / 1e6, size < 1e7 ? 1 : 0) + "M";
  if (size >= 1e4) return fixed(value / 1e3, 0) + "k";
  if (size >= 10) return fixed(value, 0);
  return size < 0.1 && size > 0 ? fixed(value, 3) : fixed(value, 2);
}

std::string px(double value) { return fixed(value, 1); }

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string plot_svg(const std::string& title, const std::string& description, const std::string& x_label,
                     const std::string& y_label, const std::vector<PlotSeries>& series, bool log_x) {
  double x0 = 0, x1 = 0, y0 = 0, y1 = 0;
  bool any = false;
  for (const PlotSeries& s : series)
    for (const auto& [x, y] : s.points) {
      x0 = any ? std::min(x0, x) : x, x1 = any ? std::max(x1, x) : x;
      y0 = any ? std::min(y0, y) : y, y1 = any ? std::max(y1, y) : y;
      any = true;
    }
  if (!any) return "<p>Nothing to draw: no values were reported.</p>\n";
  const Axis x(x0, x1, kLeft, kWidth - kRight, log_x), y(y0, y1, kHeight - kBottom, kTop, false);
  std::string out = str("<svg role=\"img\" viewBox=\"0 0 ", px(kWidth), " ", px(kHeight), "\"><title>", escape_html(title),
                        "</title><desc>", escape_html(description), "</desc>\n");
  for (const double t : x.ticks())
    out += str("<line class=\"grid\" x1=\"", px(x.at(t)), "\" y1=\"", px(kTop), "\" x2=\"", px(x.at(t)), "\" y2=\"",
               px(kHeight - kBottom), "\"/><text x=\"", px(x.at(t)), "\" y=\"", px(kHeight - kBottom + 16),
               "\" text-anchor=\"middle\">", tick_text(t), "</text>\n");
  for (const double t : y.ticks())
    out += str("<line class=\"grid\" x1=\"", px(kLeft), "\" y1=\"", px(y.at(t)), "\" x2=\"", px(kWidth - kRight), "\" y2=\"",
               px(y.at(t)), "\"/><text x=\"", px(kLeft - 6), "\" y=\"", px(y.at(t) + 4), "\" text-anchor=\"end\">", tick_text(t),
               "</text>\n");
  out += str("<text x=\"", px((kLeft + kWidth) / 2), "\" y=\"", px(kHeight - 8), "\" text-anchor=\"middle\">", escape_html(x_label),
             "</text>\n<text transform=\"translate(14 ", px((kHeight - kBottom) / 2), ") rotate(-90)\" text-anchor=\"middle\">",
             escape_html(y_label), "</text>\n");
  for (const PlotSeries& s : series) {
    if (s.line && s.points.size() > 1) {
      out += "<polyline class=\"line " + s.style + "\" points=\"";
      for (const auto& [px_, py] : s.points) out += str(px(x.at(px_)), ",", px(y.at(py)), " ");
      out += "\"/>\n";
    }
    for (std::size_t i = 0; i < s.points.size(); ++i) {
      const std::string& name = i < s.titles.size() ? s.titles[i] : s.name;
      out +=
          str("<circle class=\"point ", s.style, "\" cx=\"", px(x.at(s.points[i].first)), "\" cy=\"", px(y.at(s.points[i].second)),
              "\" r=\"", s.line ? "2.5" : "4.5", "\"><title>", escape_html(name), "</title></circle>\n");
    }
  }
  return out + "</svg>\n";
}

}  // namespace lathe::nas
