#include <lathe/nas/sampler/options.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/sampler/sampler.h>

namespace lathe::nas {

Options::Options(std::string sampler, const Settings& settings, const std::vector<std::string>& names)
    : sampler_(std::move(sampler)), settings_(settings) {
  check_settings("sampler " + sampler_, settings, names);
}

std::int64_t Options::whole(const std::string& name, std::int64_t otherwise, std::int64_t least, std::int64_t most) const {
  const double value = setting(settings_, name, static_cast<double>(otherwise));
  if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most) && value == math::floor(value)))
    throw InputError(str("sampler ", sampler_, ": ", name, " is ", value, ", expected a whole number from ", least, " to ", most));
  return static_cast<std::int64_t>(value);
}

double Options::real(const std::string& name, double otherwise, double least, double most) const {
  const double value = setting(settings_, name, otherwise);
  if (!(value >= least && value <= most))
    throw InputError(str("sampler ", sampler_, ": ", name, " is ", value, ", expected ", least, " to ", most));
  return value;
}

bool Options::flag(const std::string& name, bool otherwise) const {
  const double value = setting(settings_, name, otherwise ? 1 : 0);
  if (value != 0 && value != 1) throw InputError(str("sampler ", sampler_, ": ", name, " is ", value, ", expected 0 or 1"));
  return value == 1;
}

}  // namespace lathe::nas
