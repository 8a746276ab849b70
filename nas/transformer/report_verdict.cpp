// The verdict in words: what is better than what, what cannot be told apart, and which targets and limits hold.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/quantities.h>
#include <lathe/nas/transformer/report_text.h>

#include <algorithm>

namespace lathe::nas {
namespace {

using Kind = VerdictLine::Kind;

std::string points(double difference) { return fixed(100 * (difference < 0 ? -difference : difference), 1); }

std::string signed_points(double difference) {
  const std::string text = points(difference);
  return (text == "0.0" ? "" : difference < 0 ? "-" : "+") + text;
}

std::string compare(const std::string& winner, const std::string& other, const PairedDifference& d, std::int64_t rows) {
  if (!d.significant())
    return str(winner, " and ", other, " cannot be told apart on these ", with_commas(rows), " test rows (difference ",
               signed_points(d.mean), " ± ", points(d.half_width), " points of accuracy)");
  return str(winner, " is ", d.mean > 0 ? "better" : "worse", " than ", other, " by ", points(d.mean), " ± ", points(d.half_width),
             " points of accuracy");
}

/// What a difference to the simplest baseline means for the reader. Nothing if the model is clearly better.
std::string advice_on_bag_of_words(const PairedDifference& d) {
  if (d.significant() && d.mean > 0) return "";
  if (d.significant()) return "use the bag of words: it is better on this test and far cheaper than any model found here";
  return "nothing on this test speaks for the model over a bag of words, which is far cheaper";
}

/// What is wrong with a model that is no better than one label for every text; else nothing. Of macro F1 the score counts, since a
/// model may give up accuracy for it.
std::string beside_majority(const RunResults& r, const ModelRow& winner) {
  if (!r.winner_to_majority) return "";
  const PairedDifference& d = *r.winner_to_majority;
  if (d.significant() && d.mean > 0) return "";
  for (const BaselineRow& b : r.baselines)
    if (r.metric == "macro_f1" && b.name == "majority class" && winner.low > b.macro_f1) return "";
  if (d.mean == 0 && d.half_width == 0)
    return str(winner.name,
               " is right on the same test rows as an answer that is always the majority class: it has learned nothing");
  return compare(winner.name, "the majority class", d, r.data.test_rows) +
         ": nothing on this test shows that it has learned anything";
}

/// Did the metric choose, not a size or a latency? Then a better one is news.
bool chosen_by_metric(const RunResults& r) { return r.study.objectives.empty() || r.study.objectives[0].first == r.metric; }

/// A smaller finalist that the test does not put behind the winner, or one that it puts before it; else nothing.
std::string alternative(const RunResults& r, const ModelRow& winner, const ModelRow& other) {
  if (!other.of_winner) return "";
  const PairedDifference& d = *other.of_winner;
  const bool smaller = other.params > 0 && other.params < winner.params;
  if (d.significant() ? d.mean > 0 || !chosen_by_metric(r) : !smaller) return "";
  std::string text = compare(winner.name, other.name, d, r.data.test_rows);
  if (d.significant() && r.metric == "accuracy" && winner.valid >= other.valid)
    text += ", which validation, that chose, did not tell";
  if (smaller)
    text += str("; ", other.name, " has ", fixed(static_cast<double>(winner.params) / static_cast<double>(other.params), 1),
                " times fewer parameters");
  return text;
}

/// How the winner does beside the default, the baselines and the other finalists.
void compare_winner(const RunResults& r, const ModelRow& winner, std::vector<VerdictLine>& out) {
  const auto note = [&](std::string text) {
    if (!text.empty()) out.push_back({Kind::note, false, std::move(text)});
  };
  if (winner.to_default) note(compare(winner.name, "the default", *winner.to_default, r.data.test_rows));
  if (r.winner_to_bag_of_words) {
    note(compare(winner.name, "the bag of words", *r.winner_to_bag_of_words, r.data.test_rows));
    note(advice_on_bag_of_words(*r.winner_to_bag_of_words));
  }
  if (std::string text = beside_majority(r, winner); !text.empty()) out.push_back({Kind::note, true, std::move(text)});
  for (const ModelRow& m : r.models)
    if (&m != &winner && m.name != "default" && !all_failed(m)) note(alternative(r, winner, m));
  const auto trainings = [](const ModelRow& m) { return m.seeds - m.failed; };
  const bool single = std::any_of(r.models.begin(), r.models.end(), [&](const ModelRow& m) { return trainings(m) == 1; });
  if (single && r.data.test_rows > 0)
    note(
        "where a model has one training, its differences are of that training: other seeds were not tried, and may give other "
        "ones");
  if (winner.failed > 0)
    note(str(winner.failed, " of ", winner.seeds, " trainings of ", winner.name, " failed and are not in its mean"));
}

/// One-step changes of the winner that were trained: is one of them better than it?
void judge_neighbours(const RunResults& r, std::vector<VerdictLine>& out) {
  if (!chosen_by_metric(r)) return;  // more accurate neighbours are no better for a study of sizes
  std::int64_t known = 0;
  for (const Effect& e : r.why.effects) known += e.source == Effect::Source::retrained && e.error - e.error == 0;
  bool any = false;
  for (const Effect& e : r.why.effects) {
    if (e.source != Effect::Source::retrained || !(e.difference - e.half_width() > 0)) continue;
    any = true;
    out.push_back({Kind::note, true,
                   str("#", r.why.trial, " with ", e.parameter, " ", e.other, " instead of ", e.chosen, " is better than it by ",
                       points(e.difference), " ± ", points(e.half_width()), " points of validation ", r.metric,
                       ", both trained again (", known, known == 1 ? " such change was" : " such changes were", " tried)")});
  }
  if (known > 0 && !any)
    out.push_back({Kind::note, false,
                   str("of ", known, known == 1 ? " one-step change" : " one-step changes", " of #", r.why.trial,
                       " that were trained none is better beyond its interval")});
}

/// Targets that the winner holds, then whatever a finalist breaks.
void judge_targets(const RunResults& r, std::vector<VerdictLine>& out) {
  if (r.winner >= 0)
    for (const TargetCheck& check : r.models[static_cast<std::size_t>(r.winner)].targets) {
      if (!check.holds) continue;  // among the violations
      const Quantity quantity = parse_target(check.text).quantity;
      out.push_back(
          {Kind::target, false,
           str(check.text, " holds: ", show_value(quantity, check.value), ", the bound is ", show_value(quantity, check.bound),
               is_measured(quantity)            ? " (validation, retrained alike)"
               : quantity == Quantity::kLatency ? " (predicted)"
                                                : "")});
    }
  for (const ModelRow& m : r.models)
    for (const std::string& text : m.violations) out.push_back({Kind::target, true, m.name + ": " + text});
}

}  // namespace

std::optional<VerdictLine> calibration_line(const RunResults& r) {
  if (!r.calibration) return {};
  const CalibrationSummary& c = *r.calibration;
  const auto shown = [](double tau) { return tau - tau == 0 ? fixed(tau, 2) : std::string("undefined"); };
  std::string text = str("trials were judged by ",
                         r.study.scored()                    ? "the " + r.study.evaluation + " score of untrained networks"
                         : r.study.evaluation == "inherited" ? "weights that all architectures share"
                                                             : "a cheaper training",
                         ", not by training in full; on ", c.architectures,
                         " architectures the ranks of the two agree by Kendall's τ = ", shown(c.tau), " (95 %: ", shown(c.low),
                         " to ", shown(c.high), ")");
  if (r.study.evaluation != "params") text += ", those of the number of parameters by " + shown(c.params_tau);
  text += str(": ", c.trusted ? "accepted" : "refused", ", as the lower end ", c.trusted ? "reaches " : "does not reach ",
              number(c.threshold), c.trusted ? "" : ", and forced");
  return VerdictLine{VerdictLine::Kind::note, !c.trusted, std::move(text)};
}

std::vector<VerdictLine> verdict_lines(const RunResults& r) {
  std::vector<VerdictLine> out;
  if (r.winner < 0)
    out.push_back({Kind::note, true, "no training of a finalist succeeded: there is no model"});
  else
    compare_winner(r, r.models[static_cast<std::size_t>(r.winner)], out);
  judge_neighbours(r, out);
  judge_targets(r, out);
  if (std::optional<VerdictLine> line = calibration_line(r)) out.push_back(std::move(*line));
  for (const std::string& hint : r.study.hints) out.push_back({Kind::hint, true, hint});
  return out;
}

const char* kind_name(VerdictLine::Kind kind) { return kind == Kind::target ? "target" : kind == Kind::hint ? "hint" : "note"; }

std::string verdict_markdown(const RunResults& r) {
  std::string out;
  for (const VerdictLine& line : verdict_lines(r))
    out += str("- ", line.kind == Kind::target ? line.warn ? "**target** " : "target " : "", markdown_text(line.text), "\n");
  return out;
}

}  // namespace lathe::nas
