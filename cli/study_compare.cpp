// lathe study compare: is one way of searching better than another, over repeats with other seeds?
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/nas/comparison.h>
#include <lathe/nas/front.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

struct Repeat {
  std::string place;  ///< for messages
  nas::StudyHeader header;
  nas::History history;
  std::string hash;
  std::vector<double> progress;
};

/// The studies that one argument means.
struct Side {
  std::string name;
  std::vector<Repeat> repeats;
  std::vector<double> results;  ///< of each after the common number of trials
  std::set<std::uint64_t> seeds() const {
    std::set<std::uint64_t> out;
    for (const Repeat& repeat : repeats) out.insert(repeat.header.seed);
    return out;
  }
};

bool is_run(const fs::path& folder) { return fs::exists(folder / "study.db") || fs::exists(folder / "config.toml"); }

void add(Side& side, const std::string& place, nas::Storage& storage) {
  const auto events = storage.events(0);
  Repeat repeat{str(place, "#", storage.name()), read_header(storage.header(), storage.name()), {}, {}, {}};
  repeat.history = nas::read_history(repeat.header.space, events);
  repeat.hash = nas::study_hash(storage.header(), events);
  side.repeats.push_back(std::move(repeat));
}

void add_studies(Side& side, const std::string& place, const std::string& pattern) {
  if (fs::is_directory(place) && !fs::exists(fs::path(place) / "study.db")) {  // a run that keeps its study elsewhere
    const StudySource source = open_study(place, pattern);
    return add(side, source.place, *source.storage);
  }
  const auto backend = open_database(place, false);
  const bool open_end = pattern.ends_with('*');
  const std::string wanted = open_end ? pattern.substr(0, pattern.size() - 1) : pattern;
  for (const nas::StudySummary& study : backend->studies()) {
    if (!pattern.empty() && !(open_end ? study.name.starts_with(wanted) : study.name == wanted)) continue;
    add(side, place, *backend->open(study.name));
  }
}

Side side_of(const std::string& argument) {
  Side side{argument, {}, {}};
  const std::size_t mark = fs::exists(argument) ? std::string::npos : argument.rfind('#');
  const std::string place = argument.substr(0, mark), pattern = mark == std::string::npos ? "" : argument.substr(mark + 1);
  if (fs::is_directory(place) && !is_run(place)) {
    std::vector<std::string> runs;
    for (const auto& entry : fs::directory_iterator(place))
      if (is_run(entry.path())) runs.push_back(entry.path().string());
    std::sort(runs.begin(), runs.end());
    for (const std::string& run : runs) add_studies(side, run, pattern);
  } else {
    add_studies(side, place, pattern);
  }
  if (side.repeats.empty())
    throw InputError(argument + ": there is no study; expected a run folder, a folder of runs or a database");
  std::stable_sort(side.repeats.begin(), side.repeats.end(),
                   [](const Repeat& a, const Repeat& b) { return a.header.seed < b.header.seed; });
  return side;
}

/// One problem? Stops where results mean different things, warns where they may.
void check_alike(const std::vector<Side>& sides, Console& console) {
  const Repeat& first = sides[0].repeats[0];
  bool warned = false;
  for (const Side& side : sides) {
    std::map<std::string, const Repeat*> hashes;
    const nas::StudyHeader& own = side.repeats[0].header;
    bool one_way = true;
    for (const Repeat& repeat : side.repeats) {
      const auto [at, is_new] = hashes.emplace(repeat.hash, &repeat);
      if (!is_new) throw InputError(str(repeat.place, ": is the same study as ", at->second->place, ", not a repeat of it"));
      const nas::StudyHeader& h = repeat.header;
      one_way &= h.sampler == own.sampler && h.sampler_settings == own.sampler_settings && h.pruner == own.pruner &&
                 h.pruner_settings == own.pruner_settings && h.virtual_workers == own.virtual_workers;
    }
    if (!one_way)
      console.warn(side.name + ": its studies were not all searched in one way (sampler, pruner, settings or workers differ)");
  }
  for (const Side& side : sides)
    for (const Repeat& repeat : side.repeats) {
      const nas::StudyHeader &a = first.header, &b = repeat.header;
      if (a.metrics != b.metrics || a.directions != b.directions || a.constraints != b.constraints)
        throw InputError(str(repeat.place, ": its objectives or constraints are not those of ", first.place));
      if (!warned && (a.space.json() != b.space.json() || a.data_hash != b.data_hash)) {
        console.warn(str(repeat.place, ": not the same ", a.data_hash != b.data_hash ? "data" : "space", " as ", first.place));
        warned = true;
      }
    }
}

