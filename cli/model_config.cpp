#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/session.h>
#include <lathe/cli/study_source.h>

#include <algorithm>
#include <iterator>
#include <thread>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

nas::Value value_of(const Scalar& scalar) {
  return std::visit([](const auto& v) { return nas::Value(v); }, scalar);
}

nas::Parameter parameter_of(const SpaceParameter& p) {
  nas::Parameter out;
  out.name = p.name;
  out.when = p.when;
  if (p.kind == SpaceParameter::Kind::integers) {
    nas::IntegerRange range;
    range.low = static_cast<std::int64_t>(p.min);
    range.high = static_cast<std::int64_t>(p.max);
    range.step = p.step > 0 ? static_cast<std::int64_t>(p.step) : 1;
    range.log = p.log;
    out.domain = range;
  } else if (p.kind == SpaceParameter::Kind::numbers) {
    out.domain = nas::RealRange{p.min, p.max, p.step, p.log};
  } else {
    std::vector<nas::Value> choices;
    for (const Scalar& choice : p.choices) choices.push_back(value_of(choice));
    if (p.ordered) {
      out.domain = nas::Ordinal{std::move(choices)};
    } else {
      out.domain = nas::Categorical{std::move(choices)};
    }
  }
  return out;
}

/// What a run leaves in its folder, and --force may remove.
constexpr const char* kRunFiles[] = {"config.toml",  "study.db",      "study.db-wal",  "study.db-shm",    "study.db-journal",
                                     "latency.json", "supernet.ckpt", "baseline.json", "calibration.log", "calibration.json",
                                     "calibration",  "trials",        "finalists",     "ablations",       "tb",
                                     "results.json", "report.html",   "report.md",     "model",           "checkpoint"};

}  // namespace

nas::Candidate base_candidate(const Config& config) {
  nas::Candidate c;
  c.layers = config.integer("model.layers");
  c.hidden = config.integer("model.hidden");
  c.all.heads = config.integer("model.heads");
  c.all.head_dim = config.integer("model.head_dim");
  c.all.expansion = config.integer("model.expansion");
  c.all.ffn = config.integer("model.ffn");
  c.all.activation = nn::activation(config.text("model.activation"));
  c.norm = nn::norm_kind(config.text("model.norm"));
  c.norm_place = nn::norm_place(config.text("model.norm_place"));
  c.positions = nn::positions_kind(config.text("model.positions"));
  c.pooling = nn::pooling_kind(config.text("model.pooling"));
  c.dropout = config.number("model.dropout");
  train::TrainConfig& t = c.training;
  t.epochs = config.integer("train.epochs");
  t.batch_rows = config.integer("train.batch_rows");
  t.batch_tokens = config.integer("train.batch_tokens");
  t.optimizer = train::optimizer_kind(config.text("train.optimizer"));
  t.lr = config.number("train.lr");
  t.weight_decay = config.number("train.weight_decay");
  t.schedule = optim::schedule_kind(config.text("train.schedule"));
  t.warmup = config.number("train.warmup");
  t.clip = config.number("train.clip");
  t.patience = config.integer("train.patience");
  const std::string& metric = config.text("task.metric");
  t.metric = metric == "auto" ? train::Metric::kAccuracy : train::metric_kind(metric);
  return c;
}

nas::Space make_space(const SpaceConfig& space) {
  nas::SpaceBuilder builder;
  for (const SpaceParameter& parameter : space.parameters) builder.add(parameter_of(parameter));
  for (const std::string& rule : space.valid) builder.rule(rule);
  return builder.build();
}

nas::Space make_space(const Config& config) {
  const SpaceConfig& space = config.space().parameters.empty() ? default_space() : config.space();
  try {
    return make_space(space);
  } catch (const InputError& error) {
    const std::string& origin =
        space.valid_origin.empty() && !space.parameters.empty() ? space.parameters.front().origin : space.valid_origin;
    throw InputError(str(origin, origin.empty() ? "" : ": ", "[space] ", error.what()));
  }
}

std::string space_size(const nas::Space& space, const std::string& points) {
  std::vector<std::string> continuous;
  for (const nas::Parameter& p : space.parameters())
    if (!p.count()) continuous.push_back(p.name);
  if (continuous.empty()) return str(space.count().text(), " ", points);
  if (continuous.size() == space.size()) return str("any ", join(continuous, ", "));
  nas::SpaceBuilder finite;
  try {
    for (const nas::Parameter& p : space.parameters())
      if (p.count()) finite.add(p);
    return str(finite.build().count().text(), " ", points, ", each with any ", join(continuous, ", "));
  } catch (const InputError&) {  // a condition reads a continuous parameter
    return "infinitely many " + points;
  }
}

std::string backend_name(const Config& config) {
  const std::string& name = config.text("run.backend");
  return name == "auto" ? std::string() : name;
}

