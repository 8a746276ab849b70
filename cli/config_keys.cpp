// The table of configuration keys, and what is said about names that are not in it.
#include <lathe/base/text.h>
#include <lathe/cli/config.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/pruner/pruner.h>

#include <algorithm>
#include <utility>

namespace lathe::cli {
namespace {

using Names = std::vector<std::string>;

/// Builds the table line by line: the functions that follow a key refine it.
class KeyTable {
 public:
  KeyTable& flag(const char* path, bool fallback, const char* help) { return add(path, Kind::boolean, fallback, help); }
  KeyTable& integer(const char* path, std::int64_t fallback, double min, const char* help) {
    return add(path, Kind::integer, fallback, help).from(min);
  }
  KeyTable& number(const char* path, double fallback, double min, const char* help) {
    return add(path, Kind::number, fallback, help).from(min);
  }
  KeyTable& text(const char* path, const char* fallback, const char* help) {
    return add(path, Kind::text, std::string(fallback), help);
  }
  KeyTable& choice(const char* path, Names allowed, const char* fallback, const char* help) {
    text(path, fallback, help);
    keys.back().allowed = std::move(allowed);
    return *this;
  }
  KeyTable& file(const char* path, const char* help) { return add(path, Kind::path, std::string(), help).outside(); }
  KeyTable& duration(const char* path, const char* help) { return add(path, Kind::duration, std::string(), help); }
  KeyTable& integers(const char* path, std::vector<std::int64_t> fallback, const char* help) {
    return add(path, Kind::integers, std::move(fallback), help).from(0);
  }

  KeyTable& texts(const char* path, Names fallback, const char* help) { return add(path, Kind::texts, std::move(fallback), help); }
  KeyTable& settings(const char* path, const char* help) { return add(path, Kind::settings, Settings(), help); }

  KeyTable& from(double min) { return keys.back().min = min, *this; }
  KeyTable& to(double max) { return keys.back().max = max, *this; }
  KeyTable& above() { return keys.back().above_min = true, *this; }
  KeyTable& below(double max) { return keys.back().below_max = true, to(max); }
  KeyTable& outside() { return keys.back().identity = false, *this; }
  KeyTable& late() { return keys.back().late = true, *this; }
  KeyTable& searched(Searched how = Searched::whole) { return keys.back().searched = how, *this; }
  KeyTable& variable(const char* name) { return keys.back().environment = name, *this; }

  std::vector<Key> keys;

