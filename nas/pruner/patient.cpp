#include <lathe/nas/pruner/patient.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/pruner/questions.h>
#include <lathe/nas/sampler/sampler.h>

#include <cmath>
#include <limits>

namespace lathe::nas {

PatientPruner::PatientPruner(const StudyHeader& header, const std::function<std::unique_ptr<Pruner>(const StudyHeader&)>& wrapped)
    : directions_(header.directions) {
  const Settings& s = header.pruner_settings;
  if (!wrapped) check_settings("pruner patient", s, {"patience", "min_delta"});
  patience_ = static_cast<std::size_t>(whole_setting("pruner patient", s, "patience", 3, 0));
  delta_ = setting(s, "min_delta", 0);
  if (!(delta_ >= 0 && std::isfinite(delta_)))
    throw InputError(str("pruner patient: min_delta is ", delta_, ", expected at least 0"));
  if (!wrapped) return;
  StudyHeader inner = header;
  inner.pruner = header.pruner.substr(header.pruner.find(':') + 1);
  inner.pruner_settings.erase("patience");
  inner.pruner_settings.erase("min_delta");
  wrapped_ = wrapped(inner);
  wrapped_->only([this](const Trial& trial, std::size_t report) { return out_of_patience(trial, report); });
}

void PatientPruner::only(std::function<bool(const Trial&, std::size_t)> asked) {
  if (wrapped_)
    wrapped_->only([this, asked = std::move(asked)](const Trial& trial, std::size_t report) {
      return asked(trial, report) && out_of_patience(trial, report);
    });
}

bool PatientPruner::out_of_patience(const Trial& trial, std::size_t report) const {
  std::vector<const Report*> curve;
  for (std::size_t i = 0; i <= report; ++i)
    if (trial.reports[i].unit == trial.reports[report].unit) curve.push_back(&trial.reports[i]);
  if (curve.size() <= patience_ + 1) return false;
  const std::size_t before = curve.size() - patience_ - 1;
  for (std::size_t k = 0; k < directions_.size(); ++k) {
    const auto best = [&](std::size_t from, std::size_t to) {
      double value = std::numeric_limits<double>::quiet_NaN();
      for (std::size_t i = from; i < to; ++i) {
        const double v = curve[i]->values[k];
        if (std::isnan(value) || better(v, value, directions_[k])) value = v;
      }
      return value;
    };
    const double earlier = best(0, before), later = best(before, curve.size());
    const double line = directions_[k] == Direction::minimise ? earlier + delta_ : earlier - delta_;
    if (!better(line, later, directions_[k])) return false;  // also where one of them is NaN
  }
  return true;
}

bool PatientPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty() || !out_of_patience(trial, trial.reports.size() - 1)) return false;
  return !wrapped_ || wrapped_->stops(history, trial);
}

}  // namespace lathe::nas
