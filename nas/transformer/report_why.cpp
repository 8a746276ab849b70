// Section "What mattered": importance, where the best trials lie, what each decision of the winner was worth.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>

#include <algorithm>

namespace lathe::nas {
namespace {

std::vector<const ParameterRow*> by_importance(const RunResults& r) {
  std::vector<const ParameterRow*> rows;
  for (const ParameterRow& p : r.why.parameters) rows.push_back(&p);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ParameterRow* a, const ParameterRow* b) { return a->importance > b->importance; });
  return rows;
}

std::string importance_html(const RunResults& r, const std::vector<const ParameterRow*>& rows) {
  std::string out = str("<h3>Importance</h3>\n<p class=\"soft\">", escape_html(importance_sentence(r)), ".</p>\n");
  if (!shows_importance(r)) return out;
  out += "<div class=\"bars\" role=\"table\">\n";
  for (const ParameterRow* p : rows)
    out += str("<div role=\"row\"><span role=\"rowheader\">", escape_html(p->name),
               "</span><span class=\"track\" role=\"presentation\"><span style=\"width:", fixed(100 * p->importance, 1),
               "%\"></span></span><span role=\"cell\">", fixed(100 * p->importance, 0), "&nbsp;%</span></div>\n");
  return out + "</div>\n";
}

/// A bar to the left or right of a zero line, with its error.
std::string effect_bar(const Effect& e, double most, bool better) {
  constexpr double kMiddle = 70, kHalf = 64;
  const double at = kMiddle + kHalf * e.difference / most;
  const bool known = e.error - e.error == 0;
  const double error = known ? kHalf * e.half_width() / most : 0;
  std::string out = str("<svg class=\"effect\" viewBox=\"0 0 140 14\" aria-hidden=\"true\"><path class=\"rule\" d=\"M70 0V14\"/>");
  out += str("<rect class=\"", better ? "good" : "worse", "\" x=\"", px(std::min(at, kMiddle)), "\" y=\"3\" width=\"",
             px(std::max(at, kMiddle) - std::min(at, kMiddle)), "\" height=\"8\"/>");
  if (known)
    out += str("<path class=\"rule strong\" d=\"M", px(std::max(at - error, 0.0)), " 7H", px(std::min(at + error, 140.0)), "\"/>");
  return out + "</svg>";
}

/// Rows of those effects that were (not) trained for this purpose: the two may be in different units.
std::string effects_table(const RunResults& r, bool retrained) {
  double most = 1e-9;
  bool any = false;
  for (const Effect& e : r.why.effects) {
    if ((e.source == Effect::Source::retrained) != retrained) continue;
    any = true;
    if (e.difference - e.difference == 0) most = std::max({most, e.difference, -e.difference});
  }
  if (!any) return "";
  std::string out =
      str("<div class=\"wide\">",
          table_head({"parameter", "chosen", "instead",
                      str("#difference in ", retrained ? "validation " + r.metric : value_name(r)), "", "#behind it", "from"},
                     "sort"));
  for (const Effect& e : r.why.effects) {
    if ((e.source == Effect::Source::retrained) != retrained) continue;
    const bool good = retrained ? e.difference >= 0 : !better_value(r, 0, e.difference);
    out += str("<tr>", html_cell(escape_html(e.parameter)), html_cell(escape_html(e.chosen)), html_cell(escape_html(e.other)),
               number_cell(signed_score(e.difference)), html_cell(effect_bar(e, most, good)),
               number_cell(fixed(e.trials, e.source == Effect::Source::estimate ? 1 : 0)), html_cell(source_name(e.source)),
               "</tr>\n");
  }
  return out + "</table></div>\n";
}

std::string effects_html(const RunResults& r) {
  if (r.why.effects.empty()) return "";
  return str(
      "<h3>What each decision of #", r.why.trial,
      " was worth</h3>\n<p class=\"soft\">One choice changed, minus the choice made. <em>Trials</em> differ from it in nothing "
      "else; <em>estimates</em> are local means over all trials, with the number that stands behind them. The line is "
      "the 95&nbsp;% interval, where more than one trial on either side tells it: of <em>retrained</em> ones over the validation "
      "rows "
      "and the seeds. The winner was picked for its value, so what trials "
      "say against it is a little too harsh.</p>\n",
      effects_table(r, false), effects_table(r, true));
}

}  // namespace

std::string why_section(const RunResults& r) {
  if (r.why.parameters.empty()) return "";
  const std::vector<const ParameterRow*> rows = by_importance(r);
  std::string small;
  for (const ParameterRow* p : rows) small += histogram_svg(r, *p);
  std::string out = importance_html(r, rows);
  if (!small.empty())
    out +=
        "<h3>Where the best trials lie</h3>\n<p class=\"soft\">Grey: all complete trials; colour: the best tenth. Best trials at "
        "an "
        "edge: the range may be too narrow.</p>\n<div class=\"smalls\">\n" +
        small + "</div>\n";
  out += parallel_svg(r, shown_trials(r)) + effects_html(r);
  return section("mattered", "What mattered", out);
}

}  // namespace lathe::nas
