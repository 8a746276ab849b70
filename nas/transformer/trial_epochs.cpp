#include <lathe/base/text.h>
#include <lathe/nas/event_reader.h>
#include <lathe/nas/transformer/trial_epochs.h>

#include <nlohmann/json.hpp>

#include <limits>

namespace lathe::nas {

void add_epochs(std::vector<TrialRow>& trials, std::span<const RecordedEvent> events) {
  for (const RecordedEvent& event : events) {
    if (event.attributes.empty()) continue;
    const EventFields fields = read_event(event.line);
    if (fields.kind != Event::Kind::report || fields.trial < 0 || fields.trial >= static_cast<std::int64_t>(trials.size()))
      continue;
    // Another program's reports may hold anything.
    const nlohmann::json json = nlohmann::json::parse(event.attributes, nullptr, false);
    if (!json.is_object() || !json.contains("train_loss") || !json.contains("valid_loss")) continue;
    const auto number = [&](const char* name) {
      const auto at = json.find(name);
      return at != json.end() && at->is_number() ? at->get<double>() : std::numeric_limits<double>::quiet_NaN();
    };
    train::EpochResult epoch;
    epoch.epoch = fields.segment + 1;
    epoch.train_loss = number("train_loss");
    epoch.valid = {number("accuracy"), number("macro_f1"), number("valid_loss")};
    trials[static_cast<std::size_t>(fields.trial)].epochs.push_back(epoch);
  }
}

}  // namespace lathe::nas
