#include <lathe/base/error.h>
#include <lathe/nas/transformer/final_run_file.h>

#include <nlohmann/json.hpp>

namespace lathe::nas {
namespace {

void write_scores(JsonWriter& json, const char* name, const train::Scores& scores) {
  json.key(name).begin_object();
  json.member("accuracy", scores.accuracy).member("macro_f1", scores.macro_f1).member("loss", scores.loss);
  json.end_object();
}

train::Scores scores_of(const nlohmann::json& json) {
  return {json.at("accuracy").get<double>(), json.at("macro_f1").get<double>(), json.at("loss").get<double>()};
}

}  // namespace

const train::EpochResult* FinalRun::best() const {
  const train::EpochResult* best = nullptr;
  for (const train::EpochResult& epoch : history)
    if (epoch.best || (!best && &epoch == &history.back())) best = &epoch;
  return best;
}

void write_run(JsonWriter& json, const FinalRun& run) {
  json.member("seed", run.seed).member("failure", run.failure).member("weights", run.weights_hash);
  write_scores(json, "valid", run.valid);
  write_scores(json, "test", run.test);
  json.key("epochs").begin_array();
  for (const train::EpochResult& epoch : run.history) {
    json.begin_object().member("epoch", epoch.epoch).member("train_loss", epoch.train_loss).member("best", epoch.best);
    json.member("steps", epoch.steps).member("tokens", epoch.tokens);
    write_scores(json, "valid", epoch.valid);
    json.end_object();
  }
  json.end_array().key("test_labels").begin_array();
  for (const std::int32_t label : run.test_labels) json.value(label);
  json.end_array().key("test_confidence").begin_array();
  for (const float p : run.test_confidence) json.value(static_cast<double>(p));
  json.end_array();
}

std::string to_json(const FinalRun& run, const std::string& identity) {
  JsonWriter json;
  json.begin_object().member("identity", identity);
  write_run(json, run);
  return json.end_object().text() + "\n";
}

std::optional<FinalRun> final_run(std::string_view text, const std::string& identity, const std::string& where) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (json.at("identity").get<std::string>() != identity) return {};
    FinalRun run;
    run.seed = json.at("seed").get<int>();
    run.failure = json.at("failure").get<std::string>();
    run.weights_hash = json.at("weights").get<std::string>();
    run.valid = scores_of(json.at("valid"));
    run.test = scores_of(json.at("test"));
    for (const nlohmann::json& item : json.at("epochs")) {
      train::EpochResult epoch;
      epoch.epoch = item.at("epoch").get<std::int64_t>();
      epoch.train_loss = item.at("train_loss").get<double>();
      epoch.best = item.at("best").get<bool>();
      epoch.steps = item.at("steps").get<std::int64_t>();
      epoch.tokens = item.at("tokens").get<std::int64_t>();
      epoch.valid = scores_of(item.at("valid"));
      run.history.push_back(epoch);
    }
    run.test_labels = json.at("test_labels").get<std::vector<std::int32_t>>();
    run.test_confidence = json.at("test_confidence").get<std::vector<float>>();
    return run;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where + ": is not a training's result: " + error.what());
  }
}

}  // namespace lathe::nas