std::vector<double> reference_of(Invocation& invocation, const std::vector<Side>& sides) {
  const nas::StudyHeader& header = sides[0].repeats[0].header;
  if (auto given = given_reference(invocation, header.metrics)) return *std::move(given);
  std::vector<const nas::History*> all;
  for (const Side& side : sides)
    for (const Repeat& repeat : side.repeats) all.push_back(&repeat.history);
  std::vector<double> out = nas::common_reference(all, header.directions);
  if (out.empty()) throw InputError("no trial of these studies is complete and feasible");
  return out;
}

/// Fills progress and results; the number of trials that are compared.
std::size_t measure(Invocation& invocation, std::vector<Side>& sides, Console& console) {
  const std::vector<double> reference = reference_of(invocation, sides);
  std::size_t shortest = static_cast<std::size_t>(-1);
  const Repeat* last = nullptr;
  for (Side& side : sides)
    for (Repeat& repeat : side.repeats) {
      repeat.progress = nas::progress(repeat.history, repeat.header.directions, reference);
      if (repeat.progress.size() >= shortest) continue;
      shortest = repeat.progress.size();
      last = &repeat;
    }
  const auto trials =
      static_cast<std::size_t>(invocation.integer("--trials", static_cast<std::int64_t>(std::max<std::size_t>(shortest, 1)), 1));
  if (trials > shortest)
    throw InputError(
        str(last->place, ": has ", plural(static_cast<std::int64_t>(shortest), "finished trial"), ", expected ", trials));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double worst = sides[0].repeats[0].header.directions[0] == nas::Direction::maximise ? -kInfinity : kInfinity;
  for (Side& side : sides)
    for (const Repeat& repeat : side.repeats) {
      const double result = repeat.progress[trials - 1];
      side.results.push_back(std::isnan(result) ? worst : result);
      if (std::isnan(result))
        console.warn(str(repeat.place, ": no feasible trial among the first ", trials, "; it counts as the worst"));
    }
  return trials;
}

/// Five digits: an interval is not known better.
std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value);
  return text;
}

std::string interval_text(const nas::Interval& interval) { return str(figure(interval.low), " to ", figure(interval.high)); }

void write_side(Console& console, const Side& side, const nas::Interval& interval) {
  console.json_line("side", [&](JsonWriter& json) {
    json.member("name", side.name).member("sampler", side.repeats[0].header.sampler);
    json.key("results").begin_array();
    for (const double result : side.results) json.value(result);
    json.end_array().member("median", nas::quantile(side.results, 0.5)).key("interval").begin_array();
    json.value(interval.low).value(interval.high).end_array().key("bands").begin_array();
    std::vector<std::vector<double>> curves;
    for (const Repeat& repeat : side.repeats) curves.push_back(repeat.progress);
    for (const nas::Band& band : nas::bands(curves)) {
      json.begin_object().member("trials", static_cast<std::int64_t>(band.trials)).member("lower", band.lower);
      json.member("median", band.median).member("upper", band.upper).end_object();
    }
    json.end_array();
  });
}

