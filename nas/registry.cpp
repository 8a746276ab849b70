// The samplers and pruners that exist: one line each.
#include <lathe/base/text.h>
#include <lathe/nas/pruner/asha.h>
#include <lathe/nas/pruner/hyperband.h>
#include <lathe/nas/pruner/median.h>
#include <lathe/nas/pruner/none.h>
#include <lathe/nas/pruner/patient.h>
#include <lathe/nas/pruner/pruner.h>
#include <lathe/nas/pruner/threshold.h>
#include <lathe/nas/pruner/wilcoxon.h>
#include <lathe/nas/sampler/evolution.h>
#include <lathe/nas/sampler/gp.h>
#include <lathe/nas/sampler/grid.h>
#include <lathe/nas/sampler/nsga2.h>
#include <lathe/nas/sampler/random.h>
#include <lathe/nas/sampler/sampler.h>
#include <lathe/nas/sampler/sobol.h>
#include <lathe/nas/sampler/tpe.h>

namespace lathe::nas {
namespace {

std::string_view name_of(std::string_view tag) { return tag.substr(0, tag.find('@')); }

/// name@number or name@anything-else; versions that are numbers compare as numbers, others as text.
bool newer(std::string_view a, std::string_view b) {
  const std::string_view va = a.substr(a.find('@') + 1), vb = b.substr(b.find('@') + 1);
  const auto na = parse_int(va), nb = parse_int(vb);
  return na && nb ? *na > *nb : va > vb;
}

template <class Factories, class Factory>
void add_to(Factories& factories, const char* kind, std::string tag, Factory factory) {
  const auto at = tag.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == tag.size())
    throw InputError(str(kind, " `", tag, "`: expected name@version"));
  if (!factories.emplace(tag, std::move(factory)).second) throw InputError(str(kind, " `", tag, "` exists already"));
}

template <class Factories>
std::string resolve_in(const Factories& factories, const char* kind, const std::string& name) {
  if (factories.count(name)) return name;
  std::string best;
  std::vector<std::string> known;
  for (const auto& [tag, factory] : factories) {
    known.push_back(std::string(name_of(tag)));
    if (name_of(tag) == name && (best.empty() || newer(tag, best))) best = tag;
  }
  if (!best.empty()) return best;
  std::string message = str("there is no ", kind, " `", name, "`");
  if (name.find('@') != std::string::npos) {
    known.clear();
    for (const auto& [tag, factory] : factories) known.push_back(tag);
  }
  if (const auto close = nearest(name, known)) {
    message += str("; did you mean `", *close, "`?");
  } else {
    message += str("; there are ", join(known, ", "));
  }
  throw InputError(message);
}

template <class Factories>
std::vector<std::string> tags_of(const Factories& factories) {
  std::vector<std::string> out;
  for (const auto& [tag, factory] : factories) out.push_back(tag);
  return out;
}

}  // namespace

SamplerRegistry SamplerRegistry::builtin() {
  SamplerRegistry r;
  r.add("evolution@1", [](const StudyHeader& h) { return std::make_unique<EvolutionSampler>(h); });
  r.add("gp@1", [](const StudyHeader& h) { return std::make_unique<GpSampler>(h); });
  r.add("grid@1", [](const StudyHeader& h) { return std::make_unique<GridSampler>(h); });
  r.add("nsga2@1", [](const StudyHeader& h) { return std::make_unique<Nsga2Sampler>(h); });
  r.add("random@1", [](const StudyHeader& h) {
    check_settings("sampler random", h.sampler_settings, {});
    return std::make_unique<RandomSampler>();
  });
  r.add("sobol@1", [](const StudyHeader& h) { return std::make_unique<SobolSampler>(h); });
  r.add("tpe@optuna-5.0", [](const StudyHeader& h) { return std::make_unique<TpeSampler>(h); });
  return r;
}

PrunerRegistry PrunerRegistry::builtin() {
  PrunerRegistry r;
  r.add("asha@1", [](const StudyHeader& h) { return std::make_unique<AshaPruner>(h); });
  r.add("hyperband@1", [](const StudyHeader& h) { return std::make_unique<HyperbandPruner>(h); });
  r.add("median@1", [](const StudyHeader& h) { return std::make_unique<MedianPruner>(h); });
  r.add("none@1", [](const StudyHeader& h) {
    check_settings("pruner none", h.pruner_settings, {});
    return std::make_unique<NoPruner>();
  });
  r.add("patient@1", [](const StudyHeader& h) { return std::make_unique<PatientPruner>(h, nullptr); });
  r.add("threshold@1", [](const StudyHeader& h) { return std::make_unique<ThresholdPruner>(h); });
  r.add("wilcoxon@1", [](const StudyHeader& h) { return std::make_unique<WilcoxonPruner>(h); });
  return r;
}

void SamplerRegistry::add(std::string tag, Factory factory) { add_to(factories_, "sampler", std::move(tag), std::move(factory)); }
bool learns_from_results(std::string_view tag) {
  for (const std::string_view name : {"random@", "sobol@", "grid@"})
    if (tag.starts_with(name)) return false;
  return true;
}

std::string SamplerRegistry::resolve(const std::string& name) const { return resolve_in(factories_, "sampler", name); }
std::unique_ptr<Sampler> SamplerRegistry::make(const StudyHeader& header) const {
  return factories_.at(resolve(header.sampler))(header);
}
std::vector<std::string> SamplerRegistry::tags() const { return tags_of(factories_); }

void PrunerRegistry::add(std::string tag, Factory factory) { add_to(factories_, "pruner", std::move(tag), std::move(factory)); }
std::string PrunerRegistry::resolve(const std::string& name) const {
  const auto colon = name.find(':');
  const std::string outer = resolve_in(factories_, "pruner", name.substr(0, colon));
  if (colon == std::string::npos) return outer;
  const std::string inner = resolve(name.substr(colon + 1));
  if (name_of(outer) != "patient" || name_of(inner) == "patient")
    throw InputError(str("pruner `", name, "`: expected patient:<another pruner>"));
  return outer + ":" + inner;
}
std::unique_ptr<Pruner> PrunerRegistry::make(const StudyHeader& header) const {
  const std::string tag = resolve(header.pruner);
  if (tag.find(':') == std::string::npos) return factories_.at(tag)(header);
  StudyHeader resolved = header;
  resolved.pruner = tag;
  return std::make_unique<PatientPruner>(resolved, [this](const StudyHeader& inner) { return make(inner); });
}
std::vector<std::string> PrunerRegistry::tags() const { return tags_of(factories_); }

void check_settings(const std::string& of, const Settings& settings, const std::vector<std::string>& allowed) {
  for (const auto& [name, value] : settings) {
    bool known = false;
    for (const std::string& a : allowed) known |= a == name;
    if (known) continue;
    std::string message = str(of, " has no setting `", name, "`");
    if (const auto close = nearest(name, allowed)) message += str("; did you mean `", *close, "`?");
    throw InputError(message);
  }
}

double setting(const Settings& settings, const std::string& name, double otherwise) {
  const auto found = settings.find(name);
  return found == settings.end() ? otherwise : found->second;
}

}  // namespace lathe::nas
