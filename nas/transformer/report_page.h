// The parts of the page. Private to nas/transformer. Each section is a function of the record; all texts are escaped in it.
#pragma once
#include <lathe/nas/transformer/report_svg.h>
#include <lathe/nas/transformer/report_text.h>

#include <string>
#include <vector>

namespace lathe::nas {

/// More trials than this are too many for a page: the best and the front are shown, results.json has all.
constexpr std::size_t kAllTrials = 2000, kBestTrials = 500;

extern const char* const kReportStyle;   ///< CSS: light, dark, print, phone
extern const char* const kReportScript;  ///< sorts tables, links points and rows, shows hover texts by keyboard and touch, copies

std::string html_cell(const std::string& html);
std::string number_cell(const std::string& html);
/// A bar of this share of its cell, 0 to 1.
std::string bar_cell(double share);
/// The first row of a table; a name that starts with '#' heads a column of numbers.
std::string table_head(const std::vector<std::string>& names, const std::string& css = "");
std::string details(const std::string& summary, const std::string& html);
/// A section with its number and heading.
std::string section(const std::string& id, const std::string& title, const std::string& html);
std::string row_of_trial(std::int64_t number);  ///< <tr data-t="31">

/// What a style is for: the winner, the second, the rest, the default.
const char* style_of(std::size_t rank, const std::string& name);
/// The trials that the page shows, by number.
std::vector<std::size_t> shown_trials(const RunResults& r);
/// Where a value lies in its parameter's range, 0 to 1; nothing if it is none of its values.
std::optional<double> place_of(const ParameterRow& parameter, const std::string& value);

// Sections; an empty text where there is nothing to say.
std::string trade_off_section(const RunResults& r);
std::string search_section(const RunResults& r);
std::string why_section(const RunResults& r);
std::string training_section(const RunResults& r);
std::string mistakes_section(const RunResults& r);
std::string cost_section(const RunResults& r);
/// The winner drawn as a diagram, and as a list.
std::string network_section(const RunResults& r);

/// All complete trials as lines over the parameters.
std::string parallel_svg(const RunResults& r, const std::vector<std::size_t>& shown);
/// A small histogram of the best tenth over a parameter's range, beside all trials.
std::string histogram_svg(const RunResults& r, const ParameterRow& parameter);

}  // namespace lathe::nas
