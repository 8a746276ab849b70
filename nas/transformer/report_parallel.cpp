// Plots over the parameters of the space: parallel coordinates, and small histograms of the best trials.
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr std::size_t kLines = 150, kNames = 6, kBars = 10;
constexpr double kTop = 52, kBottom = 292, kAbsent = 318, kHeight = 332, kStep = 92, kSide = 46;

const std::string* value_of(const TrialRow& t, const std::string& parameter) {
  for (const auto& [name, value] : t.parameters)
    if (name == parameter) return &value;
  return nullptr;
}

/// Complete trials with a value, best first; those that break a constraint only where all do.
std::vector<std::size_t> complete_trials(const RunResults& r) {
  std::vector<std::size_t> out;
  for (const std::size_t i : trials_by_value(r))
    if (const TrialRow& t = r.trials[i]; t.state == TrialState::complete && t.value && *t.value - *t.value == 0 &&
                                         (t.violation == 0 || out.empty() || r.trials[out[0]].violation > 0))
      out.push_back(i);
  return out;
}

std::size_t best_tenth(std::size_t trials) { return std::max<std::size_t>(1, (trials + 9) / 10); }

struct ValueAxis {
  double low = 0, high = 1;
  double y(double value) const { return kBottom - (high != low ? (value - low) / (high - low) : 0.5) * (kBottom - kTop); }
};

/// Names stand in two rows, so that long ones have room.
std::string axis_svg(double x, std::size_t index, const std::string& name,
                     const std::vector<std::pair<double, std::string>>& ticks) {
  std::string out = str("<path class=\"rule\" d=\"M", px(x), " ", px(kTop), "V", px(kBottom), "\"/><text x=\"", px(x), "\" y=\"",
                        index % 2 ? 36 : 16, "\" text-anchor=\"middle\" class=\"name\">", escape_html(name), "</text>");
  for (const auto& [y, text] : ticks)
    out += str("<text class=\"tick\" x=\"", px(x + 5), "\" y=\"", px(y + 4), "\">", escape_html(text), "</text>");
  return out + "\n";
}

std::vector<std::pair<double, std::string>> ticks_of(const ParameterRow& p) {
  std::vector<std::pair<double, std::string>> ticks;
  const auto y = [](double place) { return kBottom - place * (kBottom - kTop); };
  if (p.choices.empty()) return {{y(0), short_number(p.low)}, {y(1), short_number(p.high)}};
  const std::size_t every = (p.choices.size() + kNames - 1) / kNames;
  for (std::size_t i = 0; i < p.choices.size(); i += every) ticks.emplace_back(y(*place_of(p, p.choices[i])), p.choices[i]);
  return ticks;
}

/// Lines through the same choice are spread a little, or a hundred would look like one.
double spread_of(std::int64_t trial) { return 14 * (static_cast<double>(trial * 89 % 144) / 143 - 0.5); }

std::string trial_line(const RunResults& r, const TrialRow& t, const ValueAxis& values, const std::string& css) {
  std::string path;
  const double spread = css == "line best winner" ? 0 : spread_of(t.number);
  for (std::size_t k = 0; k < r.why.parameters.size(); ++k) {
    const ParameterRow& p = r.why.parameters[k];
    const std::string* value = value_of(t, p.name);
    const std::optional<double> place = value ? place_of(p, *value) : std::nullopt;
    const double y = (place ? kBottom - *place * (kBottom - kTop) : kAbsent) + (place && p.choices.empty() ? 0 : spread);
    path += str(k ? "L" : "M", px(kSide + kStep * static_cast<double>(k)), " ", fixed(y, 0));
  }
  path +=
      str(path.empty() ? "M" : "L", px(kSide + kStep * static_cast<double>(r.why.parameters.size())), " ", px(values.y(*t.value)));
  return str("<path class=\"", css, "\" data-t=\"", t.number, "\" d=\"", path, "\"/>\n");
}

}  // namespace

std::optional<double> place_of(const ParameterRow& p, const std::string& value) {
  if (!p.choices.empty()) {
    const auto at = std::find(p.choices.begin(), p.choices.end(), value);
    if (at == p.choices.end()) return {};
    return p.choices.size() < 2 ? 0.5 : static_cast<double>(at - p.choices.begin()) / static_cast<double>(p.choices.size() - 1);
  }
  const auto number = parse_double(value);
  if (!number || (p.log && !(*number > 0 && p.low > 0))) return {};
  const auto scale = [&](double v) { return p.log ? math::log(v) : v; };
  const double low = scale(p.low), high = scale(p.high);
  return high > low ? std::min(std::max((scale(*number) - low) / (high - low), 0.0), 1.0) : 0.5;
}

