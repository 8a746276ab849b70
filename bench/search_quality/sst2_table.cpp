#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>

namespace lathe::bench {

using nas::Point;
using nas::Space;

Space sst2_space() {
  return nas::SpaceBuilder()
      .integer("layers", 1, 3)
      .ordinal("hidden", {16, 32, 64})
      .ordinal("expansion", {1, 4})
      .categorical("activation", {"relu", "gelu_tanh"})
      .categorical("norm_place", {"pre", "post"})
      .ordinal("warmup", {0.0, 0.3}, {.when = "norm_place == 'post'"})
      .ordinal("lr", {0.0003, 0.001, 0.003, 0.01})
      .ordinal("dropout", {0.0, 0.2})
      .build();
}

std::string sst2_columns() {
  const Space space = sst2_space();
  std::string text;
  for (const nas::Parameter& parameter : space.parameters()) text += parameter.name + ",";
  for (const char* name : {"accuracy", "loss"})
    for (int epoch = 1; epoch <= kSst2Epochs; ++epoch) text += str(name, epoch, ",");
  return text + "parameters,epoch_flops,sentence_flops";
}

std::string sst2_row(const Point& point, const Sst2Run& run) {
  std::string text;
  for (const auto& value : point.values()) text += (value ? value->show() : "") + ",";
  for (const double accuracy : run.accuracy) text += fixed(accuracy, 6) + ",";
  for (const double loss : run.loss) text += fixed(loss, 6) + ",";
  return text + str(run.parameters, ",", run.epoch_flops, ",", run.sentence_flops);
}

namespace {

/// The value of a parameter that is shown so.
nas::Value shown(const nas::Parameter& parameter, std::string_view text, const std::string& place) {
  for (std::uint64_t i = 0; i < parameter.count().value_or(0); ++i)
    if (parameter.at(i).show() == text) return parameter.at(i);
  throw InputError(str(place, ": `", text, "` is no value of `", parameter.name, "`"));
}

}  // namespace

Sst2Table::Sst2Table(const std::filesystem::path& file) {
  const Space space = sst2_space();
  const std::string text = read_file(file);
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    const std::string place = str(file.string(), ":", ++number);
    if (line.empty() || line[0] == '#' || line == sst2_columns()) continue;
    const std::vector<std::string_view> cells = split(line, ',');
    if (cells.size() != space.size() + 2 * kSst2Epochs + 3) throw InputError(str(place, ": ", cells.size(), " cells"));
    std::vector<std::pair<std::string, nas::Value>> values;
    for (std::size_t i = 0; i < space.size(); ++i)
      if (!cells[i].empty()) values.emplace_back(space.parameter(i).name, shown(space.parameter(i), cells[i], place));
    Sst2Run run;
    std::size_t at = space.size();
    const auto next = [&] {
      const auto value = parse_double(cells[at]);
      if (!value) throw InputError(str(place, ": `", cells[at], "` is no number"));
      return ++at, *value;
    };
    for (double& accuracy : run.accuracy) accuracy = next();
    for (double& loss : run.loss) loss = next();
    run.parameters = static_cast<std::int64_t>(next());
    run.epoch_flops = static_cast<std::int64_t>(next());
    run.sentence_flops = static_cast<std::int64_t>(next());
    if (!runs_.emplace(space.point(values).json(), run).second) throw InputError(place + ": this point was there before");
  }
  space.enumerate([&](const Point& point) { return at(point), true; });
}

const Sst2Run& Sst2Table::at(const Point& point) const {
  const auto found = runs_.find(point.json());
  if (found == runs_.end()) throw InputError("the table of runs lacks " + point.json());
  return found->second;
}

}  // namespace lathe::bench