 private:
  KeyTable& add(const char* path, Kind kind, Value fallback, const char* help) {
    Key key;
    key.path = path;
    key.kind = kind;
    key.fallback = std::move(fallback);
    key.help = help;
    keys.push_back(std::move(key));
    return *this;
  }
};

/// Data and text. Of these, what changes the encoded data is seen by the data hash, which is in the study's header too.
void add_data_keys(KeyTable& t) {
  t.integer("lathe", 1, 1, "version of this file's format").outside();
  t.integer("seed", 1, 0, "everything random follows from it");
  t.choice("task.kind", {"auto", "classify"}, "auto", "what is learned from the text");
  t.choice("task.metric", {"auto", "accuracy", "macro_f1"}, "auto", "what the search maximises; auto: accuracy");
  t.file("data.train", "labelled text: .tsv, .csv or .jsonl");
  t.file("data.valid", "empty: a part of data.train");
  t.file("data.test", "empty: a part of data.train; read once, at the end");
  t.text("data.text", "auto", "column of the text; auto: found by its name or its contents").outside();
  t.text("data.pair", "auto", "column of a second text; empty: none").outside();
  t.text("data.label", "auto", "column of the label").outside();
  t.integers("data.split", {80, 10, 10}, "shares of training, validation and test, by a hash of the text").outside();
  t.integer("data.max_tokens", 128, 3, "longer texts are cut").to(8192).searched();
  t.choice("data.bad_rows", {"fail", "skip"}, "fail", "what to do about rows that cannot be read").outside();
  t.integer("data.max_rows", 0, 0, "read at most so many rows of data.train; 0: all").outside();
  t.choice("tokenizer.kind", {"wordpiece"}, "wordpiece", "how text becomes tokens");
  t.integer("tokenizer.vocab", 8000, 10, "size of the vocabulary that is learned from data.train").to(1000000);
  t.searched();
  t.flag("tokenizer.lowercase", true, "fold case and accents");
  t.file("tokenizer.file", "a vocab.txt or tokenizer.json to use instead of learning one");
}

/// The architecture that is not searched, and the values of what [space] leaves out.
void add_model_keys(KeyTable& t) {
  t.integer("model.layers", 2, 1, "blocks of attention and feed-forward").to(64).searched();
  t.integer("model.hidden", 128, 1, "width; divisible by heads").to(8192).searched();
  t.integer("model.heads", 4, 1, "attention heads").to(128).searched(Searched::per_layer);
  t.integer("model.expansion", 4, 1, "width of the feed-forward part: this times hidden").to(64).searched(Searched::per_layer);
  t.integer("model.head_dim", 0, 0, "columns of an attention head; 0: hidden / heads").to(1024).late();
  t.searched(Searched::per_layer);
  t.integer("model.ffn", 0, 0, "width of the feed-forward part; 0: expansion times hidden").to(65536).late();
  t.searched(Searched::per_layer);
  t.choice("model.activation", {"gelu_tanh", "gelu", "relu", "silu", "squared_relu"}, "gelu_tanh", "of the feed-forward part");
  t.searched(Searched::per_layer);
  t.choice("model.norm", {"layer_norm", "rms_norm"}, "layer_norm", "kind of normalisation").searched();
  t.choice("model.norm_place", {"pre", "post"}, "pre", "before or behind attention and feed-forward").searched();
  t.choice("model.positions", {"learned", "sinusoidal", "rotary"}, "learned", "how positions are told").searched();
  t.choice("model.pooling", {"mean", "first"}, "mean", "what the classifier sees of the tokens").searched();
  t.number("model.dropout", 0.1, 0, "share of activations dropped in training").below(1).searched();
}

/// `random` of `random@1`.
Names names_of(const Names& tags) {
  Names out;
  for (const std::string& tag : tags) {
    const std::string name = tag.substr(0, tag.find('@'));
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

Names pruner_names() {
  Names out = names_of(nas::PrunerRegistry::builtin().tags());
  for (const std::string& name : Names(out))
    if (name != "patient" && name != "none") out.push_back("patient:" + name);
  return out;
}

template <class Registry>
bool resolves(const Registry& registry, const std::string& name) {
  try {
    registry.resolve(name);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

void add_search_keys(KeyTable& t) {
  t.choice("search.sampler", names_of(nas::all_samplers().tags()), "tpe", "how points of the space are proposed");
  t.keys.back().accepts = [](const std::string& name) { return resolves(nas::all_samplers(), name); };
  t.settings("search.sampler_settings", "numbers of the sampler, such as { n_startup_trials = 20 }").late();
  t.integer("search.trials", 64, 1, "architectures to try");
  t.integer("search.virtual_workers", 4, 1, "parallelism of the study itself, whatever the machine").to(1024);
  t.duration("search.time", "budget, such as 10m: resolved once into trials and epochs; empty: none").outside();
  t.choice("search.pruner", pruner_names(), "median", "how hopeless trials are stopped early");
  t.keys.back().accepts = [](const std::string& name) { return resolves(nas::PrunerRegistry::builtin(), name); };
  t.settings("search.pruner_settings", "numbers of the pruner, such as { n_warmup_steps = 1 }").late();
  t.choice("search.duplicates", {"reject", "reuse", "allow"}, "reject", "what becomes of a proposal that equals an earlier one");
  t.late();
  t.texts("search.objectives", {"metric"}, "what is optimised: metric is task.metric; several give a Pareto front").late();
  t.keys.back().allowed = {"metric", "accuracy", "macro_f1", "loss", "latency_ms", "params", "flops", "memory_mb", "size_mb"};
  t.choice("search.evaluate", {"train", "proxy", "inherited"}, "train",
           "judge an architecture by training, a proxy, or weights that all share");
  t.late();
  t.file("search.warm_start", "run or database of an earlier study whose trials the sampler sees");
  t.integer("search.workers", 0, 0, "trials trained at the same time on this machine; 0: one a core").to(1024).outside();
  t.text("objective.command", "", "a program to search with: JSON in, JSON lines out; empty: training").late();
  t.file("objective.folder", "where the program runs; empty: where the configuration lies");
  t.texts("objective.metrics", {"value"}, "names of its values").late();
  t.texts("objective.directions", {"maximise"}, "of each value").late();
  t.keys.back().allowed = {"maximise", "minimise"};
  t.texts("objective.constraints", {}, "names of its constraints, which hold where they are <= 0").late();
  t.integer("objective.max_reports", 0, 0, "most reports before the final value; each can be the last").to(100000).late();
  t.duration("objective.time_limit", "of one trial, which fails behind it; empty: none").late();
  t.integer("objective.retries", 2, 0, "times that a trial is run again for the machine's sake").to(1000).outside();
  t.choice("proxy.kind",
           {"training", "params", "synflow", "grad_norm", "snip", "jacobian", "saliency", "diversity", "head_confidence"},
           "training", "a cheaper training, or a score of the untrained network");
  t.late();
  t.number("proxy.steps", 1, 0, "share of the steps of a cheaper training").above().to(1).late();
  t.number("proxy.data", 1, 0, "share of the training rows of each class").above().to(1).late();
  t.number("proxy.width", 1, 0, "share of hidden and feed-forward width").above().to(1).late();
  t.number("proxy.depth", 1, 0, "share of the layers").above().to(1).late();
  t.integer("proxy.max_tokens", 0, 0, "longest text; 0: as in full").to(65536).late();
  t.integer("proxy.batch_rows", 32, 1, "texts that a score looks at").to(65536).late();
  t.integer("proxy.architectures", 30, 30, "evaluated both ways before a search on a proxy").to(10000).late();
  t.number("proxy.threshold", 0.5, 0, "least lower end of the interval of Kendall's tau with training in full").to(1).late();
  t.flag("proxy.force", false, "search on a proxy that does not rank well enough").late();
  t.integer("supernet.epochs", 4, 1, "passes over data.train to train the shared weights").to(100000).late();
  t.integer("supernet.random", 2, 0, "drawn networks a step, beside the largest and the smallest").to(1000).late();
  t.flag("supernet.distill", false, "all but the largest network learn its answers").late();
  t.integer("limits.params", 0, 0, "largest number of parameters; 0: no limit");
  t.number("limits.latency_ms", 0, 0, "longest predicted time of answering one text; 0: no limit").late();
  t.integer("limits.flops", 0, 0, "most operations of answering one text of the mean length; 0: no limit").late();
  t.number("limits.memory_mb", 0, 0, "most memory while answering one text of max_tokens tokens; 0: no limit").late();
  t.number("limits.size_mb", 0, 0, "largest size of the weights; 0: no limit").late();
  t.texts("limits.target", {}, "such as accuracy >= 0.95 * default, relative to the architecture of [model]").late();
  t.integer("latency.samples", 100, 10, "architectures that are measured before a search that asks for latency").to(10000).late();
  t.integer("latency.batch", 1, 1, "texts answered at a time").to(65536).late();
  t.integer("latency.tokens", 32, 1, "length of each").to(8192).late();
  t.integer("latency.threads", 1, 1, "that answer").to(1024).late();
  t.file("latency.from", "run, study or latency.json whose measurements are used instead of new ones");
  t.integer("train.epochs", 3, 1, "passes over data.train in a trial").to(100000);
  t.integer("train.batch_rows", 32, 1, "texts in a step, unless train.batch_tokens is set").to(1e6).searched();
  t.integer("train.batch_tokens", 0, 0, "tokens in a step; 0: count texts").to(1e8).searched();
  t.choice("train.optimizer", {"adamw", "sgd"}, "adamw", "update rule").searched();
  t.number("train.lr", 1e-3, 0, "learning rate at its peak").above().to(100).searched();
  t.number("train.weight_decay", 0.01, 0, "decoupled; not of biases, norms and vectors").to(10).searched();
  t.choice("train.schedule", {"linear", "cosine", "constant"}, "cosine", "learning rate after the warm-up").searched();
  t.number("train.warmup", 0.05, 0, "share of the steps in which the learning rate rises").below(1).searched();
  t.number("train.clip", 1, 0, "largest norm of the gradient; 0: no limit").searched();
  t.integer("train.patience", 2, 0, "stop after so many epochs without a better score; 0: never");
  t.integer("finalists.count", 3, 0, "best architectures to train again from scratch; 0: the study alone, no model")
      .to(1000)
      .outside();
  t.integer("finalists.seeds", 3, 1, "trainings of each").to(1000).outside();
  t.integer("finalists.epochs", 6, 0, "passes of their training; 0: as train.epochs").to(100000).outside();
  t.integer("finalists.ablations", 0, 0, "one-step changes of the winner to train, to see what mattered").to(1000).outside();
  t.flag("finalists.measure", true, "measure how long they take to answer").outside();
  t.text("storage.url", "", "database of the study; empty: study.db in the run folder").outside().variable("LATHE_STORAGE");
  t.text("storage.name", "", "name of the study; empty: that of the run folder").outside();
  t.file("output.dir", "run folder; empty: runs/<name of the data>-1, -2, …");
  t.choice("output.keep", {"none", "best", "all"}, "best", "checkpoints of trials to keep").outside();
  t.flag("output.report", true, "write report.html and report.md").outside();
  t.flag("output.tensorboard", false, "write TensorBoard's event files into tb/").outside();
  t.text("output.license", "", "licence of the model, for its card; empty: left out").outside();
  t.integer("run.threads", 0, 0, "threads of train, evaluate and predict; 0: one a core").to(1024);
  t.outside().variable("LATHE_THREADS");
  t.choice("run.backend", {"auto", "spec", "scalar", "avx2", "avx512", "neon", "bf16", "onednn"}, "auto",
           "instruction set; all but bf16 and onednn give the same bits");
  t.outside().variable("LATHE_BACKEND");
}

}  // namespace

const std::vector<Key>& config_keys() {
  static const std::vector<Key> keys = [] {
    KeyTable table;
    add_data_keys(table);
    add_model_keys(table);
    add_search_keys(table);
    return std::move(table.keys);
  }();
  return keys;
}

const Key* find_key(std::string_view path) {
  for (const Key& key : config_keys())
    if (key.path == path) return &key;
  return nullptr;
}

std::string_view Key::table() const {
  const std::size_t dot = path.find('.');
  return dot == std::string::npos ? std::string_view() : std::string_view(path).substr(0, dot);
}

std::string_view Key::name() const { return std::string_view(path).substr(table().empty() ? 0 : table().size() + 1); }

std::string Key::expected() const {
  if (!allowed.empty()) {
    std::string out = kind == Kind::texts ? "a list of " : "";
    for (std::size_t i = 0; i < allowed.size(); ++i)
      out += str(i == 0 ? "" : i + 1 == allowed.size() ? " or " : ", ", '"', allowed[i], '"');
    return out;
  }
  switch (kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::text:
      return "a string";
    case Kind::path:
      return "a path as a string";
    case Kind::duration:
      return "a duration such as \"90s\", \"10m\" or \"2h\"";
    case Kind::integers:
      return "a list of three integers >= 0";
    case Kind::texts:
      return "a list of strings";
    case Kind::settings:
      return "a table of numbers such as { name = 1 }";
    default:
      break;
  }
  const bool whole = kind == Kind::integer;
  const auto shown = [&](double bound) { return whole ? with_commas(static_cast<std::int64_t>(bound)) : number(bound); };
  std::string out = whole ? "an integer" : "a number";
  if (max < kNone && !above_min && !below_max) return out + str(" from ", shown(min), " to ", shown(max));
  if (min > -kNone) out += str(above_min ? " > " : " >= ", shown(min));
  if (max < kNone) out += str(min > -kNone ? " and" : "", below_max ? " < " : " <= ", shown(max));
  return out;
}

std::string unknown_key(std::string_view path) {
  Names paths, tables = {"space"};
  for (const Key& key : config_keys()) {
    paths.push_back(key.path);
    if (!key.table().empty() && std::find(tables.begin(), tables.end(), key.table()) == tables.end())
      tables.emplace_back(key.table());
  }
  const std::size_t dot = path.find('.');
  const std::string_view table = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
  const std::string_view name = dot == std::string_view::npos ? path : path.substr(dot + 1);
  if (!table.empty() && std::find(tables.begin(), tables.end(), table) == tables.end()) {
    const auto near = nearest(table, tables);
    return str("unknown table [", table, "]", near ? str("; did you mean [", *near, "]?") : "; tables: " + join(tables, ", "));
  }
  for (const Key& key : config_keys())
    if (key.name() == name)
      return str("`", name, "` is not a key of ", table.empty() ? "the top level" : str("[", table, "]"), "; it is `", key.path,
                 "`");
  const auto near = nearest(path, paths);
  return str("unknown key `", path, "`; ",
             near ? str("did you mean `", *near, "`?") : std::string("lathe help config lists all keys"));
}

}  // namespace lathe::cli