int thread_count(const Config& config) {
  const std::int64_t threads = config.integer("run.threads");
  if (threads > 0) return static_cast<int>(threads);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

LoadedData load_data(Config& config, Console& console) {
  const data::DataConfig files = data_config(config);
  LoadedData loaded;
  loaded.text = data::load_classification(files);
  for (const std::string& note : loaded.text.notes) console.note("data    " + note);
  loaded.tokenizer = make_tokenizer(config, loaded.text.train);
  for (const data::Finding& finding : data::check_examples(loaded.text, files, &*loaded.tokenizer).findings) {
    if (finding.level == data::Level::fail) throw InputError(finding.message);
    if (finding.level != data::Level::warn) continue;
    loaded.warnings.push_back(finding.message);
    console.note("warn    " + finding.message);
  }
  loaded.rows = data::encode(loaded.text, *loaded.tokenizer, files.max_tokens);
  loaded.hash = loaded.rows.hash;
  loaded.task = {loaded.tokenizer->vocab_size(),
                 files.max_tokens,
                 static_cast<Index>(loaded.text.label_names.size()),
                 loaded.text.train.is_pair(),
                 {}};
  resolve_columns(config, loaded.text);
  return loaded;
}

void resolve_columns(Config& config, const data::ClassificationData& data) {
  const data::Table& table = data.train.source;
  if (!table.has_header() || !data.same_names) return;
  const auto column = [&](std::size_t i) { return table.names()[i]; };
  config.resolve("data.text", column(data.columns.text));
  config.resolve("data.label", column(data.columns.label));
  config.resolve("data.pair", data.columns.pair ? column(*data.columns.pair) : std::string());
}

void load_encodings(const Config& config, LoadedData& data, Console& console) {
  constexpr std::uint64_t kMost = 32;  // vocabularies: each is learned, and with it all rows are encoded
  const nas::Space space = make_space(config);
  const auto searched = [&](std::string_view name) -> const nas::Parameter* {
    for (const nas::Parameter& p : space.parameters())
      if (p.name == name) return &p;
    return nullptr;
  };
  const nas::Parameter *vocab = searched("vocab"), *length = searched("max_tokens");
  if (!vocab && !length) return;
  std::map<Index, tokenizer::Tokenizer> learned;
  if (vocab) {
    const SpaceParameter* written = config.space().find("vocab");
    const std::string place = written && !written->origin.empty() ? written->origin + ": " : "";
    if (!config.file("tokenizer.file").empty())
      throw InputError(place + "vocab cannot be searched: tokenizer.file gives the vocabulary");
    const std::uint64_t count = vocab->count().value_or(kMost + 1);
    if (count > kMost)
      throw InputError(str(place, "vocab has ", with_commas(static_cast<std::int64_t>(count)),
                           " values, and each is a vocabulary to learn; at most ", kMost, " (use a step, or a list)"));
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::int64_t size = *vocab->at(i).integer();
      try {
        learned.emplace(size, learn_tokenizer(config, data.text.train, size));
      } catch (const InputError& error) {
        throw InputError(place + "vocab = " + std::to_string(size) + ": " + error.what());
      }
    }
    console.note(str("data    ", plural(static_cast<std::int64_t>(count), "size"), " of the vocabulary to choose from"));
  }
  Index longest = data.task.max_tokens;
  if (length)
    for (std::uint64_t i = 0; i < length->count().value_or(0); ++i) longest = std::max<Index>(longest, *length->at(i).integer());
  const auto encodings = std::make_shared<nas::Encodings>(data.text, *data.tokenizer, data.task.max_tokens, std::move(learned));
  data.task.vocabularies = encodings->sizes();
  data.hash = encodings->hash(longest);
  data.encodings = encodings;
}

std::string data_stem(const Config& config) {
  if (!config.own_objective()) return config.file("data.train").stem().string();
  const std::string& origin = config.origin("objective.command");  // "studies/branin.toml:3:11"
  const fs::path file = origin.substr(0, origin.find(".toml"));
  return origin.find(".toml") == std::string::npos ? "objective" : file.filename().string();
}

namespace {

/// --force must not remove what the search is going to read.
void keep_what_is_read(const Config& config, const fs::path& folder) {
  const fs::path whole = fs::weakly_canonical(folder);
  for (const char* key : {"data.train", "data.valid", "data.test", "tokenizer.file", "search.warm_start", "latency.from"}) {
    const fs::path file = file_of_study(config.file(key).string());  // a database may be a URL, or have a study's name behind it
    if (file.empty()) continue;
    const fs::path inside = fs::weakly_canonical(file).lexically_relative(whole);
    const std::string first = inside.empty() ? ".." : inside.begin()->string();
    if (first == "." || std::find(std::begin(kRunFiles), std::end(kRunFiles), first) != std::end(kRunFiles))
      throw InputError(str("--force would remove ", file.string(), ", which ", key, " reads; use --out NEW"));
  }
}

}  // namespace

void require_free_folder(const Config& config, bool force) {
  const fs::path folder = config.file("output.dir");
  const bool used = !folder.empty() && std::any_of(std::begin(kRunFiles), std::end(kRunFiles),
                                                   [&](const char* name) { return fs::exists(folder / name); });
  const std::string name = folder.string();
  if (used && force) return keep_what_is_read(config, folder);
  if (!used) return;
  if (fs::exists(folder / "results.json"))
    throw InputError(name + " holds a finished study; use --out NEW, --resume to extend, or --force to replace");
  if (fs::exists(folder / "study.db"))
    throw InputError(
        str(name, " holds a study without results; use --out NEW, --resume ", name, " to go on, or --force to replace"));
  throw InputError(name + " holds a run; use --out NEW, --resume to go on, or --force to replace");
}

fs::path next_run_folder(const Config& config) {
  if (const fs::path folder = config.file("output.dir"); !folder.empty()) return folder;
  for (int n = 1;; ++n)
    if (const fs::path folder = fs::path("runs") / str(data_stem(config), "-", n); !fs::exists(folder)) return folder;
}

fs::path new_run_folder(const Config& config, bool force) {
  require_free_folder(config, force);
  const fs::path folder = next_run_folder(config);
  if (!config.file("output.dir").empty())
    for (const char* name : kRunFiles) fs::remove_all(folder / name);
  make_folder(folder);
  return folder;
}

std::string folder_name(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace lathe::cli
