// lathe study front|slice|contour|importance: what can be read from one study.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/nas/front.h>
#include <lathe/nas/importance.h>
#include <lathe/nas/plot_data.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>

namespace lathe::cli {
namespace {

using Align = TextTable::Align;

struct StudyView {
  nas::StudyHeader header;
  nas::History history;
};

StudyView view_of(Invocation& invocation) {
  const StudySource source = open_study(invocation);
  StudyView view;
  view.header = read_header(source.storage->header(), source.storage->name());
  view.history = nas::read_history(view.header.space, source.storage->events(0));
  return view;
}

/// The objective that --metric names; the first one without it.
std::size_t objective_of(Invocation& invocation, const nas::StudyHeader& header) {
  const std::string name = invocation.value("--metric");
  if (name.empty()) return 0;
  const auto at = std::find(header.metrics.begin(), header.metrics.end(), name);
  if (at != header.metrics.end()) return static_cast<std::size_t>(at - header.metrics.begin());
  const auto near = nearest(name, header.metrics);
  throw InputError(
      str("--metric ", name, ": the study has ", join(header.metrics, ", "), near ? str("; did you mean ", *near, "?") : ""));
}

const nas::Trial& trial_of(const StudyView& view, std::int64_t number) {
  return view.history.trials[static_cast<std::size_t>(number)];
}

void write_value(JsonWriter& json, const char* name, const nas::Value& value) { json.key(name).raw(value.json()); }

int none_to_show(Console& console, const StudyView& view) {
  const bool complete = nas::count_states(view.history).complete > 0;
  console.warn(str("study ", view.header.name, complete ? ": no trial is feasible" : ": no trial is complete"));
  return kNo;
}

// ---- front

std::vector<double> reference_of(Invocation& invocation, const StudyView& view) {
  if (auto given = given_reference(invocation, view.header.metrics)) return *std::move(given);
  const nas::History* only[] = {&view.history};
  return nas::common_reference(only, view.header.directions);
}

int run_front(Invocation& invocation) {
  Console& console = invocation.console();
  const StudyView view = view_of(invocation);
  const auto& [header, history] = view;
  auto front = nas::pareto_front(history, header.directions);
  if (front.empty()) return none_to_show(console, view);
  const std::vector<double> reference = reference_of(invocation, view);
  std::stable_sort(front.begin(), front.end(), [&](std::int64_t a, std::int64_t b) {
    return nas::better(trial_of(view, a).values[0], trial_of(view, b).values[0], header.directions[0]);
  });
  const auto volumes = nas::hypervolume_over_time(history, header.directions, reference);
  if (console.json()) {
    for (const std::int64_t number : front)
      console.json_line("front", [&](JsonWriter& json) {
        const nas::Trial& trial = trial_of(view, number);
        json.member("trial", number).key("values").begin_object();
        for (std::size_t k = 0; k < header.metrics.size(); ++k) json.member(header.metrics[k], trial.values[k]);
        json.end_object().key("point").raw(trial.point.json());
      });
    console.json_line("hypervolume", [&](JsonWriter& json) {
      json.key("reference").begin_array();
      for (const double r : reference) json.value(r);
      json.end_array().member("volume", volumes.back().volume).key("over_trials").begin_array();
      for (const auto& entry : volumes) json.value(entry.volume);
      json.end_array();
    });
    return kDone;
  }
  std::vector<TextTable::Column> columns = {{"trial", Align::right}};
  for (const std::string& metric : header.metrics) columns.push_back({metric, Align::right});
  columns.push_back({"point", Align::left});
  TextTable table(columns);
  for (const std::int64_t number : front) {
    const nas::Trial& trial = trial_of(view, number);
    std::vector<std::string> cells = {std::to_string(number)};
    for (const double value : trial.values) cells.push_back(lathe::number(value));
    cells.push_back(trial.point.json());
    table.add(cells);
  }
  std::string text = table.text();
  if (header.metrics.size() > 1) {
    std::vector<std::string> parts;
    for (const double r : reference) parts.push_back(lathe::number(r));
    text += str("hypervolume ", lathe::number(volumes.back().volume), " from ", join(parts, ","), "\n");
  }
  console.result(text);
  return kDone;
}

// ---- slice, contour

int run_slice(Invocation& invocation) {
  Console& console = invocation.console();
  const StudyView view = view_of(invocation);
  if (nas::count_states(view.history).complete == 0) return none_to_show(console, view);
  const std::size_t objective = objective_of(invocation, view.header);
  std::vector<std::string> names = invocation.values("--param");
  if (names.empty())
    for (const nas::Parameter& parameter : view.header.space.parameters()) names.push_back(parameter.name);
  const std::string& metric = view.header.metrics[objective];
  TextTable table(
      {{"parameter", Align::left}, {"value", Align::right}, {metric, Align::right}, {"trial", Align::right}, {"", Align::left}});
  for (const std::string& name : names) {
    nas::Slice slice = nas::slice(view.header.space, view.history, name, objective);
    std::stable_sort(slice.points.begin(), slice.points.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    for (const nas::SlicePoint& point : slice.points) {
      if (console.json()) {
        console.json_line("point", [&](JsonWriter& json) {
          json.member("parameter", name);
          write_value(json, "x", point.x);
          json.member("value", point.y).member("trial", point.trial).member("feasible", point.feasible);
        });
      } else {
        table.add({name, point.x.show(), lathe::number(point.y), std::to_string(point.trial), point.feasible ? "" : "infeasible"});
      }
    }
  }
  if (!console.json()) console.result(table.text());
  return kDone;
}

int run_contour(Invocation& invocation) {
  Console& console = invocation.console();
  const StudyView view = view_of(invocation);
  if (nas::count_states(view.history).complete == 0) return none_to_show(console, view);
  const std::size_t objective = objective_of(invocation, view.header);
  const std::vector<std::string>& names = invocation.values("--param");
  if (names.size() != 2) throw InputError(str(names.size(), " times --param, expected two parameters, --param A --param B"));
  const nas::Contour found = nas::contour(view.header.space, view.history, names[0], names[1], view.header.directions, objective);
  const std::string& metric = view.header.metrics[objective];
  TextTable table(
      {{names[0], Align::right}, {names[1], Align::right}, {metric, Align::right}, {"trial", Align::right}, {"", Align::left}});
  for (const nas::ContourCell& cell : found.cells) {
    const nas::Value &x = found.x.values[cell.x], &y = found.y.values[cell.y];
    if (console.json()) {
      console.json_line("cell", [&](JsonWriter& json) {
        write_value(json, "x", x);
        write_value(json, "y", y);
        json.member("value", cell.value).member("trial", cell.trial).member("feasible", cell.feasible);
      });
    } else {
      table.add({x.show(), y.show(), lathe::number(cell.value), std::to_string(cell.trial), cell.feasible ? "" : "infeasible"});
    }
  }
  if (!console.json()) console.result(table.text());
  return kDone;
}

// ---- importance

int run_importance(Invocation& invocation) {
  Console& console = invocation.console();
  const StudyView view = view_of(invocation);
  nas::ImportanceOptions options;
  options.target_quantile = invocation.number("--quantile", options.target_quantile);
  if (!invocation.value("--metric").empty()) options.objective = objective_of(invocation, view.header);
  const auto found = nas::importances(view.header.space, view.history, view.header.directions, options);
  if (found.empty()) return none_to_show(console, view);
  const auto warnings = view.header.data_hash.empty()
                            ? nas::edge_warnings(view.header.space, view.history, view.header.directions)
                            : nas::widenable_edges(view.header.space, view.history, view.header.directions);  // of transformers
  if (console.json()) {
    for (const nas::Importance& i : found)
      console.json_line("importance", [&](JsonWriter& json) {
        json.member("parameter", i.parameter).member("share", i.share).member("value", i.value);
      });
    for (const nas::EdgeWarning& warning : warnings)
      console.json_line("edge", [&](JsonWriter& json) {
        json.member("parameter", warning.parameter).member("end", warning.top ? "top" : "bottom");
        json.member("hits", warning.hits).member("of", warning.of);
      });
    return kDone;
  }
  TextTable table({{"parameter", Align::left}, {"share", Align::right}, {"PED-ANOVA", Align::right}});
  for (const nas::Importance& i : found) table.add({i.parameter, format_percent(i.share), fixed(i.value, 4)});
  std::string text = table.text();
  for (const nas::EdgeWarning& warning : warnings) text += warning.text() + "\n";
  console.result(text);
  return kDone;
}

Command analysis(std::string_view name, std::string_view summary, int (*run)(Invocation&), const std::string& arguments,
                 std::vector<Option> options) {
  Command c = study_command(name, summary, run);
  c.examples = {str("lathe study ", name, " runs/reviews-1", arguments), str("lathe study ", name, " study.db --json", arguments)};
  c.options.insert(c.options.end(), options.begin(), options.end());
  return c;
}

}  // namespace

std::vector<Command> study_analysis_commands() {
  const Option metric = {"--metric", "NAME", "which objective, where there are several (the first one)", ""};
  Option param = {"--param", "NAME", "a parameter; several times for several (all)", ""};
  param.repeated = true;
  Option pair = param;
  pair.help = "a parameter; twice";
  Option every = metric;
  every.help = "one objective alone, where there are several (all together)";
  return {analysis("front", "the Pareto front and its hypervolume", run_front, "",
                   {{"--reference", "A,B", "the worst values that count (a tenth worse than the worst feasible trial)", ""}}),
          analysis("slice", "values over each parameter, as data for a plot", run_slice, " --param lr", {param, metric}),
          analysis("contour", "the best value at each pair of two parameters' values", run_contour, " --param lr --param hidden",
                   {pair, metric}),
          analysis("importance", "which parameters matter, and whose range is too narrow", run_importance, "",
                   {every, {"--quantile", "Q", "what the best are: a share of the complete trials (0.1)", ""}})};
}

}  // namespace lathe::cli