void write_comparison(Console& console, const Side& a, const Side& b, const nas::Comparison& found, bool paired) {
  console.json_line("comparison", [&](JsonWriter& json) {
    json.member("a", a.name).member("b", b.name).member("paired", paired).member("superiority", found.superiority);
    json.key("interval").begin_array().value(found.superiority_interval.low).value(found.superiority_interval.high).end_array();
    json.member("p", found.p_value).member("verdict", nas::verdict_name(found.verdict));
  });
}

int run_compare(Invocation& invocation) {
  Console& console = invocation.console();
  std::vector<Side> sides;
  for (const std::string& argument : invocation.arguments()) sides.push_back(side_of(argument));
  check_alike(sides, console);
  const std::size_t trials = measure(invocation, sides, console);
  const nas::StudyHeader& header = sides[0].repeats[0].header;
  const bool several = header.metrics.size() > 1;
  const nas::Direction direction = several ? nas::Direction::maximise : header.directions[0];
  nas::CompareOptions options;
  options.confidence = invocation.number("--confidence", options.confidence);
  TextTable results({{"", Align::left},
                     {"sampler", Align::left},
                     {"studies", Align::right},
                     {"median", Align::right},
                     {"interval", Align::left}});
  for (const Side& side : sides) {
    const nas::Interval interval = nas::median_interval(side.results, options);
    if (console.json()) write_side(console, side, interval);
    results.add({side.name, side.repeats[0].header.sampler, std::to_string(side.repeats.size()),
                 figure(nas::quantile(side.results, 0.5)), interval_text(interval)});
  }
  std::string text = str(several ? "hypervolume" : header.metrics[0], " after ", plural(static_cast<std::int64_t>(trials), "trial"),
                         "\n", results.text(), "\n");
  for (std::size_t i = 1; i < sides.size(); ++i) {
    const Side &a = sides[0], &b = sides[i];
    options.paired = !invocation.has("--unpaired") && a.seeds() == b.seeds() && a.seeds().size() == a.repeats.size() &&
                     b.seeds().size() == b.repeats.size();
    const nas::Comparison found = nas::compare(a.results, b.results, direction, options);
    if (console.json()) write_comparison(console, a, b, found, options.paired);
    text += str(a.name, " is better than ", b.name, " in ", format_percent(found.superiority, 0), " of the pairs",
                options.paired ? " of equal seed" : "", " (", format_percent(found.superiority_interval.low, 0), " to ",
                format_percent(found.superiority_interval.high, 0), ", p = ", fixed(found.p_value, 4),
                "): ", nas::verdict_name(found.verdict), "\n");
  }
  if (!console.json()) console.result(text);
  return kDone;
}

}  // namespace

Command study_compare_command() {
  Command c;
  c.name = "study compare";
  c.summary = "is the first way of searching better, over repeats with other seeds";
  c.arguments = "A B...";
  c.min_arguments = 2;
  c.examples = {"lathe study compare runs/tpe runs/random", "lathe study compare 'studies.db#tpe-*' 'studies.db#random-*' --json"};
  c.about =
      "A, B … each mean several studies: a database or run folder, all studies of a folder of run folders, or DATABASE#NAME, where "
      "NAME "
      "may end in *. The result of a study is its best feasible value, with several objectives the hypervolume, after as many "
      "trials as "
      "the shortest study has.\n\nA is better if the 95 % bootstrap interval of the share of pairs in which it wins lies above one "
      "half, "
      "and a permutation test agrees. Studies are paired by seed if both sides have the same seeds.";
  c.options = {{"--trials", "N", "compare after N trials (the fewest that a study has)", ""},
               {"--confidence", "C", "of intervals and verdict (0.95)", ""},
               {"--reference", "A,B", "of the hypervolume (a tenth worse than the worst feasible trial of all)", ""},
               {"--unpaired", "", "every study of A beside every study of B", ""}};
  c.run = run_compare;
  return c;
}

}  // namespace lathe::cli
