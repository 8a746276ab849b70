#include <lathe/nas/trial.h>

#include <lathe/base/text.h>
#include <lathe/nas/study.h>

#include <algorithm>
#include <map>

namespace lathe::nas {

const char* state_name(TrialState state) {
  switch (state) {
    case TrialState::running:
      return "running";
    case TrialState::complete:
      return "complete";
    case TrialState::pruned:
      return "pruned";
    case TrialState::failed:
      return "failed";
  }
  return "";
}

namespace {

/// The report that counts for each unit; ascending: the order of the sums.
std::map<int, const Report*> counted_reports(const Trial& trial, const Judging& judging, std::span<const Direction> directions) {
  std::map<int, const Report*> units;
  for (const Report& report : trial.reports) {
    const Report*& kept = units[report.unit];
    if (!kept || judging.unit_value == Judging::UnitValue::last || better(report.values[0], kept->values[0], directions[0]))
      kept = &report;
  }
  return units;
}

}  // namespace

std::vector<double> constraints_of(const Trial& trial, const Judging& judging, std::span<const Direction> directions) {
  std::vector<double> out;
  for (const auto& [unit, report] : counted_reports(trial, judging, directions)) {
    if (out.empty()) out = report->constraints;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::max(out[i], report->constraints.at(i));
  }
  return out;
}

double violation(const Trial& trial) {
  double sum = 0;
  for (const double c : trial.constraints) sum += std::max(0.0, c);
  return sum;
}

std::vector<double> verdict(const Trial& trial, const Judging& judging, std::span<const Direction> directions) {
  const auto units = counted_reports(trial, judging, directions);
  std::vector<double> out;
  if (units.empty()) return out;
  for (std::size_t k = 0; k < directions.size(); ++k) {
    double sum = 0, weights = 0, worst = units.begin()->second->values[k];
    for (const auto& [unit, report] : units) {
      const double value = report->values[k];
      double weight = 1;
      if (judging.aggregate == Judging::Aggregate::weighted) {
        if (static_cast<std::size_t>(unit) >= judging.weights.size())
          throw InputError(str("unit ", unit, " has no weight; ", judging.weights.size(), " are given"));
        weight = judging.weights[static_cast<std::size_t>(unit)];
      }
      sum += weight * value;
      weights += weight;
      if (better(worst, value, directions[k])) worst = value;
    }
    out.push_back(judging.aggregate == Judging::Aggregate::worst ? worst : sum / weights);
  }
  return out;
}

namespace {

std::string plan_text(const Plan& plan) {
  std::string out;
  for (const Segment& s : plan.segments) {
    if (!out.empty()) out += ',';
    out += str(s.unit, "/", s.step, "/", s.ticks);
  }
  return out;
}

std::string values_text(const std::vector<double>& values) {
  std::string out;
  for (const double v : values) {
    if (!out.empty()) out += ',';
    out += number(v);
  }
  return out;
}

}  // namespace

std::string Event::line() const {
  const std::string head = str(index, " ", time, " ");
  const std::string from = foreign < 0 ? "" : str("foreign=", foreign, " ");
  switch (kind) {
    case Kind::propose:
      return str(head, "propose trial=", trial, " worker=", worker, reused < 0 ? "" : str(" reused=", reused),
                 " plan=", plan_text(plan), " point=", point.json());
    case Kind::report:
      return str(head, "report trial=", trial, " segment=", segment, " ", to_text(result));
    case Kind::finish: {
      std::string out = str(head, "finish trial=", trial, " state=", state_name(state));
      if (!values.empty()) out += " values=" + values_text(values);
      if (!constraints.empty()) out += " constraints=" + values_text(constraints);
      if (failure != Failure::none) out += str(" failure=", failure_name(failure));
      return out;
    }
    case Kind::extend:
      return str(head, "extend trials=", trials);
    case Kind::enqueue:
      return str(head, "enqueue ", from, partial ? "fixed=" : "point=", point.json());
    case Kind::adopt: {
      std::string out =
          str(head, "adopt ", from, "state=", state_name(state), " step=", planned.step, " values=", values_text(values));
      if (!constraints.empty()) out += " constraints=" + values_text(constraints);
      return str(out, " point=", point.json());
    }
  }
  return head;
}

RecordedEvent record(const Event& event) {
  RecordedEvent out{event.line(), {}, {}};
  if (event.kind == Event::Kind::propose) out.attributes = event.plan.attributes;
  if (event.kind == Event::Kind::report) {
    out.note = event.result.note;
    out.attributes = event.result.attributes;
  }
  return out;
}

int intermediate_step(const Plan& plan, int segment) {
  const auto index = static_cast<std::size_t>(segment);
  const int unit = plan.segments.front().unit;
  const bool one_unit = std::all_of(plan.segments.begin(), plan.segments.end(), [&](const Segment& s) { return s.unit == unit; });
  return one_unit ? plan.segments[index].step : segment + 1;
}

}  // namespace lathe::nas