std::string parallel_svg(const RunResults& r, const std::vector<std::size_t>& shown) {
  const std::vector<std::size_t> complete = complete_trials(r);
  if (complete.empty() || r.why.parameters.empty()) return "";
  std::vector<std::size_t> drawn;
  for (const std::size_t i : complete)
    if (drawn.size() < kLines && std::binary_search(shown.begin(), shown.end(), i)) drawn.push_back(i);
  const ValueAxis values{*r.trials[drawn.back()].value, *r.trials[drawn.front()].value};
  const double width = 2 * kSide + kStep * static_cast<double>(r.why.parameters.size()) + 24;
  std::string axes;
  for (std::size_t k = 0; k < r.why.parameters.size(); ++k)
    axes += axis_svg(kSide + kStep * static_cast<double>(k), k, r.why.parameters[k].name, ticks_of(r.why.parameters[k]));
  std::vector<std::pair<double, std::string>> ends = {{values.y(values.low), score(values.low)}};
  if (values.high != values.low) ends.emplace_back(values.y(values.high), score(values.high));
  axes += axis_svg(kSide + kStep * static_cast<double>(r.why.parameters.size()), r.why.parameters.size(), value_name(r), ends);
  const std::size_t best = best_tenth(complete.size());
  std::string lines;
  for (std::size_t rank = drawn.size(); rank-- > 0;) {
    const TrialRow& t = r.trials[drawn[rank]];
    lines += trial_line(r, t, values, t.number == r.why.trial ? "line best winner" : rank < best ? "line trial" : "line grey");
  }
  const std::string many =
      drawn.size() < complete.size() ? str("the best ", drawn.size(), " complete trials") : "all complete trials";
  return str(
      "<figure><figcaption>Every trial as a line over its choices</figcaption>\n<div class=\"legend\"><span><svg class=\"key\" "
      "viewBox=\"0 0 24 12\" aria-hidden=\"true\"><path class=\"line best winner\" d=\"M0 6H24\"/></svg>",
      r.why.trial >= 0 ? str("#", r.why.trial) : std::string("the best"),
      "</span><span><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\"><path class=\"line trial\" d=\"M0 "
      "6H24\"/></svg>best tenth</span><span><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\"><path class=\"line "
      "grey\" d=\"M0 6H24\"/></svg>",
      many, "</span></div>\n<div class=\"wide\"><svg role=\"img\" class=\"parallel\" style=\"min-width:", px(0.82 * width),
      "px\" viewBox=\"0 0 ", px(width), " ", px(kHeight), "\"><title>Parallel coordinates</title><desc>One line for each of ", many,
      ", over the values of its parameters to its ", escape_html(value_name(r)),
      "; below an axis: the trial lacks the parameter</desc>\n", lines, axes, "</svg></div></figure>\n");
}

std::string histogram_svg(const RunResults& r, const ParameterRow& p) {
  const std::size_t cells = p.choices.empty() ? kBars : p.choices.size();
  std::vector<double> all(cells), best(cells);
  const std::vector<std::size_t> complete = complete_trials(r);
  const std::size_t top = best_tenth(complete.size());
  double with = 0, best_with = 0;
  for (std::size_t rank = 0; rank < complete.size(); ++rank) {
    const std::string* value = value_of(r.trials[complete[rank]], p.name);
    const std::optional<double> place = value ? place_of(p, *value) : std::nullopt;
    if (!place) continue;
    const double scaled = p.choices.empty() ? *place * static_cast<double>(cells) : *place * static_cast<double>(cells - 1) + 0.5;
    const std::size_t cell = std::min(cells - 1, static_cast<std::size_t>(scaled));
    all[cell] += 1, with += 1;
    if (rank < top) best[cell] += 1, best_with += 1;
  }
  if (with == 0) return "";
  double most = 0;
  for (std::size_t i = 0; i < cells; ++i) most = std::max({most, all[i] / with, best_with > 0 ? best[i] / best_with : 0});
  constexpr double kWide = 220, kHigh = 64;
  const double step = kWide / static_cast<double>(cells);
  std::string grey, blue;
  for (std::size_t i = 0; i < cells; ++i) {
    const double x = step * static_cast<double>(i), a = kHigh * all[i] / with / most;
    const double b = best_with > 0 ? kHigh * best[i] / best_with / most : 0;
    const std::string name = p.choices.empty() ? "" : p.choices[i] + ": ";
    if (all[i] > 0)
      grey += str("<rect x=\"", px(x + 0.06 * step), "\" y=\"", px(kHigh - a), "\" width=\"", px(0.88 * step), "\" height=\"",
                  px(a), "\"><title>", escape_html(name), all[i], " of ", with, " trials</title></rect>");
    if (b > 0)
      blue += str("<rect x=\"", px(x + 0.26 * step), "\" y=\"", px(kHigh - b), "\" width=\"", px(0.48 * step), "\" height=\"",
                  px(b), "\"><title>", escape_html(name), best[i], " of the best ", best_with, "</title></rect>");
  }
  const std::string low = p.choices.empty() ? short_number(p.low) : p.choices.front();
  const std::string high = p.choices.empty() ? short_number(p.high) : p.choices.back();
  return str("<div class=\"small\"><b>", escape_html(p.name), "</b>", p.log ? " <i>log</i>" : "",
             p.edge.empty() ? std::string() : str(" <em>best at the ", escape_html(p.edge), " edge</em>"),
             "<svg role=\"img\" viewBox=\"0 0 220 66\"><title>", escape_html(p.name),
             "</title><desc>Share of trials by value: all in grey, the best tenth in colour</desc><g class=\"point grey\">", grey,
             "</g><g class=\"point trial\">", blue, "</g><path class=\"rule\" d=\"M0 64.5H220\"/></svg><span class=\"ends\"><span>",
             escape_html(low), "</span>", cells > 1 ? "<span>" + escape_html(high) + "</span>" : std::string(), "</span></div>\n");
}

}  // namespace lathe::nas
